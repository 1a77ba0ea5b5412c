"""Real images in: decoding, the dataset, its health, its balance."""
