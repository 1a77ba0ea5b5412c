"""Classifier networks by the name of their backbone."""

from torch import Tensor, nn

from synth.networks.base import FeatureClassifier
from synth.networks.pretrained import Backbone, open_backbone
from synth.networks.small import Small

SMALL = "small"


class FineTuned(FeatureClassifier):
    """A backbone and a linear head, which are trained together."""

    def __init__(self, backbone: Backbone, n_classes: int) -> None:
        super().__init__((backbone.n_features,))
        self.backbone = backbone
        self.head = nn.Linear(backbone.n_features, n_classes)

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of the backbone, and logits."""
        features = self.backbone(x)
        return features, self.head(features)


def default_side(backbone: str) -> int:
    """Return the input side at which a pretrained backbone works best; 0 for `small`, which takes any side."""
    return 0 if backbone == SMALL else open_backbone(backbone, pretrained=False).default_size


def build_network(backbone: str, n_classes: int, side: int, *, pretrained: bool) -> nn.Module:
    """Build a network whose layers are all trained: images in [-1, 1] -> features and logits.

    Args:
        pretrained: start from the backbone's published weights; False if the caller loads weights afterwards.
    """
    if backbone == SMALL:
        return Small(n_classes, side)
    return FineTuned(open_backbone(backbone, pretrained=pretrained).unfreeze(), n_classes)
