"""Which images of the large classes stay. Near-duplicates go first, then a method chooses.

`random` gives each image a random number of its own, so a smaller size keeps a part of what a larger size keeps.
`cluster` takes images from the big clusters of a class only. `imblearn:NAME` asks an undersampler of imbalanced-learn.
A class that is not larger than the size keeps all its images.
"""

import hashlib
import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth import seeds
from synth.data.balance import check_classes
from synth.data.duplicates import pictures_of
from synth.data.originals import Originals
from synth.errors import UsageError, did_you_mean
from synth.generators.feature_space import PORTION, classifier_space, pixel_space
from synth.records import Item, Pixels, ShortRepr
from synth.settings.base import exact_product
from synth.settings.recipe import Recipe, multiple_of
from synth.settings.undersampling import Undersample
from synth.undersampling.clusters import select_by_cluster
from synth.undersampling.samplers import IMBLEARN, Features, sampler_class, select_with_imblearn
from synth.workers import Progress

METHODS = ("random", "cluster")
SIZES = ("minority", "median", "mean")


@dataclass(frozen=True, repr=False)
class ClassSelection(ShortRepr):
    """The images of one class that stay."""

    real: int
    """Images before."""
    kept: tuple[Item, ...]
    duplicates: int = 0
    """Images left out because another image shows the same picture."""
    wanted: int | None = None
    """Number of images that should stay; None for a class that keeps all."""

    @property
    def whole(self) -> bool:
        """Whether the class keeps all its images."""
        return self.wanted is None


def select(
    train: Mapping[str, tuple[Item, ...]],
    settings: Undersample,
    *,
    seed: int,
    classes: Collection[str] = (),
    features: Features | None = None,
    progress: Progress | None = None,
) -> Mapping[str, ClassSelection]:
    """Choose the images of every class that stay. The order of the images does not matter, and is kept.

    Args:
        classes: only these lose images; empty: all.
        features: needed by `cluster` and `imblearn:NAME`.

    Raises:
        UsageError: an unknown method, size or class; no features; imbalanced-learn is missing or refuses the images.
    """
    check_settings(settings)
    check_classes(classes, train)
    limit = limit_of(settings.size, [len(items) for items in train.values()])
    large = {c: train[c] for c in sorted(train) if len(train[c]) > limit and (not classes or c in classes)}
    distinct = _distinct(train, large, seed=seed, progress=progress)
    crowded = {label: items for label, items in distinct.items() if len(items) > limit}
    chosen = _choose(crowded, train, settings, limit=limit, seed=seed, features=features) if crowded else {}
    found = {}
    for label, items in train.items():
        found[label] = ClassSelection(len(items), items)
        if label in large:
            first = {item.id for item in distinct[label]}
            repeats = sorted((item for item in items if item.id not in first), key=lambda item: draw(item, seed))
            stay = chosen.get(label) or [*distinct[label], *repeats[: limit - len(first)]]
            kept = {item.id for item in stay}
            duplicates = sum(item.id not in kept for item in repeats)
            left = tuple(item for item in items if item.id in kept)
            found[label] = ClassSelection(len(items), left, duplicates, limit)
    return found


def check_settings(settings: Undersample) -> None:
    """Refuse an unknown method or size, before any image is read.

    Raises:
        UsageError: with the nearest known name.
    """
    limit_of(settings.size, [1])
    if settings.method.startswith(IMBLEARN):
        sampler_class(settings.method.removeprefix(IMBLEARN))
    elif settings.method not in METHODS:
        hint = did_you_mean(settings.method, [*METHODS, "imblearn:NAME"])
        raise UsageError(
            f'undersample.method "{settings.method}": expected {", ".join(METHODS)} or imblearn:NAME, '
            f"as imblearn:NearMiss{hint}"
        )


def limit_of(size: int | str, counts: Sequence[int]) -> int:
    """Return how many images a larger class keeps, from the counts of all classes; classes without images are ignored.

    Raises:
        UsageError: an unknown word, or less than one image.
    """
    present = [n for n in counts if n] or [1]
    words = {"minority": min(present), "median": statistics.median(present), "mean": statistics.mean(present)}
    if isinstance(size, str) and size in words:
        return math.ceil(words[size])
    if isinstance(size, int) or size.isdecimal():
        limit = int(size)
    else:
        factor = multiple_of(size) or 0
        limit = math.floor(exact_product(factor, min(present))) if factor >= 1 else 0
    if limit < 1:
        expected = f'{", ".join(SIZES)}, a number from 1 on, or a multiple of the smallest class from "1x" on'
        raise UsageError(f'undersample.size "{size}": expected {expected}{did_you_mean(str(size), SIZES)}')
    return limit


def draw(item: Item, seed: int) -> str:
    """Return a random number of an image, as text. It does not depend on the other images."""
    text = f"{seed}\0undersample\0{item.id}\0{item.sha256}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _distinct(
    train: Mapping[str, Sequence[Item]], large: Collection[str], *, seed: int, progress: Progress | None
) -> Mapping[str, Sequence[Item]]:
    """Return one image of each picture in a large class, sorted by id: the first in the random order."""
    if not large:
        return {}
    every = [item for items in train.values() for item in items]
    if progress:
        progress("duplicates", 0, len(every))
    picture = dict(zip([item.id for item in every], pictures_of(every).numbers.tolist(), strict=True))
    found = {}
    for label in large:
        first: dict[int, Item] = {}
        for item in sorted(train[label], key=lambda item: draw(item, seed)):
            first.setdefault(picture[item.id], item)
        found[label] = sorted(first.values(), key=lambda item: item.id)
    return found


def _choose(
    crowded: Mapping[str, Sequence[Item]],
    train: Mapping[str, Sequence[Item]],
    settings: Undersample,
    *,
    limit: int,
    seed: int,
    features: Features | None,
) -> Mapping[str, Sequence[Item]]:
    """Return what the method keeps of classes that have more than `limit` pictures."""
    if settings.method == "random":
        return {c: sorted(items, key=lambda item: draw(item, seed))[:limit] for c, items in crowded.items()}
    if features is None:
        raise UsageError(f"undersample.method = {settings.method} needs features of the images")
    state = seeds.derived(seed, "undersample") % 2**32  # the range that scikit-learn takes
    if settings.method == "cluster":
        return {
            c: [items[i] for i in select_by_cluster(features(items), limit, clusters=settings.clusters, state=state)]
            for c, items in crowded.items()
        }
    return select_with_imblearn(crowded, train, settings, limit=limit, features=features, state=state)


def features_of(recipe: Recipe, *, progress: Progress | None = None) -> Features:
    """Return the features of the recipe's judge or pretrained backbone; without either, small pixels.

    Raises:
        BundleError: the judge is no classifier bundle.
    """
    backbone = recipe.classifier.backbone
    named = recipe.judge or backbone != type(recipe.classifier)().backbone
    space = classifier_space(recipe.judge, backbone) if named else pixel_space([(1, 1)])  # the smallest side
    originals = Originals(recipe.data)

    def read(items: Sequence[Item]) -> Iterator[Pixels]:
        for done, item in enumerate(items):
            if progress and done % PORTION == 0:
                progress("features", done, len(items))
            yield originals.pixels(item)

    return lambda items: space.embed(read(items))
