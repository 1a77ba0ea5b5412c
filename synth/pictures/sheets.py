"""Contact sheets: rows of images, each scaled to its tile, with a caption."""

import functools
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synth.data.images import to_uint8
from synth.records import Pixels

TILE = 112
GAP = 6
LINE = 14
MARGIN = 10
PAPER, INK, FAINT, REJECTED = "#ffffff", "#1c1c1c", "#6a6a6a", "#c62828"


@dataclass(frozen=True)
class Tile:
    """One image of a sheet, with lines of text below it."""

    pixels: Pixels
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
    """Draw rows of images on one sheet, each scaled to its tile; long captions are shortened."""
    n_lines = [max((len(tile.caption) for tile in strip.tiles), default=0) for strip in strips]
    heights = [LINE + 3 + TILE + n * LINE + 2 * GAP for n in n_lines]
    width = 2 * MARGIN + max(len(strip.tiles) for strip in strips) * (TILE + GAP)
    sheet = Image.new("RGB", (width, 2 * MARGIN + sum(heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for strip, height in zip(strips, heights, strict=True):
        draw.text((MARGIN, top), _fitted(strip.title, width - 2 * MARGIN), INK, font=_font())
        for column, tile in enumerate(strip.tiles):
            _draw_tile(sheet, draw, tile, at=(MARGIN + column * (TILE + GAP), top + LINE + 3))
        top += height
    return sheet


def _draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, *, at: tuple[int, int]) -> None:
    picture = Image.fromarray(np.ascontiguousarray(to_uint8(tile.pixels))).convert("RGB")
    scale = TILE / max(picture.size)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    picture = picture.resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS)
    left, top = at[0] + (TILE - size[0]) // 2, at[1] + (TILE - size[1]) // 2
    sheet.paste(picture, (left, top))
    if tile.rejected:
        draw.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=REJECTED, width=3)
    for i, line in enumerate(tile.caption):
        draw.text((at[0], at[1] + TILE + 2 + i * LINE), _fitted(line, TILE), FAINT, font=_font())


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)


def _width(text: str) -> float:
    return _font().getlength(text)


def _fitted(text: str, width: int) -> str:
    """Return a text in printable characters, shortened in its middle if it is too wide: names differ at their ends."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text.replace("\u2212", "-"))
    fitting, kept = text, len(text)
    while kept and _width(fitting) > width:
        kept -= 1
        fitting = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return fitting
