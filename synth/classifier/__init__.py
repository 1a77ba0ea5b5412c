"""TODO-classifier."""
