"""Findings of `inspect`: each is there when its cause is planted, and a sound dataset gives none."""

from __future__ import annotations

import io
import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse.csgraph import connected_components

from synth.data.dataset import open_dataset
from synth.data.duplicates import NEAR_BITS, near_groups
from synth.data.health import Inspection, inspect
from synth.settings.recipe import Data

Pixels = npt.NDArray[np.uint8]
N_TRAIN, N_TEST = 8, 3


def picture(seed: int, *, width: int = 40, height: int = 32) -> Pixels:
    """Smooth blobs of colour, other ones for each seed: (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def save(pixels: npt.NDArray[np.generic], path: Path, *, quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=quality)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Two classes of 8 and 3 images in train and test, nothing wrong with them."""
    for place, label in enumerate(("cat", "dog")):
        for split, n in (("train", N_TRAIN), ("test", N_TEST)):
            for i in range(n):
                seed = 1000 * place + 100 * (split == "test") + i
                save(picture(seed), tmp_path / split / label / f"{i}.png")
    return tmp_path


def found(root: Path, data: Data | None = None) -> Inspection:
    return inspect(open_dataset(root, data))


def kinds(root: Path, data: Data | None = None) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in found(root, data).findings))


def paths_of(root: Path, kind: str) -> tuple[str, ...]:
    (finding,) = (finding for finding in found(root).findings if finding.kind == kind)
    return finding.paths


def message_of(root: Path, kind: str) -> str:
    (finding,) = (finding for finding in found(root).findings if finding.kind == kind)
    return finding.message


def test_sound_dataset_has_no_finding(sound: Path) -> None:
    inspection = found(sound)
    assert inspection.findings == ()
    assert inspection.imbalance_ratio == 1.0
    assert inspection.classes["cat"] == {"train": N_TRAIN, "test": N_TEST}


def test_files_add_up_and_json_is_plain(sound: Path) -> None:
    (sound / "train/cat/notes.txt").write_text("hello")
    (sound / "train/cat/broken.png").write_bytes(b"\x89PNG nothing")
    inspection = found(sound)
    assert inspection.files == {"found": 24, "used": 22, "skipped": 1, "refused": 1}
    document = json.loads(json.dumps(inspection.to_json(), allow_nan=False))
    assert document["skipped"] == [{"kind": ".txt", "n": 1}]
    assert [row["path"] for row in document["refused"]] == ["train/cat/broken.png"]
    keys = ["classes", "distinct", "imbalance_ratio", "files", "groups", "findings", "refused", "skipped"]
    assert list(document) == keys


def test_exact_duplicates_are_not_near_duplicates_too(sound: Path) -> None:
    save(picture(0), sound / "train/cat/again.png")
    save(picture(0), sound / "train/cat/again.bmp")
    assert kinds(sound) == {"exact_duplicates": 1}
    assert paths_of(sound, "exact_duplicates") == (
        "train/cat/0.png",
        "train/cat/again.bmp",
        "train/cat/again.png",
    )


def brighter(pixels: Pixels) -> Pixels:
    return np.round(pixels * 0.9).astype(np.uint8)


def noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(5).normal(0, 1.5, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def saved_as_jpeg(pixels: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file))


