"""How foreign is each effect to a dataset? It needs no judge.

Each effect changes real images. A simple classifier then tries to tell them from the unchanged ones. This says which
changed images a dataset could contain, not which of them help a classifier: only a trial says that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from synth.data.folds import groups_of
from synth.data.originals import Originals
from synth.effects.policy import Policy, alone
from synth.errors import UsageError
from synth.gates.symmetries import sample_of
from synth.measures.subset import evenly_spaced
from synth.measures.told_apart import features_of, products, stacked, told_apart
from synth.records import Item, Pixels, ShortRepr
from synth.settings.effects import MOVEMENTS, SYMMETRIES
from synth.settings.recipe import Recipe

MIN_IMAGES = 10
WORDS = ((0.65, "like real images"), (0.85, "somewhat foreign"), (2.0, "foreign"))
"""(upper bound of the AUC, word)."""


@dataclass(frozen=True, repr=False)
class Foreignness(ShortRepr):
    """One effect on the images of a dataset."""

    effect: str
    n: int
    """Number of groups of images."""
    auc: float
    """How well changed images are told from real ones: .5 not at all, 1 always."""
    interval: tuple[float, float]
    """95 %."""
    examples: Sequence[tuple[Pixels, Pixels]] = field(default=(), repr=False)
    """Images before and after."""

    @property
    def word(self) -> str:
        """The AUC as a word."""
        return next(word for bound, word in WORDS if self.auc < bound)

    def to_json(self) -> dict[str, Any]:
        """{effect, n, auc, interval}."""
        interval = [round(bound, 4) for bound in self.interval]
        return {"effect": self.effect, "n": self.n, "auc": round(self.auc, 4), "interval": interval}


def foreignness(
    train: Mapping[str, Sequence[Item]], recipe: Recipe, *, every: bool = False, n_examples: int = 8
) -> tuple[Foreignness, ...]:
    """Measure how well the changed images of each effect are told from real training images.

    Args:
        train: {class: its real training images}.
        every: all effects, not only those of the recipe and the symmetries.
        n_examples: images that are kept before and after each effect.

    Raises:
        UsageError: fewer than `MIN_IMAGES` different images.
    """
    wanted = recipe.classes or tuple(train)
    items = sample_of({label: train[label] for label in wanted})
    groups = groups_of(items).numbers
    if len(np.unique(groups)) < MIN_IMAGES:
        raise UsageError(f"the policy test needs {MIN_IMAGES} different training images, got {len(np.unique(groups))}")
    originals = Originals(recipe.data)
    sources = [originals.pixels(item) for item in items]
    real = stacked([features_of(pixels) for pixels in sources])
    shown = evenly_spaced(range(len(items)), n_examples)
    found = []
    for effect, policies in _by_effect(recipe, wanted, every=every).items():
        changed = [
            _changed(pixels, policies.get(item.label), place)
            for place, (pixels, item) in enumerate(zip(sources, items, strict=True))
        ]
        with threadpool_limits(limits=1):
            apart = told_apart(products(real, stacked([features_of(pixels) for pixels in changed])), groups)
        examples = [(sources[place], changed[place]) for place in shown]
        found.append(Foreignness(effect, apart.n, apart.auc, apart.interval, examples))
    return tuple(found)


def _by_effect(recipe: Recipe, labels: Sequence[str], *, every: bool) -> dict[str, dict[str, Policy]]:
    """Return {effect: {class: a policy with that effect alone}}; classes that never get the effect are left out."""
    found: dict[str, dict[str, Policy]] = {}
    for label in labels:
        on = {name for name, _ in alone(recipe.augment, label)}
        for name, augment in alone(recipe.augment, label, every=True):
            if every or name in on or name in (*SYMMETRIES, *MOVEMENTS):
                found.setdefault(name, {})[label] = Policy(augment, label, seed=recipe.seed)
    return found


def _changed(pixels: Pixels, policy: Policy | None, place: int) -> Pixels:
    if policy is None:
        return pixels
    attempts = range(place, place + 1)
    return policy.apply([pixels], policy.draw(attempts), attempts=attempts)[0]
