"""TODO-runs."""
