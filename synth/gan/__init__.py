"""The small conditional GAN.

In: a dataset and a recipe. Out: a bundle; `trained` opens it. Start with `step`, the mathematics, then `training`.
"""
