"""Candidates: every generator turns attempts into images."""
