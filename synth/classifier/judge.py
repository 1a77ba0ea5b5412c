"""The judge: a trained reference classifier that scores images.

An image is judged by networks that learned neither from it nor from its parents. For images that are made from training
images, only such scores mean anything.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import nn

from synth.classifier.frozen_features import features_of
from synth.data.network_input import network_input
from synth.errors import BundleError
from synth.networks.base import FrozenHead
from synth.networks.build import build_network
from synth.networks.pretrained import Backbone, open_backbone, weights_digest
from synth.records import Pixels
from synth.training.bundle import CLASSIFIER, Bundle, Checked, ImageRecord, open_bundle
from synth.training.inference import predict
from synth.training.loop import seeded

Floats = npt.NDArray[np.float32]
MAX_SIDE = 1024


class _Network(Checked):
    backbone: str
    digest: str = ""


class _Member(Checked):
    name: str
    fold: int | None


class _Info(Checked):
    """What bundle.json says of a classifier."""

    side: int = Field(ge=1, le=MAX_SIDE)
    network: _Network
    members: list[_Member]
    few: int = Field(ge=0, le=10**6)
    counts: dict[str, int]
    warnings: list[str] = Field(default_factory=list)


class _ScoredImage(ImageRecord):
    fold: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Prediction:
    """What a judge predicts for n images."""

    probabilities: Floats
    """(n, C) in the order of the judge's classes."""
    features: Floats
    """(n, F), scaled so that distances make sense; comparable between images with the same first network."""


def open_judge(path: str | Path) -> Judge:
    """Open a bundle that `synth train classifier` wrote.

    Raises:
        BundleError: a foreign, damaged or hostile bundle, or the backbone has other weights than in the training.
        UsageError: the backbone is not installed.
    """
    return Judge(open_bundle(path, CLASSIFIER))


class Judge:
    """A reference classifier. It computes on one thread of the CPU, so its predictions are the same everywhere."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.classes = bundle.classes
        self.digest: str = bundle.info["weights_sha256"]
        self.scores = bundle.scores
        self._info = info = bundle.info_as(_Info)
        self.whole = tuple(index for index, member in enumerate(info.members) if member.fold is None)
        """Indices of the networks that learned from all images."""
        self._folds = {member.fold: index for index, member in enumerate(info.members) if member.fold is not None}
        self._fold_of: dict[str, int] = {}
        self._records = tuple(bundle.images(_ScoredImage))
        for record in self._records:
            self._fold_of[record.sha256] = record.fold
        if not self.whole or not self._folds or not set(self._fold_of.values()) <= set(self._folds):
            raise BundleError(f"{bundle.path}: its networks and its training images do not fit together")
        self.warnings = tuple(info.warnings)
        """About the folds of its training images, see `data.folds`."""
        self.few = {label for label in self.classes if info.counts.get(label, info.few) < info.few}
        """Classes with so few images that a GAN's training asks the networks that learned from all of them."""

    def to_json(self) -> dict[str, Any]:
        """Return what a summary says of the judge."""
        return {
            "path": str(self.bundle.path),
            "digest": self.digest,
            "classes": list(self.classes),
            "scores": dict(self.scores),
        }

    def held_out_share(self, label: str, score_min: float) -> float | None:
        """Return the share of a class's training images whose held-out probability of the class is `score_min` or more.

        None for a class without training images.
        """
        (passed, n), _ = self.held_out_passing(label, score_min)
        return passed / n if n else None

    def held_out_passing(self, label: str, score_min: float) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (passed, n) of a class's training images, and of those of all other classes.

        An image passes if its held-out probability of the class is `score_min` or more.
        """
        passed, own = self._held_out[:, self.classes.index(label)] >= score_min, self._labels == label
        return (int(passed[own].sum()), int(own.sum())), (int(passed[~own].sum()), int((~own).sum()))

    def held_out_below(self, label: str, score_min: float) -> list[str]:
        """Return the paths of a class's training images whose held-out score, as above, is below `score_min`."""
        return [
            record.path
            for record in self._records
            if record.label == label and record.scores.get(label, 0.0) < score_min
        ]

    def held_out_score(self, sha256: str) -> float | None:
        """Return the held-out probability of a training image's class; None for any other image."""
        return self._own_score.get(sha256)

    @functools.cached_property
    def _held_out(self) -> Floats:
        """(N, C) held-out probabilities of the training images."""
        rows = [[record.scores.get(label, 0.0) for label in self.classes] for record in self._records]
        return np.array(rows, np.float32).reshape(len(rows), len(self.classes))

    @functools.cached_property
    def _labels(self) -> npt.NDArray[np.str_]:
        """(N,) classes of the training images."""
        return np.array([record.label for record in self._records])

    @functools.cached_property
    def _own_score(self) -> dict[str, float]:
        return {record.sha256: record.scores.get(record.label, 0.0) for record in self._records}

    def unseen_by(self, sha256s: Sequence[str]) -> tuple[int, ...]:
        """Return the indices of the networks that did not learn from these images.

        If every network learned from one of them: for each image, the network that left it out. If no network learned
        from any of them: all networks that left out a fold.
        """
        folds = {self._fold_of[sha256] for sha256 in sha256s if sha256 in self._fold_of}
        return tuple(self._folds[fold] for fold in sorted(folds)) if folds else tuple(self._folds.values())

    def predict(self, images: Sequence[Pixels], members: Sequence[tuple[int, ...]]) -> Prediction:
        """Predict the classes of images.

        Args:
            images: any sizes, grey or colour, 8 or 16 bits.
            members: for each image, the networks to use. Probabilities are their mean; features are those of the first.
        """
        rows: npt.NDArray[Any] = np.stack([network_input(pixels, self._info.side) for pixels in images])
        if self._backbone is not None:
            rows = features_of(self._backbone, rows)
        probabilities = np.zeros((len(images), len(self.classes)), np.float32)
        features: Floats | None = None
        for member in sorted({index for asked in members for index in asked}):
            places = [place for place, asked in enumerate(members) if member in asked]
            seen, answers = predict(self.networks[member], rows[places], torch.device("cpu"))
            features = np.zeros((len(images), seen.shape[1]), np.float32) if features is None else features
            first = [n for n, place in enumerate(places) if members[place][0] == member]
            features[[places[n] for n in first]] = seen[first]
            shares = np.array([1 / len(members[place]) for place in places], np.float32)
            probabilities[places] += answers * shares[:, None]
        assert features is not None
        return Prediction(probabilities, features)

    @functools.cached_property
    def _backbone(self) -> Backbone | None:
        network = self._info.network
        if not network.digest:
            return None
        backbone = open_backbone(network.backbone)
        if weights_digest(backbone) != network.digest:
            raise BundleError(f"{self.bundle.path}: made for other weights of {network.backbone}: train it again")
        return backbone

    @functools.cached_property
    def networks(self) -> list[nn.Module]:
        """All networks of the bundle. Each one is checked against bundle.json."""
        tensors = self.bundle.tensors()
        return [self._load(member.name, tensors) for member in self._info.members]

    def _load(self, name: str, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
        state = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        n_classes = len(self.classes)
        try:
            if self._backbone is not None:
                network: nn.Module = FrozenHead(len(state["mean"]), n_classes)
            else:
                with seeded(0):
                    network = build_network(self._info.network.backbone, n_classes, self._info.side, pretrained=False)
            network.load_state_dict(state)
        except (KeyError, RuntimeError, TypeError) as error:
            problem = str(error).splitlines()[0]
            raise BundleError(f"{self.bundle.path}: weights of {name} do not fit its network ({problem})") from None
        return network.eval().to(memory_format=torch.channels_last)
