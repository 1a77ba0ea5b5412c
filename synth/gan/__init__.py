"""TODO-gan."""
