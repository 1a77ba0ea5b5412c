"""What every classifier network gives: logits, and features in which distances between images make sense."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE_FLOOR, SHARE_FLOOR = 1e-3, 0.1
"""A deviation is at least this much, and this share of the mean deviation: a feature that is 0 on all real images but
not on others would outweigh all the rest."""


class FeatureClassifier(nn.Module):
    """Images (B, 3, S, S) float32 in [-1, 1] -> standardised features (B, F) and logits (B, C)."""

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, blocks: tuple[int, ...]) -> None:
        """Args: blocks: widths of the parts of the features, which all get the same weight in distances."""
        super().__init__()
        self.blocks = blocks
        self.register_buffer("feature_mean", torch.zeros(sum(blocks)))
        self.register_buffer("feature_scale", torch.ones(sum(blocks)))

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F) before standardisation, and logits (B, C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised features and logits."""
        features, logits = self.raw(x)
        return (features - self.feature_mean) / self.feature_scale, logits

    def standardise(self, features: Tensor) -> None:
        """Settle the scale of the features from those of real images (n, F).

        A deviation has a floor: a feature that is constant on real images must not blow up on others.
        """
        deviation = features.std(0, correction=0)
        parts = torch.split(deviation, list(self.blocks))
        floor = SCALE_FLOOR + SHARE_FLOOR * torch.cat([part.mean().expand(len(part)) for part in parts])
        weight = torch.cat([torch.full((n,), float(n) ** 0.5) for n in self.blocks]).to(deviation)
        self.feature_mean.copy_(features.mean(0))
        self.feature_scale.copy_(deviation.maximum(floor) * weight)
