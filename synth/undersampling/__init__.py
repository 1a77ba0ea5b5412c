"""TODO-undersampling."""
