"""Decode image files: bytes -> pixels. All pixels of the package come in here.

The rules are the same for every file. The content decides the format, from a list of allowed ones. Size limits are
checked on the header, before any pixel is decoded. The EXIF orientation is applied once. Deep levels become 16 bits
(see `levels`). Three equal channels become one, so that no effect or network can colour them. Below transparent pixels
are the colours that the file stores, as most readers show them, or the background that the settings name. Colour
profiles are not applied. Only the first frame of an animation is read.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
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
from synth.data.levels import extent, kind_of, range_of, to_pixels, usual_range
from synth.data.mending import mended, png_chunks
from synth.data.profiles import wide_profile
from synth.data.turns import TURNS, difference_hashes, turned
from synth.errors import ImageError
from synth.records import Alpha, Encoding, Levels, Pixels
from synth.settings.recipe import STORED, Data

cv2.setNumThreads(0)  # the processes fill all cores: threads inside them would only slow them down

READERS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
MIN_SIDE, MAX_SIDE = 2, 16_384
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102
_LFS = b"version https://git-lfs"
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
_PNG_CRITICAL = (b"IHDR", b"PLTE", b"IDAT")


class _SizeError(ImageError):
    """The image is too large or too small."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded image file."""

    pixels: Pixels
    encoding: Encoding
    notes: tuple[str, ...]
    extent: Levels
    """Lowest and highest level in the file."""
    alpha: Alpha | None = None
    """Transparency; None if there is none, or a background is below the image."""


def decode(
    data: bytes, settings: Data, *, levels: Mapping[str, Levels | None] | None = None, merge_channels: bool = True
) -> Decoded:
    """Decode one image file.

    Args:
        levels: {kind: range of the dataset, or None for a usual one}; the range of other kinds is the image's own. See
            `levels`.
        merge_channels: whether three equal channels become one.

    Returns: pixels (H, W) or (H, W, 3), uint8, or uint16 for grey of more than 8 bits.

    Raises:
        ImageError: not an image of an allowed format, damaged, too large or too small, levels not finite.
    """
    try:
        decoded = _decode_sound(data, settings, levels or {})
    except _SizeError:
        raise  # it must not be decoded
    except ImageError as error:
        sound = mended(data)
        if sound is None or sound == data:
            raise
        note = "mended" if _opens(data) else "unopened"
        try:
            decoded = _decode_sound(sound, settings, levels or {})
        except ImageError:
            raise error from None
        decoded = replace(decoded, notes=(*decoded.notes, note))
    return _merged(decoded) if merge_channels else decoded


def _decode_sound(data: bytes, settings: Data, levels: Mapping[str, Levels | None]) -> Decoded:
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # a global of Pillow: another library may have set it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # broken metadata is no reason to refuse a file
            with Image.open(io.BytesIO(data), formats=READERS) as image:
                _check_size(image, settings.max_pixels)
                return _decode_opened(image, data, settings.background, levels)
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


def _opens(data: bytes) -> bool:
    """Whether Pillow reads a file, as torchvision and `datasets` do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(data), formats=READERS).load()
    except Exception:  # see `_decode_sound`
        return False
    return True


def read(
    path: str | Path, settings: Data, *, levels: Mapping[str, Levels | None] | None = None
) -> tuple[bytes, Decoded]:
    """Read and decode one image file.

    Raises:
        ImageError: as `decode`; or the file can't be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ImageError(f"can't be read: {error.strerror}") from None
    return data, decode(data, settings, levels=levels)


def _words(error: Exception) -> str:
    first = str(error).partition("\n")[0]
    # The message of a KeyError is only the key.
    return first if " " in first else f"{type(error).__name__} {first}".strip()


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise _SizeError(f"{width}x{height}: more than {max_pixels} pixels (data.max_pixels)")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise _SizeError(f"{width}x{height}: a side outside {MIN_SIDE}..{MAX_SIDE} pixels")


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


