"""An inspection as a page, its list of what could be left out, and that list given to the other commands."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, contents, make_dataset, picture, tree_state
from PIL import Image

import synth
from synth.data.findings import few
from synth.errors import DatasetError, OutputError, UsageError
from synth.quality.inputs import read_inputs
from synth.settings.recipe import load_recipe

LONG, TINY = "Übermäßige Oberflächenverunreinigung durch Öl und Späne", "一枚だけの分類"
COUNTS = {"red": (8, 3), LONG: (6, 3), TINY: (1, 1)}


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Three classes with one image three times, a leak, a near leak, a conflict, a refused file."""
    root = tmp_path / "data"
    for place, (label, (n_train, n_test)) in enumerate(COUNTS.items()):
        for split, n in (("train", n_train), ("test", n_test)):
            for i in range(n):
                save(picture(label, 1000 * place + 100 * (split == "test") + i), root / split / label / f"{i}.png")
    for name in ("copy.png", "copy 2.png"):
        shutil.copy(root / "train/red/0.png", root / "train/red" / name)
    shutil.copy(root / "test/red/1.png", root / "train/red/leaked.png")
    near = np.asarray(Image.open(root / f"test/{LONG}/2.png")) * 0.95
    save(Image.fromarray(near.round().astype(np.uint8)), root / f"train/{LONG}/#leaked nearly.png")
    shutil.copy(root / "train/red/3.png", root / f"train/{LONG}/conflict.png")
    (root / "train/red/broken.png").write_bytes(b"\x89PNG nothing")
    return root


def inspected(data: Path, out: Path, run: Run) -> list[str]:
    """The lines of the list that `synth inspect --out` writes."""
    assert run("inspect", data, "--out", out, "--quiet") == 3  # a file is refused
    return (out / "exclude.txt").read_text("utf-8").splitlines()


def test_the_list_leaves_out_what_is_safe(planted: Path, tmp_path: Path, run: Run) -> None:
    before = tree_state(planted)
    lines = inspected(planted, tmp_path / "found", run)
    active = {line for line in lines if line and not line.startswith("#")}
    assert active == {"train/red/copy.png", "train/red/copy 2.png", "train/red/leaked.png"}
    open_ = {line for line in lines if re.match(r"#\S*/", line)}
    conflict = {"#train/red/3.png", f"#train/{LONG}/conflict.png"}
    assert open_ == {*conflict, "#train/red/broken.png", f"#train/{LONG}/#leaked nearly.png"}
    assert tree_state(planted) == before


def test_applied_the_list_leaves_no_duplicate_and_no_leak(planted: Path, tmp_path: Path, run: Run) -> None:
    lines = inspected(planted, tmp_path / "found", run)
    near = [line.removeprefix("#") for line in lines if "leaked nearly" in line and line.startswith("#train")]
    with (tmp_path / "found/exclude.txt").open("a", encoding="utf-8") as file:
        file.write(f"{near[0]}\n")  # a person decides that it goes
    recipe = load_recipe(None, {"data.exclude": str(tmp_path / "found/exclude.txt")})
    dataset = synth.open_dataset(planted, recipe.data)
    found = synth.inspect(dataset)
    assert {finding.kind for finding in found.findings} & {"exact_duplicates", "split_leak"} == set()
    assert found.skipped == {"excluded": 4}
    assert found.files["found"] == 28
    assert sum(item.split == "test" for item in dataset.items) == 7


def test_the_page_shows_the_pictures(planted: Path, tmp_path: Path, run: Run) -> None:
    inspected(planted, tmp_path / "found", run)
    page = (tmp_path / "found/report.html").read_text("utf-8")
    sections = {part.partition('"')[0]: part for part in page.split('<section id="')[1:]}
    shown = {kind: part.count("<img") for kind, part in sections.items() if "<img" in part}
    assert shown == {"label_conflict": 2, "split_leak": 4, "exact_duplicates": 3, "small": 1}
    assert "broken.png" in sections["refused"]
    assert TINY in sections["small"]
    words = " ".join(re.sub("<[^>]*>", "", page).split())
    commands = ("plan ../data", "generate ../data ../balanced", "trial ../data ../verdict")
    places = [words.index(f"synth {command} --exclude exclude.txt") for command in commands]
    assert places == sorted(places)
    assert str(tmp_path) not in page
    assert "<script" not in page


