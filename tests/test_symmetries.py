"""Mirrors and quarter turns are chosen from the images, and the policy test needs no judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from conftest import Run, contents
from PIL import Image

import synth
from synth.gates.choices import with_choices
from synth.gates.symmetries import MIN_IMAGES
from synth.settings.effects import SYMMETRIES

Picture = npt.NDArray[np.uint8]
Draw = Callable[[str, np.random.Generator], Picture]
SIDE = 40


def finished(canvas: npt.NDArray[Any], rng: np.random.Generator) -> Picture:
    return (canvas + rng.normal(0, 6, canvas.shape)).clip(0, 255).astype(np.uint8)


def cell(label: str, rng: np.random.Generator) -> Picture:
    """A round cell with one nucleus or two, anywhere and in any direction."""
    canvas = np.full((SIDE, SIDE, 3), (225, 190, 210), np.uint8)
    centre = rng.integers(17, 23, 2)
    cv2.circle(canvas, centre.tolist(), 14, (170, 140, 200), -1)
    angle = rng.uniform(0, 2 * np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * (5 if label == "two" else 0)
    for side in (-1, 1):
        cv2.circle(canvas, (centre + side * step).round().astype(int).tolist(), 5, (90, 50, 130), -1)
    return finished(canvas, rng)


ANGLES = {"left": 180, "right": 0, "up": -90, "down": 90}


def arrow(label: str, rng: np.random.Generator) -> Picture:
    canvas = np.full((SIDE, SIDE, 3), rng.integers(40, 90), np.uint8)
    angle = np.radians(ANGLES[label] + rng.normal(0, 4))
    along = np.array([np.cos(angle), np.sin(angle)]) * 13
    centre = SIDE / 2 + rng.normal(0, 2, 2)
    tail, tip = ((centre + side * along).round().astype(int).tolist() for side in (-1, 1))
    cv2.arrowedLine(canvas, tail, tip, (235, 235, 235), 3, tipLength=0.45)
    return finished(canvas, rng)


def digit(label: str, rng: np.random.Generator) -> Picture:
    canvas = np.full((SIDE, SIDE, 3), rng.integers(180, 230), np.uint8)
    place = (9 + int(rng.integers(-3, 4)), 32 + int(rng.integers(-3, 4)))
    cv2.putText(canvas, label, place, cv2.FONT_HERSHEY_SIMPLEX, 1.1, (40, 40, 40), 2)
    return finished(canvas, rng)


def drawn(root: Path, draw: Draw, counts: dict[str, int]) -> Path:
    rng = np.random.default_rng(5)
    for label, n in counts.items():
        (root / "train" / label).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(draw(label, rng)).save(root / "train" / label / f"{i:03d}.png")
    return root


CELLS = {"one": 70, "two": 20}


def chosen(root: Path, recipe: synth.Recipe | None = None) -> tuple[dict[str, float], str]:
    decided, line = with_choices(recipe or synth.Recipe(), synth.open_dataset(root).train)
    return {name: getattr(decided.augment.effects, name).p for name in SYMMETRIES}, line


def test_cells_have_every_symmetry(tmp_path: Path) -> None:
    found, line = chosen(drawn(tmp_path, cell, CELLS))
    assert set(found.values()) == {0.5}
    assert " off (" not in line


def test_digits_have_none(tmp_path: Path) -> None:
    found, line = chosen(drawn(tmp_path, digit, {"2": 25, "6": 20, "9": 20}))
    assert set(found.values()) == {0}
    assert " on (" not in line


def test_a_mirror_that_turns_one_class_into_another_is_off(tmp_path: Path) -> None:
    """Mirrored arrows look real for the set: only a class itself can object, and then no class is mirrored."""
    found, line = chosen(drawn(tmp_path, arrow, {"left": 25, "right": 20, "up": 20}))
    assert found["flip_horizontal"] == 0
    assert "left: AUC 1.00" in line


def test_small_classes_object_together(tmp_path: Path) -> None:
    """Ten arrows to the left and nine to the right, among many that a mirror keeps."""
    found, line = chosen(drawn(tmp_path, arrow, {"up": 70, "down": 70, "left": 10, "right": 9}))
    assert found["flip_horizontal"] == 0
    assert "small classes" in line


def test_too_few_images_are_not_mirrored(tmp_path: Path) -> None:
    found, line = chosen(drawn(tmp_path, cell, {"one": 20, "two": 5}))
    assert set(found.values()) == {0}
    assert f"25 images are too few to tell, need {MIN_IMAGES}" in line


def test_what_the_user_sets_overrules_the_images(tmp_path: Path) -> None:
    data = drawn(tmp_path, cell, CELLS)
    recipe = synth.load_recipe(None, {"augment.effects.flip_horizontal.p": 0.0, "augment.forbid": ["flip_vertical"]})
    found, line = chosen(data, recipe)
    assert found == {"flip_horizontal": 0, "flip_vertical": 0, "quarter_turn": 0.5}
    assert "flip" not in line
    every = {f"augment.effects.{name}.p": 0.25 for name in SYMMETRIES}
    assert chosen(data, synth.load_recipe(None, every)) == (dict.fromkeys(SYMMETRIES, 0.25), "")
    mapped = synth.load_recipe(None, {"augment.label_map": {"flip_horizontal": {"one": "two"}}})
    assert "flip_horizontal on (one, two: label map)" in chosen(data, mapped)[1]


def test_a_label_map_mirrors_only_the_classes_that_it_names(tmp_path: Path) -> None:
    data = drawn(tmp_path, arrow, {"left": 20, "right": 10, "up": 30, "down": 30})
    given = {
        "augment.label_map": {"flip_horizontal": {"left": "right"}},
        "augment.classes.down.effects.flip_horizontal.p": 0.25,
    }
    decided, line = with_choices(synth.load_recipe(None, given), synth.open_dataset(data).train)
    found = {label: decided.augment.effects_for(label).flip_horizontal.p for label in ANGLES}
    assert found == {"left": 0.5, "right": 0.5, "up": 0, "down": 0.25}
    assert "flip_horizontal on (left, right: label map)" in line


def test_auto_of_one_class_means_as_for_all_classes() -> None:
    settings = {"augment.effects.flip_vertical.p": 0.25, "augment.classes.two.effects.flip_vertical.p": "auto"}
    assert synth.load_recipe(None, settings).augment.effects_for("two").flip_vertical.p == 0.25


def test_the_recipe_of_a_run_holds_the_choice(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command from it gives the same images in any number of processes, and asks the images no more."""
    data, out = drawn(tmp_path / "data", cell, CELLS), tmp_path / "out"
    assert run("plan", data, "--json", "--quiet") == 0
    (line,) = json.loads(capsys.readouterr().out)["notes"]
    assert run("generate", data, out, "--workers", 1, "--quiet") == 0
    assert f"note: {line}" in capsys.readouterr().out
    kept = synth.load_recipe(out / "recipe.toml")
    assert [getattr(kept.augment.effects, name).p for name in SYMMETRIES] == [0.5] * 3
    monkeypatch.setattr("synth.gates.choices.symmetries_of", None)
    monkeypatch.setattr("synth.gates.choices.plain_share", None)
    assert run("generate", data, tmp_path / "again", "--recipe", out / "recipe.toml", "--workers", 2, "--quiet") == 0
    assert contents(out / "train") == contents(tmp_path / "again/train")
    assert run("verify", tmp_path / "again", "--remake", 3) == 0


