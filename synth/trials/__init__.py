"""The trial: which strategy against imbalance helps, measured on held-out real images.

In: a dataset, arms and a recipe. Out: a `Verdict` and its page. Start with `trial`.
"""
