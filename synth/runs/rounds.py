"""Which attempts come next, and how they are cut into tasks.

Attempts come in rounds. The first round is a probe of at most 64; each further round has as many attempts as images are
missing, until none is missing or the tries are used up. If attempts pass far less often than real images after a round,
the method is switched off for the class: the survivors of a pool that is mostly wrong would do harm. All this follows
from the verdicts alone, so a resumed run continues exactly where the killed one stopped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.generators.base import FirstParents
from synth.measures.intervals import p_less
from synth.records import Item
from synth.runs.even_use import Attempts

UNIT = 32
"""Attempts are made in whole units: a generator that computes in batches gets the same batches everywhere."""
MAX_UNITS = 8  # per task: enough to pay for what a task costs, few enough to share out
TASKS_PER_WORKER = 8
PROBE = 64
"""Attempts of the first round, at most: enough to see that a method does not work."""
TELLING = 16
"""With fewer attempts, the share that passed says nothing."""
BEYOND_NOISE = 0.05
"""Largest p-value at which attempts pass less often than real images."""


@dataclass(frozen=True)
class Copy:
    """A chunk of originals to put into the output."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Make:
    """A chunk of attempts of one class."""

    label: str
    attempts: Sequence[int]


@dataclass(frozen=True)
class ClassProgress:
    """Where a class is in its rounds."""

    number: int
    """The round, from 0."""
    attempts: Sequence[int] = ()
    """Attempts of the round that are still to be made; none: the class is done."""
    switched_off: bool = False
    """Whether too few attempts passed: then no image of the method is used."""
    given_up: Sequence[str] = ()
    """Originals that were given up, because the gates reject nearly all that is made from them."""


@dataclass(frozen=True)
class Rounds:
    """The rounds of a class."""

    planned: int
    """New images."""
    first: int
    """Number of the first attempt."""
    tries: int
    """Largest number of attempts per planned image."""
    acceptance_min: float
    """The method is switched off if it passes less than this fraction as often as real images."""
    real: tuple[int, int] = (0, 0)
    """(how many real images passed the gates, how many were tried)."""
    order: FirstParents | None = None
    """Which original each attempt starts from; None if originals are not dealt evenly."""

    def follow(self, verdicts: Sequence[bool], repeats: Sequence[bool] = ()) -> ClassProgress:
        """Follow the rounds through all attempts so far, and return where the class is.

        Args:
            verdicts: whether each attempt was accepted.
            repeats: whether each was refused only because an earlier new image is the same: such attempts show nothing
                against the method.
        """
        attempts, number, done = Attempts(self.first, tries=self.tries, order=self.order), 0, 0
        size = min(self.planned, PROBE)
        while size:
            chosen = attempts.choose(min(size, self.planned * self.tries - done))
            if not chosen or done + len(chosen) > len(verdicts):
                return ClassProgress(number, chosen[len(verdicts) - done :], given_up=attempts.given_up)
            attempts.count(chosen, verdicts[done : done + len(chosen)])
            number, done = number + 1, done + len(chosen)
            if self._too_few(attempts.n_passed + sum(repeats[:done]), done):
                return ClassProgress(number, switched_off=True)
            size = self.planned - attempts.n_passed
        return ClassProgress(number, given_up=attempts.given_up)

    def _too_few(self, n_passed: int, n: int) -> bool:
        """Whether so few attempts pass, compared with real images, that it is neither harmless nor chance."""
        real_passed, n_real = self.real
        real_share = real_passed / n_real if n_real else 1.0
        if n < TELLING or n_passed >= self.acceptance_min * real_share * n:
            return False
        return not n_real or p_less((n_passed, n), self.real) < BEYOND_NOISE


def earliest(standings: Mapping[str, ClassProgress]) -> dict[str, Sequence[int]]:
    """Return what is left of the earliest unfinished round: {class: its attempts}."""
    now = min((entry.number for entry in standings.values() if entry.attempts), default=0)
    return {label: entry.attempts for label, entry in standings.items() if entry.attempts and entry.number == now}


def task_size(n_missing: int, n_workers: int) -> int:
    """Return the images per task, small enough that the workers share the work evenly and finish together."""
    units = n_missing // (UNIT * TASKS_PER_WORKER * n_workers)
    return UNIT * min(max(units, 1), MAX_UNITS)


def cut_into_tasks(
    copies: Sequence[Item], attempts: Mapping[str, Sequence[int]], *, size: int
) -> Iterator[Copy | Make]:
    """Yield tasks in the order of their rows in the manifest."""
    for i in range(0, len(copies), size):
        yield Copy(tuple(copies[i : i + size]))
    for label, left in attempts.items():
        for _, chunk in itertools.groupby(left, lambda attempt: attempt // size):
            yield Make(label, tuple(chunk))  # tasks end at multiples of their size, wherever they begin
