"""Which attempts come next, and how they are cut into tasks.

The images of a class are the first n accepted attempts in attempt order. Attempts go in rounds: the first round has as
many as images are planned, the next as many as were rejected, until none is missing or the tries are used up. The
rounds follow from the verdicts alone, so a resumed run goes on exactly where the killed one stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from synth.records import Item
from synth.tasks import Copy, Make

UNIT = 32
"""Attempts are made in whole units: a generator that computes in batches gets the same batches everywhere."""
MAX_UNITS = 8  # per task: enough to pay for what a task costs, few enough to share out
TASKS_PER_WORKER = 8


def attempts_left(
    planned: Mapping[str, int], verdicts: Mapping[str, Sequence[bool]], *, first: Mapping[str, int], tries: int
) -> dict[str, range]:
    """What is left of the earliest unfinished round: {class: its attempts}.

    Args:
        planned: {class: accepted images asked for}.
        verdicts: {class: was each attempt so far accepted}.
        first: {class: number of this run's first attempt}, 0 where it is not named.
        tries: at most this many attempts per planned image.
    """
    rounds = {label: rest_of_round(planned[label], verdicts[label], tries=tries) for label in verdicts}
    now = min((number for number, rest in rounds.values() if rest), default=0)
    left = {}
    for label, (number, rest) in rounds.items():
        if rest and number == now:
            start = first.get(label, 0) + len(verdicts[label])
            left[label] = range(start, start + rest)
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


def rest_of_round(planned: int, verdicts: Sequence[bool], *, tries: int) -> tuple[int, int]:
    """Which round a class is in, and how many attempts of it are still to be made (0: the class is done)."""
    number, begin, missing = 0, 0, planned
    while missing and begin + missing <= len(verdicts):
        accepted = sum(verdicts[begin : begin + missing])
        number, begin, missing = number + 1, begin + missing, missing - accepted
    rest = begin + missing - len(verdicts)
    return number, max(min(rest, planned * tries - len(verdicts)), 0)
