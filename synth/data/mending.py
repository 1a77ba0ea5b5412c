"""Image files with damage outside their pixels: what other readers skip is taken out, and the rest is decoded strictly.

JPEG: stray bytes between two markers, as wrong lengths of metadata blocks leave them, and header fields with values
that the standard does not know. PNG: metadata chunks with a wrong checksum, a wrong checksum of pixel data whose own
check (Adler-32 of zlib) is right, and a missing end. All pixels of a mended file are as its writer stored them; other
damage is not mended.
"""

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator

import simplejpeg

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"IEND"
_STRAY = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_HEADERS = {
    "unknown JFIF revision": (b"JFIF\0", 5, b"\1\1"),
    "Adobe color transform": (b"Adobe", 11, b"\1"),
}
"""{words of libjpeg's warning: where the field is (behind these bytes, at this distance), and its usual value}."""
_MAX_DECODES = 32
"""Times that one file is decoded, at most: a file made on purpose could have millions of places to try."""
_GIVEN_UP = "decoded too often"
_SCAN = 0xDA
_WITHOUT_BODY = (0x01, *range(0xD0, 0xDA))
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def mended(data: bytes) -> bytes | None:
    """Return the file without the damage, or None if its pixels may be damaged too."""
    if data.startswith(b"\xff\xd8\xff"):
        return _mended_jpeg(data, iter(range(_MAX_DECODES)))
    return _mended_png(data) if data.startswith(PNG_SIGNATURE) else None


def _mended_jpeg(data: bytes, decodes: Iterator[int]) -> bytes | None:
    """Take out the stray bytes that libjpeg warns about first, wherever that leads to a sound file.

    Args:
        decodes: yields once for each time that the file may still be decoded.
    """
    problem = _jpeg_problem(data, decodes)
    if not problem:
        return data
    if (patched := _with_known_header(data, problem)) is not None:
        return _mended_jpeg(patched, decodes)
    if not (stray := _STRAY.search(problem)):
        return None
    n, marker, later = int(stray[1]), bytes((0xFF, int(stray[2], 16))), []
    anywhere = (found.start() for found in re.finditer(re.escape(marker), data))
    for place in _each_once(itertools.chain(_behind_stray(data, marker), anywhere)):
        shorter = data[: max(place - n, 0)] + data[place:]
        left = _jpeg_problem(shorter, decodes)
        if not left:
            return shorter
        if left == _GIVEN_UP:
            break
        if _STRAY.search(left) and left != problem:
            later.append(shorter)
    return _mended_jpeg(later[0], decodes) if later else None


def _behind_stray(data: bytes, marker: bytes) -> Iterator[int]:
    """Yield the places of a marker in the header that come behind bytes of no segment: the likely ones."""
    at = 2
    while found := _MARKER.search(data, at):
        kind, start = found[1][0], found.end() - 2
        if found.start() > at and data[start : found.end()] == marker:
            yield start
        if kind == _SCAN:
            return
        at = found.end() + (0 if kind in _WITHOUT_BODY else int.from_bytes(data[found.end() : found.end() + 2], "big"))


def _each_once(places: Iterable[int]) -> Iterator[int]:
    seen = set[int]()
    for place in places:
        if place not in seen:
            seen.add(place)
            yield place


def _with_known_header(data: bytes, problem: str) -> bytes | None:
    """Give the header field that libjpeg does not know its usual value; None for other problems."""
    for words, (before, distance, usual) in _HEADERS.items():
        at = data.find(before) + distance
        if words in problem and at >= distance and data[at : at + len(usual)] != usual:
            return data[:at] + usual + data[at + len(usual) :]
    return None


def _jpeg_problem(data: bytes, decodes: Iterator[int]) -> str:
    """Return libjpeg's first warning about a file, nothing for a sound one, or that it was decoded too often."""
    if next(decodes, None) is None:
        return _GIVEN_UP
    try:
        simplejpeg.decode_jpeg(data)
    except ValueError as error:
        return str(error)
    return ""


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield (kind, body, whether its checksum is right) of each complete chunk, up to the end chunk."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        yield kind, data[at + 8 : end], zlib.crc32(data[at + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        if kind == _END:
            return
        at = end + 4


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _mended_png(data: bytes) -> bytes | None:
    kept, pixels = b"", zlib.decompressobj()
    for kind, body, sound in png_chunks(data):
        if kind == b"IDAT" and not pixels.eof:
            try:
                pixels.decompress(body)
            except zlib.error:
                return None
        elif kind == _END or (not sound and kind[:1].islower()):  # a lower-case letter: metadata
            continue
        elif not sound and kind != b"IDAT":
            return None
        kept += png_chunk(kind, body)
    return PNG_SIGNATURE + kept + png_chunk(_END, b"") if pixels.eof else None
