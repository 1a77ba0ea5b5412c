"""A difference between images that weighs what tells their classes apart, however small it is (such as a lit lamp).

    d(x', x) = sum_k mean |F_k(x') - F_k(x)|        F_k: the first maps of a small classifier of the same images

This is the perceptual loss (Johnson et al. 2016), with absolute differences. Its network knows nothing but these
images: it is trained within seconds, and no pretrained network is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from synth.classifier.ensemble import ClassifierTask, Member, load_member, train_member
from synth.networks.small import Small
from synth.settings.gates import Classifier
from synth.training.device import choose_device
from synth.training.loop import seeded

SETTINGS = Classifier(steps=150, batch=64)
N_IMAGES = SETTINGS.steps * SETTINGS.batch
NETWORK = Member("features", None)
N_MAPS = 2


def feature_network(task: ClassifierTask, *, on_check: Callable[[int], None] | None = None) -> Small:
    """Train the first network of a task, or read it if it is there. Its weights are frozen."""
    train_member(task, 0, on_check=on_check)
    with seeded(0):
        network = Small(len(task.data.classes), task.data.side)
    network.load_state_dict(load_member(task.work / task.members[0].name).state)
    network.requires_grad_(False).eval().to(choose_device(task.device))
    return network.to(memory_format=torch.channels_last)


def feature_difference(network: Small, made: Tensor, x: Tensor) -> Tensor:
    """Return the difference between images (B, C, S, S) in [-1, 1] and x. Grey images are repeated in 3 channels."""
    with torch.no_grad():
        wanted = _maps(network, x)
    return torch.stack([(a - b).abs().mean() for a, b in zip(_maps(network, made), wanted, strict=True)]).sum()


def _maps(network: Small, x: Tensor) -> list[Tensor]:
    x = x.expand(-1, 3, -1, -1)
    maps = []
    for stage in list(network.stages)[:N_MAPS]:
        x = stage(x)
        maps.append(x)
    return maps