def resized(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((60, 48), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("change", [brighter, noisy, saved_as_jpeg, resized])
def test_near_duplicates(sound: Path, change: Callable[[Pixels], Pixels]) -> None:
    save(change(picture(0)), sound / "train/cat/again.png")
    assert kinds(sound) == {"near_duplicates": 1}
    assert paths_of(sound, "near_duplicates") == ("train/cat/0.png", "train/cat/again.png")


def test_recoloured_image_is_no_near_duplicate(sound: Path) -> None:
    one = np.zeros((32, 32, 3), np.uint8)
    one[8:24, 8:24, 0] = 200
    save(one, sound / "train/cat/red.png")
    save(one[:, :, ::-1].copy(), sound / "train/cat/blue.png")
    assert kinds(sound) == {}


@pytest.mark.parametrize(("change", "word"), [(np.copy, "the same pixels"), (noisy, "look nearly")])
def test_label_conflict(sound: Path, change: Callable[[Pixels], Pixels], word: str) -> None:
    save(change(picture(0)), sound / "train/dog/again.png")
    assert kinds(sound) == {"label_conflict": 1}
    assert paths_of(sound, "label_conflict") == ("train/cat/0.png", "train/dog/again.png")
    assert word in message_of(sound, "label_conflict")


@pytest.mark.parametrize("change", [np.copy, noisy])
def test_split_leak_keeps_the_test_side(sound: Path, change: Callable[[Pixels], Pixels]) -> None:
    save(change(picture(0)), sound / "test/cat/again.png")
    assert kinds(sound) == {"split_leak": 1}
    assert paths_of(sound, "split_leak") == ("test/cat/again.png", "train/cat/0.png")
    assert message_of(sound, "split_leak").endswith("keep it in test, remove train/cat/0.png")


def test_leak_over_three_splits_keeps_test_alone(sound: Path) -> None:
    for split, label in (("val", "cat"), ("val", "dog"), ("test", "cat")):
        save(picture(0 if label == "cat" else 600), sound / split / label / "again.png")
    assert kinds(sound) == {"split_leak": 1}
    assert "keep it in test, remove train/cat/0.png, val/cat/again.png" in message_of(sound, "split_leak")


def test_one_image_in_another_class_and_split_is_both(sound: Path) -> None:
    save(picture(0), sound / "test/dog/again.png")
    assert kinds(sound) == {"label_conflict": 1, "split_leak": 1}


def test_group_leak(sound: Path) -> None:
    save(picture(51), sound / "train/cat/p7_a.png")
    save(picture(52), sound / "test/cat/p7_b.png")
    save(picture(53), sound / "train/cat/p8_a.png")
    data = Data(groups=r"(p\d)_")
    assert kinds(sound, data) == {"group_leak": 1, "no_group": 1}
    assert found(sound, data).groups == {"n": 2, "images": 3}
    assert found(sound).groups is None


@pytest.mark.parametrize(("n", "word"), [(1, "1 image "), (2, "smote"), (5, "smote")])
def test_tiny_class(sound: Path, n: int, word: str) -> None:
    for i in range(n):
        save(picture(500 + i), sound / f"train/owl/{i}.png")
    assert kinds(sound).get("tiny_class") == 1
    assert word in message_of(sound, "tiny_class")


def test_class_without_images_and_class_only_in_test(sound: Path) -> None:
    (sound / "train/owl").mkdir()
    assert kinds(sound) == {"tiny_class": 1}
    save(picture(500), sound / "test/owl/0.png")
    assert kinds(sound) == {"class_only_in": 1}


def test_imbalance(sound: Path) -> None:
    for i in range(N_TRAIN, 3 * N_TRAIN):
        save(picture(i), sound / f"train/cat/{i}.png")
    assert kinds(sound) == {"imbalance": 1}
    assert found(sound).imbalance_ratio == 3.0
    assert "3.0 to 1" in message_of(sound, "imbalance")


def test_single_class(tmp_path: Path) -> None:
    for i in range(6):
        save(picture(i), tmp_path / f"cat/{i}.png")
    assert kinds(tmp_path) == {"single_class": 1}


def test_no_usable_image_at_all(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    assert kinds(tmp_path) == {"tiny_class": 2}
    assert found(tmp_path).imbalance_ratio is None


@pytest.mark.parametrize(("kind", "low", "high"), [("blank", 90, 90), ("dark", 0, 20), ("light", 235, 255)])
def test_levels(sound: Path, kind: str, low: int, high: int) -> None:
    save((low + picture(77) * ((high - low) / 255)).astype(np.uint8), sound / "train/cat/odd.png")
    assert kinds(sound) == {kind: 1}
    assert paths_of(sound, kind) == ("train/cat/odd.png",)


def test_blank_images_are_no_near_duplicates(sound: Path) -> None:
    for level in (30, 60):
        save(np.full((32, 40), level, np.uint8), sound / f"train/cat/blank{level}.png")
    assert kinds(sound) == {"blank": 1, "mixed_modes": 1}


def test_odd_size(sound: Path) -> None:
    save(picture(77, width=400, height=300), sound / "train/cat/large.png")
    assert kinds(sound) == {"odd_size": 1}
    assert paths_of(sound, "odd_size") == ("train/cat/large.png",)


def test_mixed_sizes(sound: Path) -> None:
    for i in range(6):
        save(picture(70 + i, width=400, height=320), sound / f"train/cat/large{i}.png")
    assert kinds(sound) == {"mixed_sizes": 1}


def test_one_grey_image_among_colour(sound: Path) -> None:
    save(picture(77)[:, :, 0], sound / "train/cat/grey.png")
    assert kinds(sound) == {"mixed_modes": 1}
    assert paths_of(sound, "mixed_modes") == ("train/cat/grey.png",)
    assert "classifier" not in message_of(sound, "mixed_modes")


@pytest.mark.parametrize("wide", [False, True])
def test_a_class_of_another_mode(sound: Path, wide: bool) -> None:
    for path in sorted(sound.glob("*/dog/*.png")):
        grey = np.asarray(Image.open(path).convert("L"))
        save(grey.astype(np.uint16) * 257 if wide else grey, path)
    assert kinds(sound) == {"mixed_modes": 1}
    assert "dog is mostly " + ("16-bit grey" if wide else "grey") in message_of(sound, "mixed_modes")


def test_a_class_of_another_format(sound: Path) -> None:
    for path in sorted(sound.glob("*/dog/*.png")):
        save(np.asarray(Image.open(path)), path.with_suffix(".jpg"), quality=90)
        path.unlink()
    assert kinds(sound) == {"mixed_formats_by_class": 1}
    assert "dog mostly jpeg, the others png" in message_of(sound, "mixed_formats_by_class")


def test_a_class_of_another_jpeg_quality(sound: Path) -> None:
    for path in sorted(sound.rglob("*.png")):
        quality = 60 if path.parent.name == "dog" else 95
        save(np.asarray(Image.open(path)), path.with_suffix(".jpg"), quality=quality)
        path.unlink()
    assert kinds(sound) == {"mixed_formats_by_class": 1}
    assert "dog mostly of quality 60" in message_of(sound, "mixed_formats_by_class")


def test_nearly_the_same_jpeg_quality_is_no_finding(sound: Path) -> None:
    for path in sorted(sound.rglob("*.png")):
        quality = 82 if path.parent.name == "dog" else 83
        save(np.asarray(Image.open(path)), path.with_suffix(".jpg"), quality=quality)
        path.unlink()
    assert kinds(sound) == {}


def test_formats_mixed_alike_in_all_classes_are_no_finding(sound: Path) -> None:
    for path in sorted(sound.rglob("[0-3].png")):
        save(np.asarray(Image.open(path)), path.with_suffix(".jpg"), quality=90)
        path.unlink()
    assert kinds(sound) == {}


def test_odd_extension(sound: Path) -> None:
    file = save(picture(77), sound / "train/cat/odd.png")
    file.rename(file.with_suffix(".jpg"))
    assert kinds(sound) == {"odd_extension": 1}


def test_first_frame_only(sound: Path) -> None:
    frames = [Image.fromarray(picture(seed)) for seed in (77, 78)]
    frames[0].save(sound / "train/cat/moving.png", save_all=True, append_images=frames[1:])
    assert kinds(sound) == {"first_frame_only": 1}


def test_alpha(sound: Path) -> None:
    opaque = np.full((32, 40, 1), 200, np.uint8)
    save(np.concatenate([picture(77), opaque], axis=2), sound / "train/cat/clear.png")
    assert kinds(sound) == {"alpha": 1}


@pytest.mark.parametrize("name", ["CON.png", "nul.tar.png", "a:b.png", "0.PNG"])
def test_file_names_that_are_not_portable(sound: Path, name: str) -> None:
    save(picture(77), sound / "train/cat" / name)
    assert kinds(sound) == {"not_portable": 1}
    assert f"train/cat/{name}" in paths_of(sound, "not_portable")


@pytest.mark.parametrize("label", ["Cat", "con", "owl.", "owl ", unicodedata.normalize("NFD", "Çat")])
def test_class_names_that_are_not_portable(sound: Path, label: str) -> None:
    classes = [label, unicodedata.normalize("NFC", label)] if "\u0327" in label else [label]
    for place, name in enumerate(classes):
        for i in range(N_TRAIN):
            for split in ("train", "test"):
                save(picture(2000 + 100 * place + 20 * (split == "test") + i), sound / split / name / f"x{i}.png")
    assert kinds(sound) == {"not_portable": 1}
    assert paths_of(sound, "not_portable") == ()


def test_layout(sound: Path) -> None:
    save(picture(77), sound / "train/cat/inner/0.png")
    assert kinds(sound) == {"layout": 1}


def test_most_harmful_first(sound: Path) -> None:
    save(picture(0), sound / "train/dog/again.png")
    save(picture(1), sound / "test/cat/again.png")
    save(picture(2), sound / "train/cat/again.png")
    save(noisy(picture(3)), sound / "train/cat/near.png")
    save(picture(77), sound / "train/cat/inner/0.png")
    save(picture(78), sound / "train/cat/CON.png")
    save(np.full((32, 40, 3), 90, np.uint8), sound / "train/cat/blank.png")
    save(picture(79)[:, :, 0], sound / "train/cat/grey.png")
    save(picture(51), sound / "train/cat/p7_a.png")
    save(picture(52), sound / "test/cat/p7_b.png")
    save(picture(500), sound / "test/bird/0.png")
    (sound / "train/ape").mkdir()
    order = [finding.kind for finding in found(sound, Data(groups=r"(p\d)_")).findings]
    assert order == [
        "label_conflict",
        "split_leak",
        "group_leak",
        "class_only_in",
        "tiny_class",
        "class_numbers",
        "mixed_modes",
        "exact_duplicates",
        "near_duplicates",
        "blank",
        "not_portable",
        "layout",
        "no_group",
    ]


def test_same_findings_each_time_and_one_per_group(sound: Path) -> None:
    for i in range(4):
        save(noisy(picture(i)), sound / f"train/cat/again{i}.png")
    assert found(sound).findings == found(sound).findings
    assert kinds(sound) == {"near_duplicates": 4}


def test_file_that_is_gone_since_it_was_indexed(sound: Path) -> None:
    file = save(noisy(picture(0)), sound / "train/cat/again.png")
    dataset = open_dataset(sound)
    file.unlink()
    assert inspect(dataset).findings == ()


def select_by_cluster(seed: int, n_centres: int, per_centre: int) -> npt.NDArray[np.uint64]:
    """Random hashes, each with copies that differ in 0 to 26 bits."""
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.integers(0, 2, (n_centres, 256), np.uint8), per_centre, axis=0)
    for row in bits:
        row[rng.choice(256, rng.integers(0, 27), replace=False)] ^= 1
    return np.packbits(rng.permutation(bits), axis=1).view(np.uint64)


def yes(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.ones(len(a), bool)


def partition(groups: npt.NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == group).tolist()) for group in np.unique(groups)}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 12))
def test_search_equals_brute_force(seed: int, n_centres: int, per_centre: int) -> None:
    hashes = select_by_cluster(seed, n_centres, per_centre)
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    expected = connected_components(distances <= NEAR_BITS, directed=False)[1]
    groups, n_cut = near_groups(hashes, yes)
    assert n_cut == 0
    assert partition(groups) == partition(expected)


def test_search_asks_no_pair_twice() -> None:
    asked: Counter[tuple[int, int]] = Counter()

    def no(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        asked.update(zip(a.tolist(), b.tolist(), strict=True))
        return np.zeros(len(a), bool)

    groups, _ = near_groups(select_by_cluster(3, 20, 8), no)
    assert len(np.unique(groups)) == 160
    assert asked
    assert max(asked.values()) == 1


def test_search_says_when_it_is_cut_short() -> None:
    same = np.zeros((300, 4), np.uint64)
    same[:, 0] = np.arange(300)  # all within 9 bits of each other
    groups, n_cut = near_groups(same, yes)
    assert (len(np.unique(groups)), n_cut) == (1, 0)  # joined through neighbours: nothing is missing
    _, n_cut = near_groups(same, lambda a, b: ~yes(a, b))
    assert n_cut == 300
