"""TODO-autoencoder."""
