"""Even use of originals: which attempts come next, so that each original starts equally many accepted images.

The number of an attempt decides its original, which is its first parent. A rejected image must be made up for by its
own original, so the next round skips the attempts of all originals that have enough. It takes, again and again, the
next attempt of an original with the fewest images. An original may need many attempts: it is given up at the limit that
the recipe sets per image, and the others take its place.

In a mix, the attempts of a GAN or of a custom generator start from no original, and some of `augment` from a copy that
`smote` does not know. They wait until all originals have made up for their rejected images. Then about the same share
of them is skipped, so that the shares of the mix stay nearly as they are.
"""

import itertools
from collections import Counter
from collections.abc import Sequence

from synth.generators.base import FirstParents

MAX_LOOKED_AT = 1_000_000
"""Attempts that one round looks through, at most: the originals that are wanted may hardly ever be drawn in a mix."""


class Attempts:
    """The attempts of a class in a run, chosen round by round from the verdicts so far."""

    def __init__(self, first: int, *, tries: int, order: FirstParents | None) -> None:
        """Start a run.

        Args:
            first: number of its first attempt.
            tries: attempts that an original may need for each of its images.
            order: which original each attempt starts from; None: each attempt takes the next number.
        """
        self._next, self._tries, self._order = first, tries, order
        self._before = order.used if order else ()
        self._tried, self._passed = [0] * len(self._before), [0] * len(self._before)
        self.n_passed = 0

    def choose(self, n: int) -> Sequence[int]:
        """Return the numbers of the next n attempts; none if all originals were given up."""
        if self._order is None:
            return range(self._next, self._next + n)
        images = [before + passed for before, passed in zip(self._before, self._passed, strict=True)]
        usable = [not self._is_given_up(place) for place in range(len(images))]
        n_with = Counter(images[place] for place, good in enumerate(usable) if good)
        if n < 1 or (not n_with and self._order.every):
            return ()
        fewest, most = min(n_with, default=0), max(itertools.compress(images, self._tried), default=0)
        chosen, seen, taken = list[int](), Counter[bool](), Counter[bool]()
        for attempt in range(self._next, self._next + MAX_LOOKED_AT):
            place = self._order.pick(attempt)
            dealt = place is not None
            seen[dealt] += 1
            if place is None:
                if n_with and (fewest < most - 1 or taken[False] * seen[True] > taken[True] * seen[False]):
                    continue
            elif usable[place] and images[place] == fewest:
                images[place] += 1
                most = max(most, images[place])
                n_with[fewest] -= 1
                n_with[fewest + 1] += 1
                fewest += not n_with[fewest]
            else:
                continue
            taken[dealt] += 1
            chosen.append(attempt)
            if len(chosen) == n:
                break
        return chosen

    def count(self, chosen: Sequence[int], verdicts: Sequence[bool]) -> None:
        """Note which of the chosen attempts passed."""
        self._next = chosen[-1] + 1
        self.n_passed += sum(verdicts)
        if self._order is not None:
            for attempt, passed in zip(chosen, verdicts, strict=True):
                place = self._order.pick(attempt)
                if place is not None:
                    self._tried[place] += 1
                    self._passed[place] += passed

    def _is_given_up(self, place: int) -> bool:
        return self._tried[place] >= self._tries * (self._passed[place] + 1)

    @property
    def given_up(self) -> list[str]:
        """Ids of the originals that were given up."""
        return (
            [self._order.ids[place] for place in range(len(self._tried)) if self._is_given_up(place)]
            if self._order
            else []
        )
