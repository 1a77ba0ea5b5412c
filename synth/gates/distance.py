"""The distance gate: is a candidate a copy of a real image, too near to one, or far from all of them?

The bound for near copies is half of the distance between the two closest real images of the class. Half, because new
and independent images are often a little nearer: with n real images, about 2 in n - 1 of them are nearer to a real one
than any two real ones are to each other. A candidate with one parent consists of its parent's pixels, so only exact
copies are refused. With two parents, it is also refused if it is as near to a real image as that image saved again.

Near-duplicates among the real images do not count: the distances are those between different pictures.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth.data.duplicates import one_of_each
from synth.data.originals import Originals
from synth.gates.base import Batch
from synth.measures.copies import resave_error, thumbnail, tolerance
from synth.measures.neighbours import neighbour_distances, spread, two_nearest
from synth.measures.subset import evenly_spaced
from synth.records import Candidate, Item, Verdict
from synth.settings.gates import DistanceGate as Settings

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

MIN_IMAGES = 5
"""A class with fewer pictures takes the widest spread of all classes instead of its own."""
MAX_IMAGES = 2000
"""Images that represent a class, at most."""
SAMPLE = 200

Floats = npt.NDArray[np.floating[Any]]
Reference = tuple[Floats, tuple[str, ...], float]
"""Features of a class's real images, their pixels' hashes, and their spread."""


class DistanceGate:
    """Compares the pixels of a candidate with all real images, and its features with those of its class."""

    def __init__(
        self,
        settings: Settings,
        train: Mapping[str, Sequence[Item]],
        *,
        known: Collection[str],
        originals: Originals,
        judge: Judge | None,
    ) -> None:
        """Args: known: hashes of the pixels of all real images, of every split."""
        self._settings, self._train, self._known = settings, train, frozenset(known)
        self._originals, self._judge = originals, judge
        self._reference = functools.cache(self._find_reference)
        self._thumbnails = functools.cache(self._find_thumbnails)
        self._closest = functools.cache(self._find_closest)
        self._resaved = functools.cache(self._find_resaved)

    def judge(self, batch: Batch) -> list[Verdict]:
        """Scores: `copy`, RMSE (0..1) to the nearest real image of the class at 32 x 32 pixels, if it is compared;
        `nearest`, distance to the nearest real image in units of the class's spread, with a judge.
        """
        bounds = [self._bound(candidate) for candidate in batch.candidates]
        found = zip(batch.candidates, self._nearest(batch), bounds, self._copy_errors(batch, bounds), strict=True)
        verdicts = []
        for candidate, nearest, bound, error in found:
            scores = {"nearest": nearest, "copy": error}
            reasons = ("outlier",) if nearest is not None and nearest > self._settings.spread_max else ()
            if bound is not None and error is not None and error < bound:
                reasons = ("near_copy",)
            if self._refuses_copies(candidate) and candidate.pixels_sha256 in self._known:
                reasons = ("copy",)
            known = {name: score for name, score in scores.items() if score is not None}
            verdicts.append(Verdict(known, reasons))
        return verdicts

    def _refuses_copies(self, candidate: Candidate) -> bool:
        """Whether a candidate must not be a copy. One that is declared a copy, with a file, may be one."""
        return candidate.file is None and self._settings.copies != "off"

    def _bound(self, candidate: Candidate) -> float | None:
        """Return the RMSE from a real image below which a candidate is refused; None: only exact copies are."""
        if not self._refuses_copies(candidate) or self._settings.copies == "exact":
            return None
        if self._settings.copies == "near" or not candidate.from_parent_pixels:
            return self._settings.near_share * self._closest(candidate.label)
        return self._resaved(candidate.label) if len(candidate.parents) > 1 else None

    def _copy_errors(self, batch: Batch, bounds: Sequence[float | None]) -> list[float | None]:
        """Return the RMSE of each candidate that has a bound to the nearest real image of its class."""
        errors: list[float | None] = [None] * len(bounds)
        bounded = [place for place, bound in enumerate(bounds) if bound is not None]
        for label in dict.fromkeys(batch.candidates[place].label for place in bounded):
            reference = self._thumbnails(label)
            places = [place for place in bounded if batch.candidates[place].label == label]
            if not len(reference):
                continue
            own = np.stack([thumbnail(batch.candidates[place].pixels) for place in places])
            for place, distances in zip(places, two_nearest(own, reference)[0], strict=True):
                errors[place] = round(float(distances[0]), 4)
        return errors

    def _find_thumbnails(self, label: str) -> Floats:
        items = self._train.get(label, ())
        return np.stack([thumbnail(self._originals.pixels(item)) for item in items]) if items else np.empty((0, 1))

    def _find_closest(self, label: str) -> float:
        """Return the RMSE between the two nearest real images that show different pictures."""
        pictures = one_of_each(self._train.get(label, ()))
        different: Floats = np.unique(self._thumbnails(label)[pictures], axis=0)
        return float(neighbour_distances(different, 1).min()) if len(different) > 1 else 0.0

    def _find_resaved(self, label: str) -> float:
        """Return the RMSE up to which an image is a real image that was saved again."""
        items = evenly_spaced(self._train.get(label, ()), SAMPLE)
        errors = [resave_error(self._originals.pixels(item)) for item in items]
        return tolerance(errors, np.array(evenly_spaced(list(np.unique(self._thumbnails(label), axis=0)), MAX_IMAGES)))

    def _nearest(self, batch: Batch) -> list[float | None]:
        """Return the distance of each candidate to the nearest real image of its class, by the judge's features."""
        nearest: list[float | None] = [None] * len(batch.candidates)
        if batch.prediction is None:
            return nearest
        keys = [(c.label, members[0]) for c, members in zip(batch.candidates, batch.members, strict=True)]
        for key in dict.fromkeys(keys):
            places = [place for place, other in enumerate(keys) if other == key]
            reference, hashes, unit = self._reference(*key)
            if not len(reference) or not np.isfinite(unit) or unit == 0:
                continue
            for place, distances, which in zip(
                places, *two_nearest(batch.prediction.features[places], reference), strict=True
            ):
                own = batch.candidates[place].pixels_sha256
                others = [float(d) for d, index in zip(distances, which, strict=True) if hashes[index] != own]
                nearest[place] = round(others[0] / unit, 4) if others else None
        return nearest

    def _find_reference(self, label: str, member: int) -> Reference:
        different = list({item.pixels_sha256: item for item in self._train.get(label, ())}.values())
        items = evenly_spaced(different, MAX_IMAGES)
        features = self._features(items, member)
        pictures = one_of_each(items)
        unit = spread(features[pictures]) if len(pictures) >= MIN_IMAGES else self._widest_spread(member)
        return features, tuple(item.pixels_sha256 for item in items), unit

    def _widest_spread(self, member: int) -> float:
        """Return the widest spread of all classes with enough pictures; NaN if there is no such class."""
        samples = [evenly_spaced(items, SAMPLE) for items in self._train.values()]
        pictures = [[items[place] for place in one_of_each(items)] for items in samples]
        spreads = [spread(self._features(items, member)) for items in pictures if len(items) >= MIN_IMAGES]
        return max((value for value in spreads if np.isfinite(value)), default=float("nan"))

    def _features(self, items: Sequence[Item], member: int) -> Floats:
        assert self._judge is not None
        if not items:
            return np.empty((0, 1), np.float32)
        return self._judge.predict([self._originals.pixels(item) for item in items], [(member,)] * len(items)).features
