"""Verdicts: every gate gives a candidate a score and, with its threshold, a reason to reject it; both are kept."""
