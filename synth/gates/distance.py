"""Distance: is it a copy of a real image, much nearer to one than real ones are to each other, or far from all of them?

The bound for near copies is half of the distance between the two closest real images: of new, independent images of a
class with n real ones about 2 in n - 1 come nearer to a real image than any two of those are to each other. What is
declared to be made of its parents' own pixels is near to them by its nature: of one parent only exact copies are
refused; between two parents also what is as near to a real image as saving that one again would be.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth.data.originals import Originals
from synth.gates.base import Answer, Batch
from synth.measures.copies import resave_error, thumbnail, tolerance
from synth.measures.neighbours import neighbour_distances, spread, two_nearest
from synth.measures.subset import evenly_spaced
from synth.records import Candidate, Item
from synth.settings.gates import DistanceGate as Settings

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

MIN_IMAGES = 5
"""With fewer images of a class, the widest spread among all classes stands for its own."""
MAX_IMAGES = 2000
"""So many images of a class stand for all of it."""
SAMPLE = 200

Floats = npt.NDArray[np.floating[Any]]
Reference = tuple[Floats, tuple[str, ...], float]
"""Features of a class's real images, their pixels' hashes, and their spread."""


class DistanceGate:
    """Compares pixels with those of all real images, and what the judge sees with what it sees in the class's."""

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
        self._of_class = functools.cache(self._reference)
        self._thumbnails = functools.cache(self._thumbnails_of)
        self._closest = functools.cache(self._closest_of)
        self._saved_again = functools.cache(self._saved_again_of)

    def judge(self, batch: Batch) -> list[Answer]:
        """Scores: `copy`, RMSE (0..1) to the nearest real image of the class at 32 x 32 pixels, where it is looked at;
        `nearest`, distance to the nearest real image in units of the class's spread, with a judge.
        """
        bounds = [self._bound(candidate) for candidate in batch.candidates]
        answers = zip(batch.candidates, self._far(batch), bounds, self._apart(batch, bounds), strict=True)
        return [self._answer(*each) for each in answers]

    def _answer(self, candidate: Candidate, far: float | None, bound: float | None, apart: float | None) -> Answer:
        scores: dict[str, float] = {} if far is None else {"nearest": far}
        reason = "outlier" if far is not None and far > self._settings.spread_max else None
        if bound is not None and apart is not None:
            scores["copy"] = apart
            reason = "near_copy" if apart < bound else reason
        copied = self._minds(candidate) and candidate.pixels_sha256 in self._known
        return Answer(scores, "copy" if copied else reason)

    def _minds(self, candidate: Candidate) -> bool:
        """What is declared a copy may be one."""
        return candidate.file is None and self._settings.copies != "off"

    def _bound(self, candidate: Candidate) -> float | None:
        """RMSE from a real image under which it is too near to one; None: only exact copies are refused."""
        if not self._minds(candidate) or self._settings.copies == "exact":
            return None
        if self._settings.copies == "near" or not candidate.from_parent_pixels:
            return self._settings.near_share * self._closest(candidate.label)
        return self._saved_again(candidate.label) if len(candidate.parents) > 1 else None

    def _apart(self, batch: Batch, bounds: Sequence[float | None]) -> list[float | None]:
        """RMSE to the nearest real image of the class, of those that have a bound."""
        apart: list[float | None] = [None] * len(bounds)
        asked = [place for place, bound in enumerate(bounds) if bound is not None]
        for label in dict.fromkeys(batch.candidates[place].label for place in asked):
            reference = self._thumbnails(label)
            places = [place for place in asked if batch.candidates[place].label == label]
            if not len(reference):
                continue
            own = np.stack([thumbnail(batch.candidates[place].pixels) for place in places])
            for place, distances in zip(places, two_nearest(own, reference)[0], strict=True):
                apart[place] = round(float(distances[0]), 4)
        return apart

    def _thumbnails_of(self, label: str) -> Floats:
        items = self._train.get(label, ())
        return np.stack([thumbnail(self._originals.pixels(item)) for item in items]) if items else np.empty((0, 1))

    def _closest_of(self, label: str) -> float:
        """RMSE between the two nearest real images."""
        different: Floats = np.unique(self._thumbnails(label), axis=0)
        return float(neighbour_distances(different, 1).min()) if len(different) > 1 else 0.0

    def _saved_again_of(self, label: str) -> float:
        """RMSE up to which an image is a real one, saved again."""
        items = evenly_spaced(self._train.get(label, ()), SAMPLE)
        errors = [resave_error(self._originals.pixels(item)) for item in items]
        return tolerance(errors, np.array(evenly_spaced(list(np.unique(self._thumbnails(label), axis=0)), MAX_IMAGES)))

    def _far(self, batch: Batch) -> list[float | None]:
        far: list[float | None] = [None] * len(batch.candidates)
        if batch.prediction is None:
            return far
        keys = [(c.label, members[0]) for c, members in zip(batch.candidates, batch.members, strict=True)]
        for key in dict.fromkeys(keys):
            places = [place for place, other in enumerate(keys) if other == key]
            reference, hashes, unit = self._of_class(*key)
            if not len(reference) or not np.isfinite(unit) or unit == 0:
                continue
            for place, distances, which in zip(
                places, *two_nearest(batch.prediction.features[places], reference), strict=True
            ):
                own = batch.candidates[place].pixels_sha256
                others = [float(d) for d, index in zip(distances, which, strict=True) if hashes[index] != own]
                far[place] = round(others[0] / unit, 4) if others else None
        return far

    def _reference(self, label: str, member: int) -> Reference:
        different = list({item.pixels_sha256: item for item in self._train.get(label, ())}.values())
        items = evenly_spaced(different, MAX_IMAGES)
        features = self._features(items, member)
        unit = spread(features) if len(items) >= MIN_IMAGES else self._widest(member)
        return features, tuple(item.pixels_sha256 for item in items), unit

    def _widest(self, member: int) -> float:
        """The widest spread among the classes with enough images; not a number where there is none."""
        samples = [evenly_spaced(items, SAMPLE) for items in self._train.values() if len(items) >= MIN_IMAGES]
        spreads = [spread(self._features(items, member)) for items in samples]
        return max((value for value in spreads if np.isfinite(value)), default=float("nan"))

    def _features(self, items: Sequence[Item], member: int) -> Floats:
        assert self._judge is not None
        if not items:
            return np.empty((0, 1), np.float32)
        return self._judge.predict([self._originals.pixels(item) for item in items], [(member,)] * len(items)).features
