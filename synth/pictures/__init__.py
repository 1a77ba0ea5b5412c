"""Contact sheets and plots.

In: pixels and numbers. Out: images and SVG, never a page. Start with `sheets`.
"""
