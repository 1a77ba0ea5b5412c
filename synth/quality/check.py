"""check: synthetic images of each class beside real ones, by a judge's scores and by set measures.

Synthetic images and real training images are both measured against one reference, held-out real images that nothing was
made from, and with equal numbers: what the real training images reach is what can be reached.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.data.balance import check_classes
from synth.data.dataset import Dataset, open_dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError, UsageError
from synth.files import replace_file
from synth.measures.scores import Scores, score
from synth.output.staging import QUALITY, RECIPE, SUMMARY, is_our_quality
from synth.pages.report import write_report
from synth.quality.class_quality import ClassImages, ClassQuality, measure_class
from synth.quality.samples import Picture, Sample, empty_sample, look_at
from synth.records import PARENT_SPLIT
from synth.settings.recipe import Recipe, load_recipe
from synth.workers import Progress

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

TRAIN, HELD_OUT, MADE = "train", "held_out", "synthetic"
NEEDED = ("realistic", "original")
"""Words whose "no" means: do not use. Images of another class, or of none, do harm; copies pretend to be new."""

Samples = Mapping[tuple[str, str], Sample]


@dataclass(frozen=True)
class Quality:
    """What `check` found."""

    classes: Mapping[str, ClassQuality]
    judge: Mapping[str, Any]
    """Digest of its weights, and the classes that it knows."""
    refused: tuple[tuple[str, str], ...] = ()
    """(image, reason) of those that could not be read."""

    @property
    def bad(self) -> tuple[str, ...]:
        """Classes whose synthetic images should not be used."""
        return tuple(
            label for label, found in self.classes.items() if any(found.words[word].verdict == "no" for word in NEEDED)
        )

    def to_json(self) -> dict[str, Any]:
        """The document of `quality.json`."""
        return {
            "classes": {label: found.to_json() for label, found in self.classes.items()},
            "judge": dict(self.judge),
            "bad": list(self.bad),
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
        }


def check(
    out: str | Path,
    *,
    synthetic: str | Path | None = None,
    judge: Judge | str | Path | None = None,
    seed: int = 0,
    write: bool = True,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> Quality:
    """Compare synthetic images with held-out real ones, class by class.

    Args:
        out: an output folder of ours, with its real and synthetic images; or any dataset, with `synthetic`.
        synthetic: class folders of images made elsewhere, or an output folder of ours that holds new images alone.
        judge: opened, or its bundle; None: that of the run, else one trained for this once.
        write: leave `quality.json` and the page in `out`, where its own images were checked.

    Raises:
        UsageError: no synthetic or no real images, a class that the dataset or the judge does not have.
        BundleError: the judge is no classifier bundle.
        DatasetError, ManifestError: a folder or a manifest that can't be used.
    """
    from synth.quality.judge_for import (
        judge_for,  # torch is imported only now, so that a wrong folder is answered at once
    )

    out = Path(out)
    source = Path(out if synthetic is None else synthetic)
    if write and synthetic is None and (out / QUALITY).exists() and not is_our_quality(out / QUALITY):
        raise OutputError(f"{out / QUALITY} is in the way, and not of synth: move it away")
    recipe = _recipe_of(out)
    dataset = open_dataset(out, recipe.data, n_workers=n_workers)
    made, accepted = _made(source, recipe, n_workers, elsewhere=synthetic is not None)
    _check_input(dataset, made, source)
    with judge_for(dataset, recipe, judge, n_workers=n_workers, progress=progress) as opened:
        pictures = [*_real(dataset), *made]
        _check_known(pictures, opened)
        found, refused = look_at(pictures, opened, settings=recipe.data, n_workers=n_workers, progress=progress)
        quality = Quality(
            _measured(dataset, found, accepted, opened, spread_max=recipe.gate.distance.spread_max, seed=seed),
            {"digest": opened.digest, "classes": list(opened.classes)},
            refused,
        )
    if write and synthetic is None:
        replace_file(out / QUALITY, json.dumps(quality.to_json(), indent=1, allow_nan=False).encode())
        if (out / SUMMARY).is_file():
            write_report(out)
    return quality


def _measured(
    dataset: Dataset, found: Samples, accepted: Mapping[str, float], judge: Judge, *, spread_max: float, seed: int
) -> dict[str, ClassQuality]:
    images = [_class_images(label, found, judge) for label in dataset.classes if label in judge.classes]
    scores = _real_scores(images, judge, seed)
    return {
        entry.label: measure_class(
            entry,
            scores.classes[entry.label],
            labels=judge.classes,
            accepted=accepted.get(entry.label),
            spread_max=spread_max,
            real_pixels=dataset.pixels,
            seed=seed,
        )
        for entry in images
    }


def _recipe_of(folder: Path) -> Recipe:
    """The recipe that a run of ours left in its output; the defaults elsewhere."""
    saved = folder / RECIPE
    return load_recipe(saved) if (folder / MANIFEST).is_file() and saved.is_file() else Recipe()


def _real(dataset: Dataset) -> list[Picture]:
    return [
        Picture(item.id, item.path, item.label, TRAIN if item.split == PARENT_SPLIT else HELD_OUT)
        for item in dataset.items
    ]


def _made(folder: Path, recipe: Recipe, n_workers: int, *, elsewhere: bool) -> tuple[list[Picture], dict[str, float]]:
    """The synthetic images of a folder, and {class: accepted / attempted} where its manifest tells."""
    if (folder / MANIFEST).is_file():
        return _made_by_us(folder)
    if not elsewhere:
        return [], {}
    items = open_dataset(folder, recipe.data, n_workers=n_workers).items
    return [Picture(item.id, item.path, item.label, MADE) for item in items], {}


def _made_by_us(folder: Path) -> tuple[list[Picture], dict[str, float]]:
    pictures, attempted, accepted = [], Counter[str](), Counter[str]()
    for row in read_manifest(folder / MANIFEST):
        if not row.synthetic:
            continue
        attempted[row.label] += 1
        accepted[row.label] += row.verdict == "accepted"
        if row.path is not None:
            parents = tuple(parent["sha256"] for parent in row.parents if "sha256" in parent)
            pictures.append(Picture(row.id, str(folder / row.path), row.label, MADE, parents))
    return pictures, {label: accepted[label] / n for label, n in attempted.items()}


def _check_input(dataset: Dataset, made: Sequence[Picture], source: Path) -> None:
    if not dataset.items:
        raise UsageError(f"{dataset.root} holds no real images: synth check DATA --synthetic {dataset.root}")
    if not made:
        raise UsageError(f"{source}: no synthetic image there; for images made elsewhere give --synthetic DIR")
    check_classes({picture.label for picture in made}, dataset.classes)


def _check_known(pictures: Sequence[Picture], judge: Judge) -> None:
    unknown = sorted({picture.label for picture in pictures} - set(judge.classes))
    if unknown:
        raise UsageError(f"the judge does not know {', '.join(unknown)}: it was trained on {', '.join(judge.classes)}")


def _class_images(label: str, found: Samples, judge: Judge) -> ClassImages:
    like = next(iter(found.values()))
    train, held_out, made = (found.get((label, kind), empty_sample(like)) for kind in (TRAIN, HELD_OUT, MADE))
    return ClassImages(label, judge.classes.index(label), train, held_out, made)


def _real_scores(images: Sequence[ClassImages], judge: Judge, seed: int) -> Scores:
    """Scores of real images of all classes, each by networks that did not learn from it."""
    truth = np.repeat([entry.column for entry in images], [len(entry.scored) for entry in images])
    probabilities = np.concatenate([entry.scored.probabilities for entry in images])
    return score(truth, probabilities, judge.classes, seed=seed)
