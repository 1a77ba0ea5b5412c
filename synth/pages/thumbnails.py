"""Pictures inside the pages and documents: image files and pixels, as data URIs or base64."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from synth.data.images import decode, to_uint8
from synth.data.levels import AS_STORED
from synth.errors import ImageError
from synth.records import Pixels
from synth.settings.recipe import Data

STORED = 360
"""Longest side of the pixels inside a page: enough for a picture that is enlarged."""
SHOWN = 200
"""Longest side of a picture on a page, in CSS pixels; smaller images are enlarged to it."""
CRISP = 3.0
"""From this factor on, the pixels of an enlarged picture are shown as squares."""
LOSSLESS = 96
"""Longest side of pictures that are stored without loss: in enlarged ones, every pixel is visible."""
QUALITY = 86
"""Of the JPEG of larger ones."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture inside the page."""

    source: str
    """Data URI."""
    width: int
    """In CSS pixels; the longer side has `SHOWN`."""
    height: int
    crisp: bool
    """Whether its pixels should show as squares."""


def shrunk(image: Path | bytes) -> Pixels | None:
    """Return the pixels of an image file, at most `STORED` on a side; None if it is not an image."""
    try:
        data = image.read_bytes() if isinstance(image, Path) else image
        pixels = decode(data, Data(), levels=AS_STORED).pixels
    except (OSError, ImageError):
        return None
    return _within(pixels, STORED)


def on_one_scale(pictures: Sequence[Pixels | None]) -> list[npt.NDArray[np.uint8] | None]:
    """Return the pictures with 8 bits. All 16-bit ones share one range, so that they are comparable and not black."""
    deep = [pixels for pixels in pictures if pixels is not None and pixels.dtype == np.uint16]
    low = min((int(pixels.min()) for pixels in deep), default=0)
    high = max([low + 256, *(int(pixels.max()) for pixels in deep)])

    def as_uint8(pixels: Pixels) -> npt.NDArray[np.uint8]:
        if pixels.dtype != np.uint16:
            return to_uint8(pixels)
        return to_uint8(np.round((pixels.astype(np.float64) - low) * (65535 / (high - low))).astype(np.uint16))

    return [None if pixels is None else as_uint8(pixels) for pixels in pictures]


def thumbnail(pixels: npt.NDArray[np.uint8] | None) -> Thumbnail | None:
    """Return the pixels that `shrunk` gave as a picture."""
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    factor = SHOWN / max(height, width)
    kind, data = _encoded(pixels)
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Thumbnail(source, max(round(width * factor), 1), max(round(height * factor), 1), factor >= CRISP)


def _encoded(pixels: npt.NDArray[np.uint8]) -> tuple[str, bytes]:
    """Return the format and the bytes of a picture: PNG if it is small, else JPEG."""
    kind, options = ("png", []) if max(pixels.shape[:2]) <= LOSSLESS else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    colours = pixels if pixels.ndim == 2 else pixels[:, :, ::-1]
    return kind, cv2.imencode(f".{kind}", np.ascontiguousarray(colours), options)[1].tobytes()


def from_base64(text: object) -> bytes:
    """Return the bytes of a text of a document; none if it is not base64."""
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except ValueError:
        return b""


def picture_base64(pixels: Pixels) -> str:
    """Return a picture for a JSON document, at most `SHOWN` pixels on a side: PNG or JPEG in base64."""
    return base64.b64encode(_encoded(to_uint8(_within(pixels, SHOWN)))[1]).decode()


def _within(pixels: Pixels, side: int) -> Pixels:
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
