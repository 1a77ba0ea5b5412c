"""`small`: a convolutional classifier that keeps spatial positions.

    first   4x4 convolution of stride 2 -> batch normalisation -> ReLU                       16 channels
    stage   3x3 convolution -> 2x2 maximum -> batch normalisation -> ReLU                    32, 64 (and 96)
    map     average over a 4 x 4 grid: a global average would lose which position of a traffic light is lit
    head    one linear layer on the map

A first stage with 3x3 convolution and 2x2 maximum was as good on two datasets and took a third longer.
"""

import itertools

import torch
from torch import Tensor, nn

from synth.networks.base import FeatureClassifier

CHANNELS = (16, 32, 64, 96)
GRID = 4
LARGE_SIDE = 64


class Small(FeatureClassifier):
    """The features are the mean of every early channel, and the last map.

    The early means react to noise and blur, which may not change the logits.
    """

    def __init__(self, n_classes: int, side: int) -> None:
        widths = CHANNELS if side >= LARGE_SIDE else CHANNELS[:-1]
        n_map = widths[-1] * GRID**2
        super().__init__((*widths[:-1], n_map))
        self.stages = nn.ModuleList([_first(widths[0]), *(_stage(*pair) for pair in itertools.pairwise(widths))])
        self.head = nn.Linear(n_map, n_classes)

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features before standardisation, and logits."""
        means = []
        for stage in self.stages:
            x = stage(x)
            means.append(x.mean((2, 3)))
        grid = nn.functional.adaptive_avg_pool2d(x, GRID).flatten(1)
        return torch.cat([*means[:-1], grid], 1), self.head(grid)


def _first(n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, n_out, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())


def _stage(n_in: int, n_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.MaxPool2d(2), nn.BatchNorm2d(n_out), nn.ReLU())
