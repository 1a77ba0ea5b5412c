"""Can a classifier tell two sets of images apart? The area under its ROC curve: .5 says no, 1 says always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

N_FOLDS = 5
POOL = 500
"""Images of a set that are looked at in one draw."""
N_TESTED = 200
"""Small sets are cut into folds again and again, until about so many images were tested."""
MAX_DRAWS = 3
STD_FLOOR = 0.1
"""Of a feature, in units of the usual standard deviation of its block: features that hardly vary are no loud voice."""


def detectable_auc(
    ours: Sequence[Floats],
    reference: Sequence[Floats],
    *,
    groups: Ints,
    rng: np.random.Generator,
    n: int | None = None,
) -> float | None:
    """Cross-validated AUC of a logistic regression that tells `ours` from `reference`, mean over several draws.

    Features come as blocks (of a judge, of texture); each is standardised and weighs the same however many columns it
    has, so that a few texture numbers are heard beside a thousand features of a network.

    Args:
        ours: blocks of (n, F_block).
        reference: the same blocks of (m, F_block).
        groups: (n,) images of `ours` with equal numbers are relatives (same parent), and are never both learnt from and
            tested on. Images of the reference are each alone.
        n: that many of `ours` in each draw, so that AUCs of sets of different size can be compared.

    Returns: None where either side has fewer than two groups.
    """
    n_folds = min(N_FOLDS, len(np.unique(groups)), len(reference[0]))
    if n_folds < 2:
        return None
    size, n_reference = min(n or POOL, POOL, len(groups)), min(len(reference[0]), POOL)
    aucs: list[float] = []
    for _ in range(max(min(N_TESTED // min(size, n_reference), MAX_DRAWS), 1)):
        a = np.sort(rng.permutation(len(groups))[:size])
        b = np.sort(rng.permutation(len(reference[0]))[:n_reference])
        blocks = [np.concatenate([x[a], y[b]]) for x, y in zip(ours, reference, strict=True)]
        is_ours = np.repeat([1, 0], [len(a), len(b)])
        alone = groups.max() + 1 + np.arange(len(b))
        seed = int(rng.integers(2**31))
        aucs += _fold_aucs(_prepared(blocks), is_ours, np.concatenate([groups[a], alone]), n_folds=n_folds, seed=seed)
    return float(np.mean(aucs)) if aucs else None


def relatives(parents: Sequence[Sequence[str]]) -> Ints:
    """Number the families of images: those that share a parent, directly or through others, have one number.

    Where mixing of parents ties nearly all images together, no two folds could be made of them: then images count as
    relatives if they have the same first parent.
    """
    families = _families(parents)
    if len(families) and np.bincount(families).max() > len(families) / 2:
        return _families([names[:1] for names in parents])
    return families


def _families(parents: Sequence[Sequence[str]]) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {name: len(parents) + i for i, name in enumerate(dict.fromkeys(n for names in parents for n in names))}
    pairs = [(i, number[name]) for i, names in enumerate(parents) for name in names]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    size = len(parents) + len(number)
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(size, size))
    found: Ints = connected_components(graph, directed=False)[1][: len(parents)]
    return found


def _fold_aucs(features: Floats, is_ours: Ints, groups: Ints, *, n_folds: int, seed: int) -> list[float]:
    """One AUC per fold: scores of different folds can't be ranked together without a bias towards 0."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    n_folds = min(n_folds, len(np.unique(groups[is_ours == 1])))
    if n_folds < 2:
        return []
    found = []
    for learn, test in StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(is_ours, is_ours, groups):
        if len(np.unique(is_ours[learn])) < 2 or len(np.unique(is_ours[test])) < 2:
            continue
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000).fit(features[learn], is_ours[learn])
        found.append(float(roc_auc_score(is_ours[test], model.decision_function(features[test]))))
    return found


def _prepared(blocks: Sequence[Floats]) -> Floats:
    """Blocks side by side, each standardised and of the same weight, in as few columns as there are rows.

    The turn into few columns (onto the span of the rows) changes no distance and no angle, so a regression with a
    penalty on its length answers the same, much faster. Nothing here looks at which image is whose.
    """
    scaled = np.hstack([_scaled(block.astype(np.float64)) for block in blocks])
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    rotated: Floats = vectors * np.sqrt(values.clip(0))
    return rotated


def _scaled(block: Floats) -> Floats:
    std = block.std(axis=0)
    usual = float(np.median(std[std > 0])) if (std > 0).any() else 1.0
    scaled: Floats = (block - block.mean(axis=0)) / np.maximum(std, STD_FLOOR * usual) / np.sqrt(block.shape[1])
    return scaled
