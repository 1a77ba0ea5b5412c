"""Splits: groups stay together, every image is held out, and no more is learned from than was asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dataset

import synth
from synth.records import Item
from synth.settings.trial import Trial
from synth.trials.splits import splits_of


def items_of(root: Path, counts: dict[str, int]) -> list[Item]:
    dataset = synth.open_dataset(make_dataset(root, {"": counts}))
    return [item for found in dataset.train.values() for item in found]


def test_each_image_is_held_out_once_in_as_many_splits_as_there_are_folds(tmp_path: Path) -> None:
    items = items_of(tmp_path / "data", {"red": 20, "yellow": 5})
    splits = splits_of(items, Trial(splits=10), seed=3)
    for five in (splits[:5], splits[5:]):
        assert sorted(np.concatenate([split.held_out for split in five]).tolist()) == list(range(25))
    for split in splits:
        assert sorted([*split.train.tolist(), *split.held_out.tolist()]) == list(range(25))
        assert sum(items[index].label == "yellow" for index in split.held_out.tolist()) == 1
    assert {tuple(s.held_out.tolist()) for s in splits[:5]} != {tuple(s.held_out.tolist()) for s in splits[5:]}


def test_groups_stay_on_one_side(tmp_path: Path) -> None:
    items = [
        dataclasses.replace(item, group=f"scene {number // 3}")
        for number, item in enumerate(items_of(tmp_path / "data", {"red": 24, "yellow": 6}))
    ]
    for split in splits_of(items, Trial(keep={"red": 7}), seed=0):
        train, held_out = ({items[i].group for i in part.tolist()} for part in (split.train, split.held_out))
        assert not train & held_out
        assert sum(items[i].label == "red" for i in split.train.tolist()) in (6, 7)


def test_as_if_there_were_few(tmp_path: Path) -> None:
    items = items_of(tmp_path / "data", {"red": 20, "yellow": 12})
    splits = splits_of(items, Trial(splits=4, held_out=0.5, keep={"yellow": 2}), seed=0)
    kept = [[i for i in split.train.tolist() if items[i].label == "yellow"] for split in splits]
    assert [len(found) for found in kept] == [2, 2, 2, 2]
    assert len({tuple(found) for found in kept}) > 2
    assert all(len(split.train) + len(split.held_out) == len(items) for split in splits)
    assert all(sum(items[i].label == "red" for i in split.train.tolist()) == 10 for split in splits)


def test_the_same_images_in_another_order_are_split_alike(tmp_path: Path) -> None:
    items = items_of(tmp_path / "data", {"red": 20, "yellow": 5})
    turned = items[::-1]
    for a, b in zip(splits_of(items, Trial(), seed=1), splits_of(turned, Trial(), seed=1), strict=True):
        assert {items[i].id for i in a.held_out.tolist()} == {turned[i].id for i in b.held_out.tolist()}


def test_few_pictures_give_as_many_folds_and_one_picture_none(tmp_path: Path) -> None:
    red, yellow = items_of(tmp_path / "data", {"red": 1, "yellow": 1})
    copies = [dataclasses.replace(item, id=f"{item.label}/{n}") for item in (red, yellow) for n in range(6)]
    assert [len(split.held_out) for split in splits_of(copies, Trial(splits=4), seed=0)] == [6, 6, 6, 6]
    same = [dataclasses.replace(item, pixels_sha256="0", std=0.0) for item in copies]
    with pytest.raises(synth.SynthError, match="all 12 training images show one picture"):
        splits_of(same, Trial(), seed=0)
