"""A frozen backbone's features, and a linear classifier on them.

Features are computed once for each image; a head on them is fitted in about a second, so many can be tried.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from synth.effects.policy import Policy
from synth.networks.base import SCALE_FLOOR, SHARE_FLOOR
from synth.networks.pretrained import Backbone
from synth.training.inference import one_thread, padded, to_tensor

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

STRENGTH = 1.28
"""Inverse regularisation (C) times the number of features. With efficientnet-lite0 ten times less gives 2 points more
of macro-F1 on CIFAR-10 (1000 to 10 a class), but probabilities so flat that a gate at .2 lets 46 % of the other
classes' traffic lights through instead of 10 %; ten times more takes 5 points away."""
COPIES_PER_IMAGE, FILLED_TO, MANY_COPIES = 4, 200, 2000
"""Copies of rare classes. Yellow F1 of traffic lights from 5 yellow images .75 -> .81 (10 draws, none worse), from 35
out of fold .95 -> .96 (within noise); macro-F1 on CIFAR-10 (1000 to 10 a class) .62 -> .63 (3 draws: +.02, +.01, 0)."""
MAX_STEPS = 1000
NEVER = -1e9
"""Logit of a class without images: its probability is exactly 0, and the weights stay finite."""


@dataclass(frozen=True)
class Head:
    """Multinomial logistic regression on standardised features; all arrays are float32."""

    mean: Floats
    """(F,)."""
    scale: Floats
    """(F,), above 0."""
    weight: Floats
    """(C, F)."""
    bias: Floats
    """(C,)."""

    def probabilities(self, features: Floats) -> Floats:
        """(n, F) -> (n, C), each row from its features alone, whatever stands beside it."""
        # einsum sums each entry by itself; a matrix product would cut the sums up by the number of rows.
        logits = np.einsum("nf,cf->nc", (features - self.mean) / self.scale, self.weight) + self.bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return rows


def features_of(
    backbone: Backbone,
    images: npt.NDArray[np.uint8],
    *,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Features (n, F) of images (n, S, S, 3); on one thread of a processor the same bits in any company."""
    where = device or torch.device("cpu")
    features = np.empty((len(images), backbone.n_features), np.float32)
    done = 0
    with torch.inference_mode(), one_thread():
        for batch, n in padded(images):
            features[done : done + n] = backbone(to_tensor(batch, where))[:n].cpu().numpy()  # type: ignore[arg-type]
            done += n
            if progress:
                progress(done, len(images))
    return features


def augmented_copies(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.intp], policy: Policy
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """Augmented copies of images (n, S, S, 3) of classes with few, for heads that learn from their features too.

    There are at most n of them, or `MANY_COPIES` where that is more.

    Returns: (m, S, S, 3), and (m,) the image that each was made from: its label holds, and a head that leaves it out
    must leave the copy out.
    """
    present, counts = np.unique(labels, return_counts=True)
    goal = min(FILLED_TO, max(len(labels), MANY_COPIES) // max(len(present), 1))
    wanted = [min(COPIES_PER_IMAGE * n, max(0, goal - n)) for n in counts.tolist()]
    pools = [np.flatnonzero(labels == label) for label in present]
    parents = np.concatenate([np.empty(0, np.intp), *(np.resize(*each) for each in zip(pools, wanted, strict=True))])
    attempts = range(len(parents))
    if not attempts:
        return images[:0], parents
    copies = policy.apply([images[parent] for parent in parents], policy.draw(attempts), attempts=attempts)
    return np.stack(copies).astype(np.uint8, copy=False), parents


def fit_head(features: Floats, labels: npt.NDArray[np.intp], *, n_classes: int, seed: int) -> Head:
    """Class-balanced logistic regression (L2) on standardised features, the same bits for the same input.

    Args:
        features: (n, F), of one image at least.
        labels: (n,) class numbers 0..n_classes - 1; a class without images gets the probability 0.
        seed: of the solver, where it draws.
    """
    mean, scale = standardisation(features)
    present, weight = np.unique(labels), np.zeros((n_classes, features.shape[1]), np.float32)
    bias = np.full(n_classes, NEVER, np.float32)
    bias[present] = 0
    if len(present) > 1:
        weight[present], bias[present] = _regression((features - mean) / scale, labels, seed)
    return Head(mean, scale, weight, bias)


def standardisation(features: Floats) -> tuple[Floats, Floats]:
    """Mean and scale (F,) of features (n, F); the scale has a floor, for features that are all but constant."""
    mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    floor = SCALE_FLOOR + SHARE_FLOOR * deviation.mean()
    return mean.astype(np.float32), np.maximum(deviation, floor).astype(np.float32)


def _regression(rows: Floats, labels: npt.NDArray[np.intp], seed: int) -> tuple[Floats, Floats]:
    """Weights (C, F) and biases (C,) of the classes that are there."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    solver = LogisticRegression(
        C=STRENGTH / rows.shape[1], class_weight="balanced", max_iter=MAX_STEPS, random_state=seed
    )
    # One thread: with more, sums are cut up by their number, and so are the last bits.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it stops short of convergence it is good enough, and the same each time
        solver.fit(rows.astype(np.float64), labels)
    weight, bias = solver.coef_, solver.intercept_
    if len(weight) == 1:  # two classes share one logit: half of it for the one, half against the other
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)
