"""Sheets of a method that goes from one original to another, and the words under their tiles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Judged, make_dataset
from PIL import Image

import synth
from synth.generators.smote import SmoteGenerator
from synth.pages.params_text import param_words
from synth.pictures.sheets import GAP, MARGIN, TILE, Strip, Tile, contact_sheet, in_lines
from synth.records import Candidate


@pytest.fixture
def strips(monkeypatch: pytest.MonkeyPatch) -> list[Strip]:
    """What the last preview put on its sheet."""
    shown: list[Strip] = []

    def watched(strips: Sequence[Strip]) -> Image.Image:
        shown[:] = strips
        return contact_sheet(strips)

    monkeypatch.setattr("synth.runs.preview.contact_sheet", watched)
    return shown


def preview(data: Path, *, n: int = 5, rows: int = 1, captions: bool = False, **settings: object) -> Image.Image:
    recipe = synth.load_recipe(None, {"method": "smote", "classes": ("yellow",), **settings})
    return synth.preview(synth.open_dataset(data), recipe, n=n, rows=rows, captions=captions)


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_ways_lead_from_one_original_to_another(lights: Path, strips: list[Strip]) -> None:
    sheet = preview(lights, n=5, rows=2)
    assert [strip.title for strip in strips[:4]] == ["yellow: real", "yellow: smote"] * 2
    assert len(strips) == 6
    assert sheet.width == 2 * MARGIN + 5 * (TILE + GAP)
    for strip in strips[4:]:
        names = re.fullmatch(r"yellow: from (\S+) to (\S+)", strip.title)
        assert names is not None
        assert names[1] != names[2]
        first, second = (opened(lights / "train/yellow" / name) for name in names.groups())
        tiles = [tile.pixels.astype(float) for tile in strip.tiles]
        assert np.array_equal(tiles[0], first)
        assert np.array_equal(tiles[-1], second)
        away = [np.abs(tile - tiles[0]).mean() for tile in tiles]
        assert np.allclose(np.diff(away), away[-1] / 4, rtol=0.1)
        assert [tile.caption[0] for tile in strip.tiles] == ["real", "step 0.25", "step 0.50", "step 0.75", "real"]
        assert not strip.tiles[0].rejected
        assert not strip.tiles[-1].rejected
    assert np.array_equal(strips[0].tiles[0].pixels, strips[4].tiles[0].pixels)


@pytest.mark.parametrize(("n", "method"), [(2, "smote"), (5, "augment"), (5, "duplicate")])
def test_no_way_without_room_or_a_second_original(lights: Path, strips: list[Strip], n: int, method: str) -> None:
    preview(lights, n=n, method=method)
    assert [strip.title for strip in strips] == ["yellow: real", f"yellow: {method}"]


def test_only_a_few_attempts_are_asked_for_a_way(
    tmp_path: Path, strips: list[Strip], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def watched(self: SmoteGenerator, label: str, attempt: int, *, n: int) -> list[Candidate]:
        asked.append(attempt)
        return walk(self, label, attempt, n=n)

    walk = SmoteGenerator.walk
    monkeypatch.setattr(SmoteGenerator, "walk", watched)
    preview(make_dataset(tmp_path / "data", {"train": {"red": 4, "yellow": 1}}), rows=2)
    assert [strip.title for strip in strips] == ["yellow: real", "yellow: smote"] * 2
    assert asked == list(range(8))


def test_the_judge_looks_at_every_step(judged: Judged, strips: list[Strip]) -> None:
    preview(judged.data, judge=str(judged.bundle))
    tiles = strips[-1].tiles
    for tile in tiles:
        scores = [re.fullmatch(r"(red|yellow|green) [01]\.\d\d", line) for line in tile.caption[1:3]]
        assert all(scores)
        reasons = tile.caption[3:]
        assert all(line.startswith("rejected: ") for line in reasons)
        assert tile.rejected == bool(reasons)
    assert len(tiles[0].caption) == len(tiles[-1].caption) == 3  # a real image is no copy of itself


@pytest.mark.parametrize("augment", ["together", "apart", "off"])
def test_what_was_drawn_is_said_in_short(lights: Path, strips: list[Strip], augment: str) -> None:
    preview(lights, n=6, captions=True, **{"smote.augment": augment})
    lines = [[line for line in tile.caption if not line.startswith("rejected")] for tile in strips[1].tiles]
    assert all(re.fullmatch(r"pixel, k 2, step [\d.]+", caption[0]) for caption in lines), lines
    effects = [line for caption in lines for line in caption[1:]]
    assert bool(effects) == (augment != "off")
    assert all(bool(re.match("(1st|2nd): ", line)) == (augment == "apart") for line in effects)
    assert not any("{" in line for line in effects)


def test_captions_never_reach_the_next_tile() -> None:
    long = "a very long name of a class with its score 0.93"
    black = np.zeros((10, 10, 3), np.uint8)
    tile = Tile(black, (long, "שלום\n" * 20, "i" * 300, ""))
    sheet = np.asarray(contact_sheet([Strip(long * 9, (tile, tile, tile))]))
    top = MARGIN + 20 + TILE
    gaps = [slice(MARGIN + TILE + i * (TILE + GAP), MARGIN + (i + 1) * (TILE + GAP)) for i in range(3)]
    assert all((sheet[top:, gap] == 255).all() for gap in gaps)
    assert (sheet[top:, MARGIN : MARGIN + TILE] < 255).any()
    assert (sheet[:, -MARGIN:] == 255).all()


def test_words_share_a_line_while_it_is_wide_enough() -> None:
    assert in_lines([]) == ()
    assert in_lines(["pixel", "k 5", "step 0.41"]) == ("pixel, k 5, step 0.41",)
    assert in_lines(["w" * 50, "k 5", "a long name of something"]) == ("w" * 50, "k 5", "a long name of something")


def test_parameters_in_words() -> None:
    params = {
        "space": "latent",
        "step": 0.0004,
        "effects": {"flip_horizontal": {}, "rotate": {"degrees": -4.25}},
        "second": {"shift": {"x": 0.5, "y": -1}},
        "first": {},
        "hue": {"degrees": 3.0},
        "encoded_as": ["jpeg", 90, "4:2:0"],
    }
    assert param_words(params) == {
        "plain": ("latent", "step 0.0004"),
        "effects": ("flip horizontal", "rotate \u22124.25°", "hue 3°"),
        "second": ("shift 0.5 \u22121",),
    }
    assert param_words({"effects": 7, "first": [1]}) == {"plain": ("effects 7", "first [1]")}
    assert param_words({}) == {}
