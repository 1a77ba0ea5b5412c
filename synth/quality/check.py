"""check: compare synthetic images of each class with real ones, by a judge's scores and by set measures.

Synthetic images and real training images are both measured against the same reference, held-out real images that no
image was made from, and in equal numbers. So the result of the real training images shows what can be reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.data.dataset import Reading
from synth.data.duplicates import one_of_each
from synth.errors import UsageError, in_the_way
from synth.files import replace_file
from synth.measures.scores import Scores, score
from synth.output.root_files import QUALITY, SUMMARY, is_our_quality
from synth.pages.report import write_report
from synth.quality.class_quality import ClassImages, ClassQuality, measure_class
from synth.quality.inputs import Inputs, open_judge_for, read_inputs
from synth.quality.samples import HELD_OUT, SYNTHETIC, TRAIN, ImageFile, Samples, read_samples
from synth.workers import Progress

if TYPE_CHECKING:
    from synth.classifier.judge import Judge
from synth.records import ShortRepr

NEEDED = ("realistic", "original")
"""A "no" for one of these words means: do not use. Wrong or unreal images do harm; copies only pretend to be new."""


@dataclass(frozen=True, repr=False)
class Quality(ShortRepr):
    """What `check` found."""

    classes: Mapping[str, ClassQuality]
    judge: Mapping[str, Any]
    """{digest of its weights, classes that it knows, warnings about its folds}."""
    refused: tuple[tuple[str, str], ...] = ()
    """(image, reason) of those that could not be read."""

    @property
    def bad(self) -> tuple[str, ...]:
        """Classes whose synthetic images should not be used."""
        return tuple(
            label for label, found in self.classes.items() if any(found.words[word].verdict == "no" for word in NEEDED)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document of `quality.json`."""
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
    say: Callable[[str], None] | None = None,
) -> Quality:
    """Compare synthetic images with held-out real ones, class by class.

    Args:
        out: an output folder of ours, with its real and synthetic images; or any dataset, with `synthetic`.
        synthetic: class folders of images made elsewhere, or an output folder of ours that holds new images alone.
        judge: an opened judge, or its bundle; None: that of the run, or else one that is trained first.
        write: leave `quality.json` and the page in `out`, if its own images were checked; and keep a judge that was
            trained in `OUT-judge`, where the next check finds it.
        say: receives a message about the training of a judge before it starts.

    Raises:
        UsageError: no synthetic or no real images, or a class that the dataset or the judge does not have.
        BundleError: the judge is no classifier bundle.
        DatasetError, ManifestError: a folder or a manifest can't be used.
    """
    out, keep, write = Path(out), write, write and synthetic is None
    if write and (out / QUALITY).exists() and not is_our_quality(out / QUALITY):
        raise in_the_way(out / QUALITY)
    inputs = read_inputs(out, None if synthetic is None else Path(synthetic), n_workers=n_workers)
    with open_judge_for(inputs, judge, keep=keep, n_workers=n_workers, progress=progress, say=say) as opened:
        _check_known(inputs.images, opened)
        reading = Reading(inputs.recipe.data, inputs.dataset.levels)
        samples, refused = read_samples(inputs.images, opened, reading=reading, n_workers=n_workers, progress=progress)
        known = {"digest": opened.digest, "classes": list(opened.classes), "warnings": list(opened.warnings)}
        quality = Quality(_measure(inputs, samples, opened, seed=seed), known, refused)
    if write:
        replace_file(out / QUALITY, json.dumps(quality.to_json(), indent=1, allow_nan=False).encode())
        if (out / SUMMARY).is_file():
            write_report(out)
    return quality


def _check_known(images: Sequence[ImageFile], judge: Judge) -> None:
    unknown = sorted({image.label for image in images} - set(judge.classes))
    if unknown:
        raise UsageError(f"the judge does not know {', '.join(unknown)}: it was trained on {', '.join(judge.classes)}")


def _measure(inputs: Inputs, samples: Samples, judge: Judge, *, seed: int) -> dict[str, ClassQuality]:
    empty = next(iter(samples.values())).take([])
    images = []
    for label in inputs.dataset.classes:
        if label in judge.classes:
            train, held_out, made = (samples.get((label, kind), empty) for kind in (TRAIN, HELD_OUT, SYNTHETIC))
            items = inputs.dataset.train[label]
            first = {items[place].sha256 for place in one_of_each(items)}
            different = [row for row, sha256 in enumerate(train.sha256s) if sha256 in first]
            images.append(ClassImages(label, judge.classes.index(label), train, held_out, made, different))
    scores = _real_scores(images, judge, seed)
    return {
        entry.label: measure_class(
            entry,
            scores.classes[entry.label],
            labels=judge.classes,
            accepted=inputs.accepted.get(entry.label),
            spread_max=inputs.recipe.gate.distance.spread_max,
            real_pixels=inputs.dataset.pixels,
            seed=seed,
        )
        for entry in images
    }


def _real_scores(images: Sequence[ClassImages], judge: Judge, seed: int) -> Scores:
    """Return the scores of real images of all classes, each by networks that did not learn from it."""
    truth = np.repeat([entry.column for entry in images], [len(entry.scored) for entry in images])
    probabilities = np.concatenate([entry.scored.probabilities for entry in images])
    return score(truth, probabilities, judge.classes, seed=seed)
