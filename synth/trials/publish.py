"""The folder of a finished trial: verdict, examples, splits, recipe, card and page. It appears at once."""

import json
from pathlib import Path
from typing import Any

from synth.output.root_files import CARD, RECIPE, REPORT
from synth.pages.page import VERDICT
from synth.pages.trial_page import EXAMPLES, render_trial
from synth.pictures.text import table_cell
from synth.settings.recipe import dump_recipe
from synth.training.bundle import put_in_place
from synth.trials.advice import as_points
from synth.trials.context import TrialContext
from synth.trials.results import Verdict

SPLITS = "splits.jsonl"


def publish(context: TrialContext, verdict: Verdict, examples: dict[str, Any], out: Path) -> None:
    """Write the files of a trial, move them to `out`, and remove the working folder."""
    document = verdict.to_json()
    lines = [
        {"split": split.number, "part": part, "path": context.items[index].id}
        for split in context.splits
        for part, places in (("train", split.train), ("held out", split.held_out))
        for index in places.tolist()
    ]
    files = {
        VERDICT: json.dumps(document, indent=1, allow_nan=False),
        EXAMPLES: json.dumps(examples, allow_nan=False),
        SPLITS: "".join(f"{json.dumps(line)}\n" for line in lines),
        RECIPE: dump_recipe(context.recipe),
        CARD: card(verdict),
        REPORT: render_trial(document, examples),
    }
    put_in_place(context.work, out, {name: text.encode("utf-8", "replace") for name, text in files.items()})


def card(verdict: Verdict) -> str:
    """Return README.md: what was compared and what came out, for people who find the folder."""
    rows = []
    for name, arm in verdict.arms.items():
        scores = ("not known" if value is None else as_points(value) for value in (arm.macro_f1, arm.worst_recall))
        macro = verdict.deciding.macro(name)
        rows.append(f"| {' | '.join([table_cell(name), *scores, macro.verdict if macro else 'the control'])} |")
    return "\n".join(
        [
            "<!-- written by synth -->",
            "# Which strategy helps",
            "",
            verdict.advice,
            "",
            f"| arm | macro-F1 | worst recall | against {table_cell(verdict.control)} |",
            "|---|---|---|---|",
            *rows,
            "",
            "Scores are in points: means over the splits, on real images that nothing in the split learned from.",
            "",
            "* `report.html` shows the results in pictures, `verdict.json` holds every number.",
            "* `splits.jsonl` lists the images that each split learned from and held out, `recipe.toml` every setting:",
            "  the same command with it gives the same verdict.",
            "",
        ]
    )
