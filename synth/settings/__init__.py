"""TODO-settings."""
