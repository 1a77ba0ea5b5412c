"""The integrity gate: is there a picture at all, and is its size usual for the class?"""

import functools
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from synth.data.originals import Originals
from synth.gates.base import Batch
from synth.measures.subset import evenly_spaced
from synth.measures.texture import grain
from synth.records import BLANK_STD, Candidate, Item, Pixels, Verdict
from synth.settings.gates import IntegrityGate as Settings

N_REAL = 64
"""Real images that the usual grain of the dataset is measured on."""
QUANTILE = 0.99
NEVER_NOISE = 1.0
"""Grain that is allowed in any dataset, however smooth its real images are; white noise has 3.1."""


class IntegrityGate:
    """Rejects noise, unusual sizes, and images without contrast in any channel (unless a parent has none either)."""

    def __init__(self, settings: Settings, train: Mapping[str, Sequence[Item]], *, originals: Originals) -> None:
        self._settings, self._train, self._originals = settings, train, originals
        self._sides = {
            label: (min(min(i.width, i.height) for i in items), max(max(i.width, i.height) for i in items))
            for label, items in train.items()
            if items
        }

    @functools.cached_property
    def _grain_max(self) -> float:
        items = [item for label in sorted(self._train) for item in self._train[label]]
        grains = [grain(self._originals.pixels(item)) for item in evenly_spaced(items, N_REAL)]
        usual = float(np.quantile(grains, QUANTILE)) if grains else math.inf
        return max(usual, NEVER_NOISE) + self._settings.grain_margin

    def judge(self, batch: Batch) -> list[Verdict]:
        """Scores: `contrast`, standard deviation of the levels, 0..1; `grain`, see `measures.texture`; `size`, the
        factor by which a side is shorter or longer than in all real images, if it is.
        """
        return [self._verdict(candidate) for candidate in batch.candidates]

    def _verdict(self, candidate: Candidate) -> Verdict:
        deviation, size = round(contrast(candidate.pixels), 4), round(self._out_of_range(candidate), 4)
        scores = {"contrast": deviation, "grain": round(grain(candidate.pixels), 4)}
        if deviation <= self._settings.contrast_min:
            blank_parent = any(isinstance(p, Item) and p.std <= BLANK_STD for p in candidate.parents)
            return Verdict(scores, () if blank_parent else ("blank",))
        if size > 1:
            scores["size"] = size
        if scores["grain"] > self._grain_max:
            return Verdict(scores, ("noise",))
        return Verdict(scores, ("size",) if size > self._settings.size_factor else ())

    def _out_of_range(self, candidate: Candidate) -> float:
        """Return the factor by which a side is shorter or longer than in all real images of the class; else 1."""
        height, width = candidate.pixels.shape[:2]
        shortest, longest = self._sides.get(candidate.label, (1, max(height, width)))
        return float(max(shortest / min(height, width), max(height, width) / longest, 1.0))


def contrast(pixels: Pixels) -> float:
    """Return the standard deviation of the levels, 0..1, in the channel with the largest one."""
    _, deviation = cv2.meanStdDev(pixels)
    return float(deviation.max()) / (255 if pixels.itemsize == 1 else 65535)
