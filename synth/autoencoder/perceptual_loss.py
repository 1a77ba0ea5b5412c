"""A difference between images that minds what tells their classes apart, however small it is (a lamp that is lit).

    d(x', x) = sum_k mean |F_k(x') - F_k(x)|        F_k: the first maps of a small classifier of the same images

Perceptual loss (Johnson et al. 2016), with absolute differences, and with a network that knows nothing but these
images: it is trained within seconds, and no pretrained one has to be there.
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


def feature_network(design: ClassifierTask, *, on_check: Callable[[int], None] | None = None) -> Small:
    """Train the first network of a design, or read it where it is done; frozen."""
    member = design.members[0]
    train_member(design, 0, on_check=on_check)
    with seeded(0):
        network = Small(design.n_classes, design.side)
    network.load_state_dict(load_member(design.work / member.name).state)
    network.requires_grad_(False).eval().to(choose_device(design.device))
    return network.to(memory_format=torch.channels_last)


def feature_difference(network: Small, made: Tensor, x: Tensor) -> Tensor:
    """The difference of images (B, C, S, S) in [-1, 1] from x; grey ones are shown in three channels."""
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
