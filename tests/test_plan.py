"""Targets, caps and class weights."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from conftest import Run, make_dataset

import synth
from synth.errors import UsageError
from synth.settings.recipe import parse_target


@pytest.fixture
def dataset(lights: Path) -> synth.Dataset:
    """Training: 8 green, 12 red, 3 yellow."""
    return synth.open_dataset(lights)


@pytest.mark.parametrize(
    ("target", "new"),
    [
        ("majority", {"green": 4, "yellow": 9}),
        ("mean", {"yellow": 5}),
        ("median", {"yellow": 5}),
        (10, {"green": 2, "yellow": 7}),
        ("2x", {"green": 8, "red": 12, "yellow": 3}),
        ("1.5x", {"green": 4, "red": 6, "yellow": 2}),
        ({"yellow": 7}, {"yellow": 4}),
        ({"yellow": 2}, {}),
        (0, {}),
    ],
)
def test_target(dataset: synth.Dataset, target: int | str | dict[str, int], new: dict[str, int]) -> None:
    assert dict(synth.make_plan(dataset, target).new) == new


def test_cap_is_per_real_image_and_said(dataset: synth.Dataset) -> None:
    plan = synth.make_plan(dataset, 100, 2)
    assert plan.classes["yellow"].planned == 6
    assert "the target needs 97" in plan.classes["yellow"].note
    assert synth.make_plan(dataset, 100, 0).new == {}


def test_existing_images_count(dataset: synth.Dataset) -> None:
    assert synth.make_plan(dataset, "majority", existing={"yellow": 5}).new == {"green": 4, "yellow": 4}


def test_a_class_without_training_images_gets_none(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": {"red": 4, "yellow": 0}, "test": {"yellow": 1}})
    plan = synth.make_plan(synth.open_dataset(data))
    assert plan.new == {}
    assert plan.classes["yellow"].note == "no training image to start from"


@pytest.mark.parametrize(
    ("target", "word"), [("most", "majority"), ({"yelow": 5}, 'did you mean "yellow"'), ("-3", "a number"), ("x", "2x")]
)
def test_a_wrong_target_says_what_is_expected(dataset: synth.Dataset, target: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        synth.make_plan(dataset, target)


@pytest.mark.parametrize(
    ("text", "target"),
    [("majority", "majority"), ("350", 350), ("2x", "2x"), ("yellow=350, green=500", {"yellow": 350, "green": 500})],
)
def test_targets_as_typed(text: str, target: object) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["yellow=", "yellow=many", "yellow=3,green"])
def test_a_target_that_is_no_number(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=NUMBER"):
        parse_target(text)


SEED_CASE = {"green": 41, "red": 56, "yellow": 3}


def test_inverse_weights_of_the_seed_case() -> None:
    weights = synth.class_weights({"red": 56, "yellow": 3, "green": 41}, "inverse")
    assert {label: round(weight, 1) for label, weight in weights.items()} == {"red": 1.8, "yellow": 33.3, "green": 2.4}


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    weights = synth.class_weights(SEED_CASE, "balanced")
    assert weights == pytest.approx({label: 100 / (3 * n) for label, n in SEED_CASE.items()})


def test_sqrt_and_effective_weights_lie_between_none_and_inverse() -> None:
    assert synth.class_weights(SEED_CASE, "sqrt")["yellow"] == pytest.approx((100 / 3) ** 0.5)
    effective = synth.class_weights({"a": 10_000, "b": 10}, "effective")
    assert sum(effective.values()) == pytest.approx(2)
    assert 1 < effective["b"] / effective["a"] < 1000


def test_an_empty_class_has_no_weight() -> None:
    assert synth.class_weights({"a": 4, "b": 0}) == {"a": 1.0, "b": 0.0}


def test_weights_of_a_filled_folder(lights: Path, tmp_path: Path) -> None:
    synth.generate(synth.open_dataset(lights), None, synth.Recipe(), tmp_path / "out")
    filled = synth.open_dataset(tmp_path / "out")
    assert synth.class_weights(filled, "balanced") == pytest.approx({"green": 1, "red": 1, "yellow": 1})
    assert synth.class_weights(filled, "balanced", filled=False)["yellow"] == pytest.approx(23 / 9)


def test_a_wrong_scheme() -> None:
    with pytest.raises(UsageError, match="inverse, balanced, effective, sqrt"):
        synth.class_weights({"a": 1}, "heavy")


@pytest.mark.parametrize(
    ("factor", "n", "total"), [(1.15, 100, 115), (0.29, 100, 29), (2.3, 100, 230), (1e308, 100, 900)]
)
def test_products_of_decimals_are_exact(dataset: synth.Dataset, factor: float, n: int, total: int) -> None:
    item = dataset.train["yellow"][0]
    common = tuple(dataclasses.replace(item, id=f"red/{k}", label="red") for k in range(1000))
    rare = tuple(dataclasses.replace(item, id=f"yellow/{k}") for k in range(n))
    plan = synth.make_plan(dataclasses.replace(dataset, items=(*common, *rare)), cap=factor)
    assert plan.classes["yellow"].planned == total


def test_a_multiple_of_a_class_is_exact(dataset: synth.Dataset) -> None:
    item = dataset.train["yellow"][0]
    rare = tuple(dataclasses.replace(item, id=f"yellow/{k}") for k in range(100))
    assert synth.make_plan(dataclasses.replace(dataset, items=rare), "1.15x").classes["yellow"].target == 115


def test_copies_count_once_where_that_is_asked_for(lights: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    first = min((lights / "train/red").iterdir())
    for number in range(6):
        shutil.copy(first, lights / f"train/red/copy-{number}.jpg")
    dataset = synth.open_dataset(lights)
    assert dict(synth.make_plan(dataset).new) == {"green": 10, "yellow": 15}
    distinct = synth.make_plan(dataset, cap=2, count="distinct")
    assert dict(distinct.new) == {"green": 4, "yellow": 6}
    assert (distinct.classes["red"].real, distinct.classes["red"].distinct) == (18, 12)
    assert run("plan", lights, "--count", "distinct", "--json", "--quiet") == 0
    assert json.loads(capsys.readouterr().out)["new"] == 4 + 9
    assert synth.inspect(dataset).distinct == {"green": 8, "red": 12, "yellow": 3}
