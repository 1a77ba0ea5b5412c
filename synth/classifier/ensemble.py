"""The networks of a reference classifier. Each one learns from its own part of the training images.

    fold-k    leaves out fold k, so it can judge the images of fold k and all that is made from them
    whole-k   learns from all images: its features are compared; it never scores what is made from them for a gate

Each network is trained on one thread and in its own process, so its bytes depend neither on the number of workers nor
on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import Tensor, nn

from synth import seeds
from synth.effects.policy import Policy
from synth.files import replace_file
from synth.networks.base import FeatureClassifier
from synth.networks.build import SMALL, build_network
from synth.settings.augment import Augment
from synth.settings.gates import Classifier
from synth.training.batches import Batches, Ints, TrainingSet
from synth.training.device import autocast, choose_device
from synth.training.inference import one_thread, predict, to_tensor
from synth.training.loop import Check, Fit, fit, one_cycle, read_tensors, seeded, set_rate

WEIGHT_DECAY = 0.01
TUNING = 0.1
"""Fraction of the learning rate for a pretrained network."""
RESULT = "member.safetensors"
HELD_OUT = "held_out"
SCALED_BY = 2048
"""Largest number of images that set the scale of a network's features."""


@dataclass(frozen=True)
class Member:
    """One network of the ensemble."""

    name: str
    fold: int | None
    """The fold that it leaves out; None: it learns from all images."""


@dataclass(frozen=True)
class ClassifierTask:
    """All that the training of any member needs."""

    settings: Classifier
    policy: Augment
    seed: int
    data: TrainingSet
    folds: Ints = field(repr=False)
    """(N,) the fold of each training image."""
    members: tuple[Member, ...]
    work: Path
    """A folder that outlives a kill; each member has a folder in it."""
    device: str

    def train_rows(self, member: Member) -> Ints:
        """Return the indices of the images that a member learns from."""
        return np.arange(len(self.folds)) if member.fold is None else np.flatnonzero(self.folds != member.fold)

    def held_out(self, member: Member) -> Ints:
        """Return the indices of the images that a member leaves out."""
        return np.arange(0) if member.fold is None else np.flatnonzero(self.folds == member.fold)


def train_member(task: ClassifierTask, index: int, *, on_check: Check | None = None) -> None:
    """Train a member, and save its weights and its probabilities of the images that it leaves out in its folder."""
    member, settings, device = task.members[index], task.settings, choose_device(task.device)
    folder = task.work / member.name
    if (folder / RESULT).exists():
        return
    with one_thread():
        trainee = member_trainee(task, member, device)
        fitted = fit(trainee, folder, n_steps=settings.steps, batch=settings.batch, on_check=on_check)
        _set_feature_scale(fitted.network, task, member)
        _, held_out = predict(fitted.network, task.data.inputs[task.held_out(member)], device)
    save_member(folder, fitted, held_out)


def member_trainee(task: ClassifierTask, member: Member, device: torch.device) -> Supervised:
    """Cross-entropy, - log softmax(f(x))_y, on class-balanced batches."""
    settings, data, seed = task.settings, task.data, seeds.derived(task.seed, member.name)
    with seeded(seed):
        network = build_network(settings.backbone, len(data.classes), data.side, pretrained=True)
    policy = Policy(task.policy, member.name, seed=seed)
    rows = task.train_rows(member)
    batches = Batches(data.inputs, data.labels, rows, policy, seed, member.name, settings.batch)
    loss_of = nn.functional.cross_entropy
    return Supervised(network, batches, loss_of, settings=settings, n_steps=settings.steps, device=device)


def _set_feature_scale(network: nn.Module, task: ClassifierTask, member: Member) -> None:
    """Scale the features by those of the images that the network learned from."""
    assert isinstance(network, FeatureClassifier)
    rows = task.train_rows(member)
    rows = rows[:: -(-len(rows) // SCALED_BY)]
    features, _ = predict(network, task.data.inputs[rows], choose_device(task.device))
    network.standardise(torch.from_numpy(features).to(network.feature_mean))


def save_member(folder: Path, fitted: Fit, held_out: npt.NDArray[np.float32]) -> None:
    """Save a member's weights, and its probabilities of the images that it leaves out."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in fitted.network.state_dict().items()}
    metadata = {"n_images_seen": str(fitted.n_images_seen), "stopped": fitted.stopped}
    tensors = {**state, HELD_OUT: torch.from_numpy(held_out)}
    replace_file(folder / RESULT, safetensors.torch.save(tensors, metadata))


@dataclass(frozen=True)
class TrainedMember:
    """The content of a finished member's folder."""

    state: Mapping[str, Tensor]
    held_out: npt.NDArray[np.float32]
    """(n, C) probabilities of the images that it left out."""
    n_images_seen: int
    stopped: str


def load_member(folder: Path) -> TrainedMember:
    """Read what `save_member` wrote."""
    tensors, metadata = read_tensors(folder / RESULT)
    held_out = tensors.pop(HELD_OUT).numpy()
    return TrainedMember(tensors, held_out, int(metadata["n_images_seen"]), metadata["stopped"])


class Supervised:
    """Minimises a loss by AdamW (Loshchilov and Hutter 2019) with one cycle of the learning rate."""

    averaged = "network"

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        *,
        settings: Classifier,
        n_steps: int,
        device: torch.device,
    ) -> None:
        """Args: loss_of: gives the loss of logits (B, C) and class numbers (B,)."""
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self._batches, self._loss_of, self._device = batches, loss_of, device
        self._precision, self._n_steps = settings.precision, n_steps
        self._rate = settings.rate * (1 if settings.backbone == SMALL else TUNING)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), self._rate, weight_decay=WEIGHT_DECAY)
        self.modules: Mapping[str, nn.Module] = {"network": self.network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"optimizer": self._optimizer}

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Take one step on the batch of this number."""
        images, labels = self._batches.draw(number)
        x, y = to_tensor(images, self._device), torch.from_numpy(labels).to(self._device)
        set_rate(self._optimizer, self._rate * one_cycle(number, self._n_steps))
        with autocast(self._device, self._precision):
            _, logits = self.network.raw(x)  # type: ignore[operator]
            loss = self._loss_of(logits, y)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {"loss": loss.detach(), "accuracy": (logits.detach().argmax(1) == y).float().mean()}
