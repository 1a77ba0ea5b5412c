"""Search within a time: wide and cheap first, the best few in full (successive halving, Jamieson and Talwalkar 2016).

    rung 1   all arms in two splits, with the shortest training
    rung 2   the better half in all splits
    rung 3   the best of those, also with the longer trainings

The control goes through all of them. Before a rung starts, what it will take is estimated, from the runs that are done
as soon as there are any. Each rung may take an even part of the time that is left, so that the first does not eat it
all; arms that would not fit are left behind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synth.errors import UsageError
from synth.settings.trial import Trial

FIRST_SPLITS = 2
FEWEST = 3
"""So many arms go on from each rung, where time allows it."""


@dataclass(frozen=True)
class Rung:
    """One round of a search: every arm that got there, in so many splits, with these lengths of training."""

    n_splits: int
    budgets: tuple[float, ...]


def rungs_of(settings: Trial) -> tuple[Rung, ...]:
    """From cheap to full."""
    shortest, everything = (min(settings.budgets),), tuple(sorted(settings.budgets))
    rungs = [Rung(min(FIRST_SPLITS, settings.splits), shortest), Rung(settings.splits, shortest)]
    rungs.append(Rung(settings.splits, everything))
    return tuple(dict.fromkeys(rungs))


def promoted(ranking: Sequence[str], *, control: str) -> tuple[str, ...]:
    """The better half of the arms, best first, and the control."""
    n = max(math.ceil(len(ranking) / 2), FEWEST)
    return tuple(dict.fromkeys([control, *ranking[:n]]))


def fitting(arms: Sequence[str], cost: Callable[[Sequence[str]], float], *, seconds: float) -> tuple[str, ...]:
    """Of the arms, the control leading, each that still fits into the time with those before it; empty where no arm
    beside the control does."""
    chosen: list[str] = []
    for arm in arms:
        if cost([*chosen, arm]) <= seconds:
            chosen.append(arm)
        elif not chosen:
            return ()
    return tuple(chosen) if len(chosen) > 1 else ()


def parse_duration(text: str) -> float:
    """Seconds of "90s", "10m", "1.5h" or a plain number of seconds.

    Raises:
        UsageError: nothing of the kind.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip().lower())
    seconds = float(found[1]) * {"s": 1, "m": 60, "h": 3600, "": 1}[found[2]] if found else 0.0
    if not seconds:
        raise UsageError(f'budget: expected a time like 90s, 10m or 1.5h, got "{text}"')
    return seconds
