"""TODO-quality."""
