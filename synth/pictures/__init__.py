"""Contact sheets, charts, and numbers as text.

In: pixels and numbers. Out: images and SVG, never a page. Start with `sheets`.
"""
