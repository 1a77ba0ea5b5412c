"""All colour effects of an attempt become one matrix and one table.

Brightness, contrast, saturation, temperature, tint, channel gain, grey and sepia are affine in RGB: together they are
one matrix. If it mixes no channels, it joins gamma in one table. A rotation of the hue (HSV) is neither a matrix nor a
table; it runs between the two. Levels are fractions of the top level (255 or 65535) until they are applied. Only
brightness, contrast and gamma change grey images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from synth.effects.parameters import Columns, EffectBatch, Floats
from synth.records import Pixels

LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as in OpenCV, Pillow and torchvision
TO_GREY = np.tile(LUMA, (3, 1))
# The matrix that Microsoft published and all libraries use; the rows give the new red, green and blue.
SEPIA = np.array(((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131)))
# Red/green and blue/green of a black body: polynomials in 1000 K / T, fitted to the table of Planckian Jitter
# (Zini et al. 2023) on 3000..15000 K; the largest errors are .0003 and .0033.
RED_OVER_GREEN = (16.7669, -8.785, 4.6564, 0.4767)
BLUE_OVER_GREEN = (-1690.961, 1286.46, -369.324, 51.685, -8.744, 1.930)
KINDS: Mapping[int, type[np.uint8] | type[np.uint16]] = {1: np.uint8, 2: np.uint16}


def _gains(red: Floats, green: Floats, blue: Floats) -> Floats:
    """Return (m, 4, 4) matrices that multiply each channel by its own (m,) factors."""
    matrices = np.zeros((len(red), 4, 4))
    for channel, factors in enumerate((red, green, blue)):
        matrices[:, channel, channel] = factors
    matrices[:, 3, 3] = 1
    return matrices


def _blend(other: Floats, share: Floats) -> Floats:
    """Return (m, 4, 4) matrices that blend the image with its transform by the 3 x 3 `other`, by (m,) shares."""
    matrices = _gains(1 - share, 1 - share, 1 - share)
    matrices[:, :3, :3] += share[:, None, None] * other
    return matrices


def _contrast(columns: Columns) -> Floats:
    matrices = _gains(columns["factor"], columns["factor"], columns["factor"])
    matrices[:, :3, 3] = ((1 - columns["factor"]) * columns["pivot"])[:, None]
    return matrices


def _temperature(columns: Columns) -> Floats:
    inverse = 1000.0 / columns["kelvin"]
    red: Any = np.polyval(RED_OVER_GREEN, inverse)
    blue: Any = np.polyval(BLUE_OVER_GREEN, inverse)
    return _gains(red, np.ones(len(red)), np.maximum(blue, 0))


AFFINE: Mapping[str, Callable[[Columns], Floats]] = {
    "brightness": lambda columns: _gains(columns["factor"], columns["factor"], columns["factor"]),
    "contrast": _contrast,
    "saturation": lambda columns: _blend(TO_GREY, 1 - columns["factor"]),
    "temperature": _temperature,
    "tint": lambda columns: _gains(1 + columns["amount"] / 2, 1 - columns["amount"] / 2, 1 + columns["amount"] / 2),
    "channel_gain": lambda columns: _gains(columns["red"], columns["green"], columns["blue"]),
    "grey": lambda columns: _blend(TO_GREY, np.ones(1)),
    "sepia": lambda columns: _blend(SEPIA, columns["amount"]),
}
"""The affine effects: each returns (m, 4, 4) matrices over (red, green, blue, 1)."""
COLOUR = (*AFFINE, "hue", "gamma")
"""The colour effects, in the order in which they run."""
ON_GREY = ("brightness", "contrast", "gamma")
MIXING = ("saturation", "grey", "sepia", "hue")
PER_CHANNEL = ("temperature", "tint", "channel_gain")


@dataclass(frozen=True, slots=True)
class ColourTransform:
    """The colour effects of one attempt: a matrix, then a rotation of the hue, then a table."""

    matrix: npt.NDArray[np.float32] | None = None
    hue_degrees: float = 0.0
    table: Pixels | None = None
    """(1, levels, 1 or 3), as OpenCV expects it."""


def compose(batches: Sequence[EffectBatch], sources: Sequence[Pixels]) -> list[ColourTransform]:
    """Return the colour transform of each image of a chunk; contrast pivots about the mean grey of its image."""
    batches = _visible(batches, sources)
    affine = _affine(batches, sources)
    mixed = _is_changed(batches, MIXING, len(sources))
    degrees = _values(batches, "hue", "degrees", default=np.zeros(len(sources)))
    tables = _all_tables(batches, np.where(mixed[:, None, None], np.eye(4), affine), sources)
    transforms = [ColourTransform(table=table) for table in tables]
    for i in np.flatnonzero(mixed).tolist():
        matrix = affine[i, :3].astype(np.float32)
        matrix[:, 3] *= np.iinfo(sources[i].dtype).max
        transforms[i] = ColourTransform(matrix, float(degrees[i]), tables[i])
    return transforms


def _visible(batches: Sequence[EffectBatch], sources: Sequence[Pixels]) -> list[EffectBatch]:
    """Return the colour effects, each without the grey images that it would not change."""
    coloured = np.array([pixels.ndim == 3 for pixels in sources])
    visible: list[EffectBatch] = []
    for name, indices, columns in batches:
        if name in COLOUR:
            keep = slice(None) if name in ON_GREY else coloured[indices]
            visible.append((name, indices[keep], {key: column[keep] for key, column in columns.items()}))
    return visible


def _affine(batches: Sequence[EffectBatch], sources: Sequence[Pixels]) -> Floats:
    """Return (n, 4, 4): all affine effects of each image as one matrix over (red, green, blue, 1)."""
    matrices = np.tile(np.eye(4), (len(sources), 1, 1))
    for name, indices, columns in batches:
        if name == "contrast":
            means = matrices[indices] @ np.array([_mean_rgb(sources[i]) for i in indices.tolist()]).reshape(-1, 4, 1)
            pivot = LUMA[0] * means[:, 0, 0] + LUMA[1] * means[:, 1, 0] + LUMA[2] * means[:, 2, 0]
            columns = {**columns, "pivot": pivot}
        if name in AFFINE:
            matrices[indices] = AFFINE[name](columns) @ matrices[indices]
    return matrices


def _mean_rgb(pixels: Pixels) -> tuple[float, float, float, float]:
    """Return the mean level of each channel as a fraction of the top level, and a 1."""
    red, green, blue, _ = cv2.mean(pixels)
    top = 65535.0 if pixels.dtype == np.uint16 else 255.0
    return (red / top, green / top, blue / top, 1.0) if pixels.ndim == 3 else (red / top, red / top, red / top, 1.0)


def _is_changed(batches: Sequence[EffectBatch], names: Sequence[str], n: int) -> npt.NDArray[np.bool_]:
    """Return (n,) bool: whether any of these effects changes the image."""
    changed = np.zeros(n, np.bool_)
    for name, indices, _ in batches:
        if name in names:
            changed[indices] = True
    return changed


def _values(batches: Sequence[EffectBatch], effect: str, key: str, *, default: Floats) -> Floats:
    """Return (n,) values of one parameter; `default` holds those of images that the effect does not change."""
    for name, indices, columns in batches:
        if name == effect:
            default[indices] = columns[key]
    return default


def _all_tables(batches: Sequence[EffectBatch], affine: Floats, sources: Sequence[Pixels]) -> list[Pixels | None]:
    """Return the table of each image; images of the same dtype and number of channels share one computation."""
    gammas = _values(batches, "gamma", "gamma", default=np.ones(len(sources)))
    tabled = (gammas != 1) | (affine != np.eye(4)).any(axis=(1, 2))
    own = _is_changed(batches, PER_CHANNEL, len(sources))
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i in np.flatnonzero(tabled).tolist():
        n_bytes = sources[i].itemsize
        alone = i if n_bytes == 2 else 0  # a table of 65536 levels is large: compute one at a time
        groups.setdefault((n_bytes, 3 if own[i] else 1, alone), []).append(i)
    tables: list[Pixels | None] = [None] * len(sources)
    for (n_bytes, n_channels, _), chosen in groups.items():
        made = _tables(affine[chosen], gammas[chosen], n_channels=n_channels, kind=KINDS[n_bytes])
        for i, table in zip(chosen, made, strict=True):
            tables[i] = table
    return tables


def _tables(affine: Floats, gammas: Floats, *, n_channels: int, kind: type[np.uint8] | type[np.uint16]) -> Pixels:
    """Return (m, 1, levels, n_channels): each level after gain, offset and gamma."""
    top = int(np.iinfo(kind).max)
    gains = np.diagonal(affine, axis1=1, axis2=2)[:, None, :n_channels]
    levels = np.arange(top + 1)[:, None] / top
    tables = np.clip(levels * gains + affine[:, None, :n_channels, 3], 0, 1)
    for i in np.flatnonzero(gammas != 1).tolist():
        tables[i] **= gammas[i]
    return cast(Pixels, np.rint(tables * top).astype(kind)[:, None])


def recolour(pixels: Pixels, transform: ColourTransform) -> Pixels:
    """Apply a colour transform."""
    if transform.matrix is not None:
        pixels = cast(Pixels, cv2.transform(pixels, transform.matrix))
        if transform.hue_degrees:
            pixels = _rotate_hue(pixels, transform.hue_degrees)
    if transform.table is None:
        return pixels
    # OpenCV before 5 has 8-bit tables only.
    return cast(Pixels, np.take(transform.table, pixels) if pixels.itemsize == 2 else cv2.LUT(pixels, transform.table))


def _rotate_hue(pixels: Pixels, degrees: float) -> Pixels:
    """Rotate the hue of 8-bit RGB; OpenCV stores the hue in steps of 2 degrees."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    steps = np.mod(np.arange(256) + round(degrees / 2), 180).astype(np.uint8)
    hsv[..., 0] = cv2.LUT(hsv[..., 0], steps)
    return cast(Pixels, cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
