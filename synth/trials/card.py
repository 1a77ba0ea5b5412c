"""The card of a trial: what was compared and what came out, for people who find the folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synth.markdown import cell

MARK = "<!-- written by synth -->"


def card(verdict: Mapping[str, Any]) -> str:
    """README.md from the document of `verdict.json`."""
    rows = [
        f"| {cell(name)} | {_points(arm['macro_f1'])} | {_points(arm['worst_recall'])} | {cell(_word(verdict, name))} |"
        for name, arm in verdict["arms"].items()
    ]
    return "\n".join(
        [
            MARK,
            "# Which strategy helps",
            "",
            verdict["advice"],
            "",
            f"| arm | macro-F1 | worst recall | against {cell(verdict['control'])} |",
            "|---|---|---|---|",
            *rows,
            "",
            "In points, means over the splits, on real images that nothing had seen that learned in the split.",
            "",
            "* `report.html` shows it in pictures, `verdict.json` holds every number.",
            "* `splits.jsonl` says which images each split learned from and which it held out, `recipe.toml` every",
            "  setting: the same command with it gives the same verdict.",
            "",
        ]
    )


def _points(value: float | None) -> str:
    return "not known" if value is None else f"{100 * value:.1f}"


def _word(verdict: Mapping[str, Any], arm: str) -> str:
    words = [found["verdict"] for found in verdict["comparisons"] if found["arm"] == arm and found["macro"]]
    return words[0] if words else "the control"
