"""The card of a trial: what was compared and what came out, for people who find the folder."""

from __future__ import annotations

from synth.pictures.text import table_cell
from synth.trials.advice import as_points
from synth.trials.results import Verdict

MARK = "<!-- written by synth -->"


def card(verdict: Verdict) -> str:
    """README.md of a verdict."""
    rows = [
        f"| {table_cell(name)} | {_points(arm.macro_f1)} | {_points(arm.worst_recall)} | {_word(verdict, name)} |"
        for name, arm in verdict.arms.items()
    ]
    return "\n".join(
        [
            MARK,
            "# Which strategy helps",
            "",
            verdict.advice,
            "",
            f"| arm | macro-F1 | worst recall | against {table_cell(verdict.control)} |",
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
    return "not known" if value is None else as_points(value)


def _word(verdict: Verdict, arm: str) -> str:
    found = verdict.deciding.macro(arm)
    return found.verdict if found else "the control"
