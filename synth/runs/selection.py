"""Which images stay when large classes are undersampled: the selection, its record, and a list of its images."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.data.dataset import Dataset
from synth.errors import OutputError, UsageError
from synth.files import write_new
from synth.output.summary import left_out_json
from synth.records import PARENT_SPLIT, Item, ShortRepr
from synth.runs.preflight import dataset_warnings
from synth.runs.settle import run_id
from synth.settings.recipe import Recipe
from synth.undersampling.choice import METHODS, ClassSelection, features_of, select
from synth.versions import versions
from synth.workers import Progress


@dataclass(frozen=True, repr=False)
class Selection(ShortRepr):
    """The images that stay."""

    method: str
    seed: int
    classes: Mapping[str, ClassSelection]
    """Of the training split."""
    items: tuple[Item, ...]
    """All images that stay, those of other splits included, sorted by id."""
    refused: tuple[tuple[str, str], ...]
    skipped: Mapping[str, int]
    warnings: tuple[str, ...]
    run: str

    def to_json(self) -> dict[str, Any]:
        """Return the document of `--json`."""
        classes = {
            label: {**vars(found), "kept": len(found.kept), "method": None if found.whole else self.method}
            for label, found in self.classes.items()
        }
        return {
            "run": self.run,
            "seed": self.seed,
            "method": f"undersample:{self.method}",
            "classes": classes,
            **left_out_json(self.skipped, self.refused),
            "warnings": list(self.warnings),
            "versions": versions(),
        }

    def summary(self) -> dict[str, Any]:
        """Return the document of `summary.json`. As in every summary, `classes` describes the images in the folder."""
        document = self.to_json()
        inside = {
            label: {
                "real": len(found.kept),
                "note": "" if found.whole else f"thinned from {found.real} real images by {self.method}",
            }
            for label, found in self.classes.items()
        }
        return {**document, "classes": inside, "thinned": document["classes"]}


def choose(dataset: Dataset, recipe: Recipe, *, progress: Progress | None = None) -> Selection:
    """Choose the images that stay; writes nothing.

    Raises:
        UsageError, BundleError: as `select` and `features_of`.
    """
    settings, train = recipe.undersample, dataset.train
    features = None if settings.method == METHODS[0] else features_of(recipe, progress=progress)
    classes = select(train, settings, seed=recipe.seed, classes=recipe.classes, features=features, progress=progress)
    kept = {item.id for found in classes.values() for item in found.kept}
    items = tuple(item for item in dataset.real if item.split != PARENT_SPLIT or item.id in kept)
    warnings = dataset_warnings(dataset)
    run = run_id([versions(), dataset.digest, recipe.model_dump(mode="json"), [item.id for item in items]])
    return Selection(settings.method, recipe.seed, classes, items, dataset.refused, dataset.skipped, warnings, run)


def check_list(dataset: Dataset, path: Path) -> None:
    """Refuse a place where no list may be written, before the choice, which may take long.

    Raises:
        OutputError: a file that is no such list is there, or it would lie in the input or in no folder.
    """
    if os.path.lexists(path) and not _is_list(dataset, path):
        raise OutputError(f"{path} exists: choose another name for the list")
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(dataset.root)):
        raise OutputError(f"{path} would lie inside the input: choose another place for the list")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: no folder {path.parent} for the list")


def _is_list(dataset: Dataset, path: Path) -> bool:
    """Whether a file lists images of the dataset, as an earlier run of the command left it."""
    known = {item.id.encode() for item in dataset.real}
    return path.is_file() and all(line in known for line in path.read_bytes().splitlines())


def write_list(selection: Selection, path: str | Path) -> None:
    """Write the paths of the images that stay, relative to the input, one per line.

    Raises:
        OutputError: the place can't be written, or another list is there. UsageError: a name contains a line break.
    """
    odd = next((item.id for item in selection.items if "\n" in item.id or "\r" in item.id), None)
    if odd is not None:
        raise UsageError(f"{odd!r} has a line break in its name, so no list can hold it: give an output folder")
    write_new(Path(path), "".join(f"{item.id}\n" for item in selection.items).encode())
