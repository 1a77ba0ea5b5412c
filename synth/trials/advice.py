"""The verdict as one paragraph that a person can act on: what to use, what not to use, what the trial can't detect."""

from collections.abc import Iterator

from synth.measures.paired import Difference
from synth.trials.results import HELPS, HURTS, SAME, Budget, Comparison, Verdict

TARGET = 0.02
"""The difference that "needed" images would show."""
WIDE = 0.05
"""If a trial can only detect differences above this, the advice says so."""
GROWN = 0.02
"""A rise of the fit on training images that shows that the shorter training was too short."""
MAX_NAMED = 2
"""Classes, or reasons, that are named; the others are counted."""


def advise(verdict: Verdict) -> str:
    """Return the paragraph."""
    parts = (_what_to_use, _what_not_to_use, _what_was_stopped, _what_budgets_say, _which_dose, _what_is_unknown)
    return " ".join(sentence for part in parts for sentence in part(verdict))


def as_points(fraction: float, *, sign: bool = False) -> str:
    """Return a score or a difference in points."""
    value = round(100 * fraction, 1) + 0.0  # no "-0.0"
    return f"{value:+.1f}" if sign else f"{value:.1f}"


def interval_text(delta: Difference) -> str:
    """Return the interval of a difference in points; empty if it is unknown."""
    if delta.interval is None:
        return ""
    low, high = (as_points(end, sign=True) for end in delta.interval)
    return f" (interval {low} to {high})"


def is_control(arm: str, control: str) -> bool:
    """Whether an arm is the control, perhaps with other random draws."""
    return arm.partition("#")[0] == control.partition("#")[0]


def _what_to_use(verdict: Verdict) -> Iterator[str]:
    control, advised, generators = verdict.control, verdict.advised, verdict.trial.generator_arms
    rivals = _rivals(verdict)
    has_generators = any(rival.arm in generators for rival in rivals)
    if advised != control:
        yield f"Use {advised}: {_gains(verdict)} against {control}{_odds(verdict)}."
        if has_generators and advised not in generators:
            yield _best_of(rivals, "The best generator", verdict)
    elif not rivals:
        yield f"Use {control}: the trial compared no other arm with it."
    elif max(rival.delta.n for rival in rivals) < 2:
        yield f"Use {control}: one split is too few to compare arms; use at least three."
    else:
        kind = "generator" if has_generators else "other arm"
        helped = any(found.verdict == HELPS for rival in rivals for found in verdict.deciding.of(rival.arm))
        yield f"Use {control}: no {kind} helps here{' without doing harm' if helped else ''}."
        yield _best_of(rivals, f"The best {kind}", verdict)


def _odds(verdict: Verdict) -> str:
    """With a flat prior, the advised arm is the better one with probability 1 - p / 2."""
    macro = verdict.deciding.macro(verdict.advised)
    if any(found.verdict == HELPS for found in verdict.deciding.of(verdict.advised)) or not (macro and macro.delta.p):
        return ""
    odds = f"{2 / macro.delta.p - 1:.0f} to 1"
    return f"; this is not certain (odds of about {odds}), but the arm needs no new images"


def _rivals(verdict: Verdict) -> list[Comparison]:
    """Return the macro-F1 of the arms with a generator; without any, of all other arms."""
    of_arms = (found for found in verdict.deciding.comparisons if found.macro and found.delta.mean is not None)
    every = [found for found in of_arms if not is_control(found.arm, verdict.control)]
    return [found for found in every if found.arm in verdict.trial.generator_arms] or every


def _gains(verdict: Verdict) -> str:
    shown = [found for found in verdict.deciding.of(verdict.advised) if found.macro or found.verdict != SAME]
    shown.sort(key=lambda found: found.verdict == SAME)
    return ", ".join(f"{found.column} {_gain(found)}{interval_text(found.delta)}" for found in shown)


def _best_of(rivals: list[Comparison], opening: str, verdict: Verdict) -> str:
    best = max(rivals, key=lambda rival: rival.gain)
    against = "" if verdict.advised == verdict.control else f" from {verdict.control}"
    differs = f"differs{against} by {_gain(best)} points of macro-F1{interval_text(best.delta)}"
    note = f"; {best.note}" if best.note else ""
    seen = best.delta.detectable or 0.0
    detects = f"; this trial can detect differences of {as_points(seen)} or more" if seen else ""
    if seen >= 1:
        detects = "; this trial is too small to detect any difference"
    return f"{opening}, {best.arm}, {differs}{note}{detects}."


