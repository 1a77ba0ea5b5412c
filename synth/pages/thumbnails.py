"""The report's thumbnails: image files, small and encoded, as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from synth.data.images import decode, to_uint8
from synth.errors import ImageError
from synth.records import Pixels
from synth.settings.recipe import Data

BOX = (128, 168)
"""(width, height) of a thumbnail; smaller images are enlarged by a whole factor into it."""
PARENT_BOX = (48, 48)
"""Of a parent beside the image that was made from it."""
LOSSLESS_SIDE = 96
"""Longest side up to which no detail is lost: of enlarged pixels each is seen."""
QUALITY, PARENT_QUALITY = 85, 90
"""Of JPEG thumbnails."""

Box = tuple[int, int]


@dataclass(frozen=True)
class Thumbnail:
    """A picture inside the page."""

    source: str
    """Data URI."""
    width: int
    height: int
    enlarged: bool
    """Are its pixels to be seen as squares?"""


def shrunk(data: bytes | None) -> Pixels | None:
    """Pixels of an image file that fit into the box; None where it is no picture."""
    settings = Data()
    try:
        pixels = decode(data or b"", settings).pixels
    except ImageError:
        return None
    return _within(pixels, BOX)


def on_one_scale(pictures: Sequence[Pixels | None]) -> list[npt.NDArray[np.uint8] | None]:
    """8 bits each; 16-bit levels by one factor for the whole class, so that 12 bits are not black, yet comparable."""
    wide = [int(pixels.max()) for pixels in pictures if pixels is not None and pixels.dtype == np.uint16]
    factor = 65535 / max([*wide, 256])
    return [
        None
        if pixels is None
        else to_uint8(np.round(pixels * factor).astype(np.uint16) if pixels.dtype == np.uint16 else pixels)
        for pixels in pictures
    ]


def thumbnail(pixels: npt.NDArray[np.uint8] | None) -> Thumbnail | None:
    """A picture of a sheet; without loss where it is small."""
    if pixels is None:
        return None
    return _encoded(pixels, BOX, QUALITY if max(pixels.shape[:2]) > LOSSLESS_SIDE else None)


def parent_thumbnail(pixels: npt.NDArray[np.uint8] | None) -> Thumbnail | None:
    """A picture beside another one: there are many, so each takes about a kilobyte."""
    return None if pixels is None else _encoded(_within(pixels, PARENT_BOX), PARENT_BOX, PARENT_QUALITY)


def _within(pixels: Pixels, box: Box) -> Pixels:
    scale = min(box[0] / pixels.shape[1], box[1] / pixels.shape[0])
    if scale >= 1:
        return pixels
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _encoded(pixels: Pixels, box: Box, quality: int | None) -> Thumbnail:
    """As JPEG of a quality, or as PNG."""
    height, width = pixels.shape[:2]
    factor = max(min(box[0] // width, box[1] // height), 1)
    kind, options = ("png", []) if quality is None else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    colours = pixels if pixels.ndim == 2 else pixels[:, :, ::-1]
    data = cv2.imencode(f".{kind}", np.ascontiguousarray(colours), options)[1].tobytes()
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Thumbnail(source, width * factor, height * factor, factor > 1)
