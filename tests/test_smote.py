"""Interpolation between images of a class: parents on record, small classes, forms, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, contents, make_dataset, picture
from PIL import Image

import synth
from synth.data.levels import to_levels
from synth.data.manifest import read_manifest
from synth.generators.base import Context
from synth.generators.interpolation import Pair, PixelInterpolator
from synth.generators.neighbour_graph import neighbour_graph
from synth.generators.registry import open_generator
from synth.generators.safe_effects import SafeEffects
from synth.records import Candidate, Row
from synth.runs.remake import synthetic_ids
from synth.settings.augment import Augment
from synth.settings.oversampling import Smote


def recipe_for(n: int = 20, **settings: object) -> synth.Recipe:
    values = {"method": "smote", "target": {"yellow": n}, "cap": 100}
    return synth.load_recipe(None, {**values, **{key.replace("__", "."): value for key, value in settings.items()}})


def rows_of(out: Path) -> list[Row]:
    return [row for row in read_manifest(out / "manifest.jsonl") if row.synthetic]


def candidates(data: Path, recipe: synth.Recipe, n: int, label: str = "yellow") -> list[Candidate]:
    return list(open_generator(Context(recipe, synth.open_dataset(data).train)).make(label, range(n)))


def save(folder: Path, pixels: Sequence[np.ndarray], *, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:03d}{suffix}")


def test_parents_step_space_and_k_stand_in_the_manifest(lights: Path, tmp_path: Path, run: Run) -> None:
    assert run("generate", lights, tmp_path / "out", "--method", "smote", "--target", "yellow=12", "--quiet") == 0
    rows = rows_of(tmp_path / "out")
    accepted = [row for row in rows if row.path]
    assert len(accepted) == 9
    assert all(row.path.startswith("train/yellow/yellow-smote-") for row in accepted if row.path)
    for row in rows:
        first, second = row.parents
        assert first["path"] != second["path"]
        assert (row.params["space"], row.params["k"]) == ("pixel", 2)
        assert 0 <= row.params["step"] <= 1
    assert run("verify", tmp_path / "out") == 0
    assert all(made.same_file for made in synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out")))


def test_each_image_is_the_first_parent_equally_often(lights: Path) -> None:
    made = candidates(lights, recipe_for(), 30)
    assert set(Counter(candidate.parents[0].id for candidate in made).values()) == {10}


@pytest.mark.parametrize("augment", ["together", "apart", "off"])
def test_same_bytes_for_any_number_of_workers(lights: Path, tmp_path: Path, augment: str) -> None:
    recipe = recipe_for(80, smote__augment=augment)
    for n in (1, 2):
        synth.generate(synth.open_dataset(lights), None, recipe, tmp_path / f"out{n}", n_workers=n)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")


def test_an_attempt_does_not_depend_on_its_company(lights: Path) -> None:
    generator = open_generator(Context(recipe_for(smote__augment="apart"), synth.open_dataset(lights).train))
    together = list(generator.make("yellow", range(40)))
    alone = next(iter(generator.make("yellow", range(33, 34))))
    assert np.array_equal(alone.pixels, together[33].pixels)
    assert alone.params == together[33].params


def test_the_transforms_of_an_image_alone_do_not_depend_on_its_company() -> None:
    a, b = (np.asarray(picture("red", index)) for index in (1, 2))
    settings = Augment.model_validate({"transforms": ({"name": "GaussNoise", "p": 1.0},)})
    effects = SafeEffects(settings, "red", seed=0, where="together")
    pairs, params = [Pair(a, b, 0.5), Pair(a, a, 0.5)], effects.draw(range(2), alone=[False, True])
    both = effects.interpolate(PixelInterpolator(), pairs, params, attempts=range(2))
    (second,) = effects.interpolate(PixelInterpolator(), pairs[1:], params[1:], attempts=range(1, 2))
    assert np.array_equal(both[1], second)


def test_a_higher_target_tops_up_as_if_asked_at_once(lights: Path, tmp_path: Path) -> None:
    """With this seed the first run rejects no image; a rejected one changes the order of the parents."""
    for target in (10, 20):
        synth.generate(synth.open_dataset(lights), None, recipe_for(target, seed=2), tmp_path / "twice")
    synth.generate(synth.open_dataset(lights), None, recipe_for(20, seed=2), tmp_path / "once")
    files = [
        {name: data for name, data in contents(tmp_path / out).items() if "smote" in name} for out in ("twice", "once")
    ]
    assert files[0] == files[1]


def test_the_form_of_the_parents(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    save(
        tmp_path / "data/a", [rng.integers(0, 255, (20, 30, 3), np.uint8), rng.integers(0, 255, (60, 50, 3), np.uint8)]
    )
    save(tmp_path / "data/b", [rng.integers(0, 255, (20, 30), np.uint8) for _ in range(5)])
    made = candidates(tmp_path / "data", recipe_for(smote__augment="off"), 40, "a")
    for candidate in made:
        step, (first, second) = candidate.params["step"], candidate.parents
        height, width, _ = candidate.pixels.shape
        assert width == round((1 - step) * first.width + step * second.width)
        assert height == round((1 - step) * first.height + step * second.height)
    assert {candidate.pixels.shape for candidate in candidates(tmp_path / "data", recipe_for(), 9, "b")} == {(20, 30)}


def test_grey_and_colour_parents_give_the_form_of_the_first(tmp_path: Path) -> None:
    save(tmp_path / "data/a", [np.asarray(picture("red", 1)), np.asarray(picture("red", 2).convert("L"))])
    save(tmp_path / "data/b", [np.asarray(picture("green", 1))])
    for candidate in candidates(tmp_path / "data", recipe_for(), 8, "a"):
        assert (candidate.pixels.ndim == 2) == candidate.parents[0].grey


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    levels = [np.full((16, 16), 1000 * index, np.uint16) + np.arange(16, dtype=np.uint16) for index in (1, 2)]
    save(tmp_path / "data/a", levels)
    save(tmp_path / "data/b", levels[:1])
    made = candidates(tmp_path / "data", recipe_for(smote__augment="off"), 10, "a")
    for candidate in made:
        assert candidate.pixels.dtype == np.uint16
        step = candidate.params["step"] if candidate.parents[0].id == "a/000.png" else 1 - candidate.params["step"]
        stored = to_levels(candidate.pixels, candidate.parents[0].encoding.levels)  # of 1000..2015
        assert abs(int(stored[0, 0]) - (1000 + 1000 * step)) <= 1


def test_without_effects_and_at_the_ends_are_the_parents(lights: Path) -> None:
    generator = open_generator(Context(recipe_for(), synth.open_dataset(lights).train))
    way = generator.walk("yellow", 0, n=5)
    assert [candidate.params["step"] for candidate in way] == [0, 0.25, 0.5, 0.75, 1]
    for candidate, parent in ((way[0], way[0].parents[0]), (way[-1], way[0].parents[1])):
        assert np.array_equal(candidate.pixels, np.asarray(Image.open(parent.path)))


def test_one_image_alone_is_interpolated_with_its_own_copies(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 9, "yellow": 1}})
    summary = synth.generate(synth.open_dataset(data), None, recipe_for(9), tmp_path / "out")
    assert summary.classes["yellow"].accepted == 8
    assert any("yellow: there is only one image" in warning for warning in summary.warnings)
    rows = rows_of(tmp_path / "out")
    assert {len(row.parents) for row in rows} == {1}
    assert {row.params["k"] for row in rows} == {0}
    assert len({row.pixels_sha256 for row in rows}) == 8


def test_one_image_alone_without_effects_is_refused_as_copies(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 9, "yellow": 1}})
    summary = synth.generate(synth.open_dataset(data), None, recipe_for(9, smote__augment="off"), tmp_path / "out")
    assert summary.short
    assert summary.classes["yellow"].rejected.get("copy", 0) > 0


def test_a_class_of_one_image_repeated_is_one_image(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 9}})
    save(data / "yellow", [np.asarray(picture("yellow", 1))] * 6)
    summary = synth.generate(synth.open_dataset(data), None, recipe_for(12), tmp_path / "out")
    assert summary.classes["yellow"].accepted == 6
    assert any("yellow: there is only one image" in warning for warning in summary.warnings)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 2), (5, 4), (6, 5), (9, 5)])
def test_small_classes_have_fewer_neighbours_and_say_so(tmp_path: Path, n: int, k: int) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 12, "yellow": n}})
    summary = synth.generate(synth.open_dataset(data), None, recipe_for(n + 6, smote__reach=0), tmp_path / "out")
    assert summary.classes["yellow"].accepted == 6
    assert {row.params["k"] for row in rows_of(tmp_path / "out")} == {k}
    said = [warning for warning in summary.warnings if f"k = {k} instead of 5, because there are {n} images" in warning]
    assert bool(said) == (k < 5)


def test_two_distant_modes_are_not_bridged_and_it_is_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    modes = [np.full((24, 24, 3), level, np.int16) for level in (40, 200)]
    images = [(modes[i % 2] + rng.integers(-9, 9, (24, 24, 3))).astype(np.uint8) for i in range(8)]
    save(tmp_path / "data/yellow", images)
    save(tmp_path / "data/red", images[:2])
    recipe = recipe_for(30)
    made = candidates(tmp_path / "data", recipe, 40)
    for candidate in made:
        assert len({int(parent.id[-5]) % 2 for parent in candidate.parents}) == 1
    generator = open_generator(Context(recipe, synth.open_dataset(tmp_path / "data").train))
    assert any("16 of 40 neighbours are too far apart" in line for line in generator.remarks(["yellow"]))
    assert any(
        len({int(parent.id[-5]) % 2 for parent in candidate.parents}) == 2
        for candidate in candidates(tmp_path / "data", recipe_for(30, smote__reach=0), 40)
    )


def test_borderline_takes_those_near_other_classes_only() -> None:
    points = np.array([[0.0], [1.0], [2.0], [3.2], [20.0]])
    others = np.array([[3.5], [4.0], [5.0], [19.7], [19.8], [20.3]])
    found = neighbour_graph(points, others, Smote(parents="borderline", m_neighbors=3, reach=0))
    assert found.weights is not None
    assert found.weights.tolist() == [0, 0, 0, 1, 0]  # the last lies among others alone: noise


def test_adaptive_takes_an_image_the_more_often_the_nearer_others_are() -> None:
    points, others = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[3.5], [4.0], [4.5]])
    found = neighbour_graph(points, others, Smote(parents="adaptive", m_neighbors=3, reach=0))
    assert found.weights is not None
    assert found.weights.tolist() == [0, 0, 1 / 3, 2 / 3]


def test_the_step_keeps_to_its_range(lights: Path) -> None:
    steps = [c.params["step"] for c in candidates(lights, recipe_for(smote__step=[0.2, 0.4]), 50)]
    assert 0.2 <= min(steps) < max(steps) <= 0.4


def test_an_interpolated_image_takes_no_flip_that_makes_another_class(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"left": 6, "right": 6}})
    recipe = recipe_for(augment__label_map={"flip_horizontal": {"left": "right"}})
    made = candidates(data, recipe, 40, "left")
    assert not any("flip_horizontal" in c.params[side] for c in made for side in ("first", "second"))


def test_each_parent_is_changed_by_draws_of_its_own_and_never_blurred(lights: Path) -> None:
    drawn = [c.params for c in candidates(lights, recipe_for(), 60)]
    both = [params for params in drawn if "rotate" in params["first"] and "rotate" in params["second"]]
    assert len(both) > 5
    assert all(params["first"]["rotate"] != params["second"]["rotate"] for params in both)
    assert not any("blur" in params[side] for params in drawn for side in ("first", "second"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "smote", "--set", "smote.space=latent"], "synth train autoencoder"),
        (["--method", "smote", "--set", "smote.space=features"], "needs a judge"),
        (["--method", "smote", "--bundle", "nowhere"], "nowhere"),
        (["--method", "augment", "--bundle", "nowhere"], "works without a trained network"),
        (["--method", "smote", "--set", "smote.step=[0.5,1.5]"], "0..1"),
        (["--method", "smote", "--set", "smote.parents=border"], "borderline"),
    ],
)
def test_a_mistake_is_one_line(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run("generate", lights, tmp_path / "out", "--quiet", *arguments) in (1, 2)
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
