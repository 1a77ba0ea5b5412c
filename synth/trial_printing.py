"""A trial's verdict as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synth import console


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """The arms as a table, then the advice, from the document of `verdict.json`."""
    rarest = _rarest(verdict)
    rows = [
        [
            name,
            _points(arm["macro_f1"]),
            _points(arm["worst_recall"]),
            _points(arm["classes"][rarest]["f1"]),
            _points(arm["fitted"]),
            *_compared(verdict, name),
        ]
        for name, arm in verdict["arms"].items()
    ]
    console.table(["arm", "macro-F1", "worst", f"F1 {rarest}", "fit", "to control", ""], rows)
    console.say("in points; worst: lowest recall of a class; fit: recall on the real images that were learned from")
    for note in dict.fromkeys(entry["note"] for entry in verdict["comparisons"] if entry["macro"] and entry["note"]):
        console.say(f"* {note}")
    test = verdict.get("test")
    if test:
        found = ", ".join(f"{name} {_points(scores['macro_f1'])}" for name, scores in test["arms"].items())
        console.say(f"the dataset's own test images, macro-F1: {found}")
    console.say(verdict["advice"])


def _rarest(verdict: Mapping[str, Any]) -> str:
    """The class with the fewest real images to learn from."""
    images: Mapping[str, Mapping[str, float]] = verdict["arms"][verdict["control"]]["images"]
    return min(images, key=lambda label: images[label]["real"])


def _compared(verdict: Mapping[str, Any], arm: str) -> tuple[str, str]:
    """Difference with its interval, and word, of an arm's macro-F1."""
    found = next((entry for entry in verdict["comparisons"] if entry["arm"] == arm and entry["macro"]), None)
    if found is None:
        return "", "control"
    interval = found["interval"]
    bounds = f" ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})" if interval else ""
    difference = "" if found["delta_f1"] is None else f"{100 * found['delta_f1']:+.1f}{bounds}"
    return difference, f"{found['verdict']}{' *' if found['note'] else ''}"


def _points(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f}"
