"""A contest: one classifier learns from a pool of images in the way that an arm of a trial says.

    images     a network is trained as a judge's is: AdamW, one cycle, averaged weights; the arm settles the loss, how
               often a class is drawn, and whether images change from step to step
    features   of a frozen backbone: a linear head goes to the minimum of

                   L(W x + b) + F / (2 STRENGTH N) |W|^2      N images, F standardised features

               by L-BFGS (Liu and Nocedal 1989), which draws nothing: seeds and steps do not matter there

The same pool, way, steps and seed give the same weights, bit for bit, in any process (CPU, same versions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from synth.classifier.frozen_features import as_network
from synth.classifier.linear_head import NEVER, STRENGTH, Floats, Head, standardisation
from synth.classifier.losses import Loss, Objective
from synth.classifier.supervised import Supervised
from synth.effects.policy import Policy
from synth.errors import TrainingError
from synth.networks.build import build_network
from synth.settings.gates import Classifier
from synth.settings.recipe import Augment
from synth.training.batches import Batches, Images
from synth.training.device import choose_device
from synth.training.inference import one_thread, predict
from synth.training.loop import CHECK, is_finite, ramped_average, seeded

STREAM = "contest"
DECAY = 0.99
"""Of the averaged weights, as for a judge."""
MAX_STEPS, CHANGE = 500, 1e-9
"""L-BFGS ends after so many steps, or where the loss changes by less. On CIFAR-10 (1000 to 10 a class, features of
efficientnet-lite0, 1000 test images) macro-F1 is .406 plain, .614 drawn evenly (`fit_head`: .615) and .646 with logit
adjustment, in a second or two. What AdamW on batches of 64 finds depends on when it ends: drawn evenly .65 and .63
(2 seeds) after 300 steps, .61 and .59 after 900; with logit adjustment .66 and .65, then .67 and .67."""


@dataclass(frozen=True)
class TrainingImages:
    """Images to learn from."""

    inputs: Images = field(repr=False)
    """(N, S, S, 3) uint8."""
    labels: npt.NDArray[np.intp] = field(repr=False)
    """(N,) class numbers."""
    real: npt.NDArray[np.bool_] = field(repr=False)
    """(N,): not made by a generator."""


@dataclass(frozen=True)
class TrainingFeatures:
    """What a frozen backbone says of images to learn from, and of augmented copies of them."""

    rows: Floats = field(repr=False)
    """(R, F)."""
    first: npt.NDArray[np.intp] = field(repr=False)
    """(N,): the row of each image itself; rows of its copies follow."""
    n_variants: npt.NDArray[np.intp] = field(repr=False)
    """(N,): rows that an image has, its own included."""
    labels: npt.NDArray[np.intp] = field(repr=False)
    """(N,) class numbers."""
    real: npt.NDArray[np.bool_] = field(repr=False)
    """(N,): not made by a generator."""

    def chosen(self, *, online: bool) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows to learn from, and the image of each: with `online` all, else those of the images themselves."""
        if not online:
            return self.first, np.arange(len(self.first))
        images = np.repeat(np.arange(len(self.first)), self.n_variants)
        begins = np.cumsum(self.n_variants) - self.n_variants
        return self.first[images] + np.arange(len(images)) - begins[images], images


@dataclass(frozen=True)
class TrainingStrategy:
    """How an arm has a classifier trained."""

    objective: Objective
    balanced: bool = False
    """Classes are drawn equally often, whatever their size; else as often as there are images."""
    online: bool = False
    """Every image is changed by safe effects each time it is drawn."""


