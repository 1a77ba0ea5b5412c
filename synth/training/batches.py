"""Batches of training images: balanced by class, changed by safe effects, a function of the step's number alone."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.data.network_input import network_input
from synth.data.originals import Originals
from synth.effects.policy import Policy
from synth.measures.subset import evenly_spaced
from synth.records import Item
from synth.settings.augment import Augment
from synth.settings.effects import SYMMETRIES, Effects
from synth.settings.recipe import Recipe

Images = npt.NDArray[np.uint8]
"""(N, S, S, 3)."""
Ints = npt.NDArray[np.intp]


def safe_policy(recipe: Recipe, *, without: Sequence[str] = ()) -> Augment:
    """Return the default effects and the recipe's symmetries, without those that it forbids or that change a class.

    A judge that is trained with stronger effects (hue, say) can no longer see what these effects do to a class.

    Args:
        without: further effects to leave out.
    """
    augment = recipe.augment
    forbidden = {*without, *augment.forbid, *(name for policy in augment.classes.values() for name in policy.forbid)}
    effects = Effects().model_copy(update={name: getattr(augment.effects, name) for name in SYMMETRIES})
    changing = {str(flip) for flip, pairs in augment.label_map.items() if pairs}
    return Augment(forbid=tuple(sorted(forbidden | changing)), effects=effects)


def read_inputs(items: Sequence[Item], originals: Originals, side: int) -> Images:
    """Read the images of items as a network sees them."""
    inputs = np.empty((len(items), side, side, 3), np.uint8)
    for index, item in enumerate(items):
        inputs[index] = network_input(originals.pixels(item), side)
    return inputs


@dataclass(frozen=True)
class TrainingSet:
    """Training images as a network sees them, and their classes."""

    classes: tuple[str, ...]
    inputs: Images = field(repr=False)
    labels: Ints = field(repr=False)
    """(N,) class numbers."""
    n_channels: int = 3
    """Channels of the images that a network draws: 1 if all are grey."""

    @property
    def side(self) -> int:
        """Side of the square images in pixels."""
        return int(self.inputs.shape[1])

    @functools.cached_property
    def counts(self) -> list[int]:
        """Number of images of each class."""
        counts: list[int] = np.bincount(self.labels, minlength=len(self.classes)).tolist()
        return counts

    def some(self, number: int, at_most: int) -> Ints:
        """Return the indices of at most that many images of a class, evenly spaced."""
        return np.array(evenly_spaced(np.flatnonzero(self.labels == number).tolist(), at_most), np.intp)


def read_training_set(items: Sequence[Item], classes: tuple[str, ...], recipe: Recipe, *, side: int) -> TrainingSet:
    """Read all images of items for a network whose input has this side."""
    labels = np.array([classes.index(item.label) for item in items])
    n_channels = 1 if all(item.grey for item in items) else 3
    return TrainingSet(classes, read_inputs(items, Originals(recipe.data), side), labels, n_channels)


@dataclass(frozen=True)
class Batches:
    """The batch of every step."""

    inputs: Images
    labels: Ints
    """(N,) class numbers."""
    chosen: Ints | None
    """Indices of the images to draw from; None: all."""
    policy: Policy | None
    """Effects on each drawn image; None: no effects."""
    seed: int
    stream: str
    size: int
    balance: float = 1.0
    """A class of n images is drawn as if it had n ** (1 - balance): 1 draws all classes equally often, 0 draws them as
    often as they have images."""

    def draw(self, number: int) -> tuple[Images, Ints]:
        """Return the images (B, S, S, 3) and class numbers (B,) of a step: a class is drawn, then an image of it."""
        slots = range(number * self.size, (number + 1) * self.size)
        picked = self._picked(slots)
        if self.policy is None:
            return self.inputs[picked], self.labels[picked]
        params = self.policy.draw(slots)
        changed = self.policy.apply([self.inputs[index] for index in picked], params, attempts=slots)
        return np.stack(changed).astype(np.uint8, copy=False), self.labels[picked]

    def _picked(self, slots: range) -> Ints:
        draws = seeds.uniforms(self.seed, self.stream, stream="batch", attempts=slots, n_draws=2)
        shares = np.cumsum([len(pool) ** (1 - self.balance) for pool in self._by_class])
        pools = [self._by_class[i] for i in np.searchsorted(shares / shares[-1], draws[:, 0], side="right")]
        return np.array([pool[int(u * len(pool))] for pool, u in zip(pools, draws[:, 1], strict=True)])

    @functools.cached_property
    def _by_class(self) -> list[Ints]:
        chosen = np.arange(len(self.labels)) if self.chosen is None else self.chosen
        labels = self.labels[chosen]
        return [chosen[labels == label] for label in np.unique(labels)]
