"""A verdict in one paragraph that a person can act on: what to use, what not to use, what this design can't tell."""

from __future__ import annotations

from collections.abc import Iterator

from synth.measures.paired import Difference
from synth.trials.results import HELPS, HURTS, SAME, Budget, Comparison, Verdict

TARGET = 0.02
"""The difference for which "needed" images are counted."""
WIDE = 0.05
"""Where only larger differences than this can be seen, the advice says so."""
GROWN = 0.02
"""A rise of the fit on training images from which on the shorter training was too short."""
MAX_NAMED = 2
"""So many classes, or reasons, are told; the others are counted."""


def advise(verdict: Verdict) -> str:
    """The paragraph."""
    sentences = [
        *_what_to_use(verdict),
        *_what_not_to_use(verdict),
        *_what_was_stopped(verdict),
        *_what_budgets_say(verdict),
        *_which_dose(verdict),
        *_what_cannot_be_told(verdict),
    ]
    return " ".join(sentences)


def as_points(fraction: float, *, sign: bool = False) -> str:
    """A score or a difference in points."""
    value = round(100 * fraction, 1) + 0.0  # no "-0.0"
    return f"{value:+.1f}" if sign else f"{value:.1f}"


def interval_text(delta: Difference) -> str:
    """Where the true difference may lie, in points; empty where nothing is known."""
    if delta.interval is None:
        return ""
    low, high = (as_points(end, sign=True) for end in delta.interval)
    return f" (interval {low} to {high})"


def is_control(arm: str, control: str) -> bool:
    """Whether an arm is the control, be it with other draws."""
    return arm.partition("#")[0] == control.partition("#")[0]


def _what_to_use(verdict: Verdict) -> Iterator[str]:
    control, rivals = verdict.setting.control, _rivals(verdict)
    has_generators = any(rival.arm in verdict.setting.generator_arms for rival in rivals)
    if verdict.advised != control:
        yield f"Use {verdict.advised}: {_gains(verdict)} against {control}{_how_sure(verdict)}."
        if has_generators and verdict.advised not in verdict.setting.generator_arms:
            yield _best_of(rivals, "The best generator", verdict)
    elif not rivals:
        yield f"Use {control}: nothing was compared with it."
    elif max(rival.delta.n for rival in rivals) < 2:
        yield f"Use {control}: one split tells nothing of the other arms; take at least three."
    else:
        kind = "generator" if has_generators else "other arm"
        helped = any(found.verdict == HELPS for rival in rivals for found in verdict.deciding.of(rival.arm))
        yield f"Use {control}: no {kind} helps here{' without doing harm' if helped else ''}."
        yield _best_of(rivals, "The nearest", verdict)


def _how_sure(verdict: Verdict) -> str:
    """A flat prior makes of p the probability that the advised arm is the better one: 1 - p / 2."""
    macro = verdict.deciding.macro(verdict.advised)
    if any(found.verdict == HELPS for found in verdict.deciding.of(verdict.advised)) or not (macro and macro.delta.p):
        return ""
    return f"; not sure, a bet of about {2 / macro.delta.p - 1:.0f} to 1, but it takes no new images"


def _rivals(verdict: Verdict) -> list[Comparison]:
    """Macro-F1 of the arms with a generator; without any, of all others."""
    of_arms = (found for found in verdict.deciding.comparisons if found.macro and found.delta.mean is not None)
    every = [found for found in of_arms if not is_control(found.arm, verdict.setting.control)]
    return [found for found in every if found.arm in verdict.setting.generator_arms] or every


def _gains(verdict: Verdict) -> str:
    told = [found for found in verdict.deciding.of(verdict.advised) if found.macro or found.verdict != SAME]
    ordered = sorted(told, key=lambda found: found.verdict == SAME)
    return ", ".join(
        f"{found.column} {as_points(found.gain, sign=True)}{interval_text(found.delta)}" for found in ordered
    )


def _best_of(rivals: list[Comparison], opening: str, verdict: Verdict) -> str:
    best = max(rivals, key=lambda rival: rival.gain)
    against = "" if verdict.advised == verdict.setting.control else f" from {verdict.setting.control}"
    differs = f"differs{against} by {as_points(best.gain, sign=True)} points of macro-F1{interval_text(best.delta)}"
    seen = best.delta.detectable
    note = f"; {best.note}" if best.note else ""
    return (
        f"{opening}, {best.arm}, {differs}{note}{f'; this design would have seen {as_points(seen)}' if seen else ''}."
    )


