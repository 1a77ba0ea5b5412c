"""Real images: from a folder or table to items, and what is wrong with them.

In: a path. Out: a `Dataset` of `Item`s, its findings and its plan. Start with `dataset`.
"""
