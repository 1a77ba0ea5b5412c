"""A trial's verdict as a person reads it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synth.cli import console

if TYPE_CHECKING:
    from synth.trials.results import Verdict


def print_verdict(verdict: Verdict) -> None:
    """The arms as a table, then the advice."""
    rarest = _rarest(verdict)
    rows = [
        [
            name,
            _points(arm.macro_f1),
            _points(arm.worst_recall),
            _points(arm.classes[rarest]["f1"]),
            _points(arm.fitted),
            *_compared(verdict, name),
        ]
        for name, arm in verdict.arms.items()
    ]
    console.table(["arm", "macro-F1", "worst", f"F1 {rarest}", "fit", "to control", ""], rows)
    console.say("in points; worst: lowest recall of a class; fit: recall on the real images that were learned from")
    for note in dict.fromkeys(found.note for found in verdict.deciding.comparisons if found.macro and found.note):
        console.say(f"* {note}")
    if verdict.test:
        found = ", ".join(f"{name} {_points(scores['macro_f1'])}" for name, scores in verdict.test["arms"].items())
        console.say(f"the dataset's own test images, macro-F1: {found}")
    console.say(verdict.advice)


def _rarest(verdict: Verdict) -> str:
    """The class with the fewest real images to learn from."""
    images = verdict.arms[verdict.control].images
    return min(images, key=lambda label: images[label]["real"])


def _compared(verdict: Verdict, arm: str) -> tuple[str, str]:
    """Difference with its interval, and word, of an arm's macro-F1."""
    found = verdict.deciding.macro(arm)
    if found is None:
        return "", "control"
    interval = found.delta.interval
    bounds = f" ({_points(interval[0], sign=True)} to {_points(interval[1], sign=True)})" if interval else ""
    difference = "" if found.delta.mean is None else f"{_points(found.delta.mean, sign=True)}{bounds}"
    return difference, f"{found.verdict}{' *' if found.note else ''}"


def _points(value: float | None, *, sign: bool = False) -> str:
    from synth.trials.advice import as_points  # numbers of its neighbours load NumPy, which help can do without

    return "?" if value is None else as_points(value, sign=sign)
