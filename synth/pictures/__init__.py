"""TODO-pictures."""
