"""The folder of a finished trial: verdict, examples, splits, recipe, card and page, put in its place at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from synth.files import replace_file
from synth.output.root_files import CARD, RECIPE, REPORT
from synth.pages.report import VERDICT
from synth.pages.trial_page import EXAMPLES, render_trial
from synth.settings.recipe import dump_recipe
from synth.trials.card import card
from synth.trials.context import TrialContext
from synth.trials.verdict import Verdict

SPLITS = "splits.jsonl"


def publish(context: TrialContext, verdict: Verdict, examples: dict[str, Any], out: Path) -> None:
    """Put the folder together and give it its place; the folder of the work goes."""
    document = verdict.to_json()
    lines = [
        {"split": split.number, "part": part, "path": context.items[index].id}
        for split in context.splits
        for part, places in (("train", split.train), ("held out", split.held_out))
        for index in places.tolist()
    ]
    files = {
        VERDICT: json.dumps(document, indent=1, allow_nan=False).encode(),
        EXAMPLES: json.dumps(examples, allow_nan=False).encode(),
        SPLITS: "".join(f"{json.dumps(line)}\n" for line in lines).encode(),
        RECIPE: dump_recipe(context.recipe).encode(),
        CARD: card(verdict).encode(),
        REPORT: render_trial(document, examples).encode("utf-8", "replace"),
    }
    ready = context.work / "verdict"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    for name, data in files.items():
        replace_file(ready / name, data)
    os.rename(ready, out)
    shutil.rmtree(context.work)
