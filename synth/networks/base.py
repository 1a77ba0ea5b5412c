"""Classifier networks return logits, and standardised features for distances between images."""

import torch
from torch import Tensor, nn

SCALE_FLOOR, SHARE_FLOOR = 1e-3, 0.1
"""Lowest standard deviation of a feature: a constant plus a share of the mean deviation. Without it, a feature that is
constant on real images would dominate all distances to other images."""


class FeatureClassifier(nn.Module):
    """Images (B, 3, S, S) float32 in [-1, 1] -> standardised features (B, F) and logits (B, C)."""

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, blocks: tuple[int, ...]) -> None:
        """Args: blocks: widths of the blocks of features; all blocks have the same weight in distances."""
        super().__init__()
        self.blocks = blocks
        self.register_buffer("feature_mean", torch.zeros(sum(blocks)))
        self.register_buffer("feature_scale", torch.ones(sum(blocks)))

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, F) before standardisation, and logits (B, C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return standardised features and logits."""
        features, logits = self.raw(x)
        return (features - self.feature_mean) / self.feature_scale, logits

    def standardise(self, features: Tensor) -> None:
        """Set mean and scale of the features from those of real images (n, F)."""
        deviation = features.std(0, correction=0)
        parts = torch.split(deviation, list(self.blocks))
        floor = SCALE_FLOOR + SHARE_FLOOR * torch.cat([part.mean().expand(len(part)) for part in parts])
        weight = torch.cat([torch.full((n,), float(n) ** 0.5) for n in self.blocks]).to(deviation)
        self.feature_mean.copy_(features.mean(0))
        self.feature_scale.copy_(deviation.maximum(floor) * weight)


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
        """Return standardised features, divided by sqrt(F) so that distances do not grow with F, and logits."""
        standardised = (features - self.mean) / self.scale
        return standardised / standardised.shape[1] ** 0.5, self.linear(standardised)
