"""A class-conditional autoencoder: image -> code on a sphere -> image.

    encoder     [4x4 convolution of stride 2 -> batch normalisation -> LeakyReLU]  24, 48, 96 (96 ...) channels,
                until the map is 4 x 4 or 6 x 6; then a linear layer -> code of length Z, scaled onto the sphere
    generator   code and class -> linear -> map of 4 x 4 or 6 x 6, 128 channels
                [3x3 convolution -> twice the size]   128, 64 (64, 32) channels, up to half the side
                3x3 convolution, 3x3 convolution -> PixelShuffle (Shi et al. 2016) -> tanh
    style       after each layer of the generator h <- (1 + a) h / rms(h) + b, with a and b linear in (code, class)
                (FiLM, Perez et al. 2018): every layer knows the class, and no image depends on its batch

Codes lie on the sphere |z| = sqrt(Z), close to where samples of a normal distribution lie.
"""

import itertools
import math

import torch
from torch import Tensor, nn

SIDES = (32, 48, 64, 96, 128)
ENCODER_WIDTHS, GENERATOR_WIDTHS = (24, 48, 96, 96, 96), (128, 64, 64, 32)
STYLE = 64
"""Size of the embedding of a class, and of a code, in the style of the generator."""
SLOPE, EPSILON = 0.2, 1e-6


def grid_of(side: int) -> int:
    """Return the side of the smallest map: 4 for images of 32, 64 and 128 pixels, 6 for 48 and 96."""
    return 6 if side % 3 == 0 else 4


def n_stages_of(side: int) -> int:
    """Return the number of times the side is halved (or doubled) between image and smallest map."""
    return (side // grid_of(side)).bit_length() - 1


def on_sphere(codes: Tensor) -> Tensor:
    """Scale codes (B, Z) to the norm sqrt(Z)."""
    scaled: Tensor = codes * (math.sqrt(codes.shape[1]) / (codes.norm(dim=1, keepdim=True) + EPSILON))
    return scaled


class Encoder(nn.Module):
    """Images (B, C, S, S) float32 in [-1, 1] -> codes (B, Z) on the sphere."""

    def __init__(self, side: int, n_channels: int, n_code: int) -> None:
        """Args: side: one of `SIDES`. n_channels: 1 or 3. n_code: Z."""
        super().__init__()
        widths = (n_channels, *ENCODER_WIDTHS[: n_stages_of(side)])
        self.stages = nn.Sequential(*(_halved(*pair) for pair in itertools.pairwise(widths)))
        self.head = nn.Linear(widths[-1] * grid_of(side) ** 2, n_code)

    def forward(self, x: Tensor) -> Tensor:
        """Encode images."""
        return on_sphere(self.head(self.stages(x).flatten(1)))


def _halved(n_in: int, n_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.LeakyReLU(SLOPE))


class Generator(nn.Module):
    """Codes (B, Z) on the sphere and class numbers (B,) int64 -> images (B, C, S, S) in [-1, 1]."""

    def __init__(self, side: int, n_channels: int, n_code: int, n_classes: int) -> None:
        """Args: side: one of `SIDES`. n_channels: 1 or 3. n_code: Z."""
        super().__init__()
        widths = GENERATOR_WIDTHS[: n_stages_of(side) - 1]
        self.grid = grid_of(side)
        self.embedding = nn.Embedding(n_classes, STYLE)
        self.map_code = nn.Sequential(nn.Linear(n_code, STYLE), nn.LeakyReLU(SLOPE), nn.Linear(STYLE, STYLE))
        self.first = nn.Linear(n_code + STYLE, widths[0] * self.grid**2)
        self.doubled = nn.ModuleList([DoubledConv(*pair) for pair in itertools.pairwise((widths[0], *widths))])
        self.last = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.styles = nn.ModuleList([Style(width) for width in (widths[0], *widths, widths[-1])])
        self.to_image = nn.Conv2d(widths[-1], 4 * n_channels, 3, padding=1)
        # The four pixels of each place start equal; otherwise a grid is visible (ICNR, Aitken et al. 2017).
        with torch.no_grad():
            for values in (self.to_image.weight, self.to_image.bias):
                assert values is not None
                values.copy_(values[::4].repeat_interleave(4, 0))

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Generate images from codes and classes."""
        return self.decode(codes, self.embedding(labels))

    def decode(self, codes: Tensor, embedded: Tensor) -> Tensor:
        """Generate images from codes and class embeddings (B, STYLE), which may lie between two classes."""
        style = torch.cat([self.map_code(codes), embedded], 1)
        h = self.first(torch.cat([codes, embedded], 1)).unflatten(1, (-1, self.grid, self.grid))
        h = self.styles[0](h.contiguous(memory_format=torch.channels_last), style)
        for layer, styled in zip((*self.doubled, self.last), self.styles[1:], strict=True):
            h = styled(layer(h), style)
        return torch.tanh(nn.functional.pixel_shuffle(self.to_image(h), 2))


class DoubledConv(nn.Module):
    """A 3x3 convolution, then twice the size: (B, I, H, W) -> (B, O, 2H, 2W).

    The size doubles by bilinear interpolation. Nearest-neighbour interpolation leaves a grid that people see.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and upsample."""
        return nn.functional.interpolate(self.convolution(x), scale_factor=2, mode="bilinear", align_corners=False)


class Style(nn.Module):
    """Normalise the map to a mean square of 1, scale and shift each channel by the style, and apply LeakyReLU."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * STYLE, 2 * n_channels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        """(B, C, H, W) and (B, 2 * STYLE) -> (B, C, H, W)."""
        scale, shift = self.linear(style)[:, :, None, None].chunk(2, 1)
        rms = torch.linalg.vector_norm(h, dim=(1, 2, 3), keepdim=True) / math.sqrt(h[0].numel())
        return nn.functional.leaky_relu(torch.addcmul(shift, h, (1 + scale) / (rms + EPSILON)), SLOPE, inplace=True)


class Autoencoder(nn.Module):
    """An encoder and a generator that are trained together."""

    def __init__(self, side: int, n_channels: int, n_code: int, n_classes: int) -> None:
        """Args: side: one of `SIDES`. n_channels: 1 or 3. n_code: Z."""
        super().__init__()
        self.n_channels = n_channels
        self.encoder = Encoder(side, n_channels, n_code)
        self.generator = Generator(side, n_channels, n_code, n_classes)
