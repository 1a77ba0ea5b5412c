"""The networks of a reference classifier, one by one: each learns from its own part of the training images.

    fold-k    leaves fold k out, and so is a fair judge of the images there and of what is made from them
    whole-k   learns from all images: the gate of a class with so few images that none can be spared

Each is trained on one thread and in a process of its own, so its bytes depend neither on the number of workers nor on
the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from synth import seeds
from synth.classifier.supervised import Supervised
from synth.effects.policy import Policy
from synth.files import replace_file
from synth.networks.base import FeatureClassifier
from synth.networks.build import build_network
from synth.settings.gates import Classifier
from synth.settings.recipe import Augment
from synth.training.batches import Batches, Images
from synth.training.device import choose_device
from synth.training.inference import one_thread, predict
from synth.training.loop import Check, Fit, fit, seeded

RESULT = "member.safetensors"
HELD_OUT = "held_out"
SCALED_BY = 2048
"""Images that settle the scale of a network's features, at most."""


@dataclass(frozen=True)
class Member:
    """One network."""

    name: str
    fold: int | None
    """The fold that it leaves out; None: it learns from all."""


@dataclass(frozen=True)
class ClassifierTask:
    """All that the training of any member needs."""

    settings: Classifier
    policy: Augment
    seed: int
    side: int
    n_classes: int
    inputs: Images = field(repr=False)
    """(N, S, S, 3) uint8, the training images as the network sees them."""
    labels: npt.NDArray[np.intp] = field(repr=False)
    folds: npt.NDArray[np.intp] = field(repr=False)
    members: tuple[Member, ...]
    work: Path
    device: str

    def chosen(self, member: Member) -> npt.NDArray[np.intp]:
        """The images that a member learns from."""
        return np.flatnonzero(self.folds != member.fold) if member.fold is not None else np.arange(len(self.labels))

    def held_out(self, member: Member) -> npt.NDArray[np.intp]:
        """The images that it leaves out."""
        return np.flatnonzero(self.folds == member.fold) if member.fold is not None else np.arange(0)


def trainee_for(design: ClassifierTask, member: Member) -> Supervised:
    """Cross-entropy, - log softmax(f(x))_y, on class-balanced batches."""
    settings, device, seed = design.settings, choose_device(design.device), seeds.derived(design.seed, member.name)
    with seeded(seed):
        network = build_network(settings.backbone, design.n_classes, design.side, pretrained=True)
    policy = Policy(design.policy, member.name, seed=seed)
    chosen = design.chosen(member)
    batches = Batches(design.inputs, design.labels, chosen, policy, seed, member.name, settings.batch)
    loss_of = nn.functional.cross_entropy
    return Supervised(network, batches, loss_of, settings=settings, n_steps=settings.steps, device=device)


def train_member(design: ClassifierTask, index: int, *, on_check: Callable[[int], None] | None = None) -> None:
    """Train a member and leave its weights, and what it says of the images it did not see, in its folder."""
    member = design.members[index]
    folder = design.work / member.name
    if (folder / RESULT).exists():
        return
    with one_thread():
        trainee = trainee_for(design, member)
        settings = design.settings
        told: Check | None = (lambda n_seen, _: on_check(n_seen)) if on_check else None
        fitted = fit(trainee, folder, n_steps=settings.steps, batch=settings.batch, on_check=told)
        _settle_scale(fitted.network, design, member)
        _, held_out = predict(fitted.network, design.inputs[design.held_out(member)], choose_device(design.device))
    save_member(folder, fitted, held_out)


def _settle_scale(network: nn.Module, design: ClassifierTask, member: Member) -> None:
    """Features are scaled by those of the images that the network learned from."""
    assert isinstance(network, FeatureClassifier)
    chosen = design.chosen(member)
    chosen = chosen[:: -(-len(chosen) // SCALED_BY)]
    features, _ = predict(network, design.inputs[chosen], choose_device(design.device))
    network.standardise(torch.from_numpy(features).to(network.feature_mean))


def save_member(folder: Path, fitted: Fit, held_out: npt.NDArray[np.float32]) -> None:
    """A member's weights, and its probabilities of the images that it left out."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in fitted.network.state_dict().items()}
    metadata = {"n_images_seen": str(fitted.n_images_seen), "stopped": fitted.stopped}
    tensors = {**state, HELD_OUT: torch.from_numpy(held_out)}
    replace_file(folder / RESULT, safetensors.torch.save(tensors, metadata))


@dataclass(frozen=True)
class TrainedMember:
    """What a member's folder holds when it is done."""

    state: Mapping[str, Tensor]
    held_out: npt.NDArray[np.float32]
    n_images_seen: int
    stopped: str


def load_member(folder: Path) -> TrainedMember:
    """Read what `save_member` wrote."""
    with safe_open(folder / RESULT, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dict)
    held_out = tensors.pop(HELD_OUT).numpy()
    return TrainedMember(tensors, held_out, int(metadata["n_images_seen"]), metadata["stopped"])
