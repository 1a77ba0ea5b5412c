"""Integrity: is there a picture at all?"""

from __future__ import annotations

import cv2
import numpy as np

from synth.records import Candidate

BLANK_RANGE = 2 / 255


class IntegrityGate:
    """Rejects a candidate without any contrast, unless its parent has none either."""

    name = "range"

    def judge(self, candidate: Candidate) -> tuple[float, str | None]:
        """Score: brightest minus darkest level, as a fraction of the top level."""
        low, high, _, _ = cv2.minMaxLoc(candidate.pixels.reshape(-1, 1))
        score = (high - low) / float(np.iinfo(candidate.pixels.dtype).max)
        from_blank = any(parent.spread < BLANK_RANGE for parent in candidate.parents)
        return round(score, 4), "blank" if score < BLANK_RANGE and not from_blank else None
