"""Spaces in which images of a class are near to one another: pixels, an autoencoder's codes, a judge's features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth.data.network_input import fitting_side, network_input
from synth.errors import UsageError
from synth.records import Pixels

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

Floats = npt.NDArray[np.floating[Any]]
Points = Callable[[Sequence[Pixels]], Floats]
"""Images, at least one -> (n, F)."""


def pixel_points(sizes: Sequence[tuple[int, int]]) -> Points:
    """Levels 0..1 at the side that suits images of these (width, height)."""
    side = fitting_side(sizes)
    return lambda images: np.stack([network_input(x, side).ravel() for x in images]).astype(np.float32) / 255


def latent_points(space: LatentSpace) -> Points:
    """Codes of an autoencoder."""
    return lambda images: space.encode(np.stack([network_input(pixels, space.side) for pixels in images]))


def feature_points(judge: str, backbone: str) -> Points:
    """What the judge sees, by the first of its networks that learned from all images; without one, a backbone.

    Raises:
        UsageError: neither a judge nor a pretrained backbone.
    """
    from synth.networks.build import SMALL, default_side

    if judge:
        from synth.classifier.judge import open_judge

        opened = open_judge(judge)
        return lambda images: opened.predict(images, [opened.whole[:1]] * len(images)).features
    if backbone == SMALL:
        raise UsageError(
            "smote.space = features needs a judge (--judge BUNDLE) or a pretrained network "
            "(--set classifier.backbone=efficientnet-lite0)"
        )
    from synth.classifier.frozen_features import features_of
    from synth.networks.pretrained import open_backbone

    network, side = open_backbone(backbone), default_side(backbone)
    return lambda images: features_of(network, np.stack([network_input(pixels, side) for pixels in images]))
