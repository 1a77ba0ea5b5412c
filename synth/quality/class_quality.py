"""The quality of one class: its synthetic images, and its real training images, against real images of reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.data.findings import n_images
from synth.measures import copies, detection, neighbours, sets
from synth.measures.scores import ClassScores
from synth.measures.words import MIN_REAL, Word, four_words
from synth.quality.samples import Sample, join
from synth.records import ShortRepr, rounded

MIN_REFERENCE = 5
"""Fewer held-out real images of a class than this are no reference."""
SHARES = ("on_class", "near_real", "on_class_near_real", "score_mean", "called")
DISTANCES = ("kid", "kid_interval", "density", "coverage", "copies", "diversity", "detectable_auc")

Bools = npt.NDArray[np.bool_]
Measures = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class ClassQuality(ShortRepr):
    """What `check` found of one class; None where nothing is known."""

    real: Measures
    synthetic: Measures
    words: Mapping[str, Word]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The class's entry in `quality.json`."""
        return {name: rounded(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class ClassImages:
    """All images of a class that were looked at."""

    label: str
    column: int
    """Of the class in the judge's probabilities."""
    train: Sample
    held_out: Sample
    made: Sample
    different: Sequence[int]
    """Rows of `train` with one image of each picture: distances between near-duplicates say nothing about the class."""

    @property
    def scored(self) -> Sample:
        """The real images that stand for what the judge does to real ones: held-out ones where there are enough."""
        enough = len(self.held_out) >= MIN_REFERENCE or not len(self.train)
        return self.held_out if enough else self.train


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
        scores: of its real images, by the judge.
        labels: the judge's classes.
        accepted: share of attempts that became images.
        spread_max: largest distance, in spreads of the class's training images, at which an image is like them.
        real_pixels: pixels_sha256 of every real image of the dataset, whatever its class.
    """
    reference, train, made, notes = _settle(found, seed)
    n = min(len(train), len(made)) if len(made) else len(train)
    near = _Near(found, spread_max)
    real = {
        "n": scores.n,
        "held_out": "test" if found.scored is found.held_out else "out_of_fold",
        "recall": scores.recall,
        "precision": scores.precision,
        "f1": scores.f1,
        **_shares(found.scored, near.real(), found.column, labels),
        **_distances(train, reference, n=n, rng=seeds.generator(seed, found.label, stream="check real", attempt=0)),
        "copies": _real_copies(found),
    }
    synthetic = {
        "n": len(found.made),
        "accepted": accepted,
        **_shares(found.made, near.made(), found.column, labels),
        **_distances(made, reference, n=n, rng=seeds.generator(seed, found.label, stream="check", attempt=0)),
        "copies": _made_copies(found, real_pixels),
    }
    if not len(found.made):
        synthetic = dict.fromkeys(synthetic)
    notes += [note for note in (scores.note, _blind(real["on_class"])) if note]
    return ClassQuality(real, synthetic, four_words(synthetic, real), "; ".join(notes))


def _blind(recall: float | None) -> str:
    blind = recall is not None and recall < MIN_REAL
    return f"the judge finds only {recall:.0%} of the real images: it can't call others realistic" if blind else ""


def _settle(found: ClassImages, seed: int) -> tuple[Sample, Sample, Sample, list[str]]:
    """What is the reference, and what is compared with it: (reference, real, synthetic, notes)."""
    if len(found.held_out) >= MIN_REFERENCE:
        return found.held_out, found.train, found.made, []
    n = len(found.train)
    order = seeds.permutation(seed, found.label, stream="check halves", attempt=0, n=n)
    reference, other = (
        found.train.take(np.sort(order[: (n + 1) // 2])),
        found.train.take(np.sort(order[(n + 1) // 2 :])),
    )
    n_held_out = len(found.held_out)
    said = f"only {n_images(n_held_out)} held out" if n_held_out else "no image held out"
    note = f"{said}: set measures compare with half of the training images instead"
    # Children of the reference would be near to it by birth: those of the other half stand for all, if there are any.
    known = set(other.sha256s)
    apart = [i for i, parents in enumerate(found.made.parents) if set(parents) <= known]
    return reference, other, found.made.take(apart) if apart else found.made, [note]


class _Near:
    """Which images lie near the class's training images; distances in spreads of those."""

    def __init__(self, found: ClassImages, spread_max: float) -> None:
        self._found = found
        self._reach = spread_max * neighbours.spread(found.train.features[found.different])

    def made(self) -> Bools:
        """For each synthetic image; its own parents count."""
        return neighbours.nearest(self._found.made.features, self._found.train.features) <= self._reach

    def real(self) -> Bools:
        """For each real image that is scored; an image is no neighbour of itself."""
        scored, train = self._found.scored, self._found.train
        if scored is not train:
            return neighbours.nearest(scored.features, train.features) <= self._reach
        if len(train) < 2:
            return np.ones(len(train), bool)
        return neighbours.neighbour_distances(train.features, 1) <= self._reach


def _shares(sample: Sample, near: Bools, column: int, labels: Sequence[str]) -> dict[str, Any]:
    """What the judge says: shares of images, and what it calls them."""
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
    families = detection.relatives(sample.parents.tolist())
    return {
        "kid": kid.value,
        "kid_interval": kid.interval,
        "density": cover.density,
        "coverage": cover.coverage,
        "copies": None,
        "diversity": sets.diversity(sample.features, reference.features, rng=rng),
        "detectable_auc": detection.detectable_auc(*blocks, groups=families, rng=rng, n=n),
    }


def _made_copies(found: ClassImages, real_pixels: frozenset[str]) -> float | None:
    """Share with the pixels of any real image, or as near to one of the class as itself saved again."""
    if not len(found.made):
        return None
    real = join([found.train, found.held_out])
    same = np.array([pixels in real_pixels for pixels in found.made.pixels_sha256s])
    limit = copies.tolerance(real.resave_errors, real.thumbnails)
    return float((same | (neighbours.nearest(found.made.thumbnails, real.thumbnails) <= limit)).mean())


def _real_copies(found: ClassImages) -> float | None:
    """Share of training images that are copies of another real image of the class."""
    real = join([found.train, found.held_out])
    if not len(found.train) or len(real) < 2:
        return None
    limit = copies.tolerance(real.resave_errors, real.thumbnails)
    nearest = neighbours.neighbour_distances(real.thumbnails, 1)[: len(found.train)]
    return float((nearest <= limit).mean())
