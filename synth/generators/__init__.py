"""Sources of candidates: augment, smote, gan, mix, duplicate, and the user's own.

In: a class and attempt numbers. Out: a `Candidate` for each attempt. Start with `base`, then `augment`.
"""
