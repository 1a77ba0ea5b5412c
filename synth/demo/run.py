"""`synth demo`: the main job on drawn traffic lights, end to end and offline.

`synth.demo:TrafficLights` is also the worked example of a custom generator:

    synth generate DATA OUT --method synth.demo:TrafficLights
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from synth.data.dataset import Dataset, open_dataset
from synth.demo.traffic_lights import draw_dataset
from synth.errors import OutputError
from synth.output.summary import Summary
from synth.records import ShortRepr
from synth.runs.generate import generate
from synth.runs.preview import preview, save_sheet
from synth.settings.recipe import Recipe
from synth.workers import Progress

YELLOW = "yellow"


@dataclass(frozen=True, repr=False)
class Demo(ShortRepr):
    """The results of the demo."""

    data: Path
    """The drawn dataset: about 56 % red, 3 % yellow, 41 % green."""
    balanced: Path
    sheet: Path
    gan_sheet: Path | None
    """Yellow lights that a GAN generated; None if its bundle is not installed."""
    dataset: Dataset
    summary: Summary


def shelf() -> Path | None:
    """Return the folder of the bundles that come with the package, trained on such lights; None if they are missing."""
    package = Path(__file__).parents[1]
    places = (package / "shelf", package.parent / "models" / "demo")
    return next((place for place in places if (place / "gan").is_dir() and (place / "judge").is_dir()), None)


def run_demo(out: str | Path, *, seed: int = 0, n_workers: int = 1, progress: Progress | None = None) -> Demo:
    """Draw an imbalanced dataset, balance it by augmentation, and make sheets of both and of images from a GAN.

    Raises:
        OutputError: the folder holds other files.
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
    recipe = Recipe(seed=seed, cap=50)  # fills nine yellow lights up to the number of red ones
    if not sheet.exists():
        save_sheet(preview(dataset, recipe, captions=True), sheet)
    summary = generate(dataset, None, recipe, balanced, n_workers=n_workers, progress=progress)
    return Demo(data, balanced, sheet, _draw(dataset, out / "gan.png", seed), dataset, summary)


def _draw(dataset: Dataset, sheet: Path, seed: int) -> Path | None:
    """Draw a sheet of yellow lights from the GAN of the package, under real ones."""
    bundles = shelf()
    if bundles is None:
        return None
    if not sheet.exists():
        given = {"bundle": str(bundles / "gan"), "judge": str(bundles / "judge")}
        recipe = Recipe(seed=seed, method="gan", classes=(YELLOW,), **given)
        save_sheet(preview(dataset, recipe, n=10, rows=2), sheet)
    return sheet
