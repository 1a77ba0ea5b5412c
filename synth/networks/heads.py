"""A linear head on a pretrained backbone: the backbone frozen, or trained together with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synth.networks.base import FeatureClassifier


class FrozenHead(nn.Module):
    """Features (B, F) of a frozen backbone -> standardised features (B, F) and logits (B, C)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.linear = nn.Linear(n_features, n_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised features, scaled so that distances do not grow with their number, and logits."""
        standardised = (features - self.mean) / self.scale
        return standardised / standardised.shape[1] ** 0.5, self.linear(standardised)


class Tuned(FeatureClassifier):
    """A backbone and its head, trained as one network."""

    def __init__(self, backbone: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__((n_features,))
        self.backbone = backbone
        self.head = nn.Linear(n_features, n_classes)

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the backbone, and logits."""
        features = self.backbone(x)
        return features, self.head(features)
