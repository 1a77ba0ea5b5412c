"""Settings: TOML in and out, overrides, classes, errors with a hint."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

import synth
from synth.errors import UsageError
from synth.settings.effects import MOVEMENTS, SYMMETRIES
from synth.settings.recipe import load_recipe

ROOT = Path(__file__).resolve().parent.parent


def test_a_dumped_recipe_reads_back_the_same(tmp_path: Path) -> None:
    recipe = load_recipe(
        None,
        {
            "seed": 7,
            "target": {"a class = odd": 12},
            "augment.transforms": [{"name": "GaussNoise", "std_range": [0.1, 0.2]}],
            "augment.label_map": {"flip_horizontal": {"left": "right"}},
            "augment.classes": {"yellow": {"effects": {"rotate": {"degrees": [-3, 3]}}, "forbid": ["blur"]}},
            "output.quality": 80,
        },
    )
    for comments in (False, True):
        path = tmp_path / "recipe.toml"
        path.write_text(synth.dump_recipe(recipe, comments=comments))
        assert load_recipe(path) == recipe


def test_every_setting_is_explained() -> None:
    text = synth.dump_recipe(synth.Recipe(), comments=True)
    lines = text.splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if " = " in line and not line.startswith("#") and not before.startswith("#")
    ]
    assert not bare
    assert tomllib.loads(text)["augment"]["effects"]["rotate"] == {"p": "auto", "degrees": [-10.0, 10.0]}


def test_the_default_policy_is_the_safe_one() -> None:
    effects = synth.Recipe().augment.effects
    assert set(effects.undecided) == {*SYMMETRIES, *MOVEMENTS}
    effects = effects.decided({})
    on = {name for name, effect in effects if effect.p}
    assert on == {"scale", "rotate", "shift", "brightness", "contrast", "blur"}
    assert {effect.p for _, effect in effects if effect.p} == {0.5}


def test_later_settings_win(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('seed = 1\nmethod = "duplicate"\n[augment]\nfill = "edge"')
    recipe = load_recipe(path, {"seed": 2}, assignments=["seed=3", "augment.effects.hue.p=0.25"])
    assert (recipe.seed, recipe.method, recipe.augment.fill, recipe.augment.effects.hue.p) == (
        3,
        "duplicate",
        "edge",
        0.25,
    )


def test_one_number_stands_for_a_range() -> None:
    recipe = load_recipe(None, {"augment.effects.rotate.degrees": 5})
    assert recipe.augment.effects.rotate.degrees == (5, 5)


def test_a_class_has_its_own_effects() -> None:
    recipe = load_recipe(None, {"augment.classes": {"yellow": {"effects": {"rotate": {"degrees": [-3, 3]}}}}})
    assert recipe.augment.effects_for("yellow").rotate.degrees == (-3, 3)
    assert recipe.augment.effects_for("yellow").rotate.p == 0.5
    assert recipe.augment.effects_for("red") == recipe.augment.effects.decided({})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sede", 3, ["unknown key", "sede", 'did you mean "seed"']),
        ("augment.effects.rotat.p", 1, ["augment.effects.rotat", 'did you mean "rotate"']),
        ("augment.effects.rotate.degres", 1, ['did you mean "degrees"']),
        ("augment.effects.rotate.p", 1.5, ["augment.effects.rotate.p", "0..1", "1.5"]),
        ("augment.effects.flip_vertical.p", 1.5, ["augment.effects.flip_vertical.p", '"auto" or a number 0..1', "1.5"]),
        ("augment.effects.blur.p", "auto", ["augment.effects.blur.p", "number", "auto"]),
        ("augment.effects.rotate.degrees", [10, -10], ["low <= high"]),
        ("augment.effects.rotate.degrees", [-400, 400], ["-180..180"]),
        ("augment.fill", "mirror", ["augment.fill", '"mirror"']),
        ("augment.forbid", ["hew"], ['did you mean "hue"']),
        ("augment.classes", {"a": {"effects": {"rotat": {}}}}, ["classes.a.effects", "rotate"]),
        ("augment.classes", {"a": {"effects": {"rotate": {"p": 3}}}}, ["0..1", "3"]),
        ("output.format", "heic", ["output.format", "heic"]),
        ("augment.pipeline", "missing.json", ["missing.json"]),
        ("seed", "abc", ["seed", "abc"]),
        ("seed", 2**64, ["seed"]),
        ("data.groups", "(", ["data.groups", "regular expression"]),
    ],
)
def test_a_wrong_setting_is_one_helpful_line(key: str, value: object, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(None, {key: value})
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("assignment", ["seed", "seed.x=3"])
def test_a_wrong_assignment(assignment: str) -> None:
    with pytest.raises(UsageError):
        load_recipe(None, {"seed": 1}, assignments=[assignment])


@pytest.mark.parametrize("text", [b"seed = ", b"\xff\xfe", b"[a]\n[a]"])
def test_a_file_that_is_no_toml(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "r.toml").write_bytes(text)
    with pytest.raises(UsageError, match=r"r\.toml is not TOML"):
        load_recipe(tmp_path / "r.toml")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted((ROOT / "models/recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_shelf_make_images(path: Path, lights: Path, tmp_path: Path) -> None:
    summary = synth.generate(synth.open_dataset(lights), None, load_recipe(path), tmp_path / "out")
    assert summary.short == 0


def test_a_forbidden_effect_never_runs(lights: Path, tmp_path: Path) -> None:
    recipe = load_recipe(None, {"augment.forbid": ["rotate"], "augment.classes": {"yellow": {"forbid": ["blur"]}}})
    synth.generate(synth.open_dataset(lights), None, recipe, tmp_path / "out")
    drawn: dict[str, set[str]] = {"yellow": set(), "green": set()}
    for row in synth.data.manifest.read_manifest(tmp_path / "out/manifest.jsonl"):
        if row.synthetic:
            drawn[row.label] |= set(row.params)
    assert "rotate" not in drawn["yellow"] | drawn["green"]
    assert "blur" not in drawn["yellow"]
    assert "blur" in drawn["green"]