def _decode_opened(image: Image.Image, data: bytes, background: str, levels: Mapping[str, Levels | None]) -> Decoded:
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
    deep: Levels | None = None
    alpha: Alpha | None = None
    span: Levels | None = None
    if name == "jpeg" and mode in ("RGB", "L"):
        pixels = decode_jpeg(data, mode)
    else:
        if name == "jpeg":  # only to find damage that Pillow ignores, such as a file whose second half is zeros
            decode_jpeg(data, "CMYK")
        image.load()
        if mode == "I" and name == "ppm":
            mode = "I;16"  # Pillow has no own mode for it
        if kind := kind_of(mode):
            native = np.asarray(image)
            span = extent(native)
            deep = levels[kind] if kind in levels else range_of(kind, [span])
            pixels = to_pixels(native, deep or usual_range(kind, span))
        else:
            pixels, alpha = _to_pixels(image, background)
    span = span or (int(pixels.min()), int(pixels.max()))
    orientation = _orientation(image)
    profile = wide_profile(image)
    clear = image.has_transparency_data and (alpha is None or bool((alpha < 255).any()))
    notes += ["alpha"] * clear + ["turned"] * (orientation != 1) + ["profile"] * bool(profile)
    encoding = Encoding(
        name,
        mode,
        quality,
        subsampling,
        orientation=orientation,
        profile=profile,
        alpha=alpha is not None,
        wide_colour=pixels.ndim == 3 and _sixteen_bits(image, data),
        levels=deep,
    )
    alpha = None if alpha is None else turned(alpha, orientation)
    return Decoded(turned(pixels, orientation), encoding, tuple(notes), span, alpha)


def _merged(decoded: Decoded) -> Decoded:
    """Make one channel of three equal ones."""
    pixels = decoded.pixels
    if pixels.ndim == 2 or not _channels_equal(pixels[:1]) or not _channels_equal(pixels):
        return decoded
    grey: Pixels = np.ascontiguousarray(pixels[:, :, 0])  # type: ignore[assignment]
    return replace(decoded, pixels=grey, encoding=replace(decoded.encoding, equal_channels=True))


def _channels_equal(pixels: Pixels) -> bool:
    return np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2])


def decode_jpeg(data: bytes, mode: str) -> Pixels:
    """Decode a JPEG file as RGB, L or CMYK: (H, W) for L, else (H, W, channels)."""
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace={"L": "GRAY"}.get(mode, mode))
    return pixels[:, :, 0] if mode == "L" else pixels


def _check_png(data: bytes) -> None:
    """Check the checksums of the pixel data. Pillow ignores them, so a flipped bit would silently change pixels."""
    kind = b""
    for kind, _, sound in png_chunks(data):
        if kind in _PNG_CRITICAL and not sound:
            raise ImageError(f"damaged: wrong checksum of the {kind.decode()} chunk")
    if kind != b"IEND":
        raise ImageError("damaged: the file is cut off before its end")


def _sixteen_bits(image: Image.Image, data: bytes) -> bool:
    """Whether a colour file, of which Pillow keeps the high bytes, has 16 bits a channel."""
    if image.format == "PNG":
        return data[24] == 16  # the bit depth in the header
    return image.format == "TIFF" and max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))) == 16  # type: ignore[attr-defined]


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF" or not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1  # Pillow applies the orientation of a TIFF by itself
    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse a file
        return 1
    return orientation if orientation in TURNS else 1


def _to_pixels(image: Image.Image, background: str) -> tuple[Pixels, Alpha | None]:
    if image.has_transparency_data:
        return _on_background(image, background)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L")), None
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return np.asarray(ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")), None
    return np.asarray(image.convert("RGB")), None


def _on_background(image: Image.Image, background: str) -> tuple[Pixels, Alpha | None]:
    grey = image.mode in ("LA", "La", "L", "1")
    rgba = image.convert("RGBA")
    if background == STORED:
        layers = np.asarray(rgba)
        return np.ascontiguousarray(layers[:, :, 0 if grey else slice(3)]), np.ascontiguousarray(layers[:, :, 3])
    ground = Image.new("RGBA", rgba.size, background)
    flat = Image.alpha_composite(ground, rgba).convert("RGB")
    red, green, blue = ImageColor.getrgb(background)[:3]
    return np.asarray(flat.convert("L") if grey and red == green == blue else flat), None


def to_uint8(pixels: Pixels) -> np.ndarray:
    """Convert pixels to 8 bits; 16-bit levels keep their high byte, so that nothing is clipped."""
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def mean_and_std(pixels: Pixels) -> tuple[float, float]:
    """Return mean and standard deviation of all levels, 0..1."""
    mean, std = cv2.meanStdDev(np.ascontiguousarray(to_uint8(pixels)).reshape(-1, 1))
    return float(mean[0, 0]) / 255, float(std[0, 0]) / 255


def dhash(pixels: Pixels) -> tuple[tuple[int, ...], bytes]:
    """Return the orientations in which an image is compared, and its difference hash in each; see `turns`."""
    return difference_hashes(np.asarray(Image.fromarray(to_uint8(pixels)).convert("L")))
