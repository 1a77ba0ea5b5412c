"""Spaces in which distances between images are measured: pixels, an autoencoder's codes, a judge's features."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth.data.network_input import fitting_side, network_input
from synth.errors import UsageError
from synth.records import Pixels

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

Floats = npt.NDArray[np.floating[Any]]
PORTION = 32
"""Images that are embedded together."""


@dataclass(frozen=True)
class FeatureSpace:
    """A space of image features."""

    side: int
    """Side of the square images that the features are computed from, in pixels."""
    features: Callable[[npt.NDArray[np.uint8]], Floats]
    """(n, side, side, 3) uint8 -> (n, F)."""

    def embed(self, images: Iterable[Pixels]) -> Floats:
        """Return the features (n, F) of images, at least one. Only one image is held in its full size."""
        inputs = (network_input(pixels, self.side) for pixels in images)
        portions = iter(lambda: list(itertools.islice(inputs, PORTION)), [])
        return np.concatenate([self.features(np.stack(portion)) for portion in portions])


def pixel_space(sizes: Sequence[tuple[int, int]]) -> FeatureSpace:
    """Return the space of pixel levels, 0..1, at the side that suits images of these (width, height)."""
    return FeatureSpace(
        fitting_side(sizes), lambda inputs: inputs.reshape(len(inputs), -1).astype(np.float32) / np.float32(255)
    )


def latent_space(space: LatentSpace) -> FeatureSpace:
    """Return the space of an autoencoder's codes."""
    return FeatureSpace(space.side, space.encode)


def classifier_space(judge: str, backbone: str) -> FeatureSpace:
    """Return the features of the first network of a judge that learned from all images; without a judge, a backbone's.

    Raises:
        UsageError: neither a judge nor a pretrained backbone.
    """
    from synth.networks.build import SMALL

    if judge:
        from synth.classifier.judge import open_judge

        opened = open_judge(judge)
        return FeatureSpace(
            opened.bundle.info["side"],
            lambda inputs: opened.predict(list(inputs), [opened.whole[:1]] * len(inputs)).features,
        )
    if backbone == SMALL:
        raise UsageError(
            "smote.space = features needs a judge (--judge BUNDLE) or a pretrained network "
            "(--set classifier.backbone=efficientnet-lite0)"
        )
    from synth.classifier.frozen_features import features_of
    from synth.networks.pretrained import open_backbone

    network = open_backbone(backbone)
    return FeatureSpace(network.default_size, lambda inputs: features_of(network, inputs))
