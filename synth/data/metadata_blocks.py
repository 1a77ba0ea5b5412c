"""Blocks of metadata inside image files: the colour profile and the orientation, the only ones that new files have."""

import struct
import zlib

from synth.data.mending import PNG_SIGNATURE, png_chunk
from synth.records import Encoding

_ORIENTATION, _SHORT = 0x0112, 3
_PROFILE_PART = 65_519
"""Bytes of a profile in one JPEG segment, at most."""


def orientation_tiff(orientation: int) -> bytes:
    """Return an EXIF block, which is a TIFF directory, with the orientation as its only entry."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0, 0)


def with_jpeg_metadata(data: bytes, encoding: Encoding) -> bytes:
    """Return a JPEG file with the profile and the orientation of its encoding, if there are any."""
    blocks = b""
    if encoding.orientation != 1:
        blocks += _segment(0xE1, b"Exif\0\0" + orientation_tiff(encoding.orientation))
    parts = [encoding.profile[at : at + _PROFILE_PART] for at in range(0, len(encoding.profile), _PROFILE_PART)]
    for number, part in enumerate(parts, start=1):
        blocks += _segment(0xE2, b"ICC_PROFILE\0" + bytes((number, len(parts))) + part)
    head = 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2  # JFIF comes first
    return data[:head] + blocks + data[head:] if blocks else data


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def with_png_metadata(data: bytes, encoding: Encoding) -> bytes:
    """Return a PNG file with the profile and the orientation of its encoding, if there are any."""
    blocks = b""
    if encoding.profile:
        blocks += png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(encoding.profile))
    if encoding.orientation != 1:
        blocks += png_chunk(b"eXIf", orientation_tiff(encoding.orientation))
    head = len(PNG_SIGNATURE) + 25  # behind the header chunk
    return data[:head] + blocks + data[head:] if blocks else data