def test_leaks_that_would_empty_a_class_are_left_to_the_person(tmp_path: Path, run: Run) -> None:
    for i in range(4):
        for split in ("train", "test"):
            save(picture("red", i), tmp_path / "data" / split / "red" / f"{i}.png")
            save(picture("blue", i + 50 * (split == "test")), tmp_path / "data" / split / "blue" / f"{i}.png")
    assert run("inspect", tmp_path / "data", "--out", tmp_path / "found", "--quiet") == 0
    lines = (tmp_path / "found/exclude.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    assert sum(line.startswith("#train/red/") for line in lines) == 4


def test_nothing_is_overwritten(planted: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "found"
    inspected(planted, out, run)
    first = contents(out)
    inspected(planted, out, run)
    assert contents(out) == first  # again: the same
    (out / "exclude.txt").write_text("train/red/0.png\n")
    dataset = synth.open_dataset(planted)
    for place, told in ((out, "another list"), (planted / "page", "inside the input"), (planted.parent, "")):
        if not told:
            (place / "report.html").write_text("of someone else")
        with pytest.raises(OutputError, match=told or "in the way"):
            synth.write_inspection(dataset, synth.inspect(dataset), place)
    assert (out / "exclude.txt").read_text() == "train/red/0.png\n"
    assert not (planted / "page").exists()


def test_a_run_without_the_excluded_images(
    planted: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# a comment\r\n\r\ntrain/red/0.png\r\n./train/red/broken.png\n", "utf-8")
    arguments = ("--exclude", listed, "--target", "12", "--workers", 1, "--quiet")
    assert run("generate", planted, tmp_path / "out", *arguments) == 0  # the refused file is left out too
    rows = [json.loads(line) for line in (tmp_path / "out/manifest.jsonl").read_text("utf-8").splitlines()]
    assert not any(row["path"] == "train/red/0.png" for row in rows)
    assert not any(parent["path"] == "train/red/0.png" for row in rows for parent in row["parents"])
    recipe = load_recipe(tmp_path / "out/recipe.toml")
    assert recipe.data.exclude == ("train/red/0.png", "train/red/broken.png")
    before = contents(tmp_path / "out")
    listed.write_text("train/red/broken.png\ntrain/red/0.png\n")  # the same images: nothing to do
    assert run("generate", planted, tmp_path / "out", *arguments) == 0
    assert contents(tmp_path / "out") == before
    assert run("generate", planted, tmp_path / "again", "--recipe", tmp_path / "out/recipe.toml", "--quiet") == 0
    assert contents(tmp_path / "again") == before
    capsys.readouterr()
    for fewer in ((), ("--exclude", listed)):  # what the output was made without is never added in silence
        listed.write_text("train/red/broken.png\ntrain/red/1.png\n")
        assert run("generate", planted, tmp_path / "out", *fewer, *arguments[2:]) == 1
        told = capsys.readouterr().err
        assert "was made without 1 image of the input (train/red/0.png): give the same --exclude again" in told
        assert contents(tmp_path / "out") == before


def test_in_place_the_excluded_images_stay_and_do_not_count(planted: Path, tmp_path: Path, run: Run) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("train/red/0.png\n")
    assert run("generate", planted, "--in-place", "--exclude", listed, "--target", "12", "--quiet") == 3
    assert (planted / "train/red/0.png").exists()
    assert synth.verify(planted).good


@pytest.mark.parametrize("name", ["train/red/0.jpg", "0.png", "train/red", "/etc/passwd", "x" * 5000])
def test_paths_that_are_no_image_are_told_and_a_list_without_any_is_an_error(
    planted: Path, tmp_path: Path, run: Run, name: str
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"train/red/1.png\n{name}\n")
    dataset = synth.open_dataset(planted, load_recipe(None, {"data.exclude": str(listed)}).data)
    assert dataset.skipped == {"excluded": 1}
    (told,) = (found.message for found in dataset.findings if found.kind == "exclude_list")
    assert told.startswith("1 of 2 paths in the exclude list is not in the dataset")
    assert len(told) < 300
    listed.write_text(f"{name}\n")
    with pytest.raises(DatasetError, match="1 of 1 paths in the exclude list") as error:
        synth.open_dataset(planted, load_recipe(None, {"data.exclude": str(listed)}).data)
    assert len(str(error.value)) < 300
    assert run("generate", planted, tmp_path / "out", "--exclude", listed, "--quiet") == 1
    assert not (tmp_path / "out").exists()


def test_every_verb_tells_a_path_that_is_not_there_also_of_an_output(
    planted: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """An output that was made without an image does not need it; a mistyped path is another thing."""
    listed, out = tmp_path / "list.txt", tmp_path / "out"
    listed.write_text("train/red/1.png \ntrain/red/1.pngX\n")
    assert run("generate", planted, out, "--exclude", listed, "--quiet") in (0, 3)
    assert not (out / "train/red/1.png").exists()
    capsys.readouterr()
    assert run("plan", planted, "--exclude", listed, "--quiet") in (0, 3)
    assert "1 of 2 paths in the exclude list is not in the dataset" in capsys.readouterr().err
    listed.write_text("train/red/1.png\ntrain/red/2.png\ntrain/red/2.pngX\n")
    assert run("plan", out, "--exclude", listed, "--quiet") in (0, 3)
    assert "1 of 3 paths in the exclude list is not in the dataset" in capsys.readouterr().err
    # Without the list, the image would come in, whatever a person did to the recipe besides.
    (out / "recipe.toml").write_text("zzz = 1\n" + (out / "recipe.toml").read_text("utf-8"), "utf-8")
    assert run("generate", planted, out, "--quiet") == 1
    assert "was made without 1 image of the input" in capsys.readouterr().err


def test_a_check_against_other_data_leaves_out_nothing(lights: Path, tmp_path: Path, run: Run) -> None:
    """The list of the synthetic images' own run names an image that these data do not have."""
    listed, out, other = tmp_path / "list.txt", tmp_path / "out", tmp_path / "other"
    left_out = next(item.id for item in synth.open_dataset(lights).real if item.id.startswith("train/red"))
    listed.write_text(left_out)
    assert run("generate", lights, out, "--exclude", listed, "--quiet") == 0
    shutil.copytree(lights, other)
    (other / left_out).unlink()
    assert len(read_inputs(other, out, n_workers=1).dataset.real) == len(synth.open_dataset(lights).real) - 1


def test_a_list_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for path, told in (
        (tmp_path / "gone.txt", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "binary.txt", "UTF-8"),
    ):
        with pytest.raises(UsageError, match=told):
            load_recipe(None, {"data.exclude": str(path)})


def test_accents_may_be_stored_in_another_form(planted: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(unicodedata.normalize("NFD", f"train/{LONG}/0.png") + "\n", "utf-8")
    recipe = load_recipe(None, {"data.exclude": str(listed)})
    assert synth.open_dataset(planted, recipe.data).train_counts[LONG] == 7


def test_long_names_lose_their_middle_and_sentences_stay_whole(tmp_path: Path, run: Run) -> None:
    label = "a class with a name that is much longer than any line of a table, with a rather long end"
    data = make_dataset(tmp_path / "data", {"train": {label: 6, "other": 6}, "test": {label: 2, "other": 2}})
    shutil.copy(min((data / "train" / label).iterdir()), data / "test" / label / "leak.jpg")
    findings = synth.inspect(synth.open_dataset(data)).findings
    message = next(finding.message for finding in findings if finding.kind == "split_leak")
    assert re.search(r"keep it in test, remove train/a class with .*….* long end-000\.jpg$", message)
    assert run("inspect", data, "--out", tmp_path / "inspection", "--quiet") == 0
    assert f"# split_leak: {message}\n" in (tmp_path / "inspection/exclude.txt").read_text("utf-8")
    told = few(["x" * 100, "b", "c", "d"], lambda name: f"{len(name)} of 100 images")
    assert told.endswith("x (100 of 100 images), b (1 of 100 images), c (1 of 100 images) and 1 more")
