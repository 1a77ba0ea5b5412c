"""Decode image files: bytes -> pixels and their difference hash. All pixels of the package come in here.

The rules are the same for every file. The content decides the format, from a list of allowed ones. Size limits are
checked on the header, before any pixel is decoded. The EXIF orientation is applied once. 16-bit grey stays 16-bit, and
32-bit float grey becomes 16-bit. Transparent pixels show the background colour. Only the first frame of an animation is
read.
"""

import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagehash
import numpy as np
import simplejpeg
from PIL import (
    Image,
    ImageCms,
    ImageColor,
    ImageFile,
    MpoImagePlugin,  # noqa: F401  (importing a plugin registers its format)
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from synth.data.encoding import DEFAULT_QUALITY, estimate_quality
from synth.errors import ImageError
from synth.records import Encoding, Pixels
from synth.settings.recipe import Data

cv2.setNumThreads(0)  # the processes fill all cores: threads inside them would only slow them down

READERS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
MIN_SIDE, MAX_SIDE = 2, 16_384
HASH_SIDE = 16
_ORIENTATION = 0x0112
_LFS = b"version https://git-lfs"
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded image file."""

    pixels: Pixels
    encoding: Encoding
    notes: tuple[str, ...]


def decode(data: bytes, settings: Data) -> Decoded:
    """Decode one image file.

    Returns: pixels (H, W) or (H, W, 3), uint8, or uint16 for grey of more than 8 bits.

    Raises:
        ImageError: not an image of an allowed format, damaged, too large or too small, levels not finite.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # a global of Pillow: another library may have set it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # broken metadata is no reason to refuse a file
            with Image.open(io.BytesIO(data), formats=READERS) as image:
                _check_size(image, settings.max_pixels)
                return _decode_opened(image, data, settings.background)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        # Pillow has its own limit.
        limit = min(settings.max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or settings.max_pixels))
        raise ImageError(f"more than {limit} pixels") from None
    except UnidentifiedImageError:
        raise ImageError(_what_it_is(data)) from None
    except Exception as error:  # Pillow's readers raise anything from SyntaxError to IndexError on damaged bytes
        raise ImageError(f"damaged: {_words(error)}") from None


