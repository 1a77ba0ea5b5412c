"""Colour profiles of image files: whether they say anything that readers without colour management miss."""

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_SRGB = ((0.436, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))
"""XYZ of red, green and blue in an sRGB profile (D50)."""


def wide_profile(image: Image.Image) -> bytes:
    """Return the colour profile of an RGB or grey file, if it is sound and not sRGB."""
    profile, kind = _known_profile(image.info.get("icc_profile") or b"")
    wanted = "GRAY" if image.mode in ("L", "LA", "1") else "RGB"
    return profile if image.mode not in ("CMYK", "LAB") and kind == wanted else b""


@functools.lru_cache(maxsize=64)
def _known_profile(profile: bytes) -> tuple[bytes, str]:
    """Return a profile, one object for all files that have it, and its colour space: none for sRGB and no profile."""
    return profile, _colour_space(profile)


def _colour_space(profile: bytes) -> str:
    try:
        read = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        primaries = [read.red_colorant, read.green_colorant, read.blue_colorant]
        own = [each[0] for each in primaries if each]
        is_srgb = len(own) == 3 and np.allclose(own, _SRGB, atol=2e-3)
        return "" if is_srgb else str(read.xcolor_space).strip()
    except Exception:  # broken metadata is no reason to refuse a file
        return ""
