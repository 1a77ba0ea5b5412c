"""`trial`: does it help? Arms against controls on real images that were held out.

In: a dataset, arms and a recipe. Out: a `Verdict` and its page. Start with `trial`.
"""
