"""Which attempts come next, and how they are cut into tasks.

The images of a class are the first n accepted attempts in attempt order. Attempts come in rounds. The first round is a
probe of at most 64; each further round has as many attempts as images are missing, until none is missing or the tries
are used up. If too few attempts have passed after a round, the method is switched off for the class: the survivors of
a pool that is mostly wrong would do harm. All this follows from the verdicts alone, so a resumed run continues exactly
where the killed one stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.records import Item

UNIT = 32
"""Attempts are made in whole units: a generator that computes in batches gets the same batches everywhere."""
MAX_UNITS = 8  # per task: enough to pay for what a task costs, few enough to share out
TASKS_PER_WORKER = 8
PROBE = 64
"""Attempts of the first round, at most: enough to see that a method does not work."""
TELLING = 16
"""With fewer attempts, the share that passed says nothing."""


@dataclass(frozen=True)
class Copy:
    """A chunk of originals to put into the output."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Make:
    """A chunk of attempts of one class."""

    label: str
    attempts: range


def attempts_left(
    standings: Mapping[str, ClassProgress], verdicts: Mapping[str, Sequence[bool]], *, first: Mapping[str, int]
) -> dict[str, range]:
    """Return what is left of the earliest unfinished round: {class: its attempts}.

    Args:
        standings: {class: where it is in its rounds}.
        verdicts: {class: whether each attempt so far was accepted}.
        first: {class: number of this run's first attempt}; 0 for other classes.
    """
    now = min((entry.number for entry in standings.values() if entry.rest), default=0)
    left = {}
    for label, entry in standings.items():
        if entry.rest and entry.number == now:
            start = first.get(label, 0) + len(verdicts[label])
            left[label] = range(start, start + entry.rest)
    return left


def task_size(n_missing: int, n_workers: int) -> int:
    """Return the images per task, small enough that the workers share the work evenly and finish together."""
    units = n_missing // (UNIT * TASKS_PER_WORKER * n_workers)
    return UNIT * min(max(units, 1), MAX_UNITS)


def cut_into_tasks(copies: Sequence[Item], attempts: Mapping[str, range], *, size: int) -> Iterator[Copy | Make]:
    """Yield tasks in the order of their rows in the manifest."""
    for i in range(0, len(copies), size):
        yield Copy(tuple(copies[i : i + size]))
    for label, left in attempts.items():
        start = left.start
        while start < left.stop:  # tasks end at multiples of their size, wherever they begin
            end = min(left.stop, (start // size + 1) * size)
            yield Make(label, range(start, end))
            start = end


@dataclass(frozen=True)
class ClassProgress:
    """Where a class is in its rounds."""

    number: int
    """The round, from 0."""
    rest: int
    """Attempts of the round that are still to be made; 0: the class is done."""
    switched_off: bool = False
    """Whether too few attempts passed: then no image of the method is used."""


def progress_of(planned: int, verdicts: Sequence[bool], *, tries: int, acceptance_min: float) -> ClassProgress:
    """Follow the rounds of a class through its verdicts, and return where it is."""
    number, begin, missing, size = 0, 0, planned, min(planned, PROBE)
    while missing and begin + size <= len(verdicts):
        number, begin = number + 1, begin + size
        accepted = sum(verdicts[:begin])
        if begin >= TELLING and accepted < acceptance_min * begin:
            return ClassProgress(number, 0, switched_off=True)
        missing = size = planned - accepted
    rest = begin + size - len(verdicts)
    return ClassProgress(number, max(min(rest, planned * tries - len(verdicts)), 0))
