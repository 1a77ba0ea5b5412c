"""TODO-sampler."""
