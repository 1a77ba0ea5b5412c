"""Everything after so many steps: scores of each arm, and its differences to the control, paired by split.

Seeds of a split are averaged first: they share its images. Each column (a class's F1, macro-F1) is one family of tests,
one for each arm (Holm). `Difference.detectable` is what Holm's strictest step would let through.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synth.measures.paired import Difference, difference, holm
from synth.measures.scores import MIN_IMAGES, NAMES, Points, points
from synth.trials.results import (
    HELPS,
    HURTS,
    MACRO,
    SAME,
    ArmScores,
    Budget,
    Comparison,
    Outcome,
    Stop,
    TrialDesign,
)


@dataclass(frozen=True)
class ScoredRun:
    """A run and its scores."""

    outcome: Outcome
    points: Points


Runs = Mapping[tuple[int, int], ScoredRun]
"""{(split, seed): run} of an arm at a budget."""
Read = Callable[[ScoredRun], float]
"""One number of a run; NaN where it is unknown."""


def grouped(
    outcomes: Iterable[Outcome], setting: TrialDesign
) -> dict[int, dict[str, dict[tuple[int, int], ScoredRun]]]:
    """{steps: {arm: {(split, seed): run}}}, scored."""
    shares = None if setting.shares is None else np.array([setting.shares[label] for label in setting.classes])
    table: dict[int, dict[str, dict[tuple[int, int], ScoredRun]]] = defaultdict(lambda: defaultdict(dict))
    for run in outcomes:
        table[run.steps][run.arm][run.split, run.seed] = ScoredRun(run, points(run.truth, run.predictions, shares))
    return table


def budget_of(steps: int, runs: Mapping[str, Runs], *, stopped: Sequence[Stop], setting: TrialDesign) -> Budget:
    """Score and compare the arms of a budget. Without runs of the control nothing is compared.

    Args:
        runs: {arm: its runs}.
    """
    arms = {}
    for arm, own in runs.items():
        arms[arm] = _scores(own, [stop for stop in stopped if stop.arm == arm], setting.classes)
    return Budget(steps, arms, _comparisons(runs, setting) if setting.control in runs else ())


def delta(runs: Runs, control: Runs, read: Read, *, setting: TrialDesign, n_tests: int = 1) -> Difference:
    """How far one arm's number is from another's; seeds that both have are averaged, splits are paired."""
    shared = sorted(runs.keys() & control.keys())
    own = _by_split({key: runs[key] for key in shared}, read)
    others = _by_split({key: control[key] for key in shared}, read)
    values = [own[split] - others[split] for split in own if split in others]
    return difference(values, ratio=setting.ratio, alpha=setting.alpha, n_tests=n_tests)


def macro_f1(run: ScoredRun) -> float:
    """Reads a run's macro-F1."""
    return run.points.macro_f1


def of_class(name: str, column: int) -> Read:
    """Reads a score of a class."""
    return lambda run: float(getattr(run.points, name)[column])


def n_held_out(runs: Runs, column: int) -> float:
    """Held-out images of a class, mean over splits."""
    return _mean_of(runs, lambda run: float(run.points.confusion[column].sum())) or 0.0


def _scores(runs: Runs, stops: Sequence[Stop], labels: Sequence[str]) -> ArmScores:
    macro = list(_by_split(runs, macro_f1).values())
    classes = {label: {name: _mean_of(runs, of_class(name, c)) for name in NAMES} for c, label in enumerate(labels)}
    recalls = [recall for scores in classes.values() if (recall := scores["recall"]) is not None]
    confusion = np.sum([run.points.confusion for run in runs.values()], axis=0)
    n_splits = len({split for split, _ in runs})
    return ArmScores(
        seeds=len({seed for _, seed in runs}),
        splits=n_splits,
        classes=classes,
        macro_f1=statistics.fmean(macro) if macro else None,
        macro_f1_std=statistics.stdev(macro) if len(macro) > 1 else None,
        balanced_accuracy=_mean_of(runs, lambda run: run.points.balanced_accuracy),
        worst_recall=min(recalls, default=None),
        confusion=tuple(map(tuple, confusion.tolist())),
        fitted=_mean_of(runs, lambda run: run.outcome.fitted),
        images={label: _images(runs, label) for label in labels},
        stopped=_stopped(stops, n_splits),
    )


def _images(runs: Runs, label: str) -> dict[str, float]:
    def mean(kind: int) -> float:
        return _mean_of(runs, lambda run: run.outcome.images.get(label, (0, 0))[kind]) or 0.0

    return {"real": mean(0), "new": mean(1)}


def _stopped(stops: Sequence[Stop], n_splits: int) -> dict[str, str]:
    counts = Counter(stop.label for stop in stops)
    firsts = {stop.label: stop.reason for stop in reversed(stops)}
    return {label: f"{firsts[label]} (in {n} of {n_splits} splits)" for label, n in counts.items()}


def _by_split(runs: Runs, read: Read) -> dict[int, float]:
    """{split: mean over its seeds}, without splits in which nothing is known."""
    found = defaultdict(list)
    for (split, _), run in runs.items():
        value = read(run)
        if math.isfinite(value):
            found[split].append(value)
    return {split: statistics.fmean(values) for split, values in found.items()}


def _mean_of(runs: Runs, read: Read) -> float | None:
    values = _by_split(runs, read).values()
    return statistics.fmean(values) if values else None


def _comparisons(runs: Mapping[str, Runs], setting: TrialDesign) -> tuple[Comparison, ...]:
    """Arms in order; classes in order, then macro-F1."""
    columns = [_compared(runs, label, of_class("f1", c), setting=setting) for c, label in enumerate(setting.classes)]
    columns.append(_compared(runs, MACRO, macro_f1, setting=setting, macro=True))
    return tuple(found for of_arm in zip(*columns, strict=True) for found in of_arm)


def _compared(
    runs: Mapping[str, Runs], label: str, read: Read, *, setting: TrialDesign, macro: bool = False
) -> list[Comparison]:
    """One family of tests: every arm in one column."""
    control, arms = runs[setting.control], [arm for arm in runs if arm != setting.control]
    n_tests = max(len(arms), setting.n_asked - 1)
    deltas = [delta(runs[arm], control, read, setting=setting, n_tests=n_tests) for arm in arms]
    # The best of many are the likeliest to look good by chance: arms that a search left behind are tests that failed.
    adjusted = holm([*(found.p for found in deltas), *[1.0] * (n_tests - len(arms))])[: len(arms)]
    few = "" if macro else _few(n_held_out(control, setting.classes.index(label)))
    return [
        Comparison(arm, label, macro, found, p, *_said(found, p, few=few, n_arms=n_tests, alpha=setting.alpha))
        for arm, found, p in zip(arms, deltas, adjusted, strict=True)
    ]


def _few(n: float) -> str:
    return f"only {n:.2g} held-out image{'s' if n != 1 else ''} in a split" if n < MIN_IMAGES else ""


def _said(found: Difference, p_holm: float | None, *, few: str, n_arms: int, alpha: float) -> tuple[str, str]:
    """The word for a difference, and what has to be known beside it."""
    if found.n == 0:
        return SAME, "no held-out image: nothing can be said"
    if found.p is None or p_holm is None:
        return SAME, "too few splits: nothing can be said"
    if p_holm < alpha:
        return HELPS if (found.mean or 0.0) > 0 else HURTS, few
    alone = f"p {found.p:.2g} alone, but {p_holm:.2g} among {n_arms} arms" if found.p < alpha else ""
    return SAME, "; ".join(note for note in (few, alone) if note)
