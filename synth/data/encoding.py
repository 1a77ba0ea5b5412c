"""Encode image files: pixels -> bytes, in the format of real images of the class.

A file holds only pixels: no EXIF, GPS, colour profile or comment.
"""

import functools
import io

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from synth.errors import ImageError, UsageError
from synth.records import Encoding, Pixels

EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg"),
    "png": (".png",),
    "webp": (".webp",),
    "bmp": (".bmp",),
    "tiff": (".tiff", ".tif"),
    "ppm": (".ppm", ".pgm", ".pbm", ".pnm"),
    "gif": (".gif",),
}
DEFAULT_QUALITY = 95
SIXTEEN_BIT_FORMATS = ("png", "tiff", "ppm")


@functools.cache
def _quantisation_tables() -> np.ndarray:
    """Return libjpeg's luminance tables for quality 1..100: (100, 64)."""
    tables = []
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        tables.append(Image.open(file).quantization[0])  # type: ignore[attr-defined]
    return np.array(tables)


@functools.lru_cache(maxsize=1024)
def estimate_quality(luminance: tuple[int, ...]) -> int:
    """Return the JPEG quality 1..100 whose luminance table is nearest to that of a file (64 numbers)."""
    return int(np.abs(_quantisation_tables() - np.array(luminance)).sum(axis=1).argmin()) + 1


def output_encoding(parent: Encoding | None, *, format: str, quality: int | None, sixteen_bit: bool) -> Encoding:
    """Return the encoding of a new image: that of its parent, or what the settings ask for.

    Raises:
        UsageError: the format can't hold 16-bit grey.
    """
    name = format if format != "auto" else (parent.format if parent else "png")
    name = "png" if name == "gif" or (format == "auto" and sixteen_bit and name not in SIXTEEN_BIT_FORMATS) else name
    if sixteen_bit and name not in SIXTEEN_BIT_FORMATS:
        raise UsageError(f"16-bit grey can't be written as {name}: use --format png or tiff")
    same = parent is not None and parent.format == name
    inherited = parent.quality if same and parent else DEFAULT_QUALITY
    subsampling = parent.subsampling if same and parent else "420"
    return Encoding(name, "", quality or inherited, subsampling)


def extension(encoding: Encoding, pixels: Pixels) -> str:
    """Return the file name extension of a format."""
    return ".pgm" if encoding.format == "ppm" and pixels.ndim == 2 else EXTENSIONS[encoding.format][0]


def encode(pixels: Pixels, encoding: Encoding) -> bytes:
    """Encode pixels; the same pixels and encoding give the same bytes."""
    grey = pixels.ndim == 2
    if encoding.format == "jpeg":
        data = simplejpeg.encode_jpeg(
            np.ascontiguousarray(pixels[:, :, None] if grey else pixels),
            quality=encoding.quality or DEFAULT_QUALITY,
            colorspace="GRAY" if grey else "RGB",
            colorsubsampling="Gray" if grey else (encoding.subsampling or "420").replace("gray", "420"),
        )
        return bytes(data)
    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 1],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, encoding.quality or 101],  # above 100 is lossless
    }
    bgr = pixels if grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(extension(encoding, pixels), bgr, options.get(encoding.format, []))
    if not done:
        raise ImageError(f"{encoding.format}: can't encode {pixels.dtype} {pixels.shape}")
    return bytes(data)
