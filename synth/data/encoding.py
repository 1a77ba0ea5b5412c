"""Encode image files: pixels -> bytes, in the form of real images of the class.

A new file looks like its parent's to every reader, also to one that ignores metadata: it has the same channels,
transparency and depth, its pixels are stored in the same orientation, and it has the parent's colour profile. It holds
no other metadata: no camera, place, date or comment.
"""

import functools
import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from synth.data.levels import fits_16_bits, to_levels
from synth.data.metadata_blocks import orientation_tiff, with_jpeg_metadata, with_png_metadata
from synth.data.turns import BACK, turned
from synth.errors import ImageError, UsageError
from synth.records import Alpha, Encoding, Pixels

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
ALPHA_FORMATS = ("png", "webp", "tiff")
_BY_PILLOW = ("png", "webp", "tiff")
TURNED_FORMATS = ("jpeg", "png", "webp")
"""Formats whose orientation most readers ignore. TIFF readers apply it, and the others have none."""


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
        UsageError: the format can't hold 16-bit grey, floats or integers of more than 16 bits.
    """
    parent = parent or Encoding("png", "", DEFAULT_QUALITY, "420")
    name = format if format != "auto" else parent.format
    name = "png" if name == "gif" or (format == "auto" and sixteen_bit and name not in SIXTEEN_BIT_FORMATS) else name
    beyond = sixteen_bit and parent.levels is not None and not fits_16_bits(parent.levels)
    name = "tiff" if format == "auto" and beyond else name
    if sixteen_bit and name not in SIXTEEN_BIT_FORMATS:
        raise UsageError(f"16-bit grey can't be written as {name}: use --format png or tiff")
    if beyond and name != "tiff":
        raise UsageError(f"floats and levels beyond 16 bits can't be written as {name}: use --format tiff")
    same = parent.format == name
    inherited = parent.quality if same else DEFAULT_QUALITY
    subsampling = parent.subsampling if same else "420"
    return replace(parent, format=name, mode="", quality=quality or inherited, subsampling=subsampling)


def extension(encoding: Encoding, pixels: Pixels) -> str:
    """Return the file name extension of a format."""
    grey = pixels.ndim == 2 and not encoding.equal_channels
    return ".pgm" if encoding.format == "ppm" and grey else EXTENSIONS[encoding.format][0]


def encode(pixels: Pixels, encoding: Encoding, alpha: Alpha | None = None) -> bytes:
    """Encode pixels; the same pixels and encoding give the same bytes.

    Args:
        alpha: transparency; None: opaque, if the encoding has transparency.
    """
    layers = _layers(pixels, encoding, alpha)
    name, metadata = encoding.format, encoding.profile or encoding.orientation != 1
    if name == "jpeg":
        return with_jpeg_metadata(_encode_jpeg(layers, encoding), encoding)
    if name == "png" and layers.shape[2:] != (2,):
        return with_png_metadata(_encode_opencv(layers, encoding), encoding)
    beyond_opencv = metadata or layers.shape[2:] in ((2,), (4,)) or layers.dtype == np.int32
    by_pillow = name in _BY_PILLOW and beyond_opencv and layers.dtype != np.uint16
    return _encode_pillow(layers, encoding) if by_pillow else _encode_opencv(layers, encoding)


def _layers(pixels: Pixels, encoding: Encoding, alpha: Alpha | None) -> npt.NDArray[Any]:
    """Return what the file stores: (H, W), or (H, W, C) with 2 to 4 channels."""
    layers: npt.NDArray[Any] = pixels
    if encoding.levels and layers.dtype == np.uint16:
        layers = to_levels(layers, encoding.levels)
    if encoding.equal_channels and layers.ndim == 2 and layers.dtype == np.uint8:
        layers = np.repeat(layers[:, :, None], 3, axis=2)
    if encoding.alpha and encoding.format in ALPHA_FORMATS and layers.dtype == np.uint8:
        clear = np.full(layers.shape[:2], 255, np.uint8) if alpha is None else alpha
        layers = np.dstack([layers, clear])
    if encoding.wide_colour and encoding.format in ("png", "tiff") and layers.ndim == 3:
        layers = layers.astype(np.uint16) * 257
    return turned(layers, BACK[encoding.orientation]) if encoding.format in TURNED_FORMATS else layers


def _encode_jpeg(layers: npt.NDArray[np.uint8], encoding: Encoding) -> bytes:
    grey = layers.ndim == 2
    data = simplejpeg.encode_jpeg(
        np.ascontiguousarray(layers[:, :, None] if grey else layers),
        quality=encoding.quality or DEFAULT_QUALITY,
        colorspace="GRAY" if grey else "RGB",
        colorsubsampling="Gray" if grey else (encoding.subsampling or "420").replace("gray", "420"),
    )
    return bytes(data)


def _encode_opencv(layers: npt.NDArray[Any], encoding: Encoding) -> bytes:
    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 1],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, encoding.quality or 101],  # above 100 is lossless
    }
    swap = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    ending = ".pgm" if encoding.format == "ppm" and layers.ndim == 2 else EXTENSIONS[encoding.format][0]
    bgr = layers if layers.ndim == 2 else cv2.cvtColor(layers, swap[layers.shape[2]])
    done, data = cv2.imencode(ending, bgr, options.get(encoding.format, []))
    if not done:
        raise ImageError(f"{encoding.format}: can't encode {layers.dtype} {layers.shape}")
    return bytes(data)


def _encode_pillow(layers: npt.NDArray[Any], encoding: Encoding) -> bytes:
    """Encode what OpenCV does not write: grey with transparency, 32-bit integers, metadata of WebP and TIFF."""
    by_format: dict[str, dict[str, Any]] = {
        "png": {"compress_level": 1},
        # Exact: colours below transparent pixels stay.
        "webp": {"quality": encoding.quality or 100, "lossless": not encoding.quality, "exact": True},
        "tiff": {"compression": "tiff_lzw"},
    }
    options = by_format[encoding.format]
    if encoding.profile:
        options["icc_profile"] = encoding.profile
    if encoding.orientation != 1 and encoding.format in TURNED_FORMATS:
        options["exif"] = b"Exif\0\0" + orientation_tiff(encoding.orientation)
    file = io.BytesIO()
    Image.fromarray(layers).save(file, encoding.format.upper(), **options)
    return file.getvalue()
