"""Folds for cross-fitting: no group is cut, rare classes are spread, order does not matter."""

from __future__ import annotations

import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dataset, picture
from PIL import Image

from synth.data.dataset import open_dataset
from synth.data.duplicates import distinct_counts
from synth.data.folds import folds_of, groups_of
from synth.records import Item


def items_of(folder: Path, counts: Mapping[str, int]) -> list[Item]:
    """Training images in class folders, each a picture of its own."""
    return list(open_dataset(make_dataset(folder, {"": counts}, suffix=".png")).items)


def spread(items: list[Item], folds: np.ndarray, n_folds: int) -> dict[str, list[int]]:
    """{class: images in each fold}, sorted."""
    table: dict[str, list[int]] = defaultdict(lambda: [0] * n_folds)
    for item, fold in zip(items, folds, strict=True):
        table[item.label][fold] += 1
    return {label: sorted(row) for label, row in table.items()}


def test_rare_classes_are_spread_and_folds_are_even(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 31, "green": 12, "yellow": 5, "blue": 3, "white": 1})
    folds = folds_of(items, 5, seed=0)
    assert spread(items, folds, 5) == {
        "red": [6, 6, 6, 6, 7],
        "green": [2, 2, 2, 3, 3],
        "yellow": [1, 1, 1, 1, 1],
        "blue": [0, 0, 1, 1, 1],
        "white": [0, 0, 0, 0, 1],
    }
    assert set(Counter(folds.tolist()).values()) <= {10, 11}


def test_all_classes_smaller_than_the_folds(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 2, "green": 3})
    assert spread(items, folds_of(items, 5, seed=0), 5) == {"red": [0, 0, 0, 1, 1], "green": [0, 0, 1, 1, 1]}


def test_folds_belong_to_images_and_not_to_their_order(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 20, "green": 7})
    grouped = [replace(item, group=f"scene {index % 9}") for index, item in enumerate(items)]
    by_id = dict(zip([item.id for item in grouped], folds_of(grouped, 4, seed=1).tolist(), strict=True))
    for seed in range(3):
        shuffled = random.Random(seed).sample(grouped, len(grouped))
        assert [by_id[item.id] for item in shuffled] == folds_of(shuffled, 4, seed=1).tolist()


def test_the_seed_gives_other_folds(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 20, "green": 7})
    assert len({folds_of(items, 4, seed=seed).tobytes() for seed in range(5)}) == 5


def test_no_group_is_cut_and_classes_stay_even(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 40, "green": 20, "yellow": 6})
    # Groups of three, across classes where one ends within a group.
    grouped = [replace(item, group=f"patient {index // 3}") for index, item in enumerate(items)]
    folds = folds_of(grouped, 3, seed=0)
    homes = defaultdict(set)
    for item, fold in zip(grouped, folds, strict=True):
        homes[item.group].add(fold)
    assert all(len(home) == 1 for home in homes.values())
    table = spread(grouped, folds, 3)
    assert max(table["yellow"]) <= 3
    assert all(max(row) - min(row) <= 3 for row in table.values())


def test_a_class_in_one_group_is_split_by_image_and_that_is_said(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 9, "yellow": 4})
    grouped = [replace(item, group="video" if item.label == "yellow" else None) for item in items]
    assert spread(grouped, folds_of(grouped, 3, seed=0), 3)["yellow"] == [1, 1, 2]
    (warning,) = groups_of(grouped).warnings
    assert "yellow (4 images in 1 group)" in warning
    assert "1 group for 4 images" in warning
    in_pairs = [replace(item, group=f"{item.label} {index // 2}") for index, item in enumerate(items)]
    assert groups_of(in_pairs).warnings == ()
    assert groups_of(in_pairs).n == 8


def test_one_stated_group_for_all_leaves_pictures_together(repeated: list[Item]) -> None:
    stated = [replace(item, group="nan") for item in repeated]
    groups = groups_of(stated)
    assert partition(stated, groups.numbers) == {frozenset({str(n), name}) for n, name in enumerate(NAMES)}
    assert "red (13 images in 1 group)" in groups.warnings[0]


