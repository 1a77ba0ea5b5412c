"""All colour of an attempt becomes one matrix and one table.

Brightness, contrast, saturation, temperature, tint, channel gain, grey and sepia are affine in RGB: together
one matrix. Where it mixes no channels it joins gamma in one table. A turn of the hue as HSV defines it is
neither a matrix nor a table; it runs between the two. Levels are fractions of the top level (255 or 65535)
until they are applied. Grey images know brightness, contrast and gamma; what only moves colour leaves them as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from synth.effects.parameters import Columns, Floats, Touch
from synth.records import Pixels

LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as in OpenCV, Pillow and torchvision
TO_GREY = np.tile(LUMA, (3, 1))
# The matrix that Microsoft published and all libraries share; rows give the new red, green and blue.
SEPIA = np.array(((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131)))
# Red/green and blue/green of a black body, polynomials in 1000 K / T, fitted to the table of Planckian Jitter
# (Zini et al. 2023) on 3000..15000 K; the largest errors are .0003 and .0033.
RED_OVER_GREEN = (16.7669, -8.785, 4.6564, 0.4767)
BLUE_OVER_GREEN = (-1690.961, 1286.46, -369.324, 51.685, -8.744, 1.930)
KINDS: Mapping[int, type[np.uint8] | type[np.uint16]] = {1: np.uint8, 2: np.uint16}


def _gains(red: Floats, green: Floats, blue: Floats) -> Floats:
    """(m, 4, 4) that multiply each channel by its own (m,) factors."""
    matrices = np.zeros((len(red), 4, 4))
    for channel, factors in enumerate((red, green, blue)):
        matrices[:, channel, channel] = factors
    matrices[:, 3, 3] = 1
    return matrices


def _blend(other: Floats, share: Floats) -> Floats:
    """(m, 4, 4) that mix the picture with what the 3 x 3 `other` makes of it, by its (m,) shares."""
    matrices = _gains(1 - share, 1 - share, 1 - share)
    matrices[:, :3, :3] += share[:, None, None] * other
    return matrices


def _brightness(columns: Columns) -> Floats:
    return _gains(columns["factor"], columns["factor"], columns["factor"])


def _contrast(columns: Columns) -> Floats:
    matrices = _brightness(columns)
    matrices[:, :3, 3] = ((1 - columns["factor"]) * columns["pivot"])[:, None]
    return matrices


def _saturation(columns: Columns) -> Floats:
    return _blend(TO_GREY, 1 - columns["factor"])


def _temperature(columns: Columns) -> Floats:
    inverse = 1000.0 / columns["kelvin"]
    red: Any = np.polyval(RED_OVER_GREEN, inverse)
    blue: Any = np.polyval(BLUE_OVER_GREEN, inverse)
    return _gains(red, np.ones(len(red)), np.maximum(blue, 0))


def _tint(columns: Columns) -> Floats:
    half = columns["amount"] / 2
    return _gains(1 + half, 1 - half, 1 + half)


def _channel_gain(columns: Columns) -> Floats:
    return _gains(columns["red"], columns["green"], columns["blue"])


def _sepia(columns: Columns) -> Floats:
    return _blend(SEPIA, columns["amount"])


AFFINE: Mapping[str, Callable[[Columns], Floats]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "temperature": _temperature,
    "tint": _tint,
    "channel_gain": _channel_gain,
    "grey": lambda columns: _blend(TO_GREY, np.ones(1)),
    "sepia": _sepia,
}
"""The effects that are affine: each gives (m, 4, 4) matrices over (red, green, blue, 1)."""
COLOUR = (*AFFINE, "hue", "gamma")
"""The colour effects, in the order in which they act."""
ON_GREY = ("brightness", "contrast", "gamma")
MIXING = ("saturation", "grey", "sepia", "hue")
PER_CHANNEL = ("temperature", "tint", "channel_gain")


@dataclass(frozen=True, slots=True)
class Tone:
    """All colour of one attempt: a matrix, then a turn of the hue, then a table; None where there is none."""

    matrix: npt.NDArray[np.float32] | None = None
    hue_degrees: float = 0.0
    table: Pixels | None = None
    """(1, levels, 1 or 3), as OpenCV takes it."""


def settle(touches: Sequence[Touch], sources: Sequence[Pixels]) -> list[Tone]:
    """The tone of each attempt of a chunk; contrast turns about the mean grey of its source."""
    touches = _that_show(touches, sources)
    affine = _compose(touches, sources)
    mixed = _are_touched(touches, MIXING, len(sources))
    degrees = _values(touches, "hue", "degrees", default=np.zeros(len(sources)))
    tables = _all_tables(touches, np.where(mixed[:, None, None], np.eye(4), affine), sources)
    tones = [Tone(table=table) for table in tables]
    for i in np.flatnonzero(mixed).tolist():
        matrix = affine[i, :3].astype(np.float32)
        matrix[:, 3] *= np.iinfo(sources[i].dtype).max
        tones[i] = Tone(matrix, float(degrees[i]), tables[i])
    return tones


def _that_show(touches: Sequence[Touch], sources: Sequence[Pixels]) -> list[Touch]:
    """The colour effects, each without the grey images on which it would change nothing."""
    coloured = np.array([pixels.ndim == 3 for pixels in sources])
    shown: list[Touch] = []
    for name, touched, columns in touches:
        if name in COLOUR:
            keep = slice(None) if name in ON_GREY else coloured[touched]
            shown.append((name, touched[keep], {key: column[keep] for key, column in columns.items()}))
    return shown


def _compose(touches: Sequence[Touch], sources: Sequence[Pixels]) -> Floats:
    """(n, 4, 4): all affine effects of each image as one matrix over (red, green, blue, 1)."""
    matrices = np.tile(np.eye(4), (len(sources), 1, 1))
    for name, touched, columns in touches:
        if name == "contrast":
            means = matrices[touched] @ np.array([mean_rgb(sources[i]) for i in touched.tolist()]).reshape(-1, 4, 1)
            pivot = LUMA[0] * means[:, 0, 0] + LUMA[1] * means[:, 1, 0] + LUMA[2] * means[:, 2, 0]
            columns = {**columns, "pivot": pivot}
        if name in AFFINE:
            matrices[touched] = AFFINE[name](columns) @ matrices[touched]
    return matrices


def mean_rgb(pixels: Pixels) -> tuple[float, float, float, float]:
    """Mean level of each channel as a fraction of the top level, and a 1."""
    red, green, blue, _ = cv2.mean(pixels)
    top = 65535.0 if pixels.dtype == np.uint16 else 255.0
    return (red / top, green / top, blue / top, 1.0) if pixels.ndim == 3 else (red / top, red / top, red / top, 1.0)


def _are_touched(touches: Sequence[Touch], names: Sequence[str], n: int) -> npt.NDArray[np.bool_]:
    """(n,) bool: which images any of these effects touches."""
    found = np.zeros(n, np.bool_)
    for name, touched, _ in touches:
        if name in names:
            found[touched] = True
    return found


def _values(touches: Sequence[Touch], effect: str, key: str, *, default: Floats) -> Floats:
    """(n,) values of one parameter, laid over `default`."""
    for name, touched, columns in touches:
        if name == effect:
            default[touched] = columns[key]
    return default


def _all_tables(touches: Sequence[Touch], affine: Floats, sources: Sequence[Pixels]) -> list[Pixels | None]:
    """Each image's table, made together for images of like levels; one serves all channels where it can."""
    gammas = _values(touches, "gamma", "gamma", default=np.ones(len(sources)))
    tabled = (gammas != 1) | (affine != np.eye(4)).any(axis=(1, 2))
    own = _are_touched(touches, PER_CHANNEL, len(sources))
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i in np.flatnonzero(tabled).tolist():
        n_bytes = sources[i].itemsize
        alone = i if n_bytes == 2 else 0  # a table of 65536 levels is large: one at a time
        groups.setdefault((n_bytes, 3 if own[i] else 1, alone), []).append(i)
    tables: list[Pixels | None] = [None] * len(sources)
    for (n_bytes, n_channels, _), chosen in groups.items():
        made = _tables(affine[chosen], gammas[chosen], n_channels=n_channels, kind=KINDS[n_bytes])
        for i, table in zip(chosen, made, strict=True):
            tables[i] = table
    return tables


