"""The features of a frozen backbone, and linear classifiers (heads) on them.

Features are computed once for each image. A head on them is fitted in about a second, so many heads can be tried.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from synth import workers
from synth.classifier.ensemble import RESULT, ClassifierTask, save_member
from synth.effects.policy import Policy
from synth.files import new_file
from synth.networks.base import SCALE_FLOOR, SHARE_FLOOR, FrozenHead
from synth.networks.pretrained import Backbone, open_backbone
from synth.training.batches import Images, Ints
from synth.training.device import choose_device
from synth.training.inference import BATCH, in_batches, predict, to_tensor
from synth.training.loop import Fit

Floats = npt.NDArray[np.float32]

STRENGTH = 1.28
"""Inverse regularisation (C) times the number of features. With efficientnet-lite0 a tenth of it gives 2 points more
macro-F1 on CIFAR-10 (1000 to 10 a class), but the probabilities are so flat that a gate at .2 passes 46 % of the other
classes' traffic lights instead of 10 %. Ten times as much costs 5 points."""
COPIES_PER_IMAGE, FILLED_TO, MANY_COPIES = 4, 200, 2000
"""Copies of rare classes. Yellow F1 of traffic lights from 5 yellow images .75 -> .81 (10 draws, none worse), from 35
out of fold .95 -> .96 (within noise); macro-F1 on CIFAR-10 (1000 to 10 a class) .62 -> .63 (3 draws: +.02, +.01, 0)."""
MAX_STEPS = 1000
NEVER = -1e9
"""Logit of a class without images: its probability is exactly 0, and the weights stay finite."""
FEATURES = "features.npy"
CHUNK = 4 * BATCH


