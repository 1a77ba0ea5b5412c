"""The autoencoder whose codes SMOTE interpolates and the GAN starts from.

In: a dataset and a recipe. Out: a bundle; `latent_space` opens it. Start with `step`, the mathematics.
"""