@pytest.mark.parametrize("n_scenes", [1, 2])
def test_a_fixed_camera_is_split_by_image_and_its_images_are_distinct(tmp_path: Path, n_scenes: int) -> None:
    rng = np.random.default_rng(0)
    blobs = [Image.fromarray(rng.integers(20, 230, (6, 6, 3), np.uint8)) for _ in range(n_scenes)]
    scenes = [np.asarray(each.resize((48, 48), Image.Resampling.BICUBIC), float) for each in blobs]
    for label, n in (("good", 20), ("scratched", 6)):
        (tmp_path / label).mkdir()
        for index in range(n):
            scene = scenes[index % n_scenes]
            pixels = scene * rng.uniform(0.97, 1.03) + rng.normal(0, 3, scene.shape)
            pixels[24, 4 : 4 + 10 * (label == "scratched")] = 0
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / label / f"{index}.png")
    shutil.copy(tmp_path / "good/0.png", tmp_path / "good/copy.png")
    picture("green", 1, size=(48, 48)).save(tmp_path / "good/other.png")
    items = open_dataset(tmp_path).items
    groups, folds = groups_of(items), folds_of(items, 5, seed=0)
    assert groups.n == 27
    assert spread(list(items), folds, 5) == {"good": [4, 4, 4, 5, 5], "scratched": [1, 1, 1, 1, 2]}
    (warning,) = groups.warnings
    assert "good (22 images), scratched (6 images)" in warning
    assert distinct_counts(items) == {"good": 21, "scratched": 6}


def test_copies_of_one_picture_are_not_divided(tmp_path: Path) -> None:
    items = items_of(tmp_path, {"red": 8})
    copies = [replace(items[0], id=f"same/{index}", label="same") for index in range(5)]
    both = [*items[1:], *copies]
    assert spread(both, folds_of(both, 3, seed=0), 3)["same"] == [0, 0, 5]
    assert "same (5 images)" in groups_of(both).warnings[0]
    assert distinct_counts(both) == {"red": 7, "same": 1}


@pytest.fixture
def repeated(tmp_path: Path) -> list[Item]:
    """Ten pictures; the first three also saved again: resized, as JPEG, and brighter."""
    folder = tmp_path / "repeated" / "red"
    folder.mkdir(parents=True)
    for index in range(10):
        image = picture("red", index, size=(48, 48))
        image.save(folder / f"{index}.png")
        if index == 0:
            image.resize((96, 96), Image.Resampling.BICUBIC).save(folder / "0-large.png")
        if index == 1:
            image.save(folder / "1-again.jpg", quality=90)
        if index == 2:
            Image.fromarray((np.asarray(image) * 0.8).astype(np.uint8)).save(folder / "2-darker.png")
    return list(open_dataset(folder.parent).items)


def partition(items: list[Item], numbers: np.ndarray) -> set[frozenset[str]]:
    found = defaultdict(set)
    for item, number in zip(items, numbers, strict=True):
        found[number].add(Path(item.id).stem)
    return {frozenset(names) for names in found.values() if len(names) > 1}


def test_the_same_picture_is_one_group(repeated: list[Item]) -> None:
    groups = groups_of(repeated).numbers
    assert partition(repeated, groups) == {frozenset({str(n), name}) for n, name in enumerate(NAMES)}
    assert set(groups.tolist()) == set(range(10))


NAMES = ("0-large", "1-again", "2-darker")


def test_stated_groups_and_pictures_join(repeated: list[Item]) -> None:
    scenes = {"0": "a", "5": "a", "1-again": "b", "0-large": "b"}
    stated = [replace(item, group=scenes.get(Path(item.id).stem)) for item in repeated]
    expected = {frozenset({"0", "0-large", "5", "1", "1-again"}), frozenset({"2", "2-darker"})}
    assert partition(stated, groups_of(stated).numbers) == expected
    folds = dict(zip([Path(item.id).stem for item in stated], folds_of(stated, 5, seed=0).tolist(), strict=True))
    assert len({folds[name] for name in ("0", "0-large", "5", "1", "1-again")}) == 1


def test_nothing_has_no_folds() -> None:
    assert groups_of([]).n == 0
    assert folds_of([], 5, seed=0).shape == (0,)