def train_heads(task: ClassifierTask, *, n_workers: int, report: Callable[[int, int], None] | None = None) -> None:
    """Fit the head of every member, and save it in the member's folder as `train_member` does.

    A head also learns from augmented copies of images of rare classes, but not of images that it leaves out.
    """
    data = task.data
    copies, parents = augmented_copies(data.inputs, data.labels, Policy(task.policy, "copies", seed=task.seed))
    path = task.work / FEATURES
    if not path.exists():
        extractor = FeatureExtractor(task.settings.backbone, data.side, task.device)
        images = np.concatenate([data.inputs, copies])
        extracted = extract_features(extractor, images, n_workers=n_workers, report=report)
        with new_file(path) as file:
            np.save(file, extracted)
    features = np.load(path, allow_pickle=False)
    origins = np.concatenate([np.arange(len(data.inputs)), parents])
    for member in task.members:
        folder = task.work / member.name
        if (folder / RESULT).exists():
            continue
        rows = np.flatnonzero(np.isin(origins, task.train_rows(member)))
        head = fit_head(features[rows], data.labels[origins[rows]], n_classes=len(data.classes), seed=task.seed)
        _, held_out = predict(head, features[task.held_out(member)], torch.device("cpu"))
        save_member(folder, Fit(head, len(rows)), held_out)


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen backbone, opened once in each process."""

    backbone: str
    side: int
    device: str

    @functools.cached_property
    def network(self) -> Backbone:
        """The opened backbone."""
        opened = open_backbone(self.backbone)
        opened.check_size(self.side)
        return opened.to(choose_device(self.device))

    @property
    def n_features(self) -> int:
        """Number of features of an image."""
        return self.network.n_features


def extract_features(
    extractor: FeatureExtractor,
    images: Images,
    *,
    n_workers: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> Floats:
    """Return features (n, F) of images (n, S, S, 3), computed chunk by chunk.

    Args:
        report: called with (images done, images in total).
    """
    chunks = [range(start, min(start + CHUNK, len(images))) for start in range(0, len(images), CHUNK)]
    parts = []
    for chunk, part in workers.run(_extract_chunk, (extractor, images), chunks, n_workers=n_workers):
        parts.append(part)
        if report:
            report(chunk.stop, len(images))
    return np.concatenate(parts)


def _extract_chunk(work: tuple[FeatureExtractor, Images], chunk: range) -> Floats:
    extractor, images = work
    device = choose_device(extractor.device)
    return features_of(extractor.network, images[chunk.start : chunk.stop], device=device)


def features_of(backbone: Backbone, images: Images, *, device: torch.device | None = None) -> Floats:
    """Return features (n, F) of images (n, S, S, 3). On the CPU, the features of an image depend on it alone."""
    where = device or torch.device("cpu")
    return in_batches(lambda batch: [backbone(to_tensor(batch, where))], images)[0]


def augmented_copies(images: Images, labels: Ints, policy: Policy) -> tuple[Images, Ints]:
    """Return augmented copies of images (n, S, S, 3) of rare classes, so that heads learn from their features too.

    There are at most n copies, or at most `MANY_COPIES` if that is more.

    Returns:
        The copies (m, S, S, 3), and the index (m,) of the image that each was made from. A copy has the label of its
        image, and a head that leaves out the image must leave out the copy.
    """
    present, counts = np.unique(labels, return_counts=True)
    pools = [np.flatnonzero(labels == label) for label in present]
    wanted = n_copies(counts.tolist())
    parents = np.concatenate([np.empty(0, np.intp), *(np.resize(*each) for each in zip(pools, wanted, strict=True))])
    attempts = range(len(parents))
    if not attempts:
        return images[:0], parents
    copies = policy.apply([images[parent] for parent in parents], policy.draw(attempts), attempts=attempts)
    return np.stack(copies).astype(np.uint8, copy=False), parents


def n_copies(counts: Sequence[int]) -> list[int]:
    """Return the number of augmented copies for each class, given its number of images."""
    goal = min(FILLED_TO, max(sum(counts), MANY_COPIES) // max(len(counts), 1))
    return [min(COPIES_PER_IMAGE * n, max(0, goal - n)) for n in counts]


def fit_head(features: Floats, labels: Ints, *, n_classes: int, seed: int) -> FrozenHead:
    """Fit class-balanced logistic regression (L2) on standardised features. The same input gives the same bits.

    Args:
        features: (n, F), of at least one image.
        labels: (n,) class numbers 0..n_classes - 1; a class without images gets the probability 0.
        seed: for solvers that use random numbers.
    """
    mean, scale = standardisation(features)
    present, weight = np.unique(labels), np.zeros((n_classes, features.shape[1]), np.float32)
    bias = np.full(n_classes, NEVER, np.float32)
    bias[present] = 0
    if len(present) > 1:
        weight[present], bias[present] = _regression((features - mean) / scale, labels, seed)
    return frozen_head(mean, scale, weight=weight, bias=bias)


def frozen_head(mean: Floats, scale: Floats, *, weight: Floats, bias: Floats) -> FrozenHead:
    """Return the network of a fitted head: mean and scale (F,) of the features, weight (C, F) and bias (C,)."""
    network = FrozenHead(weight.shape[1], weight.shape[0])
    arrays = {"mean": mean, "scale": scale, "linear.weight": weight, "linear.bias": bias}
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return network.eval()


def standardisation(features: Floats) -> tuple[Floats, Floats]:
    """Return mean and scale (F,) of features (n, F). The scale has a floor, for features that are nearly constant."""
    mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    floor = SCALE_FLOOR + SHARE_FLOOR * deviation.mean()
    return mean.astype(np.float32), np.maximum(deviation, floor).astype(np.float32)


def _regression(rows: Floats, labels: Ints, seed: int) -> tuple[Floats, Floats]:
    """Return weights (C, F) and biases (C,) of the classes that have images."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    solver = LogisticRegression(
        C=STRENGTH / rows.shape[1], class_weight="balanced", max_iter=MAX_STEPS, random_state=seed
    )
    # One thread: with more, a sum is split by their number, which changes its last bits.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short of convergence it is good enough, and the same each time
        solver.fit(rows.astype(np.float64), labels)
    weight, bias = solver.coef_, solver.intercept_
    if len(weight) == 1:  # two classes share one logit: each gets half of it, with opposite signs
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)
