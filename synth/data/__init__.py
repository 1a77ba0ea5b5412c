"""Real images: a folder or table becomes a dataset of items, and problems in it become findings.

In: a path. Out: a `Dataset` of `Item`s, its findings, and its plan. Start with `dataset`.
"""
