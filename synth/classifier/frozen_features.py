"""Heads on frozen features: each image goes through the backbone once, then every member is fitted in a moment."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from synth import workers
from synth.classifier.ensemble import RESULT, ClassifierTask, save_member
from synth.classifier.linear_head import Floats, Head, augmented_copies, features_of, fit_head
from synth.effects.policy import Policy
from synth.files import new_file
from synth.networks.base import FrozenHead
from synth.networks.pretrained import Backbone, open_backbone
from synth.training.batches import Images
from synth.training.device import choose_device
from synth.training.inference import BATCH, predict
from synth.training.loop import Fit
from synth.workers import Progress

FEATURES = "features.npy"
CHUNK = 4 * BATCH


def train_heads(design: ClassifierTask, *, n_workers: int, progress: Progress | None) -> None:
    """Fit every member's head, and leave it in the member's folder as `train_member` would.

    A head also learns from augmented copies of images of classes with few, never from one of an image that it leaves
    out.
    """
    policy = Policy(design.policy, "copies", seed=design.seed)
    copies, parents = augmented_copies(design.inputs, design.labels, policy)
    images = np.concatenate([design.inputs, copies])
    path = design.work / FEATURES
    if not path.exists():
        extraction = FeatureExtractor(design.settings.backbone, design.side, design.device)
        features = extract_features(extraction, images, n_workers=n_workers, progress=progress)
        with new_file(path) as file:
            np.save(file, features)
    features = np.load(path, allow_pickle=False)
    origins = np.concatenate([np.arange(len(design.inputs)), parents])
    for member in design.members:
        folder = design.work / member.name
        if (folder / RESULT).exists():
            continue
        chosen = np.flatnonzero(np.isin(origins, design.chosen(member)))
        labels = design.labels[origins[chosen]]
        network = as_network(fit_head(features[chosen], labels, n_classes=design.n_classes, seed=design.seed))
        _, held_out = predict(network, features[design.held_out(member)], torch.device("cpu"))
        save_member(folder, Fit(network, len(chosen)), held_out)


@dataclass(frozen=True)
class FeatureExtractor:
    """What a worker needs to compute features."""

    backbone: str
    side: int
    device: str

    @functools.cached_property
    def network(self) -> Backbone:
        """Opened once per process."""
        opened = open_backbone(self.backbone)
        opened.check_size(self.side)
        return opened.to(choose_device(self.device))

    @property
    def n_features(self) -> int:
        """How many numbers it says of an image."""
        return self.network.n_features

    def of(self, images: Images) -> Floats:
        """(n, F) of images (n, S, S, 3)."""
        return features_of(self.network, images, device=choose_device(self.device))


def extract_features(
    extraction: FeatureExtractor, images: Images, *, n_workers: int = 1, progress: Progress | None = None
) -> Floats:
    """Features (n, F) of images (n, S, S, 3), chunk by chunk."""
    chunks = [range(start, min(start + CHUNK, len(images))) for start in range(0, len(images), CHUNK)]
    parts = []
    for chunk, part in workers.run(_of_chunk, (extraction, images), chunks, n_workers=n_workers):
        parts.append(part)
        if progress:
            progress("features", chunk.stop, len(images))
    return np.concatenate(parts)


def _of_chunk(work: tuple[FeatureExtractor, Images], chunk: range) -> Floats:
    extraction, images = work
    return extraction.of(images[chunk.start : chunk.stop])


def as_network(head: Head) -> FrozenHead:
    """A fitted head as a network that can be saved with others."""
    network = FrozenHead(head.weight.shape[1], head.weight.shape[0])
    with torch.no_grad():
        network.mean.copy_(torch.from_numpy(head.mean))
        network.scale.copy_(torch.from_numpy(head.scale))
        network.linear.weight.copy_(torch.from_numpy(head.weight))
        network.linear.bias.copy_(torch.from_numpy(head.bias))
    return network.eval()
