"""Scores of each arm after one length of training, and its differences to the control, paired by split.

Seeds of a split share its images, so they are averaged first. Each column (the F1 of a class, macro-F1) is one family
of tests, one test for each arm (Holm). `Difference.detectable` is what Holm's strictest step would let through.
"""

import math
import operator
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from synth.measures.paired import Difference, difference, holm
from synth.measures.scores import MIN_IMAGES, NAMES
from synth.trials.results import HELPS, HURTS, MACRO, SAME, ArmScores, Budget, Comparison, Outcome, TrialDesign

Runs = Mapping[tuple[int, int], Outcome]
"""{(split, seed): run} of an arm at a budget."""
Read = Callable[[Outcome], float]
"""Reads one number of a run; NaN if it is unknown."""
macro_f1: Read = operator.attrgetter("points.macro_f1")


def budget_of(steps: int, runs: Mapping[str, Runs], trial: TrialDesign) -> Budget:
    """Score the arms of a budget, and compare them with the control.

    Args:
        runs: {arm: its runs}.
    """
    columns = [_column(runs, label, of_class("f1", c), trial=trial) for c, label in enumerate(trial.classes)]
    columns.append(_column(runs, MACRO, macro_f1, trial=trial, macro=True))
    comparisons = tuple(found for of_arm in zip(*columns, strict=True) for found in of_arm)
    return Budget(steps, {arm: _scores(own, trial.classes) for arm, own in runs.items()}, comparisons)


def delta(runs: Runs, control: Runs, read: Read, *, trial: TrialDesign, n_tests: int = 1) -> Difference:
    """Compare one number of two arms: the seeds that both have are averaged, splits are paired."""
    shared = sorted(runs.keys() & control.keys())
    own, others = (_by_split({key: of_arm[key] for key in shared}, read) for of_arm in (runs, control))
    values = [own[split] - others[split] for split in own if split in others]
    return difference(values, ratio=trial.ratio, alpha=trial.alpha, n_tests=n_tests)


def of_class(name: str, column: int) -> Read:
    """Return a function that reads a score of a class."""
    return lambda run: float(getattr(run.points, name)[column])


def n_held_out(runs: Runs, column: int) -> float:
    """Return the number of held-out images of a class, mean over splits."""
    return _mean(runs, lambda run: float(run.points.confusion[column].sum())) or 0.0


def _scores(runs: Runs, labels: Sequence[str]) -> ArmScores:
    macro = list(_by_split(runs, macro_f1).values())
    classes = {label: {name: _mean(runs, of_class(name, c)) for name in NAMES} for c, label in enumerate(labels)}
    recalls = [recall for scores in classes.values() if (recall := scores["recall"]) is not None]
    n_splits = len({split for split, _ in runs})
    stops = {(split, label): why for (split, _), run in runs.items() for label, why in run.stopped.items()}
    first_reasons = {label: why for (_, label), why in reversed(stops.items())}
    n_stops = Counter(label for _, label in stops)
    return ArmScores(
        seeds=len({seed for _, seed in runs}),
        splits=n_splits,
        classes=classes,
        macro_f1=statistics.fmean(macro) if macro else None,
        macro_f1_std=statistics.stdev(macro) if len(macro) > 1 else None,
        balanced_accuracy=_mean(runs, operator.attrgetter("points.balanced_accuracy")),
        worst_recall=min(recalls, default=None),
        confusion=tuple(map(tuple, np.sum([run.points.confusion for run in runs.values()], axis=0).tolist())),
        fitted=_mean(runs, operator.attrgetter("fitted")),
        images={label: {"real": _n_images(runs, label, 0), "new": _n_images(runs, label, 1)} for label in labels},
        stopped={label: f"{first_reasons[label]} (in {n} of {n_splits} splits)" for label, n in n_stops.items()},
    )


def _n_images(runs: Runs, label: str, kind: int) -> float:
    return _mean(runs, lambda run: run.images.get(label, (0, 0))[kind]) or 0.0


def _by_split(runs: Runs, read: Read) -> dict[int, float]:
    """Return {split: mean over its seeds}, without the splits in which nothing is known."""
    found = defaultdict(list)
    for (split, _), run in runs.items():
        value = read(run)
        if math.isfinite(value):
            found[split].append(value)
    return {split: statistics.fmean(values) for split, values in found.items()}


def _mean(runs: Runs, read: Read) -> float | None:
    values = _by_split(runs, read).values()
    return statistics.fmean(values) if values else None


def _column(
    runs: Mapping[str, Runs], label: str, read: Read, *, trial: TrialDesign, macro: bool = False
) -> list[Comparison]:
    """Test one family: every arm in one column."""
    control, arms = runs[trial.control], [arm for arm in runs if arm != trial.control]
    # The best of many arms is the one most likely to look good by chance: arms that a search dropped count as tests.
    n_tests = max(len(arms), len(trial.arms) - 1)
    deltas = [delta(runs[arm], control, read, trial=trial, n_tests=n_tests) for arm in arms]
    adjusted = holm([*(found.p for found in deltas), *[1.0] * (n_tests - len(arms))])[: len(arms)]
    n = MIN_IMAGES if macro else n_held_out(control, trial.classes.index(label))
    few = f"only {n:.2g} held-out image{'s' if n != 1 else ''} per split" if n < MIN_IMAGES else ""
    return [
        Comparison(arm, label, macro, found, p, *_words(found, p, few=few, n_arms=n_tests, alpha=trial.alpha))
        for arm, found, p in zip(arms, deltas, adjusted, strict=True)
    ]


def _words(found: Difference, p_holm: float | None, *, few: str, n_arms: int, alpha: float) -> tuple[str, str]:
    """Return the word for a difference, and a note about it."""
    if found.n == 0:
        return SAME, "no held-out image, so nothing is known"
    if found.p is None or p_holm is None:
        return SAME, "too few splits to tell"
    if p_holm < alpha:
        return HELPS if (found.mean or 0.0) > 0 else HURTS, few
    alone = f"p is {found.p:.2g} alone, but {p_holm:.2g} among {n_arms} arms" if found.p < alpha else ""
    return SAME, "; ".join(note for note in (few, alone) if note)