def _what_not_to_use(verdict: Verdict) -> Iterator[str]:
    control = set(verdict.control.split("+"))
    for arm in dict.fromkeys(refusal.arm for refusal in verdict.do_not_use):
        reasons = [refusal.reason for refusal in verdict.do_not_use if refusal.arm == arm]
        named, n_more = "; ".join(reasons[:MAX_NAMED]), len(reasons) - MAX_NAMED
        more = f"; and {n_more} more reason{'s' if n_more > 1 else ''}" if n_more > 0 else ""
        # The images alone are to blame only if the arm is the control plus new images.
        only_images = control <= set(arm.partition("#")[0].split("+"))
        yield f"Do not use {'the images of ' if only_images else ''}{arm}: {named}{more}."


def _what_was_stopped(verdict: Verdict) -> Iterator[str]:
    refused = {(refusal.arm, refusal.label) for refusal in verdict.do_not_use}
    stops = [stop for stop in verdict.stopped if (stop.arm, stop.label) not in refused]
    for arm in dict.fromkeys(stop.arm for stop in stops):
        own = [stop for stop in stops if stop.arm == arm]
        labels, n_splits = dict.fromkeys(stop.label for stop in own), len({stop.split for stop in own})
        where = f"in {n_splits} split{'s' if n_splits > 1 else ''}"
        yield f"{arm} was stopped or made too few images of {', '.join(labels)} {where} ({own[0].reason})."


def _what_budgets_say(verdict: Verdict) -> Iterator[str]:
    for budget in verdict.budgets[:-1]:
        for arm in budget.arms:
            if not is_control(arm, verdict.control):
                yield from _turned(arm, budget, verdict.deciding)


def _turned(arm: str, short: Budget, long: Budget) -> Iterator[str]:
    """Say that the verdict on an arm changed, unless one of two similar numbers is only a little more certain."""
    before, after = short.macro(arm), long.macro(arm)
    if before is None or after is None or before.verdict == after.verdict or not _apart(before, after):
        return
    if before.verdict == SAME:
        later = f"at {long.steps} steps ({_gain(after)})"
        yield f"{arm} {after.verdict} {later}, but not yet at {short.steps} ({_gain(before)})."
        return
    then = "it does not" if after.verdict == SAME else f"it {after.verdict}"
    fits, cause = (short.arms[arm].fitted, long.arms[arm].fitted), ""
    if before.verdict == HURTS and fits[0] is not None and fits[1] is not None and fits[1] - fits[0] > GROWN:
        cause = f": the short training was the cause (fit on the training images {fits[0]:.0%}, then {fits[1]:.0%})"
    first = f"At {short.steps} steps {arm} {before.verdict} ({_gain(before)})"
    yield f"{first}, at {long.steps} {then} ({_gain(after)}){cause}."


def _gain(found: Comparison) -> str:
    return as_points(found.gain, sign=True)


def _apart(one: Comparison, other: Comparison) -> bool:
    return any(
        a.delta.interval is not None and not a.delta.interval[0] <= b.gain <= a.delta.interval[1]
        for a, b in ((one, other), (other, one))
    )


def _which_dose(verdict: Verdict) -> Iterator[str]:
    for curve in verdict.doses:
        gains = {point.dose: point.delta_f1 for point in curve.points if point.delta_f1 is not None}
        enough = curve.smallest_within_noise
        if enough is None or not gains:
            continue
        best = max(gains, key=lambda dose: gains[dose])
        if best == enough:
            yield f"{best} is the best dose of {curve.arm}; no smaller dose is within noise of it."
        else:
            yield f"{enough} is the smallest dose of {curve.arm} within noise of the best one, {best}."


def _what_is_unknown(verdict: Verdict) -> Iterator[str]:
    classes = verdict.design["classes"]
    empty = [label for label, counts in classes.items() if not counts["held_out"]]
    if empty:
        yield f"No image of {', '.join(empty)} was held out, so the trial knows nothing about it."
    seen = {label: verdict.deciding.detectable(label) or 0.0 for label in classes}
    wide = sorted((label for label in classes if seen[label] > WIDE), key=lambda label: -seen[label])
    for label in wide[:MAX_NAMED]:
        n, needed = classes[label]["held_out"], classes[label]["needed"]
        held_out = f"{n:g} held-out image{'s' if n != 1 else ''} of {label} per split"
        which = f"differences in its F1 below {as_points(seen[label])} points"
        if seen[label] >= 1:
            which = "any difference in its F1"
        yield f"With {held_out}, this trial can't detect {which}; about {needed} images would show 2 points."
    if len(wide) > MAX_NAMED:
        n_more = len(wide) - MAX_NAMED
        yield f"The same is true of {n_more} more class{'es' if n_more > 1 else ''}."
