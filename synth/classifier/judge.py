"""The judge: a trained reference classifier, asked about images.

An image is judged by networks that did not learn from it nor from its parents: those scores are the only ones that mean
anything for images made from training images.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from synth.data.network_input import network_input
from synth.errors import BundleError
from synth.networks.base import FrozenHead
from synth.networks.build import build_network
from synth.networks.pretrained import open_backbone, weights_digest
from synth.records import Pixels
from synth.training.bundle import CLASSIFIER, Bundle, open_bundle
from synth.training.inference import predict
from synth.training.loop import seeded

Floats = npt.NDArray[np.float32]
MAX_SIDE = 1024


@dataclass(frozen=True)
class Prediction:
    """What a judge sees in n images."""

    probabilities: Floats
    """(n, C) in the order of the judge's classes."""
    features: Floats
    """(n, F), scaled so that distances make sense; comparable between images that the same network looked at first."""


def open_judge(path: str | Path) -> Judge:
    """Open a bundle that `synth train classifier` wrote.

    Raises:
        BundleError: foreign, damaged or hostile, or its backbone is not the one that it was trained on.
        UsageError: its backbone is not installed.
    """
    return Judge(open_bundle(path, CLASSIFIER))


class Judge:
    """Answers questions about images; computes on one thread of the CPU, so that answers are the same everywhere."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.classes = bundle.classes
        self.digest: str = bundle.info["weights_sha256"]
        self.scores = bundle.scores
        self._side = _number(bundle, "side", low=1, high=MAX_SIDE)
        self._names, folds = _members(bundle)
        self.whole = tuple(index for index, fold in enumerate(folds) if fold is None)
        self._folds = {fold: index for index, fold in enumerate(folds) if fold is not None}
        self._fold_of: dict[str, int] = {}
        self._own_scores: dict[str, list[float]] = defaultdict(list)
        for record in bundle.images():
            self._fold_of[record["sha256"]] = record["fold"]
            self._own_scores[record["class"]].append(record["scores"].get(record["class"], 0.0))
        if not self.whole or not self._folds or not set(self._fold_of.values()) <= set(self._folds):
            raise BundleError(f"{bundle.path}: its networks and its training images do not fit together")
        counts, few = bundle.info["counts"], _number(bundle, "few", low=0, high=10**6)
        self.few = {label for label in self.classes if isinstance(counts.get(label), int) and counts[label] < few}
        """Classes with so few images that none could be spared: they are gated by networks that saw all."""

    def to_json(self) -> dict[str, Any]:
        """What a summary says of it."""
        return {
            "path": str(self.bundle.path),
            "digest": self.digest,
            "classes": list(self.classes),
            "scores": dict(self.scores),
        }

    def held_out_share(self, label: str, score_min: float) -> float | None:
        """Share of a class's training images with that probability or more, each by the network that left it out."""
        scores = self._own_scores.get(label, [])
        return sum(score >= score_min for score in scores) / len(scores) if scores else None

    def unseen_by(self, sha256s: Sequence[str]) -> tuple[int, ...]:
        """Networks that did not learn from any of these images.

        Where there is none, those that left out one of them each; for images that no network learned from, all that
        left out a fold.
        """
        folds = {self._fold_of[sha256] for sha256 in sha256s if sha256 in self._fold_of}
        return tuple(self._folds[fold] for fold in sorted(folds)) if folds else tuple(self._folds.values())

    def predict(self, images: Sequence[Pixels], members: Sequence[tuple[int, ...]]) -> Prediction:
        """Look at images.

        Args:
            images: any sizes, grey or colour, 8 or 16 bits.
            members: for each image, the networks to ask. Probabilities are their mean, features those of the first.
        """
        rows = self._base(np.stack([network_input(pixels, self._side) for pixels in images]))
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

    def _base(self, inputs: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """What the networks are given: the images, or a frozen backbone's features of them."""
        if self._backbone is None:
            return inputs
        return predict(self._backbone, inputs, torch.device("cpu"))[0]

    @functools.cached_property
    def _backbone(self) -> nn.Module | None:
        network = self.bundle.info["network"]
        if not network.get("digest"):
            return None
        backbone = open_backbone(str(network["backbone"]))
        if weights_digest(backbone) != network["digest"]:
            raise BundleError(f"{self.bundle.path}: made for other weights of {network['backbone']}: train it again")
        return _Backbone(backbone)

    @functools.cached_property
    def networks(self) -> list[nn.Module]:
        """All networks of the bundle, each checked against what the bundle says of itself."""
        tensors = self.bundle.tensors()
        return [self._network(name, tensors) for name in self._names]

    def _network(self, name: str, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
        state = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        kind = self.bundle.info["network"]
        n_classes = len(self.classes)
        try:
            if self._backbone is not None:
                network: nn.Module = FrozenHead(len(state["mean"]), n_classes)
            else:
                with seeded(0):
                    network = build_network(str(kind["backbone"]), n_classes, self._side, pretrained=False)
            network.load_state_dict(state)
        except (KeyError, RuntimeError, TypeError) as error:
            words = str(error).splitlines()[0]
            raise BundleError(f"{self.bundle.path}: weights of {name} do not fit its network ({words})") from None
        return network.eval().to(memory_format=torch.channels_last)


class _Backbone(nn.Module):
    """A backbone in the form of a network: features, and no logits to speak of."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.backbone(x)
        return features, features[:, :1]


def _members(bundle: Bundle) -> tuple[list[str], list[int | None]]:
    """Names of the networks, and the fold that each left out."""
    members = bundle.info["members"]
    if all(isinstance(m, dict) and isinstance(m.get("fold"), int | None) for m in members):
        return [str(member.get("name")) for member in members], [member.get("fold") for member in members]
    raise BundleError(f"{bundle.path}: members must be networks, each with a name and the fold that it left out")


def _number(bundle: Bundle, key: str, *, low: int, high: int) -> int:
    value = bundle.info.get(key)
    if not isinstance(value, int) or not low <= value <= high:
        raise BundleError(f"{bundle.path}: {key} must be {low}..{high}, got {value!r}")
    return value
