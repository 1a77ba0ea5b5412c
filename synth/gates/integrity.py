"""Integrity: is there a picture at all?"""

from __future__ import annotations

from synth.records import BLANK_SPREAD, Candidate

BLANK_RANGE = 0.01


class IntegrityGate:
    """Rejects a candidate without any contrast, unless its parent has none either."""

    name = "range"

    def judge(self, candidate: Candidate) -> tuple[float, str | None]:
        """Score: brightest minus darkest level, as a fraction of the top level."""
        top = 255 if candidate.pixels.itemsize == 1 else 65535
        score = (int(candidate.pixels.max()) - int(candidate.pixels.min())) / top
        blank = score <= BLANK_RANGE and not any(parent.spread <= BLANK_SPREAD for parent in candidate.parents)
        return round(score, 4), "blank" if blank else None