@dataclass(frozen=True)
class Learner:
    """A trained classifier."""

    network: nn.Module
    device: torch.device

    def probabilities(self, inputs: Images | Floats) -> Floats:
        """(n, C) float32, softmax of the logits, of images (n, S, S, 3) or of features (n, F), as the pool had them."""
        return predict(self.network, inputs, self.device)[1]

    def fitted(self, inputs: Images | Floats, labels: npt.NDArray[np.intp]) -> float:
        """Mean recall (balanced accuracy) over the classes that are there."""
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
        settings: its backbone, learning rate, batch and precision are used.
        policy: effects of a way that is `online`; a pool of features brings its copies along.

    Raises:
        TrainingError: an empty pool, or a loss that is not finite.
        UsageError: a backbone, device or scheme of weights that is not there.
    """
    counts = np.bincount(pool.labels, minlength=n_classes)
    if not counts.any():
        raise TrainingError("a classifier of a trial has no image to learn from")
    loss = strategy.objective.loss_of(counts.tolist())
    if isinstance(pool, TrainingFeatures):
        return Learner(as_network(_fitted_head(pool, strategy, counts, loss=loss)), torch.device("cpu"))
    where = choose_device(device)
    with one_thread():
        with seeded(seed):
            network = build_network(settings.backbone, n_classes, pool.inputs.shape[1], pretrained=True)
        _rule_out(network, counts == 0)
        batches = _batches(pool, strategy, policy, size=settings.batch, seed=seed)
        trainee = Supervised(network, batches, loss, settings=settings, n_steps=steps, device=where)
        return Learner(_trained(trainee, steps, batch=settings.batch), where)


def _batches(pool: TrainingImages, strategy: TrainingStrategy, policy: Augment, *, size: int, seed: int) -> Batches:
    effects = Policy(policy, STREAM, seed=seed) if strategy.online else None
    everything, balance = np.arange(len(pool.labels)), float(strategy.balanced)
    return Batches(pool.inputs, pool.labels, everything, effects, seed, STREAM, size, balance)


def _rule_out(network: nn.Module, absent: npt.NDArray[np.bool_]) -> None:
    """Logits of classes without images are so low that they neither learn nor count."""
    head = network.get_submodule("head")
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.bias[torch.from_numpy(absent)] = NEVER


def _trained(trainee: Supervised, n_steps: int, *, batch: int) -> nn.Module:
    """The averaged weights, in evaluation mode. It takes seconds, so nothing is kept on the disk in between."""
    average = AveragedModel(trainee.network, multi_avg_fn=ramped_average(DECAY))
    trainee.network.train()
    for number in range(n_steps):
        trainee.step(number)
        average.update_parameters(trainee.network)
        done = number + 1
        if (done % CHECK == 0 or done == n_steps) and not is_finite(average):
            raise TrainingError(f"the loss was not finite within {done * batch} images: try a lower learning rate")
    return average.module.eval()


def _fitted_head(
    pool: TrainingFeatures, strategy: TrainingStrategy, counts: npt.NDArray[np.intp], *, loss: Loss
) -> Head:
    """Classes weigh the same where they would be drawn evenly, and an image as much as all its variants together."""
    chosen, images = pool.chosen(online=strategy.online)
    mean, scale = standardisation(pool.rows[pool.first])
    labels = pool.labels[images]
    shares = 1 / np.bincount(images)[images] / (counts[labels] if strategy.balanced else 1)
    with one_thread():
        # Laid out by torch, whatever the address of the array: a matrix product may round by how rows lie in memory.
        x = (torch.from_numpy(pool.rows[chosen]) - torch.from_numpy(mean)) / torch.from_numpy(scale)
        if not bool(torch.isfinite(x).all()):
            raise TrainingError("features of a pool are not finite: were they made by the same backbone?")
        shut = torch.from_numpy(np.where(counts == 0, NEVER, 0).astype(np.float32))
        weight, bias = torch.zeros(len(counts), x.shape[1]), torch.zeros(len(counts))
        parts = (torch.from_numpy(labels), torch.from_numpy(shares.astype(np.float32)))
        decay = x.shape[1] / (STRENGTH * len(pool.labels))

        def value() -> Tensor:
            return loss(x @ weight.T + (bias + shut), *parts) + decay / 2 * weight.square().sum()

        _minimise(value, weight, bias)
    return Head(mean, scale, weight.detach().numpy(), (bias + shut).detach().numpy())


def _minimise(value: Callable[[], Tensor], *parts: Tensor) -> None:
    """Move the parts to where the value is lowest."""
    for part in parts:
        part.requires_grad_(True)
    solver = torch.optim.LBFGS(parts, max_iter=MAX_STEPS, tolerance_change=CHANGE, line_search_fn="strong_wolfe")

    def closure() -> float:
        solver.zero_grad()
        loss = value()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    solver.step(closure)  # type: ignore[no-untyped-call]
