"""Projection discriminator: an image and a class -> one number, high for real images of that class.

    maps     PixelUnshuffle (Shi et al. 2016), so that no convolution works at full size; then for each size
             [3x3 convolution -> LeakyReLU] once or twice, and 2x2 mean pooling, until the map is 4 x 4 or 6 x 6
    answer   h = LeakyReLU(linear(map)),  D(x, y) = w . h + v_y . h + b   (projection: Miyato and Koyama 2018)

The network has no batch normalisation: the images of a batch would depend on one another, but the gradient penalty is
defined for single images (Gulrajani et al. 2017).
"""

import torch
from torch import Tensor, nn

from synth.networks.autoencoder import SLOPE, grid_of, n_stages_of

WIDTHS = (64, 128, 128, 128, 128)
HIDDEN = 128


class Discriminator(nn.Module):
    """Images (B, C, S, S) in [-1, 1] and class numbers (B,) int64 -> (B,)."""

    def __init__(self, side: int, n_channels: int, n_classes: int, *, deep: bool) -> None:
        """Args: side: one of `SIDES`. n_channels: 1 or 3. deep: two convolutions at each size except the last."""
        super().__init__()
        n_maps = n_stages_of(side)
        widths = WIDTHS[:n_maps]
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        n_in = 4 * n_channels
        for number, width in enumerate(widths):
            last = number == n_maps - 1
            for _ in range(2 if deep and not last else 1):
                layers += [nn.Conv2d(n_in, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
                n_in = width
            if not last:
                layers.append(nn.AvgPool2d(2))
        self.maps = nn.Sequential(*layers)
        self.hidden = nn.Sequential(nn.Linear(n_in * grid_of(side) ** 2, HIDDEN), nn.LeakyReLU(SLOPE))
        self.answer = nn.Linear(HIDDEN, 1)
        self.of_class = nn.Embedding(n_classes, HIDDEN)
        nn.init.normal_(self.of_class.weight, std=HIDDEN**-0.5)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Score images, each for its class."""
        x = x.contiguous(memory_format=torch.channels_last)
        h = self.hidden(self.maps(x).flatten(1))
        answers: Tensor = self.answer(h).squeeze(1) + (h * self.of_class(labels)).sum(1)
        return answers
