"""The `repr` of every public object fits on a screen, however much it holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import synth
from synth.demo.run import Demo
from synth.errors import SynthError, UsageError
from synth.measures import paired, scores
from synth.records import Item
from synth.runs.selection import Selection
from synth.trials import results

LONGEST = 300
NOT_REACHED = {results.Outcome, scores.Points}


def is_public_record(kind: object) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind not in NOT_REACHED


PUBLIC = [kind for name in synth.__all__ if isinstance(kind := getattr(synth, name), type)]
INSIDE = [kind for room in (results, scores, paired) for kind in vars(room).values() if is_public_record(kind)]
"""Records inside a verdict and a quality, which a person reaches by their fields."""
RECORDS = [kind for kind in (*PUBLIC, *INSIDE, Demo, Selection) if dataclasses.is_dataclass(kind)]
LARGE = [
    {f"class {k}": {"train": k, "test": k} for k in range(1000)},
    tuple(f"train/class/{k}.png" for k in range(1000)),
    "word " * 1000,
    np.zeros((64, 64, 3), np.uint8),
    bytes(5000),
]
BIG_ITEM = Item(*["x" * 5000] * len(dataclasses.fields(Item)))  # type: ignore[arg-type]


def holding(kind: type, value: object) -> object:
    """A record whose every field holds the same value, whatever its type should be."""
    record = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(record, field.name, value)
    return record


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_records(kind: type) -> None:
    for value in (*LARGE, BIG_ITEM, (BIG_ITEM, BIG_ITEM), {"a": {"b": BIG_ITEM}}):
        text = repr(holding(kind, value))
        assert text.startswith(f"{kind.__name__}(")
        assert len(text) < LONGEST


def test_all_other_public_objects() -> None:
    others: list[Any] = [
        synth.Row(*LARGE, *["x" * 5000] * (len(synth.Row._fields) - len(LARGE))),
        synth.Recipe(target={f"class {k}": k for k in range(1000)}, classes=[f"class {k}" for k in range(1000)]),
        synth.ImageSMOTE(dict.fromkeys(range(1000), 9), folder="x" * 500),
        object.__new__(synth.Judge),
        object.__new__(synth.LatentSpace),
    ]
    assert {type(each) for each in others} == {*PUBLIC, Demo, Selection} - {*RECORDS, SynthError}
    for each in others:
        assert len(repr(each)) < LONGEST
        assert len(str(each)) < LONGEST


def test_a_repr_tells_what_matters() -> None:
    assert repr(synth.Recipe(seed=7, target={"yellow": 350})) == "Recipe(seed=7, target={'yellow': 350})"
    assert repr(synth.ClassPlan(9, 0, 12, 3)).startswith("ClassPlan(real=9, existing=0, target=12, planned=3, ")
    assert repr(synth.Finding("blank", ("a.png",), "one")) == "Finding(kind='blank', paths=['a.png'], message='one')"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tarjet": 3}, 'recipe: unknown key "tarjet"; did you mean "target"?'),
        ({"augment": {"fil": "edge"}}, 'recipe: unknown key "augment.fil"; did you mean "fill"?'),
        ({"seed": -1}, "recipe: seed: Input should be greater than or equal to 0, got -1"),
    ],
)
def test_a_wrong_setting_in_python_gets_the_line_of_the_shell(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        synth.Recipe(**settings)
    assert str(error.value) == message