def read(path: str | Path, settings: Data) -> tuple[bytes, Decoded]:
    """Read and decode one image file.

    Raises:
        ImageError: as `decode`; or the file can't be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ImageError(f"can't be read: {error.strerror}") from None
    return data, decode(data, settings)


def _words(error: Exception) -> str:
    first = str(error).partition("\n")[0]
    # The message of a KeyError is only the key.
    return first if " " in first else f"{type(error).__name__} {first}".strip()


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(f"{width}x{height}: more than {max_pixels} pixels (data.max_pixels)")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise ImageError(f"{width}x{height}: a side outside {MIN_SIDE}..{MAX_SIDE} pixels")


def _what_it_is(data: bytes) -> str:
    if not data:
        return "empty file"
    if data.startswith(_LFS):
        return "a Git LFS pointer, not the image: run `git lfs pull`"
    if data.startswith(_SIGNATURES):
        return "damaged or cut off: it starts like an image but can't be decoded"
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF or a video: convert it to JPEG (pillow-heif reads HEIC)"
    return "not an image of a known format"


def _decode_opened(image: Image.Image, data: bytes, background: str) -> Decoded:
    name = {"MPO": "jpeg"}.get(str(image.format), str(image.format).lower())
    notes = ["animated"] if getattr(image, "is_animated", False) else []
    mode, quality, subsampling = image.mode, None, None
    if name == "jpeg":
        quality = estimate_quality(tuple(image.quantization[0]))  # type: ignore[attr-defined]
        subsampling = simplejpeg.decode_jpeg_header(data)[3].lower()
    elif name == "webp":
        quality = None if data[12:16] == b"VP8L" else DEFAULT_QUALITY
    elif name == "png":
        _check_png(data)
    if name == "jpeg" and mode in ("RGB", "L"):
        pixels = decode_jpeg(data, mode)
    else:
        if name == "jpeg":  # only to find damage that Pillow ignores, such as a file whose second half is zeros
            decode_jpeg(data, "CMYK")
        image.load()
        notes += ["alpha"] if image.has_transparency_data else []
        pixels = _to_pixels(image, background)
    turn = _TURNS.get(_orientation(image))
    if turn:
        notes.append("turned")
        pixels = np.ascontiguousarray(turn(pixels))
    return Decoded(pixels, Encoding(name, mode, quality, subsampling), tuple(notes))


def decode_jpeg(data: bytes, mode: str) -> Pixels:
    """Decode a JPEG file as RGB, L or CMYK: (H, W) for L, else (H, W, channels)."""
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace={"L": "GRAY"}.get(mode, mode))
    return pixels[:, :, 0] if mode == "L" else pixels


def _check_png(data: bytes) -> None:
    """Check the checksums of the pixel data. Pillow ignores them, so a flipped bit would silently change pixels."""
    view, at = memoryview(data), len(b"\x89PNG\r\n\x1a\n")
    while at + 12 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        stated = int.from_bytes(data[end : end + 4], "big")
        if kind in (b"IHDR", b"PLTE", b"IDAT") and zlib.crc32(view[at + 4 : end]) != stated:
            raise ImageError(f"damaged: wrong checksum of the {kind.decode()} chunk at byte {at}")
        if kind == b"IEND":
            return
        at = end + 4
    raise ImageError("damaged: the file is cut off before its end")


_TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
"""{EXIF orientation: function that makes the image upright}; other values change nothing."""


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF" or not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1  # Pillow applies the orientation of a TIFF by itself
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse a file
        return 1


def _to_pixels(image: Image.Image, background: str) -> Pixels:
    if image.mode.startswith("I"):
        return _integers_to_uint16(np.asarray(image))
    if image.mode == "F":
        return _floats_to_uint16(np.asarray(image))
    if image.has_transparency_data:
        return _on_background(image, background)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return np.asarray(ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))
    return np.asarray(image.convert("RGB"))


def _integers_to_uint16(levels: np.ndarray) -> Pixels:
    if levels.min() < 0 or levels.max() > 65535:
        raise ImageError(f"integer levels {levels.min()}..{levels.max()} beyond 16 bits: convert to 16 bits")
    return levels.astype(np.uint16)


def _floats_to_uint16(levels: np.ndarray) -> Pixels:
    if not np.isfinite(levels).all():
        raise ImageError("float levels that are NaN or infinite")
    top = next((top for top in (1.0, 255.0, 65535.0) if levels.max() <= top), None)
    if levels.min() < 0 or top is None:
        raise ImageError(f"float levels {levels.min():g}..{levels.max():g}: expected 0..1, 0..255 or 0..65535")
    return np.round(levels.astype(np.float64) * (65535.0 / top)).astype(np.uint16)


def _on_background(image: Image.Image, background: str) -> Pixels:
    grey = image.mode in ("LA", "La", "L", "1")
    rgba = image.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, background)
    flat = Image.alpha_composite(ground, rgba).convert("RGB")
    red, green, blue = ImageColor.getrgb(background)[:3]
    return np.asarray(flat.convert("L") if grey and red == green == blue else flat)


def to_uint8(pixels: Pixels) -> np.ndarray:
    """Convert pixels to 8 bits; 16-bit levels keep their high byte, so that nothing is clipped."""
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def mean_and_std(pixels: Pixels) -> tuple[float, float]:
    """Return mean and standard deviation of all levels, 0..1."""
    mean, std = cv2.meanStdDev(np.ascontiguousarray(to_uint8(pixels)).reshape(-1, 1))
    return float(mean[0, 0]) / 255, float(std[0, 0]) / 255


def dhash(pixels: Pixels) -> bytes:
    """Return the difference hash (Krawetz 2013), 256 bits: is a cell of a 16 x 16 grid brighter than its left one?"""
    bits = imagehash.dhash(Image.fromarray(to_uint8(pixels)), hash_size=HASH_SIDE).hash
    return np.packbits(bits).tobytes()
