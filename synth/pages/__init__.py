"""TODO-pages."""
