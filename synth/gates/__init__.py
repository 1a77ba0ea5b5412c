"""Gates: each gives a candidate scores and, with its thresholds, the reasons to reject it.

In: candidates. Out: a `Verdict` for each. Start with `gate_set`.
"""
