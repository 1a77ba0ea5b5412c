"""Ensembles of heads on frozen features: each image passes the backbone once, then all heads are fitted."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from synth import workers
from synth.classifier.ensemble import RESULT, ClassifierTask, save_member
from synth.classifier.linear_head import Floats, augmented_copies, features_of, fit_head
from synth.effects.policy import Policy
from synth.files import new_file
from synth.networks.pretrained import Backbone, open_backbone
from synth.training.batches import Images
from synth.training.device import choose_device
from synth.training.inference import BATCH, predict
from synth.training.loop import Fit
from synth.workers import Progress

FEATURES = "features.npy"
CHUNK = 4 * BATCH


def train_heads(task: ClassifierTask, *, n_workers: int, progress: Progress | None) -> None:
    """Fit the head of every member, and save it in the member's folder as `train_member` does.

    A head also learns from augmented copies of images of rare classes, but not of images that it leaves out.
    """
    data = task.data
    copies, parents = augmented_copies(data.inputs, data.labels, Policy(task.policy, "copies", seed=task.seed))
    path = task.work / FEATURES
    if not path.exists():
        extractor = FeatureExtractor(task.settings.backbone, data.side, task.device)
        images = np.concatenate([data.inputs, copies])
        extracted = extract_features(extractor, images, n_workers=n_workers, progress=progress)
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

    def of(self, images: Images) -> Floats:
        """Return features (n, F) of images (n, S, S, 3)."""
        return features_of(self.network, images, device=choose_device(self.device))


def extract_features(
    extractor: FeatureExtractor, images: Images, *, n_workers: int = 1, progress: Progress | None = None
) -> Floats:
    """Return features (n, F) of images (n, S, S, 3), computed chunk by chunk."""
    chunks = [range(start, min(start + CHUNK, len(images))) for start in range(0, len(images), CHUNK)]
    parts = []
    for chunk, part in workers.run(_extract_chunk, (extractor, images), chunks, n_workers=n_workers):
        parts.append(part)
        if progress:
            progress("features", chunk.stop, len(images))
    return np.concatenate(parts)


def _extract_chunk(work: tuple[FeatureExtractor, Images], chunk: range) -> Floats:
    extractor, images = work
    return extractor.of(images[chunk.start : chunk.stop])
