"""Cross-validation folds: which images must stay together, and which fold each group goes to.

The assignment is iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label
data"): the class with the fewest images first. scikit-learn's StratifiedGroupKFold spreads the classes as evenly, but
takes 11 s instead of 0.25 s for 5000 images of 100 classes, and fails if every class has fewer images than folds.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synth.data.duplicates import groups_by_shared_keys, picture_groups
from synth.records import Item

Integers = npt.NDArray[np.int64]


def groups_of(items: Sequence[Item]) -> Integers:
    """Return (n,) group numbers from 0: images of a stated group, or of the same picture, are one group.

    Both relations count together: if a and b share a picture, and b and c a group, all three are one group.
    """
    pictures = picture_groups(items)[0].tolist()
    return groups_by_shared_keys([(p, i.group) if i.group else (p,) for p, i in zip(pictures, items, strict=True)])


def folds_of(items: Sequence[Item], n_folds: int, *, seed: int, groups: Integers | None = None) -> Integers:
    """Return (n,) fold numbers 0..n_folds - 1. No group is split; classes are spread as evenly as groups allow.

    With fewer groups than folds, some folds are empty. The same images get the same folds in any order.
    """
    if not items:
        return np.empty(0, np.int64)
    groups = groups_of(items) if groups is None else groups
    classes = np.unique([item.label for item in items], return_inverse=True)[1]
    counts = np.zeros((groups.max() + 1, classes.max() + 1), np.int64)
    np.add.at(counts, (groups, classes), 1)
    # Random numbers that depend on the images, not on their order.
    keys = (f"{seed}\0{item.id}\0{item.sha256}".encode("utf-8", "surrogateescape") for item in items)
    draws = np.array([hashlib.sha256(key).hexdigest() for key in keys])
    order = np.unique(groups[np.argsort(draws, kind="stable")], return_index=True)[1]
    return _deal(counts, np.argsort(order), n_folds)[groups]


def _deal(counts: Integers, order: Integers, n_folds: int) -> Integers:
    """Assign a fold to each group.

    Args:
        counts: (groups, classes) images.
        order: (groups,) a random order, which breaks ties.
        n_folds: number of folds.
    """
    fold_of, dealt = np.full(len(counts), -1), np.zeros((n_folds, counts.shape[1]), np.int64)
    totals = counts.sum(axis=0)
    for label in np.argsort(totals, kind="stable").tolist():
        own = order[(counts[order, label] > 0) & (fold_of[order] < 0)]
        for group in own[np.argsort(-counts[own, label], kind="stable")].tolist():  # the largest first
            # The fold whose sum of squared class shares grows least with this group; then the smallest fold.
            added = dealt @ (counts[group] / totals.astype(np.float64) ** 2)
            fold_of[group] = fold = int(np.lexsort((dealt.sum(axis=1), added))[0])
            dealt[fold] += counts[group]
    return fold_of
