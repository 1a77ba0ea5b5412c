"""Training the GAN, from its beginning to its bundle: `step` is the page of mathematics."""
