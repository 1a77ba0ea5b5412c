"""The classifiers that a trial compares. Each learns from a pool of images, as an arm of the trial says.

    images     a network is trained like a member of a judge: AdamW, one cycle, averaged weights; the arm sets the loss,
               how often each class is drawn, and whether images change from step to step
    features   of a frozen backbone: a linear head is taken to the minimum of

                   L(W x + b) + F / (2 STRENGTH N) |W|^2      N images, F standardised features

               by L-BFGS (Liu and Nocedal 1989), which draws no random numbers: seeds and steps do not matter there

The same pool, strategy, steps and seed give the same weights, bit for bit, in any process (CPU, same versions).
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from synth.classifier.ensemble import Supervised
from synth.classifier.frozen_features import NEVER, STRENGTH, Floats, frozen_head, standardisation
from synth.classifier.losses import Loss, Objective
from synth.effects.policy import Policy
from synth.errors import TrainingError
from synth.networks.base import FrozenHead
from synth.networks.build import build_network
from synth.settings.augment import Augment
from synth.settings.gates import Classifier
from synth.training.batches import Batches, Images, Ints
from synth.training.device import choose_device
from synth.training.inference import one_thread, predict
from synth.training.loop import fit, seeded

STREAM = "contest"
MAX_STEPS, CHANGE = 500, 1e-9
"""L-BFGS ends after that many steps, or where the loss changes by less. On CIFAR-10 (1000 to 10 a class, features of
efficientnet-lite0, 1000 test images) macro-F1 is .406 plain, .614 drawn evenly (`fit_head`: .615) and .646 with logit
adjustment, in a second or two. What AdamW on batches of 64 finds depends on when it ends: drawn evenly .65 and .63
(2 seeds) after 300 steps, .61 and .59 after 900; with logit adjustment .66 and .65, then .67 and .67."""


@dataclass(frozen=True)
class TrainingImages:
    """Images to learn from."""

    inputs: Images = field(repr=False)
    """(N, S, S, 3) uint8."""
    labels: Ints = field(repr=False)
    """(N,) class numbers."""


@dataclass(frozen=True)
class TrainingFeatures:
    """A frozen backbone's features of images to learn from, and of augmented copies of them."""

    rows: Floats = field(repr=False)
    """(R, F)."""
    first: Ints = field(repr=False)
    """(N,): the row of each image itself; rows of its copies follow."""
    n_variants: Ints = field(repr=False)
    """(N,): number of rows of each image, its own included."""
    labels: Ints = field(repr=False)
    """(N,) class numbers."""

    def chosen(self, *, online: bool) -> tuple[Ints, Ints]:
        """Return the rows to learn from and the image of each: with `online` all rows, else those of the images."""
        if not online:
            return self.first, np.arange(len(self.first))
        images = np.repeat(np.arange(len(self.first)), self.n_variants)
        begins = np.cumsum(self.n_variants) - self.n_variants
        return self.first[images] + np.arange(len(images)) - begins[images], images


@dataclass(frozen=True)
class TrainingStrategy:
    """How an arm trains its classifier."""

    objective: Objective
    balanced: bool = False
    """Draw all classes equally often; else each as often as it has images."""
    online: bool = False
    """Change every image by safe effects each time it is drawn."""


@dataclass(frozen=True)
class Learner:
    """A trained classifier."""

    network: nn.Module
    device: torch.device

    def probabilities(self, inputs: Images | Floats) -> Floats:
        """Return softmax probabilities (n, C) float32 of images (n, S, S, 3) or features (n, F), like its pool's."""
        return predict(self.network, inputs, self.device)[1]

    def balanced_accuracy(self, inputs: Images | Floats, labels: Ints) -> float:
        """Return the mean recall over the classes that `labels` has."""
        right = self.probabilities(inputs).argmax(axis=1) == labels
        return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def train_learner(
    pool: TrainingImages | TrainingFeatures,
    strategy: TrainingStrategy,
    *,
    settings: Classifier,
    policy: Augment,
    n_classes: int,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> Learner:
    """Train a classifier on a pool. A class without images gets the probability 0.

    Args:
        settings: backbone, learning rate, batch and precision are used.
        policy: effects of an `online` strategy; a pool of features holds augmented copies instead.

    Raises:
        TrainingError: an empty pool, or a loss that is not finite.
        UsageError: an unknown scheme of weights, a backbone that is not installed, a device that is missing.
    """
    counts = np.bincount(pool.labels, minlength=n_classes)
    if not counts.any():
        raise TrainingError("a classifier of a trial has no image to learn from")
    loss = strategy.objective.loss_of(counts.tolist())
    if isinstance(pool, TrainingFeatures):
        return Learner(_fit_head(pool, strategy, counts, loss=loss), torch.device("cpu"))
    where = choose_device(device)
    effects = Policy(policy, STREAM, seed=seed) if strategy.online else None
    balance = float(strategy.balanced)
    batches = Batches(pool.inputs, pool.labels, None, effects, seed, STREAM, settings.batch, balance)
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        with seeded(seed):
            network = build_network(settings.backbone, n_classes, pool.inputs.shape[1], pretrained=True)
        _rule_out(network, counts == 0)
        trainee = Supervised(network, batches, loss, settings=settings, n_steps=steps, device=where)
        fitted = fit(trainee, Path(folder), n_steps=steps, batch=settings.batch)
    if fitted.stopped:
        n_seen = fitted.n_images_seen
        raise TrainingError(f"the loss was not finite after {n_seen} images: try a lower learning rate")
    return Learner(fitted.network, where)


def _rule_out(network: nn.Module, absent: npt.NDArray[np.bool_]) -> None:
    """Set the logits of classes without images so low that they neither learn nor count."""
    head = network.get_submodule("head")
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.bias[torch.from_numpy(absent)] = NEVER


def _fit_head(pool: TrainingFeatures, strategy: TrainingStrategy, counts: Ints, *, loss: Loss) -> FrozenHead:
    """Fit a head. With `balanced` all classes weigh the same. An image weighs as much as all its variants together."""
    chosen, images = pool.chosen(online=strategy.online)
    mean, scale = standardisation(pool.rows[pool.first])
    labels = pool.labels[images]
    shares = 1 / np.bincount(images)[images] / (counts[labels] if strategy.balanced else 1)
    with one_thread():
        # Torch allocates the rows: a matrix product may round differently if the array lies elsewhere in memory.
        x = (torch.from_numpy(pool.rows[chosen]) - torch.from_numpy(mean)) / torch.from_numpy(scale)
        if not bool(torch.isfinite(x).all()):
            raise TrainingError("features of a pool are not finite: were they made by the same backbone?")
        absent = torch.from_numpy(np.where(counts == 0, NEVER, 0).astype(np.float32))
        weight = torch.zeros(len(counts), x.shape[1], requires_grad=True)
        bias = torch.zeros(len(counts), requires_grad=True)
        y, w = torch.from_numpy(labels), torch.from_numpy(shares.astype(np.float32))
        decay = x.shape[1] / (STRENGTH * len(pool.labels))
        solver = torch.optim.LBFGS(
            [weight, bias], max_iter=MAX_STEPS, tolerance_change=CHANGE, line_search_fn="strong_wolfe"
        )

        def closure() -> float:
            solver.zero_grad()
            value = loss(x @ weight.T + (bias + absent), y, w) + decay / 2 * weight.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value.item()

        solver.step(closure)  # type: ignore[no-untyped-call]
    return frozen_head(mean, scale, weight=weight.detach().numpy(), bias=(bias + absent).detach().numpy())
