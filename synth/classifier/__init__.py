"""The reference classifier (the judge), and the classifiers that a trial compares (learners).

In: a dataset and a recipe. Out: a bundle; `judge` opens it and scores images. Start with `training`.
"""
