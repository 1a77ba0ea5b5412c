"""Which images stay when large classes are thinned: near-duplicates go first, then a method chooses.

`random` takes a draw that belongs to each image, so that a smaller size keeps a part of what a larger one keeps.
`cluster` thins only the big clusters of a class, and keeps of each its centre and its rim. `imblearn:NAME` asks an
undersampler of imbalanced-learn. Classes that are not larger than the size stay whole.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.data.balance import check_classes
from synth.data.duplicates import picture_groups
from synth.data.originals import Originals
from synth.errors import UsageError, did_you_mean
from synth.generators.feature_space import feature_points, pixel_points
from synth.records import Item
from synth.settings.recipe import Recipe, multiple_of
from synth.settings.undersampling import Undersample
from synth.undersampling.clusters import clustered
from synth.undersampling.samplers import sampled, sampler_class
from synth.workers import Progress

Floats = npt.NDArray[np.floating[Any]]
Features = Callable[[Sequence[Item]], Floats]
"""Images, at least one -> (n, F): what tells which of them are near to one another."""
METHODS = ("random", "cluster")
IMBLEARN = "imblearn:"
SIZES = ("minority", "median", "mean")
PORTION = 32
"""Images whose features are asked for together."""
PORTION_PIXELS = 8_000_000  # of large images fewer are in memory at once


@dataclass(frozen=True)
class Thinned:
    """What is left of one class."""

    real: int
    kept: tuple[Item, ...]
    duplicates: int = 0
    """Images left out because another one shows the same picture."""
    wanted: int | None = None
    """Images that it was to be thinned to; None for a class that was to stay whole."""

    @property
    def whole(self) -> bool:
        """Was the class left alone?"""
        return self.wanted is None


@dataclass(frozen=True)
class _Large:
    """A class that is to be thinned."""

    pictures: tuple[Item, ...]
    """One image of each picture, sorted by id."""
    repeats: tuple[Item, ...]
    """The others, in the order in which they are taken back in."""


def kept_items(
    train: Mapping[str, tuple[Item, ...]], settings: Undersample, *, seed: int, features: Features | None = None
) -> Mapping[str, tuple[Item, ...]]:
    """{class: training images that stay}, in their order; the same images in any order give the same answer.

    Raises:
        UsageError: as `thin`.
    """
    return {label: found.kept for label, found in thin(train, settings, seed=seed, features=features).items()}


def thin(
    train: Mapping[str, tuple[Item, ...]],
    settings: Undersample,
    *,
    seed: int,
    classes: Collection[str] = (),
    features: Features | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Thinned]:
    """What is left of every class.

    Args:
        classes: only these are thinned; empty: all.
        features: asked by `cluster` and by `imblearn:NAME`.

    Raises:
        UsageError: an unknown method, size or class; no features; imbalanced-learn is missing or refuses the images.
    """
    check_settings(settings)
    check_classes(classes, train)
    limit = limit_of(settings.size, [len(items) for items in train.values()])
    large = {label for label, items in train.items() if len(items) > limit and (not classes or label in classes)}
    pictures = _by_picture({label: train[label] for label in sorted(large)}, seed, progress)
    crowded = {label: found.pictures for label, found in pictures.items() if len(found.pictures) > limit}
    chosen = _chosen(crowded, train, settings, limit=limit, seed=seed, features=features) if crowded else {}
    return {label: _thinned(items, pictures.get(label), chosen.get(label), limit) for label, items in train.items()}


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
    """The count that larger classes are thinned to; classes without any image have no say.

    Raises:
        UsageError: no such word, or less than one image.
    """
    present = [n for n in counts if n] or [1]
    words = {"minority": min(present), "median": statistics.median(present), "mean": statistics.mean(present)}
    if isinstance(size, str) and size in words:
        return math.ceil(words[size])
    if isinstance(size, int) or size.isdecimal():
        limit = int(size)
    else:
        factor = multiple_of(size) or 0
        limit = math.floor(round(factor * min(present), 6)) if factor >= 1 else 0
    if limit < 1:
        expected = f'{", ".join(SIZES)}, a number from 1 on, or a multiple of the smallest class from "1x" on'
        raise UsageError(f'undersample.size "{size}": expected {expected}{did_you_mean(str(size), SIZES)}')
    return limit


def _thinned(items: Sequence[Item], found: _Large | None, chosen: Sequence[Item] | None, limit: int) -> Thinned:
    if found is None:
        return Thinned(len(items), tuple(items))
    if chosen is None:  # as many pictures as are wanted, or fewer: then some are there more than once
        chosen = [*found.pictures, *found.repeats[: limit - len(found.pictures)]]
    kept = {item.id for item in chosen}
    duplicates = sum(item.id not in kept for item in found.repeats)
    return Thinned(len(items), tuple(item for item in items if item.id in kept), duplicates, limit)


def _by_picture(large: Mapping[str, Sequence[Item]], seed: int, progress: Progress | None) -> Mapping[str, _Large]:
    done, total, found = 0, sum(map(len, large.values())), {}
    for label, items in large.items():
        if progress:
            progress("duplicates", done, total)
        found[label] = _one_of_each(items, seed)
        done += len(items)
    return found


def _one_of_each(items: Sequence[Item], seed: int) -> _Large:
    drawn = sorted(items, key=lambda item: draw(item, seed))
    first: dict[int, Item] = {}
    for item, picture in zip(drawn, picture_groups(drawn)[0].tolist(), strict=True):
        first.setdefault(picture, item)
    stay = {item.id for item in first.values()}
    repeats = tuple(item for item in drawn if item.id not in stay)
    return _Large(tuple(sorted(first.values(), key=lambda item: item.id)), repeats)


def draw(item: Item, seed: int) -> str:
    """A random number that belongs to the image, not to its place in a list."""
    text = f"{seed}\0undersample\0{item.id}\0{item.sha256}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _chosen(
    crowded: Mapping[str, Sequence[Item]],
    train: Mapping[str, Sequence[Item]],
    settings: Undersample,
    *,
    limit: int,
    seed: int,
    features: Features | None,
) -> Mapping[str, Sequence[Item]]:
    """What the method keeps of classes with more pictures than are wanted."""
    if settings.method == "random":
        return {c: sorted(items, key=lambda item: draw(item, seed))[:limit] for c, items in crowded.items()}
    if features is None:
        raise UsageError(f"undersample.method = {settings.method} needs features of the images")
    state = seeds.derived(seed, "undersample") % 2**32  # as scikit-learn takes it
    if settings.method == "cluster":
        return {
            c: [items[i] for i in clustered(features(items), limit, clusters=settings.clusters, state=state)]
            for c, items in crowded.items()
        }
    return _by_imblearn(crowded, train, settings, limit=limit, state=state, features=features)


def _by_imblearn(
    crowded: Mapping[str, Sequence[Item]],
    train: Mapping[str, Sequence[Item]],
    settings: Undersample,
    *,
    limit: int,
    state: int,
    features: Features,
) -> Mapping[str, Sequence[Item]]:
    """What a sampler of imbalanced-learn keeps of these classes; it sees the others too, which stay whole."""
    labels = sorted(label for label, items in train.items() if items)
    by_class = [crowded.get(label) or sorted(train[label], key=lambda item: item.id) for label in labels]
    items = [item for found in by_class for item in found]
    classes = np.repeat(np.arange(len(labels)), [len(found) for found in by_class])
    wanted = {number: limit for number, label in enumerate(labels) if label in crowded}
    name = settings.method.removeprefix(IMBLEARN)
    stay = sampled(name, settings.options, features(items), classes=classes, wanted=wanted, state=state)
    kept = {labels[number]: [items[i] for i in stay if classes[i] == number] for number in wanted}
    for label, found in kept.items():
        if not found:
            raise UsageError(f'{settings.method} takes out every image of class "{label}": choose another method')
    return kept


def features_of(recipe: Recipe, *, progress: Progress | None = None) -> Features:
    """What the recipe's judge or pretrained backbone sees of images; their small pixels where it has neither.

    Raises:
        BundleError: the judge is no classifier bundle.
    """
    backbone = recipe.classifier.backbone
    named = recipe.judge or backbone != type(recipe.classifier)().backbone
    points = feature_points(recipe.judge, backbone) if named else pixel_points([(1, 1)])  # the smallest side
    originals = Originals(recipe.data)

    def look(items: Sequence[Item]) -> Floats:
        n = max(min(PORTION, PORTION_PIXELS // max(item.width * item.height for item in items)), 1)
        found = []
        for start in range(0, len(items), n):
            if progress:
                progress("features", start, len(items))
            found.append(points([originals.pixels(item) for item in items[start : start + n]]))
        return np.concatenate(found)

    return look
