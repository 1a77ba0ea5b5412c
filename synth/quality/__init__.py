"""`check`: the quality of synthetic images against held-out real images.

In: an output folder. Out: a `Quality`, `quality.json` and the page. Start with `check`.
"""