def _tables(affine: Floats, gammas: Floats, *, n_channels: int, kind: type[np.uint8] | type[np.uint16]) -> Pixels:
    """(m, 1, levels, n_channels): each level through the diagonal, the offset and the gamma."""
    top = int(np.iinfo(kind).max)
    gains = np.diagonal(affine, axis1=1, axis2=2)[:, None, :n_channels]
    levels = np.arange(top + 1)[:, None] / top
    tables = np.clip(levels * gains + affine[:, None, :n_channels, 3], 0, 1)
    for i in np.flatnonzero(gammas != 1).tolist():
        tables[i] **= gammas[i]
    return cast(Pixels, np.rint(tables * top).astype(kind)[:, None])


def recolour(pixels: Pixels, tone: Tone) -> Pixels:
    """Apply a settled tone."""
    if tone.matrix is not None:
        pixels = cast(Pixels, cv2.transform(pixels, tone.matrix))
        if tone.hue_degrees:
            pixels = _turn_hue(pixels, tone.hue_degrees)
    if tone.table is None:
        return pixels
    # OpenCV before 5 has 8-bit tables only.
    return cast(Pixels, np.take(tone.table, pixels) if pixels.itemsize == 2 else cv2.LUT(pixels, tone.table))


def _turn_hue(pixels: Pixels, degrees: float) -> Pixels:
    """Turn the hue of 8-bit RGB; OpenCV keeps hue in steps of 2 degrees."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    steps = np.mod(np.arange(256) + round(degrees / 2), 180).astype(np.uint8)
    hsv[..., 0] = cv2.LUT(hsv[..., 0], steps)
    return cast(Pixels, cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
