"""Search within a time: many arms at low cost first, the best few in full (successive halving, Jamieson and Talwalkar
2016).

    round 1   all arms in two splits, with the shortest training
    round 2   the better half in all splits
    round 3   the best of those, also with the longer trainings

The control takes part in every round. The time of a round is estimated before it starts, from measured runs as soon as
there are any. Each round may take an even share of the time that is left, so that the first does not use it up; arms
that do not fit are dropped.
"""

import functools
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from synth.errors import UsageError
from synth.files import replace_file
from synth.settings.trial import Trial
from synth.trials.arms import Arm
from synth.trials.context import design_of
from synth.trials.results import Outcome
from synth.trials.scheduler import Rung, Scheduler
from synth.trials.verdict import conclude
from synth.workers import duration

FIRST_SPLITS = 2
MIN_PROMOTED = 3
"""Arms that every round passes on at least, if the time allows it."""
DECISIONS = "search.json"

T = TypeVar("T")


def search(scheduler: Scheduler, arms: Sequence[Arm], *, until: float) -> list[Outcome]:
    """Return the outcomes of the last round that fits into the time. Decisions are kept, so that a resumed search
    repeats them.

    Args:
        until: the end, on the clock of `time.monotonic`.

    Raises:
        UsageError: the time is too short for two arms in the first round.
    """
    context = scheduler.context
    settings, path = context.recipe.trial, context.work / DECISIONS
    decided: list[list[str]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    by_name = {arm.name: arm for arm in arms}
    names = tuple(dict.fromkeys([settings.control, *by_name]))
    outcomes: list[Outcome] = []
    rungs = rungs_of(settings)
    for number, rung in enumerate(rungs):
        if number == len(decided):
            left = until - time.monotonic()
            fit = _affordable(scheduler, [by_name[name] for name in names], rung, n_left=len(rungs) - number, left=left)
            if not fit and not decided:
                needed = duration(scheduler.cost([by_name[name] for name in names[:2]], rung))
                raise UsageError(f"budget: {names[0]} and {names[1]} alone take about {needed} in the first round")
            decided.append(fit)
            replace_file(path, json.dumps(decided).encode())
        if not decided[number]:
            scheduler.say("no time is left for the next round: the verdict comes from this one")
            break
        outcomes = scheduler.run_rung([by_name[name] for name in decided[number]], rung)
        scores = conclude(outcomes, design_of(context, arms, outcomes)).arms
        ranking = sorted(scores, key=lambda name: -(scores[name].macro_f1 or 0.0))
        scheduler.say(f"best so far: {', '.join(ranking[:3])}")
        names = promoted(ranking, control=settings.control)
    return outcomes


def _affordable(scheduler: Scheduler, arms: Sequence[Arm], rung: Rung, *, n_left: int, left: float) -> list[str]:
    """Return the arms that fit into this round's share of the time left, or else into all of it."""
    cost = functools.partial(scheduler.cost, rung=rung)
    chosen = fitting(arms, cost, seconds=left / n_left) or fitting(arms, cost, seconds=left)
    dropped = [arm.name for arm in arms if arm not in chosen]
    if chosen and dropped:
        scheduler.say(f"dropped for lack of time: {', '.join(dropped)}")
    return [arm.name for arm in chosen]


def rungs_of(settings: Trial) -> tuple[Rung, ...]:
    """Return the rounds of a search, from cheap to full."""
    shortest, everything = (min(settings.budgets),), tuple(sorted(settings.budgets))
    first = Rung(min(FIRST_SPLITS, settings.splits), shortest)
    return tuple(dict.fromkeys([first, Rung(settings.splits, shortest), Rung(settings.splits, everything)]))


def promoted(ranking: Sequence[str], *, control: str) -> tuple[str, ...]:
    """Return the control and the better half of the arms, best first."""
    n = max(math.ceil(len(ranking) / 2), MIN_PROMOTED)
    return tuple(dict.fromkeys([control, *ranking[:n]]))


def fitting(arms: Sequence[T], cost: Callable[[Sequence[T]], float], *, seconds: float) -> tuple[T, ...]:
    """Return the first arm, the control, and each arm that fits into the time together with those before it.

    Empty if no arm fits beside the control.
    """
    chosen: list[T] = []
    for arm in arms:
        if cost([*chosen, arm]) <= seconds:
            chosen.append(arm)
        elif not chosen:
            return ()
    return tuple(chosen) if len(chosen) > 1 else ()


def parse_duration(text: str) -> float:
    """Return the seconds of "90s", "10m", "1.5h" or a plain number of seconds.

    Raises:
        UsageError: the text is no such time, or zero.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip().lower())
    seconds = float(found[1]) * {"s": 1, "m": 60, "h": 3600, "": 1}[found[2]] if found else 0.0
    if not seconds:
        raise UsageError(f'budget: expected a time like 90s, 10m or 1.5h, got "{text}"')
    return seconds
