"""Labels, splits and groups that tables and folder names give, as people write them; what readers of the output see."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, fill_folder, picture
from torchvision.datasets import ImageFolder

import synth
from synth.data.splits import split_hint, split_of
from synth.errors import DatasetError, UsageError
from synth.settings.recipe import Data


def folders(root: Path, counts: Mapping[str, int]) -> Path:
    """{folder: n} -> n pictures in each, all different."""
    for place, (folder, n) in enumerate(counts.items()):
        fill_folder(root / folder, "red", n, suffix=".png", first=100 * place)
    return root


def listed(root: Path, names: Sequence[str], text: str, *, encoding: str = "utf-8") -> Path:
    """Pictures by their paths, and a metadata.csv."""
    for index, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture("red", index).save(root / name)
    (root / "metadata.csv").write_bytes(text.encode(encoding))
    return root


def kinds(dataset: synth.Dataset) -> dict[str, synth.Finding]:
    return {finding.kind: finding for finding in synth.inspect(dataset).findings}


def labels(root: Path) -> dict[str, str]:
    return {item.id: item.label for item in synth.open_dataset(root).items}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(("encoding", "end"), [("utf-8", "\r\n"), ("utf-16", "\n"), ("utf-8-sig", "\r")])
def test_separators_and_encodings_that_spreadsheets_write(
    tmp_path: Path, separator: str, encoding: str, end: str
) -> None:
    text = f"file_name{separator}label\n1.png{separator}grün\n2.png{separator}rot_hell\n".replace("\n", end)
    listed(tmp_path, ["1.png", "2.png"], text, encoding=encoding)
    assert labels(tmp_path) == {"1.png": "grün", "2.png": "rot_hell"}


def test_a_row_with_too_many_fields_is_refused_by_the_line_on_which_it_begins(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(4)]
    listed(tmp_path, names, 'file_name,label,note\n0.png,a,"two\nlines"\n1.png,red, dark,x\n2.png,"b, c",\n3.png,a,,\n')
    dataset = synth.open_dataset(tmp_path)
    assert {item.id: item.label for item in dataset.items} == {"0.png": "a", "2.png": "b, c"}
    assert dataset.refused == (
        (
            "1.png",
            "metadata.csv:4: 4 fields, but the header has 3 columns: a field that contains the separator needs quotes",
        ),
        ("3.png", "metadata.csv:6: 4 fields, but the header has 3 columns: end the row without a separator"),
    )


WORDS = ["NA", "None", "nan", "true", "1e3", "007", "7", " x", "0.10"]


def test_labels_are_text_exactly_as_it_is_written(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(len(WORDS))]
    rows = "".join(f"{name},{word}\n" for name, word in zip(names, WORDS, strict=True))
    listed(tmp_path / "csv", names, f"file_name,label\n{rows}")
    assert list(labels(tmp_path / "csv").values()) == WORDS
    bare = [word if word in ("true", "1e3", "7", "0.10") else json.dumps(word) for word in WORDS]
    lines = "".join(f'{{"file_name": "{name}", "label": {word}}}\n' for name, word in zip(names, bare, strict=True))
    listed(tmp_path / "jsonl", names, "")
    (tmp_path / "jsonl/metadata.csv").rename(tmp_path / "jsonl/metadata.jsonl").write_text(lines)
    assert list(labels(tmp_path / "jsonl").values()) == WORDS


NAMES = {
    "normal form": (unicodedata.normalize("NFC", "Müll.png"), unicodedata.normalize("NFD", "Müll.png"), False),
    "case": ("Img/1.jpg.png", "img/1.JPG.PNG", True),
    "no extension": ("img/001", "img/001.png", True),
    "backslash": ("img\\deep\\1.png", "img/deep/1.png", False),
    "dot": ("./img//1.png", "img/1.png", False),
}


@pytest.mark.parametrize("how", NAMES)
def test_names_that_mean_exactly_one_file(tmp_path: Path, how: str) -> None:
    name, path, said = NAMES[how]
    listed(tmp_path, [path, "other.png"], f"file_name,label\n{name},a\nother.png,b\n")
    dataset = synth.open_dataset(tmp_path)
    assert {item.id: item.label for item in dataset.items} == {path: "a", "other.png": "b"}
    assert ("file_name_differs" in kinds(dataset)) == said


def test_an_absolute_name_counts_inside_the_folder_only(tmp_path: Path) -> None:
    root = tmp_path / "in"
    listed(root, ["1.png", "2.png"], f"file_name,label\n{root}/1.png,a\n/elsewhere/2.png,b\n")
    dataset = synth.open_dataset(root)
    assert [item.id for item in dataset.items] == ["1.png"]
    assert "leads out of the folder" in dataset.refused[0][1]


@pytest.mark.parametrize(
    ("name", "word"), [("1.png", "nearest is img/1.png"), ("img/2.jpg", "nearest is img/2.png"), ("IMG/3.png", "or")]
)
def test_a_name_without_its_file_names_the_nearest(tmp_path: Path, name: str, word: str) -> None:
    listed(tmp_path, ["img/1.png", "img/2.png", "img/3.png", "Img/3.png"], f"file_name,label\n{name},a\n")
    with pytest.raises(DatasetError, match=word):
        synth.open_dataset(tmp_path)


def test_a_table_that_lists_few_images_says_what_it_leaves_out(tmp_path: Path, run: Run, capsys: Any) -> None:
    root = folders(tmp_path / "in", {"cat": 8, "dog": 4})
    (root / "metadata.csv").write_text("file_name,label\ncat/red-000.png,cat\ncat/red-001.png,cat\nx/1.png,dog\n")
    found = kinds(synth.open_dataset(root))["not_listed"]
    assert len(found.paths) == 10
    assert "10 images left out" in found.message
    assert "3 rows; 2 can be used" in found.message
    assert run("generate", root, tmp_path / "out", "--json", "--quiet") == 3
    summary = json.loads(capsys.readouterr().out)
    assert {"kind": "not in the metadata file", "n": 10} in summary["skipped"]
    assert summary["skipped"] == json.loads((tmp_path / "out/summary.json").read_text())["skipped"]
    assert found.message in summary["warnings"]
    page = (tmp_path / "out/report.html").read_text()
    assert re.search(r"Skipped: 10 . not in the metadata file", page)
    assert run("generate", root, tmp_path / "again", "--quiet") == 3
    printed = capsys.readouterr().out
    assert "skipped: 10 x not in the metadata file" in printed
    assert "refused: 1 x x/1.png is listed, but there is no such file" in printed


def test_a_table_against_its_folders_is_said(tmp_path: Path) -> None:
    rows = "train/Cat/1.png,cat,train\ntrain/dog/2.png,cat,train\ntest/dog/3.png,dog,train\ntest/dog/4.png,dog,\n"
    names = ["train/Cat/1.png", "train/dog/2.png", "test/dog/3.png", "test/dog/4.png"]
    found = kinds(synth.open_dataset(listed(tmp_path, names, f"file_name,label,split\n{rows}")))
    assert found["label_against_folder"].paths == ("train/dog/2.png",)
    assert found["split_against_folder"].paths == ("test/dog/3.png",)


def test_images_below_a_folder_that_looks_like_a_split_are_named(tmp_path: Path) -> None:
    names = ["seg_train/1.png", "seg_test/2.png", "test tube/3.png"]
    rows = "seg_train/1.png,a\nseg_test/2.png,a\ntest tube/3.png,test tube\n"
    found = kinds(synth.open_dataset(listed(tmp_path, names, f"file_name,label\n{rows}")))
    assert found["folder_like_split"].paths == ("seg_test/2.png",)


def test_classes_of_a_table_that_are_all_called_like_splits(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    listed(root, ["1.png", "2.png", "3.png"], "file_name,label\n1.png,dev\n2.png,dev\n3.png,eval\n")
    synth.generate(synth.open_dataset(root), None, synth.Recipe(), out)
    assert synth.open_dataset(out).train_counts == {"dev": 2, "eval": 1}
    assert synth.open_dataset(out).synthetic == {"dev": 0, "eval": 1}


def test_captions_beside_class_folders_say_what_to_rename(tmp_path: Path) -> None:
    root = folders(tmp_path, {"cat": 2, "dog": 2})
    (root / "metadata.csv").write_text("file_name,text\ncat/red-000.png,a cat\n")
    with pytest.raises(DatasetError, match=r"rename metadata\.csv to captions\.csv"):
        synth.open_dataset(root)


def test_a_split_comes_from_the_column_or_else_from_the_folder(tmp_path: Path) -> None:
    words = ["Train", " VAL ", "hold-out", "", "test_set", "someday"]
    rows = "".join(f"{i}.png,a,{word}\n" for i, word in enumerate(words))
    names = [*(f"{i}.png" for i in range(6)), "images/test/x.png"]
    dataset = synth.open_dataset(listed(tmp_path, names, f"file_name,label,split\n{rows}images/test/x.png,a,\n"))
    splits = {item.id: item.split for item in dataset.items}
    assert [splits[f"{i}.png"] for i in range(5)] == ["train", "val", "test", "train", "test"]
    assert splits["images/test/x.png"] == "test"
    assert [path for path, _ in dataset.refused] == ["5.png"]
    assert kinds(dataset)["no_split"].paths == ("3.png",)
    assert kinds(dataset)["split_from_folder"].paths == ("images/test/x.png",)


def test_groups_that_mean_unknown_are_no_group(tmp_path: Path) -> None:
    words = ["p1", "p1", "nan", "", "None", "N/A", "p2"]
    rows = "".join(f"{i}.png,a,{word}\n" for i, word in enumerate(words))
    dataset = synth.open_dataset(listed(tmp_path, [f"{i}.png" for i in range(7)], f"file_name,label,group\n{rows}"))
    assert [item.group for item in dataset.items] == ["p1", "p1", None, None, None, None, "p2"]
    assert synth.inspect(dataset).groups == {"n": 2, "images": 3}
    assert "4 of 7 images have no group" in kinds(dataset)["no_group"].message


@pytest.mark.parametrize(("pattern", "n"), [(r"red-00(\d)", 9), (r"^\w+/(?:red-00([0-3]))?", 4), (r"(x)?", 0)])
def test_a_pattern_gives_groups_and_an_empty_match_gives_none(tmp_path: Path, pattern: str, n: int) -> None:
    dataset = synth.open_dataset(folders(tmp_path, {"a": 9}), Data(groups=pattern))
    assert sum(item.group is not None for item in dataset.items) == n
    assert synth.inspect(dataset).groups == {"n": n, "images": n}


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"matches no path, such as a/red-000\.png"):
        synth.open_dataset(folders(tmp_path, {"a": 2}), Data(groups=r"scene(\d)"))


def test_groups_are_in_the_manifest_and_come_back(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "in", {"a/p1": 4, "a/p2": 4, "b/p3": 2}), tmp_path / "out"
    recipe = synth.load_recipe(None, {"data.groups": r"/(p\d)/"})
    synth.generate(synth.open_dataset(root, recipe.data), None, recipe, out)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert {row["id"]: row["group"] for row in rows if not row["synthetic"]}["a/p1/red-000.png"] == "p1"
    assert {row["group"] for row in rows if row["synthetic"]} == {"p3"}
    for settings in (Data(), recipe.data):  # the paths of an output need not hold the group
        items = synth.open_dataset(out, settings).items
        assert {item.group for item in items if item.label == "a"} == {"p1", "p2"}
        assert {item.group for item in items if item.label == "b"} == {"p3"}


def test_manifests_without_groups_are_read(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "in", {"a": 4, "b": 2}), tmp_path / "out"
    synth.generate(synth.open_dataset(root), None, synth.Recipe(), out)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    old = [{key: value for key, value in row.items() if key != "group"} for row in rows]
    (out / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in old))
    assert synth.verify(out).good
    assert all(image.same_file for image in synth.remake(out, [row["id"] for row in old if row["synthetic"]]))
    synth.generate(synth.open_dataset(root), None, synth.Recipe(target=5), out)
    assert synth.verify(out).good


SPLITS = {
    "train": ["train", "TRAINING", "training_set", "train_images", "train-data", "trainset", "train2017", "train_1"],
    "val": ["val", "Validation-Set", "valid", "dev", "val_images"],
    "test": ["test", "Test_Set", "testing", "eval", "evaluation", "holdout", "hold_out", "test images"],
}


@pytest.mark.parametrize("split", SPLITS)
def test_names_of_splits(split: str) -> None:
    assert {split_of(name) for name in SPLITS[split]} == {split}


@pytest.mark.parametrize(
    ("name", "looks"), [("test tube", "test"), ("dev board", "val"), ("seg_train", "train"), ("latest", None)]
)
def test_names_with_a_word_of_a_split_are_no_split_but_look_like_one(name: str, looks: str | None) -> None:
    assert split_of(name) is None
    assert split_hint(name) == looks


LAYOUTS = {
    "sets": {"training_set/cat": 4, "training_set/dog": 2, "test_set/cat": 1, "test_set/dog": 1},
    "wrapped": {"train/train/cat": 4, "train/train/dog": 2, "test/test/cat": 1, "test/test/dog": 1},
    "other words": {"seg_train/seg_train/cat": 4, "seg_train/seg_train/dog": 2, "seg_test/seg_test/cat": 2},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_test_images_never_become_parents(tmp_path: Path, layout: str, run: Run) -> None:
    root, out = folders(tmp_path / "in", LAYOUTS[layout]), tmp_path / "out"
    dataset = synth.open_dataset(root)
    assert dataset.train_counts == {"cat": 4, "dog": 2}
    assert sum(item.split == "test" for item in dataset.items) == 2
    assert ("split_names" in kinds(dataset)) == (layout != "wrapped")
    for target in (out, root):
        place = () if target == root else (target,)
        assert run("generate", root, *place, *(["--in-place"] if target == root else []), "--quiet") == 0
        made = [item for item in synth.open_dataset(target).items if item.synthetic]
        assert [item.label for item in made] == ["dog", "dog"]
        assert synth.verify(target).good
        synth.undo(target)
    assert len(synth.open_dataset(root).items) == 8


REFUSED = {
    "splits without classes": ({"train": 3, "test": 2}, r"folders named like splits \(test, train\) hold images"),
    "classes named like splits": ({"dev": 3, "eval": 2}, "if they are classes, move them into one folder train"),
    "a split beside classes": ({"cat": 3, "test/cat": 2}, r"split folders \(test\) beside other folders \(cat\)"),
    "an archive of splits": ({"in/train/cat": 3, "in/test/cat": 2}, "holds only the folder in with test, train: give"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_layouts_with_two_meanings_are_refused(tmp_path: Path, what: str) -> None:
    counts, message = REFUSED[what]
    with pytest.raises(DatasetError, match=message) as error:
        synth.open_dataset(folders(tmp_path, counts))
    assert len(str(error.value)) - len(str(tmp_path)) < 300


SAID = {
    "class_named_like_split": [{"bus": 3, "train": 2}, {"beaker": 3, "test tube": 2}, {"train/val": 3, "train/b": 2}],
    "split_inside_class": [{"cat/train": 3, "cat/test": 2, "dog/train": 1}],
    "wrapped": [{"archive/cat": 3, "archive/dog": 2}],
    "split_names": [{"Train/cat": 3, "Test/cat": 2}],
    "class_missing": [{"train/a": 3, "train/b": 2, "test/a": 2}],
    "class_numbers": [{"train/a": 3, "train/b": 2, "test/b": 2}, {"train/b": 3, "test/a": 2, "test/b": 2}],
}


@pytest.mark.parametrize("kind", SAID)
def test_what_a_layout_means_is_said(tmp_path: Path, kind: str) -> None:
    for number, counts in enumerate(SAID[kind]):
        dataset = synth.open_dataset(folders(tmp_path / str(number), counts))
        assert len(kinds(dataset)[kind].message) < 300


def test_file_names_that_other_readers_take_for_splits(tmp_path: Path) -> None:
    root = folders(tmp_path, {"a": 2, "b": 2})
    (root / "a/red-000.png").rename(root / "a/train_0.png")
    assert kinds(synth.open_dataset(root))["file_named_like_split"].paths == ("a/train_0.png",)


def test_the_line_that_loads_a_split_with_a_missing_class_is_right(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "in", {"train/a": 3, "train/b": 2, "train/c": 3, "test/a": 1, "test/c": 1}), None
    message = kinds(synth.open_dataset(root))["class_numbers"].message
    line = message.partition("Right is ")[2].replace("PATH", repr(str(root / "test")))
    names: dict[str, Any] = {"ImageFolder": ImageFolder, "train": ImageFolder(root / "train")}
    exec(line, names)
    assert [names["test"][i][1] for i in range(2)] == [0, 2]
    out = tmp_path / "out"
    assert message in synth.generate(synth.open_dataset(root), None, synth.Recipe(), out).warnings


@pytest.mark.parametrize("splits", [("",), ("train/", "test/")])
def test_readers_of_folders_see_the_labels_of_nested_images(tmp_path: Path, splits: Sequence[str]) -> None:
    counts = {f"{split}{folder}": 2 for split in splits for folder in ("ok/cam1", "ok/cam2", "bad/cam1/deep")}
    root = folders(tmp_path / "in", counts)
    for folder in counts:  # the same names in each
        for number, path in enumerate(sorted((root / folder).glob("*.png"))):
            path.rename(path.with_name(f"{number}.png"))
    picture("red", 999).save(root / f"{splits[0]}ok/cam1-0.png")
    synth.generate(synth.open_dataset(root), None, synth.Recipe(), tmp_path / "out")
    for split in splits:
        here = ImageFolder(tmp_path / "out" / split)
        assert here.classes == ["bad", "ok"]
        assert all(Path(path).parent.name == here.classes[target] for path, target in here.samples)
    originals = {item.id: Path(item.path).read_bytes() for item in synth.open_dataset(root).items}
    rows = [json.loads(line) for line in (tmp_path / "out/manifest.jsonl").read_text().splitlines()]
    copies = {row["id"]: (tmp_path / "out" / row["path"]).read_bytes() for row in rows if not row["synthetic"]}
    assert copies == originals
    assert f"{splits[0]}ok/cam1-0.png" in {row["path"] for row in rows}


def test_synthetic_items_are_marked_and_never_counted(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "in", {"a": 5, "b": 2}), tmp_path / "out"
    synth.generate(synth.open_dataset(root), None, synth.Recipe(), out)
    dataset = synth.open_dataset(out)
    made = [item for item in dataset.items if item.synthetic]
    assert [item.label for item in made] == ["b", "b", "b"]
    assert dataset.train_counts == {"a": 5, "b": 2}
    assert not {item.id for item in made} & {item.id for found in dataset.train.values() for item in found}
    assert set(dataset.real) | set(made) == set(dataset.items)
    inspection = synth.inspect(dataset)
    assert inspection.files["used"] == 7
    assert inspection.skipped["made by an earlier run"] == 3
