"""From the names in a recipe or a bundle to a classifier network."""

from __future__ import annotations

from torch import nn

from synth.networks.heads import Tuned
from synth.networks.pretrained import Backbone, open_backbone
from synth.networks.small import Small

SMALL = "small"


def default_side(backbone: str) -> int:
    """The side of the input that a pretrained backbone is best used with; 0 for `small`, which takes any."""
    return 0 if backbone == SMALL else open_backbone(backbone, pretrained=False).default_size


def build_network(backbone: str, n_classes: int, side: int, *, pretrained: bool) -> nn.Module:
    """A network that is trained as a whole: images in [-1, 1] -> features and logits.

    Args:
        pretrained: begin from the backbone's published weights; not needed where weights are loaded afterwards.
    """
    if backbone == SMALL:
        return Small(n_classes, side)
    opened: Backbone = open_backbone(backbone, pretrained=pretrained).unfreeze()
    return Tuned(opened, opened.n_features, n_classes)
