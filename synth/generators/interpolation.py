"""Interpolation between two images: along a straight line in pixels, or through the codes of an autoencoder.

With codes z, decoder D, images x, residuals r = x - D(z(x)) and a step t the new image is

    x_t = D(slerp(z_a, z_b, t)) + w_a r_a + w_b r_b

so the residuals restore what the decoder blurs. Their weights follow the path of the codes: 1 - t and t on a straight
path, sin((1 - t) o) / sin(o) and sin(t o) / sin(o) on a great circle (Shoemake 1985), where o is the angle between the
residuals. A straight mean of two unlike residuals would have half of their energy, and the loss of sharpness would give
new images away. In pixels, x_t = (1 - t) x_a + t x_b (Chawla et al. 2002).

The result has the interpolated size and aspect of its parents, and the channels and depth of the first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from synth.data.network_input import network_input
from synth.records import Pixels
from synth.settings.oversampling import Smote

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
CACHE_BYTES = 64 * 2**20
_PARALLEL = 1e-4
_LERP_CELLS = 2**16  # numbers in work at once: they stay in the processor's cache
_SHRINKS = 2.0
"""Pixels are averaged if the area shrinks by more than this factor; below it, a cubic keeps more of the detail."""


@dataclass(frozen=True)
class Pair:
    """Two parents, and the step from the first to the second, 0..1."""

    first: Pixels
    second: Pixels
    step: float
    keys: tuple[str, str] | None = None
    """Names under which what is computed of each parent may be kept; None if they will not be asked for again."""


class PixelInterpolator:
    """Interpolates along the straight line between two images."""

    def interpolate(self, pairs: Sequence[Pair], label: str) -> list[Pixels]:
        """Return the new image of each pair; no pair depends on another."""
        return [_mixed(pair, 1 - pair.step, pair.step) for pair in pairs]


def lerp(points: npt.NDArray[Any], first: Indices, second: Indices, steps: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Interpolate linearly between rows of an array of any dtype. Integers are rounded; nothing is clipped.

    Args:
        points: (n, ...).
        first: (m,) rows to start from.
        second: (m,) rows to end at.
        steps: (m,) 0..1.

    Returns: (m, ...) of the dtype of `points`.
    """
    working = np.result_type(points.dtype, np.float32)
    whole = not np.issubdtype(points.dtype, np.floating)
    new = np.empty((len(first), *points.shape[1:]), points.dtype)
    size = max(_LERP_CELLS // max(points[:1].size, 1), 1)
    along = steps.astype(working).reshape(-1, *[1] * (points.ndim - 1))
    for start in range(0, len(first), size):
        part = slice(start, start + size)
        a, b = points[first[part]].astype(working), points[second[part]].astype(working)
        b -= a
        b *= along[part]
        a += b
        new[part] = np.rint(a, out=a) if whole else a
    return new


@dataclass(frozen=True)
class _Coded:
    """What the autoencoder makes of one image."""

    code: Floats
    """(Z,)"""
    decoded: Floats
    """(S, S, C) levels in 0..1."""
    residual: Floats
    """(S, S, C): the image at that size minus what was decoded."""


class LatentInterpolator:
    """Interpolates through the codes of an autoencoder."""

    def __init__(self, space: LatentSpace, settings: Smote) -> None:
        self._space, self._settings = space, settings
        self._kept: dict[tuple[str, str], _Coded] = {}

    def interpolate(self, pairs: Sequence[Pair], label: str) -> list[Pixels]:
        """Return the new image of each pair."""
        if not pairs:
            return []
        coded = self._coded(pairs, label)
        codes = []
        for (a, b), pair in zip(coded, pairs, strict=True):
            first, second = self._weights(a.code, b.code, pair.step)
            codes.append(np.float32(first) * a.code + np.float32(second) * b.code)
        mixed = self._space.decode(np.array(codes, np.float32), [label] * len(pairs))
        return [self._image(*each) for each in zip(pairs, coded, mixed, strict=True)]

    def _image(self, pair: Pair, coded: tuple[_Coded, _Coded], mixed: Floats) -> Pixels:
        if not self._settings.residual:
            return _mixed(pair, 0.0, 0.0, mixed)
        a, b = coded
        weights = self._weights(a.residual, b.residual, pair.step)
        correction = mixed - np.float32(weights[0]) * a.decoded - np.float32(weights[1]) * b.decoded
        return _mixed(pair, *weights, correction)

    def _weights(self, a: Floats, b: Floats, step: float) -> tuple[float, float]:
        return slerp_weights(a, b, step) if self._settings.path == "spherical" else (1 - step, step)

    def _coded(self, pairs: Sequence[Pair], label: str) -> list[tuple[_Coded, _Coded]]:
        """Return both parents of each pair, encoded. Each distinct image is encoded once."""
        names = [pair.keys or (f"{n}/first", f"{n}/second") for n, pair in enumerate(pairs)]
        parents = {
            name: pixels
            for pair, both in zip(pairs, names, strict=True)
            for name, pixels in zip(both, (pair.first, pair.second), strict=True)
        }
        coded = {name: self._kept[label, name] for name in parents if (label, name) in self._kept}
        coded |= self._encoded({name: pixels for name, pixels in parents.items() if name not in coded}, label)
        self._kept |= {(label, name): coded[name] for pair in pairs for name in pair.keys or ()}
        if len(self._kept) * 2 * 4 * self._space.side**2 * self._space.channels > CACHE_BYTES:
            self._kept.clear()
        return [(coded[first], coded[second]) for first, second in names]

    def _encoded(self, parents: Mapping[str, Pixels], label: str) -> dict[str, _Coded]:
        if not parents:
            return {}
        space = self._space
        inputs = np.stack([network_input(pixels, space.side) for pixels in parents.values()])
        codes = space.encode(inputs)
        decoded = space.decode(codes, [label] * len(parents))
        seen = inputs if space.channels == inputs.shape[3] else inputs.mean(axis=3, keepdims=True)
        residuals = seen.astype(np.float32) / np.float32(255) - decoded
        return {name: _Coded(*values) for name, *values in zip(parents, codes, decoded, residuals, strict=True)}


Interpolator = PixelInterpolator | LatentInterpolator


def slerp_weights(a: Floats, b: Floats, step: float) -> tuple[float, float]:
    """Return the weights of two vectors for a step along their great circle; linear weights if they are parallel."""
    norms = math.sqrt(_dot(a, a) * _dot(b, b))
    cosine = _dot(a, b) / norms if norms else 1.0
    angle = math.acos(min(max(cosine, -1.0), 1.0))
    if math.sin(angle) < _PARALLEL:
        return 1 - step, step
    return math.sin((1 - step) * angle) / math.sin(angle), math.sin(step * angle) / math.sin(angle)


def _dot(a: Floats, b: Floats) -> float:
    """Sum in a fixed order: a BLAS library splits the sum by its number of threads, which changes the last bits."""
    return float(np.einsum("i,i->", a.ravel(), b.ravel(), dtype=np.float64))


def render(levels: Floats, size: tuple[int, int], *, grey: bool, wide: bool) -> Pixels:
    """Turn levels 0..1 (h, w, C) into an image of this (width, height): grey or colour, 16 or 8 bits."""
    return _pixels(_fitted(_channels(levels, 2 if grey else 3), size), np.dtype(np.uint16 if wide else np.uint8))


def _mixed(pair: Pair, first: float, second: float, correction: Floats | None = None) -> Pixels:
    """Return the weighted sum of the parents, plus a correction of any size, at the size of the new image."""
    a = pair.first
    size = _size(a, pair.second, pair.step)
    image = np.zeros((size[1], size[0], *a.shape[2:]), np.float32)
    if correction is not None:
        image += _fitted(_channels(correction, a.ndim), size)
    for weight, pixels in ((first, a), (second, pair.second)):
        if weight:
            image += np.float32(weight) * _fitted(_channels(_levels(pixels), a.ndim), size)
    return _pixels(image, a.dtype)


def _size(first: Pixels, second: Pixels, step: float) -> tuple[int, int]:
    """Return the interpolated (width, height)."""
    height, width = ((1 - step) * a + step * b for a, b in zip(first.shape[:2], second.shape[:2], strict=True))
    return max(round(width), 1), max(round(height), 1)


def _pixels(levels: Floats, form: np.dtype[Any]) -> Pixels:
    return np.rint(levels.clip(0, 1) * np.float32(np.iinfo(form).max)).astype(form)


def _levels(pixels: Pixels) -> Floats:
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _channels(levels: Floats, n_dimensions: int) -> Floats:
    """Convert levels to grey (2 dimensions) or colour (3)."""
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[:, :, 0]
    if levels.ndim == n_dimensions:
        return levels
    return cv2.cvtColor(levels, cv2.COLOR_GRAY2RGB if n_dimensions == 3 else cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _fitted(levels: Floats, size: tuple[int, int]) -> Floats:
    height, width = levels.shape[:2]
    if (width, height) == size:
        return levels
    shrinking = width * height > _SHRINKS * size[0] * size[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    return cv2.resize(levels, size, interpolation=method)  # type: ignore[return-value]
