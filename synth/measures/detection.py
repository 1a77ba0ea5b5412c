"""How well a classifier separates two sets of images: its area under the ROC curve, .5 (chance) to 1."""

from collections.abc import Sequence

import numpy as np

from synth.data.duplicates import groups_by_shared_keys
from synth.records import Floats, Ints

N_FOLDS = 5
POOL = 500
"""Largest sample of a set in one draw."""
N_TESTED = 200
"""Small sets are split into folds repeatedly, until about this many images are tested."""
MAX_DRAWS = 3
STD_FLOOR = 0.1
"""Lowest standard deviation of a feature, relative to the median of its block: it limits nearly constant features."""


def detectable_auc(
    ours: Sequence[Floats], reference: Sequence[Floats], *, groups: Ints, rng: np.random.Generator, n: int | None = None
) -> float | None:
    """Return the cross-validated AUC of a logistic regression that separates `ours` from `reference`.

    It is the mean over several draws. Features come in blocks (of a judge, of texture). Each block is standardised and
    has the same weight, so that a few texture numbers count as much as a thousand features of a network.

    Args:
        ours: blocks of (n, F_block).
        reference: the same blocks of (m, F_block).
        groups: (n,) group numbers of `ours`: images with a common parent are in the same fold. Each image of the
            reference is a group of its own.
        n: sample size of `ours` in each draw, so that AUCs of sets of different sizes can be compared.

    Returns: None if either side has fewer than two groups.
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
    """Return (n,) family numbers: images that share a parent, directly or through others, are one family.

    If one family has more than half of the images, folds are impossible. Then only the first parent counts.
    """
    families = groups_by_shared_keys(parents)
    if len(families) and np.bincount(families).max() > len(families) / 2:
        return groups_by_shared_keys([names[:1] for names in parents])
    return families


def _fold_aucs(features: Floats, is_ours: Ints, groups: Ints, *, n_folds: int, seed: int) -> list[float]:
    """Return one AUC per fold, since ranking the scores of all folds together is biased towards 0."""
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
    """Standardise the blocks, and rotate them into as many columns as there are rows.

    The rotation changes no distance and no angle, so a ridge-penalised regression gives the same answer, much faster.
    """
    scaled = np.hstack([scaled_block(block.astype(np.float64)) for block in blocks])
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    rotated: Floats = vectors * np.sqrt(values.clip(0))
    return rotated


def scaled_block(block: Floats) -> Floats:
    """Return a block of features (n, F), standardised, so that blocks of any width have the same weight."""
    std = block.std(axis=0)
    usual = float(np.median(std[std > 0])) if (std > 0).any() else 1.0
    scaled: Floats = (block - block.mean(axis=0)) / np.maximum(std, STD_FLOOR * usual) / np.sqrt(block.shape[1])
    return scaled
