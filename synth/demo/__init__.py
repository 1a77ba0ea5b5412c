"""TODO-demo."""
