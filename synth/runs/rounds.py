"""Which attempts come next, and how they are cut into tasks.

The images of a class are the first n accepted attempts in attempt order. Attempts go in rounds: the first is a probe of
at most 64, the second has as many as are then missing, the next as many as were rejected, until none is missing or the
tries are used up. After a round in which too few have passed so far, the method is switched off for the class: the
survivors of a pool that is mostly wrong would do harm. All this follows from the verdicts alone, so a resumed run goes
on exactly where the killed one stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.records import Item
from synth.runs.tasks import Copy, Make

UNIT = 32
"""Attempts are made in whole units: a generator that computes in batches gets the same batches everywhere."""
MAX_UNITS = 8  # per task: enough to pay for what a task costs, few enough to share out
TASKS_PER_WORKER = 8
PROBE = 64
"""Attempts of the first round, at most: enough to see that a method does not work here."""
TELLING = 16
"""With fewer attempts a share of those that passed says nothing."""


def attempts_left(
    standings: Mapping[str, ClassProgress], verdicts: Mapping[str, Sequence[bool]], *, first: Mapping[str, int]
) -> dict[str, range]:
    """What is left of the earliest unfinished round: {class: its attempts}.

    Args:
        standings: {class: where it is}.
        verdicts: {class: was each attempt so far accepted}.
        first: {class: number of this run's first attempt}, 0 where it is not named.
    """
    now = min((entry.number for entry in standings.values() if entry.rest), default=0)
    left = {}
    for label, entry in standings.items():
        if entry.rest and entry.number == now:
            start = first.get(label, 0) + len(verdicts[label])
            left[label] = range(start, start + entry.rest)
    return left


def task_size(n_missing: int, n_workers: int) -> int:
    """Images per task: the work is shared out evenly, and the last task keeps no one waiting for long."""
    units = n_missing // (UNIT * TASKS_PER_WORKER * n_workers)
    return UNIT * min(max(units, 1), MAX_UNITS)


def cut_into_tasks(copies: Sequence[Item], attempts: Mapping[str, range], *, size: int) -> Iterator[Copy | Make]:
    """Tasks in the order in which their rows stand in the manifest."""
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
    """Where a class is."""

    number: int
    """The round, from 0."""
    rest: int
    """Attempts of it that are still to be made; 0: the class is done."""
    switched_off: bool = False
    """Its method passed too seldom: nothing of it is used."""


def progress_of(planned: int, verdicts: Sequence[bool], *, tries: int, acceptance_min: float) -> ClassProgress:
    """Walk the rounds of a class: a probe, what is left of the plan, then as many attempts as were rejected."""
    number, begin, missing, size = 0, 0, planned, min(planned, PROBE)
    while missing and begin + size <= len(verdicts):
        number, begin = number + 1, begin + size
        accepted = sum(verdicts[:begin])
        if begin >= TELLING and accepted < acceptance_min * begin:
            return ClassProgress(number, 0, switched_off=True)
        missing = size = planned - accepted
    rest = begin + size - len(verdicts)
    return ClassProgress(number, max(min(rest, planned * tries - len(verdicts)), 0))
