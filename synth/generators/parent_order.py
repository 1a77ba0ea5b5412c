"""Which original an attempt starts from: each is used equally often, in an order that depends on the seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synth import seeds


class ParentOrder:
    """Deals n originals like cards: all of them once in random order, then again in another.

    Originals that earlier runs used are left out until the others have caught up, so that numbers of uses differ by at
    most one as long as that is possible.
    """

    def __init__(self, used: Sequence[int], *, seed: int, label: str) -> None:
        self._used = np.asarray(used)
        self._seed, self._label = seed, label
        self._round = int(self._used.min()) if len(used) else 0
        self._dealt: list[int] = []

    def pick(self, position: int) -> int:
        """Index of the original for the attempt at this position of the run."""
        while position >= len(self._dealt):
            order = seeds.permutation(self._seed, self._label, stream="parents", attempt=self._round, n=len(self._used))
            self._dealt += order[self._used[order] <= self._round].tolist()
            self._round += 1
        return self._dealt[position]
