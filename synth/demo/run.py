"""`synth demo`: the main job on traffic lights that the project draws itself, end to end, offline.

`synth.demo:TrafficLights` is also the worked example of a generator of one's own:

    synth generate DATA OUT --method synth.demo:TrafficLights
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from synth.data.dataset import Dataset, open_dataset
from synth.demo.traffic_lights import draw_dataset
from synth.errors import OutputError
from synth.output.summary import Summary
from synth.runs.generate import generate
from synth.runs.preview import preview, save_sheet
from synth.settings.recipe import Recipe
from synth.workers import Progress

YELLOW = "yellow"


@dataclass(frozen=True)
class Demo:
    """Where the demo's results lie."""

    data: Path
    """The drawn dataset: about 56 % red, 3 % yellow, 41 % green."""
    balanced: Path
    sheet: Path
    gan_sheet: Path | None
    """Yellow lights that a GAN drew; None where its bundle does not lie on the shelf."""
    dataset: Dataset
    summary: Summary


def shelf() -> Path | None:
    """The bundles that come with the package, trained on the same drawn lights; None where they were left out."""
    package = Path(__file__).parents[1]
    places = (package / "shelf", package.parent / "models" / "demo")
    return next((place for place in places if (place / "gan").is_dir() and (place / "judge").is_dir()), None)


def run_demo(out: str | Path, *, seed: int = 0, n_workers: int = 1, progress: Progress | None = None) -> Demo:
    """Draw an imbalanced dataset, balance it by augmentation, and make sheets: of that, and of what a GAN draws.

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
    return Demo(data, balanced, sheet, _draw(dataset, out / "gan.png", seed), dataset, summary)


def _draw(dataset: Dataset, sheet: Path, seed: int) -> Path | None:
    """Yellow lights drawn by the shelf's GAN, under real ones."""
    bundles = shelf()
    if bundles is None:
        return None
    if not sheet.exists():
        given = {"bundle": str(bundles / "gan"), "judge": str(bundles / "judge")}
        recipe = Recipe(seed=seed, method="gan", classes=(YELLOW,), **given)
        save_sheet(preview(dataset, recipe, n=10, rows=2), sheet)
    return sheet
