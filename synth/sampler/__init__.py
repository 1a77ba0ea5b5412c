"""`ImageSMOTE`: the SMOTE generator with the interface of imbalanced-learn.

In: X, y. Out: X, y with more rows. Start with `image_smote`.
"""
