"""The policy test: does an effect keep the class of a real image?

Each effect of a policy is applied alone to every one of some real images of a class. Networks of the judge that did not
learn from an image classify it before and after. An effect that lowers the share of recognised images beyond noise is
reported: it changes what the image shows (a hue shift on traffic lights), or at least what the judge looks at.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.classifier.judge import Judge
from synth.data.originals import Originals
from synth.effects.policy import Policy, alone
from synth.gates.gate_set import check_knows
from synth.measures.intervals import mean_of_differences
from synth.measures.subset import evenly_spaced
from synth.records import Floats, Item, ShortRepr
from synth.settings.recipe import Recipe

N_IMAGES = 64
"""Changed images of each class; a class with fewer originals uses each several times."""
LOSS = 0.1
"""An effect loses a class if the share of recognised images falls by more than this, 0..1."""
KNOWN = 0.5
"""A class can be tested if the judge recognises at least this share of its unchanged images."""


@dataclass(frozen=True, repr=False)
class EffectTest(ShortRepr):
    """One effect on one class."""

    effect: str
    label: str
    n: int
    """Number of real images; with fewer than `N_IMAGES`, each is changed several times."""
    before: float
    """Share of unchanged real images that the judge recognises."""
    after: float
    """The same share of changed images."""
    change: tuple[float, float]
    """95 % interval of the mean change of an original's share."""

    @property
    def loses(self) -> bool:
        """Whether the effect loses the class, beyond noise."""
        return self.before >= KNOWN and self.after < self.before - LOSS and self.change[1] < 0

    def to_json(self) -> dict[str, Any]:
        """{effect, class, n, before, after, change, loses}."""
        shares = {"before": round(self.before, 4), "after": round(self.after, 4)}
        change = [round(bound, 4) for bound in self.change]
        return {
            "effect": self.effect,
            "class": self.label,
            "n": self.n,
            **shares,
            "change": change,
            "loses": self.loses,
        }


def warnings_of(tests: Iterable[EffectTest]) -> list[str]:
    """Return one line for each effect that loses a class, with its figures."""
    lost: dict[str, list[EffectTest]] = defaultdict(list)
    for test in tests:
        if test.loses:
            lost[test.effect].append(test)
    return [
        f'effect "{effect}" does not keep the class: the judge recognises '
        + ", ".join(f"{t.label} in {t.after:.0%} (unchanged: {t.before:.0%})" for t in found)
        + f" of {found[0].n} real images; leave it out with --set augment.forbid=['{effect}']"
        for effect, found in lost.items()
    ]


def probe_effects(
    train: Mapping[str, Sequence[Item]],
    recipe: Recipe,
    judge: Judge,
    *,
    classes: Sequence[str] = (),
    every: bool = False,
) -> tuple[EffectTest, ...]:
    """Measure what each effect does to the judge's predictions for real training images that it did not learn from.

    Args:
        train: {class: its real training images}.
        classes: only these; empty: all that have images.
        every: test all effects, with their default ranges, not only those of the recipe.

    Raises:
        UsageError: the judge does not know a class.
    """
    originals = Originals(recipe.data)
    results = []
    labels = classes or [label for label in sorted(train) if train[label]]
    check_knows(judge, labels)
    for label in labels:
        items = evenly_spaced(train[label], N_IMAGES)
        if not items:
            continue
        before = _on_class(judge, [originals.pixels(item) for item in items], items, label)
        places = np.arange(N_IMAGES) % len(items)
        chosen = [items[place] for place in places.tolist()]
        for effect, augment in alone(recipe.augment, label, every=every):
            policy, attempts = Policy(augment, label, seed=recipe.seed), range(N_IMAGES)
            changed = policy.apply([originals.pixels(i) for i in chosen], policy.draw(attempts), attempts=attempts)
            after = _on_class(judge, changed, chosen, label)
            by_original = np.bincount(places, after) / np.bincount(places)
            change = mean_of_differences(by_original - before)
            results.append(EffectTest(effect, label, len(items), float(before.mean()), float(after.mean()), change))
    return tuple(results)


def _on_class(judge: Judge, images: Sequence[Any], items: Sequence[Item], label: str) -> Floats:
    """Return for each image 1.0 if it is recognised, else 0.0: (n,)."""
    prediction = judge.predict(images, [judge.unseen_by([item.sha256]) for item in items])
    return np.asarray(prediction.probabilities.argmax(1) == judge.classes.index(label), np.float64)
