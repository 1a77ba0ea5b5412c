"""Contact sheets: real images above the candidates made from them, to be looked at before anything is written."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synth.data.balance import check_classes
from synth.data.dataset import Dataset
from synth.data.images import to_uint8
from synth.errors import OutputError, UsageError
from synth.gates.base import judge_all, open_gates
from synth.generators.base import Context, needs_parents
from synth.generators.parents import Sources
from synth.generators.registry import open_generator
from synth.recipe import Recipe
from synth.records import Candidate, Pixels

TILE = 104
GAP = 6
LINE = 13
MARGIN = 10
PAPER, INK, FAINT, REJECTED = "#ffffff", "#1c1c1c", "#6a6a6a", "#c62828"


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, with lines of text under it."""

    pixels: Pixels
    caption: tuple[str, ...] = ()
    rejected: bool = False


@dataclass(frozen=True)
class Strip:
    """One row of a sheet."""

    title: str
    tiles: tuple[Tile, ...]


def preview(dataset: Dataset, recipe: Recipe, *, n: int = 8, rows: int = 1, captions: bool = False) -> Image.Image:
    """A contact sheet: for each class, rarest first, real images, and below each the candidate made from it.

    Args:
        n: images in a row.
        rows: pairs of rows for a class.
        captions: the drawn parameters under each candidate.

    Raises:
        UsageError: a class of the recipe that the dataset does not have, or no class with images to start from.
    """
    generator = open_generator(Context(recipe, dataset.train))
    sources, gates = Sources(recipe.data), open_gates()
    strips = []
    for label in _labels(dataset, recipe):
        for row in range(rows):
            candidates = list(generator.make(label, range(row * n, (row + 1) * n)))
            parents = [candidate.parents[0] for candidate in candidates if candidate.parents]
            items = parents or dataset.train[label][row * n : (row + 1) * n]
            real = tuple(Tile(sources.pixels(item)) for item in items)
            made = tuple(
                Tile(c.pixels, _caption(c) if captions else (), rejected=not judge_all(gates, c).accepted)
                for c in candidates
            )
            strips += [Strip(f"{label}: real", real)] if real else []
            strips.append(Strip(f"{label}: {recipe.method}", made))
    return contact_sheet(strips)


def save_sheet(sheet: Image.Image, path: Path | None = None, *, outside: Path | None = None) -> Path:
    """Save a sheet as PNG under a name that is free: preview.png, preview-2.png, ...; a given name must be free.

    Raises:
        OutputError: the given file exists, or would lie in the folder that it must stay `outside` of.
    """
    if path is not None and path.exists():
        raise OutputError(f"{path} exists: choose another name")
    numbered = (Path("preview.png" if i == 1 else f"preview-{i}.png") for i in itertools.count(1))
    chosen = path or next(candidate for candidate in numbered if not candidate.exists())
    if outside is not None and Path(os.path.realpath(chosen)).is_relative_to(os.path.realpath(outside)):
        raise OutputError(f"{chosen} would lie inside the input: choose another place with --out")
    with chosen.open("xb") as file:
        sheet.save(file, "PNG")
    return chosen


def _labels(dataset: Dataset, recipe: Recipe) -> Sequence[str]:
    check_classes(recipe.classes, dataset.classes)
    wanted = [
        label for label in recipe.classes or dataset.classes if dataset.train[label] or not needs_parents(recipe.method)
    ]
    if not wanted:
        raise UsageError("no class with a training image to start from")
    return sorted(wanted, key=lambda label: (len(dataset.train[label]), label))


def _caption(candidate: Candidate) -> tuple[str, ...]:
    lines = []
    for name, values in candidate.params.items():
        numbers = values.values() if isinstance(values, dict) else [values]
        lines.append(" ".join([name.replace("flip_", "flip "), *(_short(number) for number in numbers)]))
    return tuple(lines) or ("unchanged",)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float | int) else str(value)


def contact_sheet(strips: Sequence[Strip]) -> Image.Image:
    """Lay rows of pictures out on one sheet, each scaled to its tile."""
    n = max(len(strip.tiles) for strip in strips)
    font = ImageFont.load_default(11)
    heights = [_height(strip) for strip in strips]
    width = 2 * MARGIN + n * (TILE + GAP)
    sheet = Image.new("RGB", (width, 2 * MARGIN + sum(heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for strip, height in zip(strips, heights, strict=True):
        draw.text((MARGIN, top), _printable(strip.title), INK, font=font)
        for column, tile in enumerate(strip.tiles):
            _draw_tile(sheet, draw, tile, at=(MARGIN + column * (TILE + GAP), top + LINE + 3), font=font)
        top += height
    return sheet


def _height(strip: Strip) -> int:
    lines = max((len(tile.caption) for tile in strip.tiles), default=0)
    return LINE + 3 + TILE + lines * LINE + 2 * GAP


def _draw_tile(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: Tile,
    *,
    at: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    picture = Image.fromarray(np.ascontiguousarray(to_uint8(tile.pixels))).convert("RGB")
    scale = TILE / max(picture.size)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    picture = picture.resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS)
    left, top = at[0] + (TILE - size[0]) // 2, at[1] + (TILE - size[1]) // 2
    sheet.paste(picture, (left, top))
    if tile.rejected:
        draw.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=REJECTED, width=3)
    for i, line in enumerate(tile.caption):
        draw.text((at[0], at[1] + TILE + 2 + i * LINE), line, FAINT, font=font)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
