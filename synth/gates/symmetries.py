"""Which exact symmetries do the images of a dataset have: mirrors, quarter turns?

A symmetry is there if changed training images can't be told from real ones, and no class objects. Else it is off for
all classes: where a mirror turns one class into another, the other class may be too small to object. A class objects if

    its own images are told from their changed ones (classes with enough images), or
    its changed images resemble another class (all small classes together, by nearest neighbours)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from synth.data.folds import groups_of
from synth.data.originals import Originals
from synth.effects.policy import Policy
from synth.measures.subset import evenly_spaced
from synth.measures.told_apart import Apart, layout_of, nearest_labels, products, stacked, told_apart
from synth.records import Floats, Ints, Item, Pixels
from synth.settings.augment import Augment

N_IMAGES = 480
"""Images that are asked, at most."""
MIN_IMAGES, MIN_CLASS = 50, 20
"""Groups of images that can decide about a dataset, and about a class alone."""
APART, OBJECTS = 0.65, 0.8
"""A symmetry is there if the whole interval of the AUC lies below the first; a class objects if its own lies above
the second."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Choice:
    """What the images say about one symmetry."""

    effect: str
    on: bool
    why: str


def in_words(choices: Sequence[Choice]) -> str:
    """Return choices as one line; those with the same reason stand together."""
    groups: dict[str, list[str]] = {}
    for choice in choices:
        groups.setdefault(f"{'on' if choice.on else 'off'} ({choice.why})", []).append(choice.effect)
    return ", ".join(f"{', '.join(effects)} {words}" for words, effects in groups.items())


def symmetries_of(items: Sequence[Item], originals: Originals, asked: Sequence[str]) -> list[Choice]:
    """Return a choice about each symmetry that is asked for.

    Args:
        items: from `sample_of`.
    """
    if not asked:
        return []
    groups = groups_of(items).numbers
    n_groups = len(np.unique(groups))
    if n_groups < MIN_IMAGES:
        return [Choice(name, False, f"{n_groups} images are too few to tell, need {MIN_IMAGES}") for name in asked]
    sources = [originals.pixels(item) for item in items]
    real = stacked([_features(pixels) for pixels in sources])
    labels = np.array([item.label for item in items])
    found = []
    with threadpool_limits(limits=1):  # the sums of another number of threads would be other ones
        for name in asked:
            changed = stacked([_features(pixels) for pixels in _changed(sources, name)])
            found.append(_choice(name, products(real, changed), labels, groups))
    return found


def sample_of(train: Mapping[str, Sequence[Item]]) -> list[Item]:
    """Return at most `N_IMAGES` different images, spread evenly over the classes."""
    pools = [list({item.pixels_sha256: item for item in items}.values()) for items in train.values() if items]
    per_class = -(-N_IMAGES // max(len(pools), 1))
    return list(evenly_spaced([item for pool in pools for item in evenly_spaced(pool, per_class)], N_IMAGES))


def _features(pixels: Pixels) -> list[Floats]:
    """Return the layout, and the shape, which a quarter turn changes. A symmetry keeps levels and sharpness."""
    return [*layout_of(pixels), np.log(pixels.shape[:2])]


def _changed(sources: Sequence[Pixels], name: str) -> list[Pixels]:
    """Apply a symmetry. Quarter turns go left and right in turn: a dataset that has these has the half turn."""
    params = [{name: {"turns": 1 + 2 * (i % 2)} if name == "quarter_turn" else {}} for i in range(len(sources))]
    return Policy(Augment(), "", seed=0).apply(sources, params, attempts=range(len(sources)))


def _choice(name: str, kernel: Floats, labels: Ints, groups: Ints) -> Choice:
    everywhere = told_apart(kernel, groups)
    why = f"AUC {everywhere.auc:.2f}"
    if everywhere.interval[1] >= APART:
        return Choice(name, False, why)
    small = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(np.unique(groups[own])) < MIN_CLASS:
            small.append(label)
            continue
        alone = _of_class(kernel, own, groups)
        if alone.interval[0] > OBJECTS:
            return Choice(name, False, f"{label}: AUC {alone.auc:.2f}")
    if _leave_their_class(kernel, labels, groups, small=np.isin(labels, small)):
        return Choice(name, False, "images of small classes then resemble another class")
    return Choice(name, True, why)


def _of_class(kernel: Floats, own: Ints, groups: Ints) -> Apart:
    rows = np.concatenate([own, len(groups) + own])
    return told_apart(kernel[np.ix_(rows, rows)], groups[own])


def _leave_their_class(kernel: Floats, labels: Ints, groups: Ints, *, small: npt.NDArray[np.bool_]) -> bool:
    """Whether more images leave their class by the change than enter it: the sign test, one-sided."""
    from scipy.stats import binomtest

    before, after = (nearest == labels for nearest in nearest_labels(kernel, labels, groups))
    lost, gained = int((small & before & ~after).sum()), int((small & ~before & after).sum())
    return lost > gained and bool(binomtest(lost, lost + gained, alternative="greater").pvalue < SIGNIFICANT)
