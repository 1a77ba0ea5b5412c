"""The autoencoder: SMOTE interpolates between its codes, and the GAN starts from it.

In: a dataset and a recipe. Out: a bundle; `latent_space` opens it. Start with `step`, the mathematics.
"""
