"""From the outcomes of a trial's runs to its verdict. The longest training decides which arm is advised:

1. An arm helps if its macro-F1 does, or if the F1 of a class does and nothing hurts; its mean macro-F1 has to be above
   the control's.
2. The arm with the largest gain in macro-F1 is advised, among those that help and whose images may be used. Images
   should not be used if they hurt macro-F1 or a class, or if the generator was stopped for a class in more than half
   of the splits.
3. If no arm helps, the arm without new images whose mean is highest is advised, if it gains at least half a point: it
   costs nothing more, so the better bet is enough, and the advice states the odds. New images have to prove themselves.
4. Otherwise the control is advised, whatever the mean of another arm.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from synth.errors import UsageError
from synth.measures.paired import Difference
from synth.trials.advice import TARGET, advise, as_points, interval_text, is_control
from synth.trials.comparisons import Runs, budget_of, delta, macro_f1, n_held_out, of_class
from synth.trials.results import (
    HELPS,
    HURTS,
    Budget,
    Comparison,
    DoseCurve,
    DosePoint,
    Outcome,
    Refusal,
    Stop,
    TrialDesign,
    Verdict,
)

MIN_BET = 0.005
"""The smallest gain in mean macro-F1 that is worth a bet."""


def conclude(
    outcomes: Iterable[Outcome], trial: TrialDesign, *, doses: Mapping[str, Sequence[tuple[str, str]]] = {}
) -> Verdict:
    """Draw the verdict. Outcomes of arms that the trial does not name are left out.

    Args:
        doses: {arm without a dose: [(dose, name of the arm with it)]}.

    Raises:
        UsageError: the control has no run at the budget that decides.
    """
    order = {arm.name: place for place, arm in enumerate(trial.arms)}
    known = sorted((run for run in outcomes if run.arm in order), key=lambda run: (order[run.arm], run.split, run.seed))
    table: dict[int, dict[str, dict[tuple[int, int], Outcome]]] = {}
    for run in known:
        table.setdefault(run.steps, {}).setdefault(run.arm, {})[run.split, run.seed] = run
    runs = table[max(table)] if table else {}
    if trial.control not in runs:
        raise UsageError(f"trial: no run of its control, {trial.control}, with the longest training")
    budgets = tuple(budget_of(steps, table[steps], trial) for steps in sorted(table))
    # One stop for each arm, split and class, whatever the seeds and budgets.
    stops = {(run.arm, run.split, label): why for run in known for label, why in run.stopped.items()}
    deciding, stopped = budgets[-1], tuple(Stop(*key, why) for key, why in stops.items())
    harm = (found for found in deciding.comparisons if found.verdict == HURTS and found.arm in trial.generator_arms)
    refusals = [Refusal(found.arm, found.label, _reason(found, runs, trial)) for found in harm]
    refusals += _mostly_stopped(deciding, stopped, trial)
    verdict = Verdict(
        trial,
        advised=_advised(deciding, {refusal.arm for refusal in refusals}, trial),
        budgets=budgets,
        do_not_use=tuple(sorted(refusals, key=lambda refusal: order[refusal.arm])),
        stopped=stopped,
        doses=tuple(_curve(arm, ladder, runs, budget=deciding, trial=trial) for arm, ladder in doses.items()),
        design=_design(deciding, runs[trial.control], trial),
    )
    return dataclasses.replace(verdict, advice=advise(verdict))


def _reason(found: Comparison, runs: Mapping[str, Runs], trial: TrialDesign) -> str:
    """Say what fell; recall first, if it did."""
    f1 = f"{found.column} fell by {as_points(-found.gain)}"
    if found.macro:
        return f"{f1} points{interval_text(found.delta)}"
    read = of_class("recall", trial.classes.index(found.label))
    recall = delta(runs[found.arm], runs[trial.control], read, trial=trial)
    change = recall.mean or 0.0
    if recall.interval is not None and recall.interval[1] < 0:
        return f"recall of {found.label} fell by {as_points(-change)} points{interval_text(recall)}, {f1}"
    return f"{f1} points{interval_text(found.delta)}, its recall changed by {as_points(change, sign=True)}"


def _mostly_stopped(budget: Budget, stops: Sequence[Stop], trial: TrialDesign) -> Iterator[Refusal]:
    arms = (trial.generator_arms & budget.arms.keys()) - {trial.control}
    counts = Counter((stop.arm, stop.label) for stop in stops if stop.arm in arms)
    for (arm, label), n in counts.items():
        if n > budget.arms[arm].splits / 2:
            yield Refusal(arm, label, f"stopped for {label}: {budget.arms[arm].stopped[label]}")


def _advised(budget: Budget, refused: set[str], trial: TrialDesign) -> str:
    gains: dict[str, float] = {}
    bets: dict[str, float] = {}
    generators = trial.generator_arms
    for arm in budget.arms:
        macro = budget.macro(arm)
        if macro is None or arm in refused or is_control(arm, trial.control):
            continue
        words = {found.verdict for found in budget.of(arm)}
        if macro.gain > 0 and (macro.verdict == HELPS or (HELPS in words and HURTS not in words)):
            gains[arm] = macro.gain
        elif macro.gain >= MIN_BET and macro.delta.p is not None and HURTS not in words and arm not in generators:
            bets[arm] = macro.gain
    candidates = gains or bets or {trial.control: 0.0}
    return max(candidates, key=lambda arm: candidates[arm])


def _curve(
    arm: str, ladder: Sequence[tuple[str, str]], runs: Mapping[str, Runs], *, budget: Budget, trial: TrialDesign
) -> DoseCurve:
    points = []
    for dose, name in ladder:
        if scores := budget.arms.get(name):
            macro = budget.macro(name)
            found = macro.delta if macro else Difference(0)
            points.append(DosePoint(dose, name, scores.macro_f1, found.interval, found.mean))
    points.sort(key=lambda point: sum(images["new"] for images in budget.arms[point.arm].images.values()))
    gains = {point.arm: point.delta_f1 for point in points if point.delta_f1 is not None}
    if gains:
        best = max(gains, key=lambda name: gains[name])
        for point in points:
            behind = delta(runs[point.arm], runs[best], macro_f1, trial=trial)
            if behind.interval is not None and behind.interval[1] >= 0:
                return DoseCurve(arm, tuple(points), point.dose)
    return DoseCurve(arm, tuple(points), None)  # with one split, noise is unknown


def _design(budget: Budget, control: Runs, trial: TrialDesign) -> dict[str, Any]:
    classes = {}
    for c, label in enumerate(trial.classes):
        held_out, seen = n_held_out(control, c), budget.detectable(label)
        train = max(arm.images[label]["real"] for arm in budget.arms.values())  # some arms undersample
        needed = None if seen is None or not held_out else int(float(f"{held_out * (seen / TARGET) ** 2:.1e}"))
        classes[label] = {"train": round(train, 1), "held_out": round(held_out, 1), "needed": needed}
    scores = budget.arms[trial.control]
    return {**trial.settings, "splits": scores.splits, "seeds": scores.seeds, "classes": classes}
