"""The quality of one class: its synthetic images and its real training images against a reference of real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.measures import copies, detection, neighbours, sets
from synth.measures.scores import ClassScores
from synth.measures.words import MIN_REAL, Word, four_words
from synth.quality.samples import Sample, join

MIN_REFERENCE = 5
"""Held-out real images of a class that make a reference, at least."""
SHARES = ("on_class", "near_real", "on_class_near_real", "score_mean", "called")
DISTANCES = ("kid", "kid_interval", "density", "coverage", "diversity", "detectable_auc")

Bools = npt.NDArray[np.bool_]
Measures = Mapping[str, Any]


@dataclass(frozen=True)
class ClassQuality:
    """What `check` found for one class; measures that are not known are None."""

    real: Measures
    synthetic: Measures
    words: Mapping[str, Word]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the class's entry in `quality.json`."""
        words = {name: word.to_json() for name, word in self.words.items()}
        entry = {"real": self.real, "synthetic": self.synthetic, "words": words, "note": self.note}
        return {name: _rounded(value) for name, value in entry.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value


@dataclass(frozen=True)
class ClassImages:
    """All images of a class that were read."""

    label: str
    column: int
    """The class's column in the judge's probabilities."""
    train: Sample
    held_out: Sample
    made: Sample

    @property
    def scored(self) -> Sample:
        """The real images that the judge is scored on: held-out images if there are enough, else training images."""
        enough = len(self.held_out) >= MIN_REFERENCE or not len(self.train)
        return self.held_out if enough else self.train

    @cached_property
    def real(self) -> Sample:
        """All real images, the training images first."""
        return join([self.train, self.held_out])

    @cached_property
    def copy_distance(self) -> float:
        """Distance of thumbnails up to which an image is a copy of a real one."""
        return copies.tolerance(self.real.resave_errors, self.real.thumbnails)


def measure_class(
    found: ClassImages,
    scores: ClassScores,
    *,
    labels: Sequence[str],
    accepted: float | None,
    spread_max: float,
    real_pixels: frozenset[str],
    seed: int,
) -> ClassQuality:
    """Measure one class.

    Args:
        scores: the judge's scores on its real images.
        labels: the judge's classes.
        accepted: share of attempts that became images.
        spread_max: largest distance of an image from the class's training images, in their spreads.
        real_pixels: pixels_sha256 of every real image of the dataset, in any class.
    """
    reference, train, made, notes = _settle(found, seed)
    n = min(len(train), len(made)) if len(made) else len(train)
    real_near, made_near = _near_real(found, spread_max)
    real = {
        "n": scores.n,
        "held_out": "test" if found.scored is found.held_out else "out_of_fold",
        "recall": scores.recall,
        "precision": scores.precision,
        "f1": scores.f1,
        **_shares(found.scored, real_near, found.column, labels),
        **_distances(train, reference, n=n, rng=seeds.generator(seed, found.label, stream="check real", attempt=0)),
        "copies": _real_copies(found),
    }
    synthetic = {
        "n": len(found.made),
        "accepted": accepted,
        **_shares(found.made, made_near, found.column, labels),
        **_distances(made, reference, n=n, rng=seeds.generator(seed, found.label, stream="check", attempt=0)),
        "copies": _made_copies(found, real_pixels),
    }
    if not len(found.made):
        synthetic = dict.fromkeys(synthetic)
    notes += [note for note in (scores.note, _blind(real["on_class"])) if note]
    return ClassQuality(real, synthetic, four_words(synthetic, real), "; ".join(notes))


def _blind(recall: float | None) -> str:
    blind = recall is not None and recall < MIN_REAL
    return f"the judge finds only {recall:.0%} of the real images, so it can't judge synthetic ones" if blind else ""


def _settle(found: ClassImages, seed: int) -> tuple[Sample, Sample, Sample, list[str]]:
    """Return the reference and what is compared with it: (reference, real, synthetic, notes)."""
    if len(found.held_out) >= MIN_REFERENCE:
        return found.held_out, found.train, found.made, []
    n = len(found.train)
    order = seeds.permutation(seed, found.label, stream="check halves", attempt=0, n=n)
    reference, other = (found.train.take(np.sort(half)) for half in np.split(order, [(n + 1) // 2]))
    said = f"only {len(found.held_out)} held-out images" if len(found.held_out) else "no held-out image"
    note = f"{said}: set measures use half of the training images as the reference"
    # Images made from the reference would be near to it by nature: only those made from the other half count, if any.
    known = set(other.sha256s)
    apart = [i for i, parents in enumerate(found.made.parents) if set(parents) <= known]
    return reference, other, found.made.take(apart) if apart else found.made, [note]


def _near_real(found: ClassImages, spread_max: float) -> tuple[Bools, Bools]:
    """Return whether each scored real image and each synthetic image is near the class's training images.

    The parents of a synthetic image count as near; a real image is not its own neighbour.
    """
    train = found.train.features
    reach = spread_max * neighbours.spread(train)
    if found.scored is not found.train:
        real = neighbours.nearest(found.scored.features, train) <= reach
    elif len(train) < 2:
        real = np.ones(len(train), bool)
    else:
        real = neighbours.neighbour_distances(train, 1) <= reach
    return real, neighbours.nearest(found.made.features, train) <= reach


def _shares(sample: Sample, near: Bools, column: int, labels: Sequence[str]) -> dict[str, Any]:
    """Return the shares of images that the judge recognises, and {class: share that it predicts}."""
    if not len(sample):
        return dict.fromkeys(SHARES)
    called = sample.probabilities.argmax(axis=1)
    counts = np.bincount(called, minlength=len(labels)) / len(sample)
    return {
        "on_class": float(counts[column]),
        "near_real": float(near.mean()),
        "on_class_near_real": float(((called == column) & near).mean()),
        "score_mean": float(sample.probabilities[:, column].mean()),
        "called": {labels[c]: float(counts[c]) for c in np.argsort(-counts, kind="stable") if counts[c]},
    }


def _distances(sample: Sample, reference: Sample, *, n: int, rng: np.random.Generator) -> dict[str, Any]:
    if not len(sample) or not len(reference):
        return dict.fromkeys(DISTANCES)
    kid = sets.kid(sample.features, reference.features, rng=rng, n=n)
    cover = sets.density_coverage(sample.features, reference.features, n=n)
    blocks = [sample.features, sample.textures], [reference.features, reference.textures]
    families = detection.relatives(list(sample.parents))
    return {
        "kid": kid.value,
        "kid_interval": kid.interval,
        "density": cover.density,
        "coverage": cover.coverage,
        "diversity": sets.diversity(sample.features, reference.features, rng=rng),
        "detectable_auc": detection.detectable_auc(*blocks, groups=families, rng=rng, n=n),
    }


def _made_copies(found: ClassImages, real_pixels: frozenset[str]) -> float | None:
    """Return the share with the pixels of a real image, or as near to one of the class as that image saved again."""
    if not len(found.made):
        return None
    same = np.array([pixels in real_pixels for pixels in found.made.pixels_sha256s])
    near = neighbours.nearest(found.made.thumbnails, found.real.thumbnails) <= found.copy_distance
    return float((same | near).mean())


def _real_copies(found: ClassImages) -> float | None:
    """Return the share of training images that are copies of another real image of the class."""
    if not len(found.train) or len(found.real) < 2:
        return None
    nearest = neighbours.neighbour_distances(found.real.thumbnails, 1)[: len(found.train)]
    return float((nearest <= found.copy_distance).mean())