def _what_not_to_use(verdict: Verdict) -> Iterator[str]:
    control = verdict.setting.control
    for arm in dict.fromkeys(refusal.arm for refusal in verdict.do_not_use):
        reasons = [refusal.reason for refusal in verdict.do_not_use if refusal.arm == arm]
        told, n_more = "; ".join(reasons[:MAX_NAMED]), len(reasons) - MAX_NAMED
        more = f"; and {n_more} more reason{'s' if n_more > 1 else ''}" if n_more > 0 else ""
        # Only where the arm is the control and new images, the images are what did it.
        only_images = set(control.split("+")) <= set(arm.partition("#")[0].split("+"))
        yield f"Do not use {'the images of ' if only_images else ''}{arm}: {told}{more}."


def _what_was_stopped(verdict: Verdict) -> Iterator[str]:
    refused = {(refusal.arm, refusal.label) for refusal in verdict.do_not_use}
    stops = [stop for stop in verdict.stopped if (stop.arm, stop.label) not in refused]
    for arm in dict.fromkeys(stop.arm for stop in stops):
        own = [stop for stop in stops if stop.arm == arm]
        labels, n_splits = dict.fromkeys(stop.label for stop in own), len({stop.split for stop in own})
        where = f"in {n_splits} split{'s' if n_splits > 1 else ''}"
        yield f"{arm} was stopped or fell short of images of {', '.join(labels)} {where} ({own[0].reason})."


def _what_budgets_say(verdict: Verdict) -> Iterator[str]:
    for budget in verdict.budgets:
        for arm in budget.arms:
            if budget.steps != verdict.deciding.steps and not is_control(arm, verdict.setting.control):
                yield from _turned(arm, *sorted((budget, verdict.deciding), key=lambda each: each.steps))


def _turned(arm: str, short: Budget, long: Budget) -> Iterator[str]:
    """Where an arm's words differ, and not just since one of two like numbers is a little surer."""
    before, after = short.macro(arm), long.macro(arm)
    if before is None or after is None or before.verdict == after.verdict or not _apart(before, after):
        return
    if before.verdict == SAME:
        later = f"at {long.steps} steps ({_gain(after)})"
        yield f"{arm} {after.verdict} {later}, not yet at {short.steps} ({_gain(before)})."
        return
    then = "it does not" if after.verdict == SAME else f"it {after.verdict}"
    fits = short.arms[arm].fitted, long.arms[arm].fitted
    cause = ""
    if before.verdict == HURTS and fits[0] is not None and fits[1] is not None and fits[1] - fits[0] > GROWN:
        cause = f": the short training was the cause (fit on its real images {fits[0]:.0%}, then {fits[1]:.0%})"
    told = f"At {short.steps} steps {arm} {before.verdict} ({_gain(before)})"
    yield f"{told}, at {long.steps} {then} ({_gain(after)}){cause}."


def _gain(found: Comparison) -> str:
    return as_points(found.gain, sign=True)


def _apart(one: Comparison, other: Comparison) -> bool:
    return any(
        a.delta.interval is not None and not a.delta.interval[0] <= b.gain <= a.delta.interval[1]
        for a, b in ((one, other), (other, one))
    )


def _which_dose(verdict: Verdict) -> Iterator[str]:
    for curve in verdict.doses:
        known = [point for point in curve.points if point.delta_f1 is not None]
        if curve.smallest_within_noise is None or not known:
            continue
        best = max(known, key=lambda point: point.delta_f1 or 0.0)
        if best.dose == curve.smallest_within_noise:
            yield f"Of the doses of {curve.arm}, {best.dose} is the best; no smaller one is within noise of it."
        else:
            enough = f"{curve.smallest_within_noise} is within noise of the best, {best.dose}"
            yield f"Of the doses of {curve.arm}, {enough}; no smaller one is."


def _what_cannot_be_told(verdict: Verdict) -> Iterator[str]:
    classes = verdict.design["classes"]
    empty = [label for label, counts in classes.items() if not counts["held_out"]]
    if empty:
        yield f"No image of {', '.join(empty)} was held out: nothing can be said of it."
    seen = {label: verdict.deciding.detectable(label) or 0.0 for label in classes}
    wide = sorted((label for label in classes if seen[label] > WIDE), key=lambda label: -seen[label])
    for label in wide[:MAX_NAMED]:
        n, needed = classes[label]["held_out"], classes[label]["needed"]
        held = f"With {n:g} held-out image{'s' if n != 1 else ''} of {label} in a split"
        which = "any difference of its F1"
        if seen[label] < 1:
            which = f"differences of its F1 under {as_points(seen[label])} points"
        yield f"{held} this design can't tell {which}; about {needed} would show 2."
    if len(wide) > MAX_NAMED:
        n_more = len(wide) - MAX_NAMED
        yield f"So it is with {n_more} more class{'es' if n_more > 1 else ''}."
