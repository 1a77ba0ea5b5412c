"""`synth demo`: the main job on traffic lights that the project draws itself, end to end, offline.

`synth.demo:TrafficLights` is also the worked example of a generator of one's own:

    synth generate DATA OUT --method synth.demo:TrafficLights
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from synth.data.dataset import Dataset, open_dataset
from synth.errors import OutputError
from synth.output.preview import preview, save_sheet
from synth.output.summary import Summary
from synth.pipeline import generate
from synth.recipe import Recipe
from synth.simulate import TrafficLights, draw_dataset
from synth.workers import Progress

__all__ = ["Demo", "TrafficLights", "run_demo"]


@dataclass(frozen=True)
class Demo:
    """Where the demo's results lie."""

    data: Path
    """The drawn dataset: about 56 % red, 3 % yellow, 41 % green."""
    balanced: Path
    sheet: Path
    dataset: Dataset
    summary: Summary


def run_demo(out: str | Path, *, seed: int = 0, n_workers: int = 1, progress: Progress | None = None) -> Demo:
    """Draw an imbalanced dataset, balance it by augmentation, and make a contact sheet.

    Raises:
        OutputError: the folder holds something else.
    """
    out = Path(out)
    data, balanced, sheet = out / "data", out / "balanced", out / "preview.png"
    if not data.exists():
        if out.exists() and {path.name for path in out.iterdir()} - {"data.incomplete"}:
            raise OutputError(f"{out} holds files: choose a new or empty folder for the demo")
        unfinished = data.with_name("data.incomplete")
        shutil.rmtree(unfinished, ignore_errors=True)
        draw_dataset(unfinished)
        unfinished.rename(data)
    dataset = open_dataset(data, n_workers=n_workers)
    recipe = Recipe(seed=seed, cap=50)  # nine yellow lights are to become as many as there are red ones
    if not sheet.exists():
        save_sheet(preview(dataset, recipe, captions=True), sheet)
    summary = generate(dataset, None, recipe, balanced, n_workers=n_workers, progress=progress)
    return Demo(data, balanced, sheet, dataset, summary)
