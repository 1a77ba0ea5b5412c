"""`smote`: a new image between an original and a near one of its class, with safe effects on its parents.

Each attempt draws its first parent, one of that image's nearest neighbours, a step between them, and the effects.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.data.originals import Originals
from synth.effects.policy import with_hidden
from synth.errors import UsageError
from synth.generators.base import PORTION, Context, Generator, ParentOrder
from synth.generators.feature_space import FeatureSpace, classifier_space, latent_space, pixel_space
from synth.generators.interpolation import Interpolator, LatentInterpolator, Pair, PixelInterpolator
from synth.generators.neighbour_graph import Floats, NeighbourGraph, neighbour_graph
from synth.generators.safe_effects import SafeEffects
from synth.measures.subset import evenly_spaced
from synth.records import Candidate, Item

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

PORTION_PIXELS = 8_000_000  # fewer large images are in memory at once
MAX_PARENTS = 5000
"""Parents of one class, at most: all pairs of 100,000 images can't be compared."""
MAX_OTHERS = 5000
"""Images that represent all other classes, at most."""


@dataclass(frozen=True)
class _Class:
    """What the attempts of a class draw from."""

    items: tuple[Item, ...]
    graph: NeighbourGraph
    order: ParentOrder


class SmoteGenerator(Generator):
    """Interpolates between images of a class."""

    def __init__(self, context: Context) -> None:
        recipe = context.recipe
        self._context, self._recipe, self._settings = context, recipe, recipe.smote
        self._space = recipe.smote.space if recipe.smote.space != "auto" else "latent" if recipe.bundle else "pixel"
        if self._space == "latent" and not recipe.bundle:
            raise UsageError(
                "smote.space = latent needs an autoencoder: synth train autoencoder DATA BUNDLE, then --bundle BUNDLE"
            )
        self._originals = Originals(recipe.data)
        self._interpolator: Interpolator = PixelInterpolator()
        self.in_batches = bool(recipe.bundle)
        if recipe.bundle:
            self.digest = self._autoencoder.digest
            self._interpolator = LatentInterpolator(self._autoencoder, recipe.smote)
        self._effects: dict[str, SafeEffects] = {}
        self._classes: dict[str, _Class] = {}
        for label in context.train:  # a wrong transform or an unknown class is reported before any work
            self._effects_on(label)
            if recipe.bundle:
                self._autoencoder.check_class(label)

    def parent_order(self, label: str) -> ParentOrder | None:
        """Return which original each attempt of a class starts from; None if some are to be used more often."""
        known = self._class(label)
        return known.order if known.graph.weights is None else None

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield one image between two originals for each attempt."""
        largest = max(item.width * item.height for item in self._class(label).items)
        n = max(min(PORTION, PORTION_PIXELS // largest), 1)
        for start in range(0, len(attempts), n):
            portion = attempts[start : start + n]
            yield from self._interpolated(label, portion, *self._drawn(label, portion))

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Interpolate the recorded parents with the recorded step and effects."""
        return next(self._interpolated(label, range(attempt, attempt + 1), [parents], [params]))

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """Interpolate from an attempt's first parent to its second; see `Generator.walk`."""
        parents, params = self._drawn(label, range(attempt, attempt + 1))
        if len(parents[0]) == 1:
            return []
        bare = {name: params[0][name] for name in ("space", "k")}
        steps = [{**bare, "step": step} for step in np.linspace(0, 1, n).round(4).tolist()]
        return list(self._interpolated(label, range(attempt, attempt + n), parents * n, steps))

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """Return remarks on the neighbours of each class, and on the space."""
        found = []
        for label in labels:
            found += self._class(label).graph.remarks(self._settings, label)
            if len(self._context.train[label]) > MAX_PARENTS:
                n = len(self._class(label).items)
                found.append(f"{label}: {n} of its images, evenly spaced, become parents")
        if self._settings.space == "auto" and not self._recipe.bundle:
            found.append(
                "smote interpolates pixels; to interpolate the codes of an autoencoder: "
                "synth train autoencoder DATA BUNDLE, then --bundle BUNDLE"
            )
        return found

    def _drawn(self, label: str, attempts: range) -> tuple[list[tuple[Item, ...]], list[dict[str, Any]]]:
        """Draw the parents and the parameters of each attempt."""
        known, seed = self._class(label), self._recipe.seed
        first, second, steps = known.graph.draw(self._settings, attempts, seed=seed, label=label, order=known.order)
        parents: list[tuple[Item, ...]] = [
            (known.items[a], known.items[b]) if a != b else (known.items[a],)
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
        effects = self._effects_on(label).draw(attempts, alone=first == second)
        return parents, [
            {"space": self._space, "k": known.graph.k, "step": round(step, 6), **drawn}
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
        images = self._effects_on(label).interpolate(self._interpolator, pairs, params, attempts=attempts)
        for pixels, attempt, both, drawn, pair in zip(images, attempts, parents, params, pairs, strict=True):
            alphas = self._alphas(both, drawn["step"])
            alpha = None
            if alphas is not None:
                effects, one = self._effects_on(label), range(attempt, attempt + 1)
                alpha = effects.interpolate_moved(alphas, drawn, attempts=one)
                pixels = with_hidden(pixels, effects.interpolate_moved(pair, drawn, attempts=one), alpha)
            yield Candidate(pixels, label, "smote", attempt, tuple(both), drawn, from_parent_pixels=True, alpha=alpha)

    def _alphas(self, both: Sequence[Item], step: float) -> Pair | None:
        """Return the transparency of two parents; None if the first has none."""
        first, second = self._originals.alpha(both[0]), self._originals.alpha(both[-1])
        if second is None:
            second = np.full((both[-1].height, both[-1].width), 255, np.uint8)
        return None if first is None else Pair(first, second, step)

    def _class(self, label: str) -> _Class:
        if label not in self._classes:
            train = self._context.train
            distinct: dict[str, Item] = {}
            for item in train[label]:
                distinct.setdefault(item.pixels_sha256, item)
            items = tuple(evenly_spaced(list(distinct.values()), MAX_PARENTS))
            others: list[Item] = []
            if self._settings.parents != "plain":
                others = [item for other, found in train.items() if other != label for item in found]
            points = self._points(items), self._points(evenly_spaced(others, MAX_OTHERS))
            graph = neighbour_graph(*points, self._settings)
            self._classes[label] = _Class(items, graph, self._context.parent_order(label, items))
        return self._classes[label]

    def _points(self, items: Sequence[Item]) -> Floats:
        return self._feature_space.embed(map(self._originals.pixels, items)) if items else np.empty((0, 1), np.float32)

    @functools.cached_property
    def _feature_space(self) -> FeatureSpace:
        if self._space == "latent":
            return latent_space(self._autoencoder)
        if self._space == "features":
            return classifier_space(self._recipe.judge, self._recipe.classifier.backbone)
        items = [item for found in self._context.train.values() for item in found]
        return pixel_space([(item.width, item.height) for item in items])

    @functools.cached_property
    def _autoencoder(self) -> LatentSpace:
        from synth.autoencoder.latent_space import open_latent_space  # torch is imported only if a network is used

        return open_latent_space(self._recipe.bundle)

    def _effects_on(self, label: str) -> SafeEffects:
        if label not in self._effects:
            recipe = self._recipe
            self._effects[label] = SafeEffects(recipe.augment, label, seed=recipe.seed, where=self._settings.augment)
        return self._effects[label]
