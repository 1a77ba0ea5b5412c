"""Small pictures inside the pages: image files and pixels, as data URIs or base64."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from synth.data.images import decode, to_uint8
from synth.errors import ImageError
from synth.records import Pixels
from synth.settings.recipe import Data

Box = tuple[int, int]
BOX: Box = (128, 168)
"""(width, height) of a thumbnail; smaller images are enlarged by a whole factor to fit into it."""
PARENT_BOX: Box = (48, 48)
"""Box of a parent beside the image that was made from it."""
LOSSLESS_SIDE = 96
"""Longest side of thumbnails without loss: in enlarged pictures, every pixel is visible."""
QUALITY = {BOX: 85, PARENT_BOX: 90}
"""Quality of JPEG thumbnails."""
SIDE = 96
"""Longest side of a picture in a document."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture inside the page."""

    source: str
    """Data URI."""
    width: int
    height: int
    enlarged: bool
    """Whether its pixels should show as squares."""


def shrunk(image: Path | bytes) -> Pixels | None:
    """Return the pixels of an image file, small enough for the box; None if it is not an image."""
    try:
        data = image.read_bytes() if isinstance(image, Path) else image
        pixels = decode(data, Data()).pixels
    except (OSError, ImageError):
        return None
    return _within(pixels, BOX)


def on_one_scale(pictures: Sequence[Pixels | None]) -> list[npt.NDArray[np.uint8] | None]:
    """Return the pictures with 8 bits; one factor scales all 16-bit ones, so that they are comparable and not black."""
    highest = max([256, *(int(p.max()) for p in pictures if p is not None and p.dtype == np.uint16)])

    def as_uint8(pixels: Pixels) -> npt.NDArray[np.uint8]:
        wide = pixels.dtype == np.uint16
        return to_uint8(np.round(pixels * (65535 / highest)).astype(np.uint16) if wide else pixels)

    return [None if pixels is None else as_uint8(pixels) for pixels in pictures]


def thumbnail(pixels: npt.NDArray[np.uint8] | None, box: Box = BOX) -> Thumbnail | None:
    """Return a picture that fits into the box: a PNG if it is small, else a JPEG. Parents are many, so always JPEG."""
    if pixels is None:
        return None
    small = _within(pixels, box)
    height, width = small.shape[:2]
    factor = max(min(box[0] // width, box[1] // height), 1)
    lossless = box == BOX and max(height, width) <= LOSSLESS_SIDE
    kind, options = ("png", []) if lossless else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY[box]])
    colours = small if small.ndim == 2 else small[:, :, ::-1]
    data = cv2.imencode(f".{kind}", np.ascontiguousarray(colours), options)[1].tobytes()
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Thumbnail(source, width * factor, height * factor, factor > 1)


def from_base64(text: object) -> bytes:
    """Return the bytes of a text of a document; none if it is not base64."""
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except ValueError:
        return b""


def png_base64(pixels: Pixels) -> str:
    """Return a small picture for a JSON document: PNG in base64."""
    picture = Image.fromarray(np.ascontiguousarray(to_uint8(pixels)))
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _within(pixels: Pixels, box: Box) -> Pixels:
    scale = min(box[0] / pixels.shape[1], box[1] / pixels.shape[0])
    if scale >= 1:
        return pixels
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
