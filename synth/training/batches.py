"""Batches of a training: classes evenly, images with our own safe effects on them, all of it from the step's number."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.data.network_input import network_input
from synth.data.originals import Originals
from synth.effects.policy import Policy
from synth.records import Item
from synth.settings.recipe import Augment, Recipe

Images = npt.NDArray[np.uint8]
"""(N, S, S, 3)."""


def safe_policy(recipe: Recipe, *, without: Sequence[str] = ()) -> Augment:
    """The default effects, less what the recipe forbids for any class, and less flips that turn classes into another.

    A judge that had learned from stronger effects (hue, say) would be blind to what they do to a class.

    Args:
        without: further effects that the training of a network does not want.
    """
    augment = recipe.augment
    forbidden = {*without, *augment.forbid, *(name for policy in augment.classes.values() for name in policy.forbid)}
    return Augment(forbid=tuple(sorted(forbidden | {str(flip) for flip, pairs in augment.label_map.items() if pairs})))


def read_inputs(items: Sequence[Item], originals: Originals, side: int) -> Images:
    """The images of items as a network sees them."""
    inputs = np.empty((len(items), side, side, 3), np.uint8)
    for index, item in enumerate(items):
        inputs[index] = network_input(originals.pixels(item), side)
    return inputs


@dataclass(frozen=True)
class Batches:
    """Draws the batch of any step."""

    inputs: Images
    labels: npt.NDArray[np.intp]
    """(N,) class numbers."""
    chosen: npt.NDArray[np.intp]
    """Which images may be drawn."""
    policy: Policy | None
    """None: images are drawn as they are."""
    seed: int
    stream: str
    size: int
    balance: float = 1.0
    """A class of n images is drawn as if it had n ** (1 - balance): 1 is evenly, 0 as often as there are images."""

    def draw(self, number: int) -> tuple[Images, npt.NDArray[np.intp]]:
        """Images (B, S, S, 3) and class numbers (B,): each slot draws a class, then an image of it."""
        slots = range(number * self.size, (number + 1) * self.size)
        picked = self._picked(slots)
        if self.policy is None:
            return self.inputs[picked], self.labels[picked]
        params = self.policy.draw(slots)
        changed = self.policy.apply([self.inputs[index] for index in picked], params, attempts=slots)
        return np.stack(changed).astype(np.uint8, copy=False), self.labels[picked]

    def _picked(self, slots: range) -> npt.NDArray[np.intp]:
        draws = seeds.uniforms(self.seed, self.stream, stream="batch", attempts=slots, n_draws=2)
        shares = np.cumsum([len(pool) ** (1 - self.balance) for pool in self._by_class])
        pools = [self._by_class[i] for i in np.searchsorted(shares / shares[-1], draws[:, 0], side="right")]
        return np.array([pool[int(u * len(pool))] for pool, u in zip(pools, draws[:, 1], strict=True)])

    @functools.cached_property
    def _by_class(self) -> list[npt.NDArray[np.intp]]:
        labels = self.labels[self.chosen]
        return [self.chosen[labels == label] for label in np.unique(labels)]
