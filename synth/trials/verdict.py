"""From the outcomes of a trial's runs to its verdict. Which arm is advised, at the budget that decides:

1. An arm helps if its macro-F1 does, or if a class's F1 does and nothing hurts; its mean macro-F1 has to be above the
   control's.
2. Of the arms that help, the one whose macro-F1 gains most. Never one whose images should not be used: they hurt
   macro-F1 or a class, or the generator was stopped for a class in more than half of the splits.
3. If none helps, the arm without new images whose mean is highest, by half a point at least: it costs nothing more, so
   the better bet is enough, and the odds are told. New images have to prove themselves.
4. Otherwise the control, however another arm's mean may look.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from synth.errors import UsageError
from synth.trials.advice import TARGET, advise, as_points, interval_text, is_control
from synth.trials.comparisons import Runs, budget_of, delta, grouped, macro_f1, n_held_out, of_class
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

__all__ = ["Verdict", "conclude"]

WORTH_A_BET = 0.005
"""The gain in mean macro-F1 from which on the better bet is taken."""


def conclude(
    outcomes: Iterable[Outcome], setting: TrialDesign, *, doses: Mapping[str, Sequence[tuple[str, str]]] = {}
) -> Verdict:
    """Draw the verdict. Outcomes of arms that the setting does not name are left out.

    Args:
        doses: {arm without a dose: [(dose, name of the arm with it)]}.

    Raises:
        UsageError: the control has no run at the budget that decides.
    """
    order = {arm: place for place, arm in enumerate(setting.arms)}
    known = sorted((run for run in outcomes if run.arm in order), key=lambda run: (order[run.arm], run.split, run.seed))
    table, stopped = grouped(known, setting), _stops(known)
    budgets = tuple(budget_of(steps, table[steps], stopped=stopped, setting=setting) for steps in sorted(table))
    deciding = next((budget for budget in budgets if budget.steps == setting.decide_by), None)
    if deciding is None or setting.control not in deciding.arms:
        raise UsageError(f"trial: no run of its control, {setting.control}, with {setting.decide_by} steps")
    runs = table[setting.decide_by]
    refusals = (*_harm(deciding, runs, setting), *_mostly_stopped(deciding, stopped, setting))
    verdict = Verdict(
        setting,
        advised=_advised(deciding, {refusal.arm for refusal in refusals}, setting.control, setting.generator_arms),
        deciding=deciding,
        budgets=budgets,
        do_not_use=tuple(sorted(refusals, key=lambda refusal: order[refusal.arm])),
        stopped=stopped,
        doses=tuple(_curve(arm, ladder, runs, budget=deciding, setting=setting) for arm, ladder in doses.items()),
        design=_design(deciding, runs[setting.control], setting),
    )
    return dataclasses.replace(verdict, advice=advise(verdict))


def _stops(outcomes: Iterable[Outcome]) -> tuple[Stop, ...]:
    """One for each arm, split and class, whatever the seeds and budgets."""
    stops = {(run.arm, run.split, label): why for run in outcomes for label, why in run.stopped.items()}
    return tuple(Stop(*key, why) for key, why in stops.items())


def _harm(budget: Budget, runs: Mapping[str, Runs], setting: TrialDesign) -> Iterator[Refusal]:
    """What arms with a generator hurt."""
    for found in budget.comparisons:
        if found.verdict == HURTS and found.arm in setting.generator_arms:
            yield Refusal(found.arm, found.label, _reason(found, runs, setting))


def _reason(found: Comparison, runs: Mapping[str, Runs], setting: TrialDesign) -> str:
    """Recall first, where that is what fell."""
    f1 = f"{found.column} fell by {as_points(-found.gain)}"
    if found.macro:
        return f"{f1} points{interval_text(found.delta)}"
    read = of_class("recall", setting.classes.index(found.label))
    recall = delta(runs[found.arm], runs[setting.control], read, setting=setting)
    change = recall.mean or 0.0
    if recall.interval is not None and recall.interval[1] < 0:
        return f"recall of {found.label} fell by {as_points(-change)} points{interval_text(recall)}, {f1}"
    return f"{f1} points{interval_text(found.delta)}, its recall changed by {as_points(change, sign=True)}"


def _mostly_stopped(budget: Budget, stops: Sequence[Stop], setting: TrialDesign) -> Iterator[Refusal]:
    counts = Counter((stop.arm, stop.label) for stop in stops)
    for (arm, label), n in counts.items():
        known = arm in budget.arms and arm in setting.generator_arms and arm != setting.control
        if known and n > budget.arms[arm].splits / 2:
            yield Refusal(arm, label, f"stopped for {label}: {budget.arms[arm].stopped[label]}")


def _advised(budget: Budget, refused: set[str], control: str, generators: frozenset[str]) -> str:
    gains: dict[str, float] = {control: 0.0}
    bets: dict[str, float] = {}
    for arm in budget.arms:
        macro = budget.macro(arm)
        if macro is None or arm in refused or is_control(arm, control):
            continue
        words = {found.verdict for found in budget.of(arm)}
        if macro.gain > 0 and (macro.verdict == HELPS or (HELPS in words and HURTS not in words)):
            gains[arm] = macro.gain
        elif macro.gain >= WORTH_A_BET and macro.delta.p is not None and HURTS not in words and arm not in generators:
            bets[arm] = macro.gain
    best = max(gains, key=lambda arm: gains[arm])
    return max(bets, key=lambda arm: bets[arm]) if best == control and bets else best


def _curve(
    arm: str, ladder: Sequence[tuple[str, str]], runs: Mapping[str, Runs], *, budget: Budget, setting: TrialDesign
) -> DoseCurve:
    known = [(dose, name) for dose, name in ladder if name in budget.arms]
    known.sort(key=lambda step: sum(images["new"] for images in budget.arms[step[1]].images.values()))
    points = [_dose_point(dose, name, budget) for dose, name in known]
    best = max((point for point in points if point.delta_f1 is not None), key=_gain, default=None)
    if best is None:
        return DoseCurve(arm, tuple(points), None)
    for point in points:
        behind = delta(runs[point.arm], runs[best.arm], macro_f1, setting=setting)
        if behind.interval is not None and behind.interval[1] >= 0:
            return DoseCurve(arm, tuple(points), point.dose)
    return DoseCurve(arm, tuple(points), None)  # one split: its noise is unknown


def _dose_point(dose: str, arm: str, budget: Budget) -> DosePoint:
    macro, score = budget.macro(arm), budget.arms[arm].macro_f1
    if macro is None:
        return DosePoint(dose, arm, score, None, None)
    return DosePoint(dose, arm, score, macro.delta.interval, macro.delta.mean)


def _gain(point: DosePoint) -> float:
    return point.delta_f1 or 0.0


def _design(budget: Budget, control: Runs, setting: TrialDesign) -> dict[str, Any]:
    classes = {}
    for c, label in enumerate(setting.classes):
        held_out, seen = n_held_out(control, c), budget.detectable(label)
        train = max(arm.images[label]["real"] for arm in budget.arms.values())  # some arms thin them
        needed = None if seen is None or not held_out else int(float(f"{held_out * (seen / TARGET) ** 2:.1e}"))
        classes[label] = {"train": round(train, 1), "held_out": round(held_out, 1), "needed": needed}
    return {**setting.design, "splits": setting.splits, "seeds": setting.seeds, "classes": classes}
