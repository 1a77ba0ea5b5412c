"""Contact sheets: rows of images, each scaled to its tile, with a caption."""

import functools
import io
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synth.data.images import to_uint8
from synth.errors import short_name
from synth.records import Pixels

TILE = 112
GAP = 6
LINE = 14
MARGIN = 10
TITLE_WIDTH = 4 * (TILE + GAP)
"""A sheet of few columns is made so much wider, if its titles need it."""
LONGEST = 120
"""Letters of a caption; the middle of a longer one is left out before its width is measured."""
MAX_LINES = 3
"""Of a title, and of each text below an image; what does not fit is left out in the middle."""
PAPER, INK, FAINT, REJECTED = "#ffffff", "#1c1c1c", "#6a6a6a", "#c62828"


@dataclass(frozen=True)
class Tile:
    """One image of a sheet, with lines of text below it."""

    pixels: Pixels | None
    """None: its place stays empty."""
    caption: tuple[str, ...] = ()
    rejected: bool = False


@dataclass(frozen=True)
class Strip:
    """One row of a sheet."""

    title: str
    tiles: tuple[Tile, ...]


def in_lines(words: Iterable[str]) -> tuple[str, ...]:
    """Join words by commas, in as few lines as the width of a tile allows."""
    lines: list[str] = []
    for word in words:
        if lines and _width(f"{lines[-1]}, {word}") <= TILE:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return tuple(lines)


def tiles(images: Iterable[Pixels]) -> tuple[Tile, ...]:
    """Return tiles without captions."""
    return tuple(Tile(image) for image in images)


def sheet_png(strips: Sequence[Strip]) -> bytes:
    """Return a contact sheet as the bytes of a PNG file."""
    buffer = io.BytesIO()
    contact_sheet(strips).save(buffer, "PNG")
    return buffer.getvalue()


def contact_sheet(strips: Sequence[Strip]) -> Image.Image:
    """Draw rows of images on one sheet, each scaled to its tile; long texts are broken into lines."""
    columns = max(len(strip.tiles) for strip in strips) * (TILE + GAP)
    width = max(columns, min(TITLE_WIDTH, max(math.ceil(_width(_printable(strip.title))) for strip in strips)))
    strips = [Strip("\n".join(_wrapped(strip.title, width)), tuple(map(_with_lines, strip.tiles))) for strip in strips]
    heights = [_title_height(strip) + TILE + _n_lines(strip) * LINE + 2 * GAP for strip in strips]
    sheet = Image.new("RGB", (2 * MARGIN + width, 2 * MARGIN + sum(heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for strip, height in zip(strips, heights, strict=True):
        for i, line in enumerate(strip.title.split("\n")):
            draw.text((MARGIN, top + i * LINE), line, INK, font=_font())
        for column, tile in enumerate(strip.tiles):
            _draw_tile(sheet, draw, tile, at=(MARGIN + column * (TILE + GAP), top + _title_height(strip)))
        top += height
    return sheet


def _title_height(strip: Strip) -> int:
    return LINE * len(strip.title.split("\n")) + 3


def _n_lines(strip: Strip) -> int:
    return max((len(tile.caption) for tile in strip.tiles), default=0)


def _with_lines(tile: Tile) -> Tile:
    return replace(tile, caption=tuple(line for text in tile.caption for line in _wrapped(text, TILE)))


def _draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, *, at: tuple[int, int]) -> None:
    if tile.pixels is None:
        return
    picture = Image.fromarray(np.ascontiguousarray(to_uint8(tile.pixels))).convert("RGB")
    scale = TILE / max(picture.size)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    picture = picture.resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS)
    left, top = at[0] + (TILE - size[0]) // 2, at[1] + (TILE - size[1]) // 2
    sheet.paste(picture, (left, top))
    if tile.rejected:
        draw.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=REJECTED, width=3)
    for i, line in enumerate(tile.caption):
        draw.text((at[0], at[1] + TILE + 2 + i * LINE), line, FAINT, font=_font())


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)


def _width(text: str) -> float:
    return _font().getlength(text)


def _printable(text: str) -> str:
    """Return a text with the letters that the font has."""
    plain = unicodedata.normalize("NFC", re.sub("[\u2010-\u2015\u2212]", "-", text))
    return "".join(letter if letter.isprintable() else "?" for letter in plain)


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text as printable lines of at most `MAX_LINES`, broken between words."""
    text = short_name(_printable(text), LONGEST)
    lines = _lines(text, width)
    kept = len(text)
    while kept and len(lines) > MAX_LINES:
        kept -= 1
        lines = _lines(f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}", width)
    return [_fitted(line, width) for line in lines] or [""]


def _lines(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split(" "):
        if lines and _width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _fitted(text: str, width: int) -> str:
    """Return a word, shortened in its middle if it is too wide: names differ at their ends."""
    fitting, kept = text, len(text)
    while kept and _width(fitting) > width:
        kept -= 1
        fitting = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return fitting
