"""`smote`: a new image between an original and a near one of its class, with safe effects on its parents.

Each attempt draws its first parent, one of that image's nearest, a step between them, and the effects.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.data.originals import Originals
from synth.errors import UsageError
from synth.generators.augment import mapped_flips
from synth.generators.base import Context
from synth.generators.feature_space import Points, feature_points, latent_points, pixel_points
from synth.generators.interpolation import LatentPath, Pair, Path, PixelPath
from synth.generators.neighbour_pairs import Floats, Segments, distinct, remarks, segments_of
from synth.generators.parent_order import ParentOrder
from synth.generators.safe_effects import SafeEffects
from synth.measures.subset import evenly_spaced
from synth.records import Candidate, Item

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

PORTION = 32
"""Attempts that go through the networks together."""
PORTION_PIXELS = 8_000_000  # of large images fewer are in memory at once
MAX_PARENTS = 5000
"""Of a class with more images at most so many become parents: all pairs of 100,000 could not be compared."""
MAX_OTHERS = 5000
"""So many images stand for all other classes."""


@dataclass(frozen=True)
class _Class:
    """What the attempts of a class draw from."""

    items: tuple[Item, ...]
    segments: Segments
    deal: ParentOrder


class SmoteGenerator:
    """Interpolates between images of a class."""

    def __init__(self, context: Context) -> None:
        recipe = context.recipe
        self._context, self._settings, self._bundle = context, recipe.smote, recipe.bundle
        self.space = recipe.smote.space if recipe.smote.space != "auto" else "latent" if recipe.bundle else "pixel"
        if self.space == "latent" and not recipe.bundle:
            raise UsageError(
                "smote.space = latent needs an autoencoder: synth train autoencoder DATA BUNDLE, then --bundle BUNDLE"
            )
        self.digest = self._latent.digest if recipe.bundle else ""
        self._originals = Originals(recipe.data)
        self._path: Path = LatentPath(self._latent, recipe.smote) if recipe.bundle else PixelPath()
        self._around: dict[str, SafeEffects] = {}
        self._classes: dict[str, _Class] = {}
        for label in context.train:  # a wrong transform or a class that the autoencoder lacks shows before any work
            self._varied(label)
            if recipe.bundle:
                self._latent.check_class(label)

    def check(self, label: str) -> None:
        """Any class will do."""

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """One image between two originals for each attempt."""
        largest = max(item.width * item.height for item in self._class(label).items)
        n = max(min(PORTION, PORTION_PIXELS // largest), 1)
        for start in range(0, len(attempts), n):
            portion = attempts[start : start + n]
            yield from self._interpolated(label, portion, *self._drawn(label, portion))

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Those of every attempt."""
        return True

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """The recorded step and effects on the recorded parents."""
        (candidate,) = self._interpolated(label, range(attempt, attempt + 1), [parents], [params])
        return candidate

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """From an attempt's first parent to its second, without effects."""
        parents, params = self._drawn(label, range(attempt, attempt + 1))
        if len(parents[0]) == 1:
            return []
        bare = {name: params[0][name] for name in ("space", "k")}
        steps = [{**bare, "step": step} for step in np.linspace(0, 1, n).round(4).tolist()]
        return list(self._interpolated(label, range(attempt, attempt + n), parents * n, steps))

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """What is said of each class's neighbours, and of the space."""
        found = []
        for label in labels:
            found += remarks(self._class(label).segments, self._settings, label)
            if len(self._context.train[label]) > MAX_PARENTS:
                n = len(self._class(label).items)
                found.append(f"{label}: {n} of its images, evenly spread, become parents")
        if self._settings.space == "auto" and not self._bundle:
            found.append(
                "smote interpolates pixels; in the codes of an autoencoder: synth train autoencoder DATA BUNDLE, "
                "then --bundle BUNDLE"
            )
        return found

    def _drawn(self, label: str, attempts: range) -> tuple[list[tuple[Item, ...]], list[dict[str, Any]]]:
        """Parents and parameters of each attempt."""
        known = self._class(label)
        first, second, steps = known.segments.draw(
            self._settings,
            attempts,
            seed=self._context.recipe.seed,
            label=label,
            deal=known.deal,
            first_attempt=self._context.first_attempt.get(label, 0),
        )
        parents: list[tuple[Item, ...]] = [
            (known.items[a], known.items[b]) if a != b else (known.items[a],)
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
        effects = self._varied(label).draw(attempts, alone=first == second)
        return parents, [
            {"space": self.space, "k": known.segments.k, "step": round(step, 6), **drawn}
            for step, drawn in zip(steps.tolist(), effects, strict=True)
        ]

    def _interpolated(
        self, label: str, attempts: range, parents: Sequence[Sequence[Item]], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[Candidate]:
        pairs = []
        for both, drawn in zip(parents, params, strict=True):
            first, second = both[0], both[-1]
            ends = self._originals.pixels(first), self._originals.pixels(second)
            pairs.append(Pair(*ends, drawn["step"], (first.sha256, second.sha256)))
        images = self._varied(label).between(self._path, pairs, params, attempts=attempts)
        for pixels, attempt, both, drawn in zip(images, attempts, parents, params, strict=True):
            yield Candidate(pixels, label, "smote", attempt, tuple(both), drawn, from_parent_pixels=True)

    def _class(self, label: str) -> _Class:
        if label not in self._classes:
            everything = self._context.train[label]
            images = [everything[place] for place in distinct([item.pixels_sha256 for item in everything])]
            items = tuple(evenly_spaced(images, MAX_PARENTS))
            others: list[Item] = []
            if self._settings.parents != "plain":
                others = [item for other, found in self._context.train.items() if other != label for item in found]
            segments = segments_of(self._points(items), self._points(evenly_spaced(others, MAX_OTHERS)), self._settings)
            used = self._context.used.get(label, {})
            deal = ParentOrder([used.get(item.id, 0) for item in items], seed=self._context.recipe.seed, label=label)
            self._classes[label] = _Class(items, segments, deal)
        return self._classes[label]

    def _points(self, items: Sequence[Item]) -> Floats:
        return self._space([self._originals.pixels(item) for item in items]) if items else np.empty((0, 1), np.float32)

    @functools.cached_property
    def _space(self) -> Points:
        recipe = self._context.recipe
        if self.space == "latent":
            return latent_points(self._latent)
        if self.space == "features":
            return feature_points(recipe.judge, recipe.classifier.backbone)
        items = [item for found in self._context.train.values() for item in found]
        return pixel_points([(item.width, item.height) for item in items])

    @functools.cached_property
    def _latent(self) -> LatentSpace:
        from synth.autoencoder.latent_space import open_latent_space  # torch is imported only where a network is asked

        return open_latent_space(self._bundle)

    def _varied(self, label: str) -> SafeEffects:
        if label not in self._around:
            recipe = self._context.recipe
            flips = mapped_flips(recipe.augment, label)
            self._around[label] = SafeEffects(
                recipe.augment, label, seed=recipe.seed, where=self._settings.augment, leave_out=flips
            )
        return self._around[label]