def test_a_border_of_one_colour_goes_on_outside(tmp_path: Path) -> None:
    """Glyphs on paper keep their size. If some of them leave the frame, all are enlarged."""

    def glyph(label: str, rng: np.random.Generator) -> Picture:
        canvas = np.full((SIDE, SIDE, 3), 235, np.uint8)
        cv2.putText(canvas, label, (9, 32), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (20, 20, 20), 2)
        canvas[0, : 10 if rng.random() < 0.2 and label == "9" else 0] = 20
        return canvas

    def decided(counts: dict[str, int]) -> tuple[synth.Recipe, str]:
        return with_choices(synth.Recipe(), synth.open_dataset(drawn(tmp_path / str(counts), glyph, counts)).train)

    recipe, line = decided({"2": 6, "4": 4})
    assert recipe.augment.fill == "edge"
    assert "fill edge (100% of the images have a border of one colour)" in line
    recipe, line = decided({"2": 10, "9": 30})
    assert (recipe.augment.fill, "fill" in line) == ("inside", False)


def test_the_policy_test_needs_no_judge(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, sheet = drawn(tmp_path / "data", digit, {"2": 25, "7": 15}), tmp_path / "effects.png"
    assert run("policy", data, "--out", sheet, "--json", "--quiet") == 0
    document = json.loads(capsys.readouterr().out)
    found = {each["effect"]: each for each in document["foreign"]}
    assert found.keys() == {*SYMMETRIES, "scale", "rotate", "shift", "brightness", "contrast", "blur"}
    assert found["quarter_turn"]["auc"] > 0.95
    assert found["contrast"]["auc"] < 0.65
    assert all(each["interval"][0] <= each["auc"] <= each["interval"][1] for each in found.values())
    assert document["policy"] == []
    with Image.open(sheet) as picture:
        assert picture.height > 9 * 112
    assert run("policy", data, "--quiet") == 0
    printed = capsys.readouterr().out
    assert "foreign" in printed
    assert "synth trial" in printed
    tiny = drawn(tmp_path / "tiny", digit, {"2": 5, "7": 4})
    assert run("policy", tiny, "--quiet") == 2
    assert "needs 10 different training images, got 9" in capsys.readouterr().err


def framed(label: str, rng: np.random.Generator) -> Picture:
    """A round or a square mark anywhere, within a frame at a fixed place."""
    canvas = np.full((SIDE, SIDE, 3), rng.integers(150, 220), np.uint8)
    centre = rng.integers(16, 25, 2)
    if label == "round":
        cv2.circle(canvas, centre.tolist(), int(rng.integers(5, 9)), (60, 60, 90), -1)
    else:
        cv2.rectangle(canvas, (centre - 6).tolist(), (centre + rng.integers(3, 8, 2)).tolist(), (60, 60, 90), -1)
    cv2.rectangle(canvas, (3, 3), (SIDE - 4, SIDE - 4), (30, 30, 30), 2)
    return finished(canvas, rng)


def test_images_with_a_fixed_frame_are_not_moved(tmp_path: Path) -> None:
    """Cells have the same place and size by chance only, so they are moved. What the user sets stands."""

    def movements(root: Path, recipe: synth.Recipe | None = None) -> tuple[list[float], str]:
        decided, line = with_choices(recipe or synth.Recipe(), synth.open_dataset(root).train)
        return [getattr(decided.augment.effects, name).p for name in ("rotate", "scale", "shift")], line

    data = drawn(tmp_path / "framed", framed, {"round": 50, "square": 20})
    found, line = movements(data)
    assert found == [0, 0, 0]
    assert "the images have a fixed frame: " in line
    own = synth.load_recipe(None, {"augment.effects.rotate.p": 0.3, "augment.forbid": ["shift"]})
    assert movements(data, own)[0] == [0.3, 0, 0.5]  # a forbidden effect is not asked, and never runs
    found, line = movements(drawn(tmp_path / "cells", cell, CELLS))
    assert (found, "frame" in line) == ([0.5] * 3, False)
    few = drawn(tmp_path / "few", framed, {"round": 20, "square": 5})
    assert movements(few)[0] == [0.5] * 3
