"""The main job: exact numbers, pure attempts, equal use of originals, top-up, undo, remake."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torchvision
from conftest import Run, contents, fill_folder, make_dataset, tree_state
from PIL import Image

import synth
from synth.data.manifest import read_manifest
from synth.runs.remake import synthetic_ids
from synth.settings.recipe import load_recipe


def rows_of(out: Path) -> list[synth.Row]:
    return list(read_manifest(out / "manifest.jsonl"))


def generate(data: Path, out: Path, *, n_workers: int = 1, **settings: object) -> synth.Summary:
    recipe = load_recipe(None, {key.replace("__", "."): value for key, value in settings.items()})
    dataset = synth.open_dataset(data)
    return synth.generate(dataset, None, recipe, out, in_place=data == out, n_workers=n_workers)


def test_target_is_reached_exactly(lights: Path, tmp_path: Path) -> None:
    summary = generate(lights, tmp_path / "out", target={"yellow": 20})
    assert {label: c.accepted for label, c in summary.classes.items()} == {"green": 0, "red": 0, "yellow": 17}
    assert len(list((tmp_path / "out/train/yellow").iterdir())) == 20
    assert synth.verify(tmp_path / "out").good


def test_output_loads_as_image_folder(lights: Path, tmp_path: Path) -> None:
    summary = generate(lights, tmp_path / "out")
    folder = torchvision.datasets.ImageFolder(tmp_path / "out/train")
    counts = Counter(folder.classes[target] for target in folder.targets)
    assert counts == {label: c.real + c.accepted for label, c in summary.classes.items()}
    assert len(torchvision.datasets.ImageFolder(tmp_path / "out/test")) == 6


def test_output_loads_in_hugging_face_datasets(lights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    summary = generate(lights, tmp_path / "out")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    names = loaded["train"].features["label"].names
    counts = Counter(names[label] for label in loaded["train"]["label"])
    assert counts == {label: c.real + c.accepted for label, c in summary.classes.items()}
    assert loaded["test"].num_rows == 6


@pytest.mark.parametrize("method", ["augment", "duplicate", "synth.demo:TrafficLights"])
def test_same_bytes_for_any_number_of_workers(lights: Path, tmp_path: Path, method: str) -> None:
    for n_workers in (1, 2, 3):
        generate(lights, tmp_path / f"out-{n_workers}", n_workers=n_workers, method=method, target=80, cap=50)
    assert contents(tmp_path / "out-1") == contents(tmp_path / "out-2") == contents(tmp_path / "out-3")


def test_another_seed_gives_other_images(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "a", seed=1)
    generate(lights, tmp_path / "b", seed=2)
    hashes = [{row.pixels_sha256 for row in rows_of(tmp_path / name) if row.synthetic} for name in "ab"]
    assert not hashes[0] & hashes[1]


def test_other_classes_do_not_change_a_class(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "a", target={"yellow": 9})
    fill_folder(lights / "train/blue", "blue", 4)
    (lights / "train/red").rename(lights / "train/crimson")
    generate(lights, tmp_path / "b", target={"yellow": 9})
    made = [{p.name: p.read_bytes() for p in (tmp_path / n / "train/yellow").iterdir()} for n in "ab"]
    assert made[0] == made[1]


@pytest.mark.parametrize("method", ["augment", "duplicate"])
def test_each_original_is_used_equally_often(lights: Path, tmp_path: Path, method: str) -> None:
    generate(lights, tmp_path / "out", target={"green": 29, "yellow": 13}, method=method)
    uses = Counter(row.parents[0]["path"] for row in rows_of(tmp_path / "out") if row.synthetic and row.path)
    for label, originals in {"green": 8, "yellow": 3}.items():
        counts = [n for path, n in uses.items() if f"/{label}/" in path]
        assert len(counts) == originals
        assert max(counts) - min(counts) <= 1


def test_only_training_images_become_parents(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "out")
    made = [row for row in rows_of(tmp_path / "out") if row.synthetic]
    assert made
    assert all(parent["path"].startswith("train/") for row in made for parent in row.parents)
    assert contents(tmp_path / "out/test") == contents(lights / "test")


def test_duplicates_are_exact_copies(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "out", method="duplicate", target={"yellow": 8})
    rows = rows_of(tmp_path / "out")
    originals = {row.id: row.sha256 for row in rows if not row.synthetic}
    copies = [row for row in rows if row.synthetic]
    assert len(copies) == 5
    assert all(row.sha256 == originals[row.parents[0]["path"]] for row in copies)


def test_new_images_are_encoded_as_their_parents(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"many": 6}})
    make_dataset(tmp_path / "data", {"": {"few": 2}}, suffix=".png")
    generate(data, tmp_path / "out", target=8)
    made = [tmp_path / "out" / str(row.path) for row in rows_of(tmp_path / "out") if row.synthetic]
    assert Counter(path.suffix for path in made) == {".png": 6, ".jpg": 2}
    jpeg = next(path for path in made if path.suffix == ".jpg")
    with Image.open(jpeg) as new, Image.open(data / "many/many-000.jpg") as real:
        assert new.quantization == real.quantization


def test_format_can_be_chosen(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "out", target={"yellow": 6}, output__format="png")
    assert {Path(str(row.path)).suffix for row in rows_of(tmp_path / "out") if row.synthetic} == {".png"}


def test_in_place_then_undo_leaves_the_folder_as_it_was(lights: Path) -> None:
    before = tree_state(lights)
    generate(lights, lights, target={"yellow": 10})
    assert len(list((lights / "train/yellow").iterdir())) == 10
    assert synth.verify(lights).good
    assert synth.undo(lights).removed == 7
    assert tree_state(lights) == before


def test_own_images_are_never_parents_nor_counted(lights: Path, tmp_path: Path) -> None:
    generate(lights, lights, target={"yellow": 10})
    dataset = synth.open_dataset(lights)
    assert dataset.counts["yellow"] == {"train": 3, "test": 2}
    assert dataset.skipped["made by an earlier run"] == 7
    assert dataset.synthetic == {"green": 0, "red": 0, "yellow": 7}
    generate(lights, tmp_path / "out", target={"yellow": 8})
    assert {row.parents[0]["path"] for row in rows_of(tmp_path / "out") if row.synthetic} == {
        item.id for item in dataset.train["yellow"]
    }


def test_a_higher_target_tops_up_as_if_asked_at_once(lights: Path, tmp_path: Path) -> None:
    for target in (8, 14):
        generate(lights, tmp_path / "twice", target={"yellow": target})
    generate(lights, tmp_path / "once", target={"yellow": 14})
    images = [contents(tmp_path / name / "train") for name in ("twice", "once")]
    assert images[0] == images[1]
    assert synth.verify(tmp_path / "twice").good
    assert all(made.same_file for made in synth.remake(tmp_path / "twice", synthetic_ids(tmp_path / "twice")))


def test_new_real_images_catch_up_when_topping_up(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "out", target={"yellow": 9})
    fill_folder(lights / "train/yellow", "yellow", 3, first=700)
    generate(lights, tmp_path / "out", target={"yellow": 18})
    rows = rows_of(tmp_path / "out")
    uses = Counter(row.parents[0]["path"] for row in rows if row.synthetic)
    assert sorted(uses.values()) == [2, 2, 2, 2, 2, 2]
    assert sum(not row.synthetic and row.label == "yellow" and row.split == "train" for row in rows) == 6


def test_undo_takes_back_one_run_after_the_other(lights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(lights, out, target={"yellow": 6})
    before = contents(out)
    generate(lights, out, target={"yellow": 9}, seed=5)
    synth.undo(out)
    assert contents(out) == before
    synth.undo(out)
    assert not out.exists()


def test_undo_keeps_a_file_that_was_changed_since(lights: Path, run: Run) -> None:
    generate(lights, lights, target={"yellow": 5})
    changed = next((lights / "train/yellow").glob("yellow-augment-000000-*"))
    changed.write_bytes(b"edited")
    undone = synth.undo(lights)
    assert undone.kept == (changed.relative_to(lights).as_posix(),)
    assert changed.read_bytes() == b"edited"


def test_balanced_data_has_nothing_to_do_and_a_complete_output(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 4, "green": 4}})
    assert generate(data, tmp_path / "out").short == 0
    assert synth.verify(tmp_path / "out").files == 8
    assert "nothing to do" in generate(data, tmp_path / "out").warnings[0]


def test_only_new_writes_the_new_images_alone(lights: Path, tmp_path: Path) -> None:
    generate(lights, tmp_path / "out", target={"yellow": 7}, output__only_new=True)
    assert [row.synthetic for row in rows_of(tmp_path / "out")] == [True] * 4
    made = synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out"), data=lights)
    assert all(image.same_file and image.same_pixels for image in made)
    with pytest.raises(synth.SynthError, match="--data"):
        synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out"))


@pytest.mark.parametrize("link", ["hard", "sym"])
def test_originals_can_be_links(lights: Path, tmp_path: Path, link: str) -> None:
    before = tree_state(lights)
    generate(lights, tmp_path / "out", output__link=link, target={"yellow": 5})
    original = next((tmp_path / "out/train/red").iterdir())
    assert original.is_symlink() if link == "sym" else original.stat().st_nlink == 2
    assert synth.verify(tmp_path / "out").good
    assert len(synth.open_dataset(tmp_path / "out").real) == 29
    synth.undo(tmp_path / "out")
    assert tree_state(lights) == before


def test_only_the_named_classes_get_images(lights: Path, tmp_path: Path) -> None:
    summary = generate(lights, tmp_path / "out", classes=("yellow",))
    assert {label: c.planned for label, c in summary.classes.items()} == {"green": 0, "red": 0, "yellow": 9}


def test_mirrored_classes_lend_each_other_their_images(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"left": 2, "right": 6}})
    generate(data, tmp_path / "out", augment__label_map={"flip_horizontal": {"left": "right"}})
    for row in rows_of(tmp_path / "out"):
        if row.synthetic:
            borrowed = row.parents[0]["path"].startswith("right/")
            assert ("flip_horizontal" in row.params) == borrowed
    parents = {row.parents[0]["path"] for row in rows_of(tmp_path / "out") if row.synthetic}
    assert any(path.startswith("right/") for path in parents)


def test_a_blank_candidate_is_rejected_and_the_shortfall_is_said(lights: Path, tmp_path: Path, run: Run) -> None:
    blank = ("--set", "augment.effects.brightness.p=1", "--set", "augment.effects.brightness.factor=0")
    assert run("generate", lights, tmp_path / "out", "--target", "yellow=5", "--quiet", *blank) == 3
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["classes"]["yellow"] == {
        "real": 3,
        "existing": 0,
        "target": 5,
        "planned": 2,
        "attempted": 16,
        "accepted": 0,
        "rejected": {"blank": 16},
        "acceptance": 0.0,
        "real_acceptance": 1.0,
        "real_passed": 3,
        "real_n": 3,
        "distinct": None,
        "not_judged": "",
        "given_up": [],
        "switched_off": True,
        "short": 2,
        "note": "switched off: the gates passed 0% of 16 images, and 100% of 3 held-out real images",
    }
    assert sum(row.path is None for row in rows_of(tmp_path / "out")) == 16


def test_rejected_attempts_are_replaced_by_the_same_original(lights: Path, tmp_path: Path) -> None:
    """Half of the candidates are blank; each original still gives equally many images, for any workers."""
    sometimes = {"augment__effects__brightness__p": 0.5, "augment__effects__brightness__factor": 0}
    sometimes["gate__acceptance_min"] = 0
    for n_workers in (1, 2):
        generate(
            lights, tmp_path / f"out-{n_workers}", n_workers=n_workers, target={"yellow": 200}, cap=99, **sometimes
        )
    rows = [row for row in rows_of(tmp_path / "out-1") if row.synthetic]
    assert sum(row.verdict == "accepted" for row in rows) == 197
    attempts = [int(row.attempt or 0) for row in rows]
    assert attempts == sorted(set(attempts))
    assert spread_of_uses(rows) <= 1
    assert contents(tmp_path / "out-1") == contents(tmp_path / "out-2")
    generate(lights, tmp_path / "out-1", target={"yellow": 250}, cap=99, **sometimes)
    assert spread_of_uses([row for row in rows_of(tmp_path / "out-1") if row.synthetic]) <= 1
    ids = synthetic_ids(tmp_path / "out-1")
    assert all(image.same_file for image in synth.remake(tmp_path / "out-1", [*ids[:5], *ids[-5:]]))


def spread_of_uses(rows: Sequence[synth.Row]) -> int:
    """How many more accepted images the most used original gave than the least used one."""
    tried = {row.parents[0]["path"] for row in rows}
    uses = Counter(row.parents[0]["path"] for row in rows if row.path is not None)
    return max(uses.values()) - min(uses[path] for path in tried)


def test_an_original_that_only_gives_bad_images_does_not_block_the_run(lights: Path, tmp_path: Path) -> None:
    """Everything made from one dark original is blank: the others take its place, and it is named."""
    dark = next((lights / "train/yellow").iterdir())
    pixels = np.full((36, 24, 3), 128, np.uint8)
    pixels[::2] += 3
    Image.fromarray(pixels).save(dark.with_suffix(".png"))
    dark.unlink()
    levels = {"augment__effects__contrast__p": 1, "augment__effects__contrast__factor": 0.2}
    summary = generate(lights, tmp_path / "out", target={"yellow": 30}, cap=99, **levels)
    yellow = summary.classes["yellow"]
    assert (yellow.accepted, yellow.short) == (27, 0)
    (name,) = yellow.given_up
    assert name.endswith(".png")
    assert any(name in warning for warning in summary.warnings)
    rows = [row for row in rows_of(tmp_path / "out") if row.synthetic and row.parents[0]["path"] != name]
    assert spread_of_uses(rows) <= 1


def test_metadata_file_gives_class_folders(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill_folder(data / "files", "red", 4)
    fill_folder(data / "files", "yellow", 1)
    lines = [f"{p.relative_to(data).as_posix()},{p.name.split('-')[0]}" for p in sorted(data.rglob("*.jpg"))]
    (data / "metadata.csv").write_text("file_name,label\n" + "\n".join(lines))
    generate(data, tmp_path / "out")
    assert {p.parent.name for p in (tmp_path / "out").rglob("*.jpg")} == {"red", "yellow"}
    assert synth.verify(tmp_path / "out").good
    assert all(image.same_file for image in synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out")))


def test_sixteen_bit_grey_stays_sixteen_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, n in {"a": 4, "b": 1}.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(n):
            levels = np.linspace(0, 65535, 40 * 30).reshape(40, 30) * rng.uniform(0.5, 1)
            Image.fromarray(levels.astype(np.uint16)).save(tmp_path / "data" / label / f"{i}.png")
    generate(tmp_path / "data", tmp_path / "out")
    made = [p for p in (tmp_path / "out/b").iterdir() if "augment" in p.name]
    assert len(made) == 3
    for path in made:
        with Image.open(path) as image:
            assert image.mode == "I;16"
            assert len(np.unique(np.asarray(image))) > 256


def test_sixteen_bit_levels_are_never_squeezed_into_jpeg(tmp_path: Path) -> None:
    for label, n in {"a": 3, "b": 1}.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(n):
            levels = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100 + i
            Image.fromarray(levels).save(tmp_path / "data" / label / f"{i}.png")
    with pytest.raises(synth.SynthError, match="--format png or tiff"):
        generate(tmp_path / "data", tmp_path / "out", output__format="jpeg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_plan_made_before_is_not_made_twice(lights: Path, tmp_path: Path) -> None:
    dataset = synth.open_dataset(lights)
    plan = synth.make_plan(dataset, {"yellow": 9})
    first = synth.generate(dataset, plan, synth.Recipe(), tmp_path / "out")
    again = synth.generate(dataset, plan, synth.Recipe(), tmp_path / "out")
    assert (first.classes["yellow"].accepted, again.run) == (6, None)


def test_a_plan_for_a_class_without_images_is_refused(lights: Path, tmp_path: Path) -> None:
    (lights / "train/blue").mkdir()
    dataset = synth.open_dataset(lights)
    plan = synth.Plan({"blue": synth.ClassPlan(real=0, existing=0, target=5, planned=5)})
    with pytest.raises(synth.SynthError, match="no training image"):
        synth.generate(dataset, plan, synth.Recipe(), tmp_path / "out")


@pytest.mark.parametrize("kind", ["empty folder", "link to an empty folder"])
def test_an_empty_output_folder_is_filled(lights: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "out").mkdir()
    if kind != "empty folder":
        (tmp_path / "link").symlink_to(tmp_path / "out")
    generate(lights, tmp_path / ("out" if kind == "empty folder" else "link"), target={"yellow": 5})
    assert synth.verify(tmp_path / "out").good
    assert {path.name for path in tmp_path.iterdir()} <= {"lights", "out", "link"}


def test_only_new_of_balanced_data_is_an_empty_output(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 3, "green": 3}})
    for _ in range(2):
        generate(data, tmp_path / "out", output__only_new=True)
        assert synth.verify(tmp_path / "out").good


def test_runs_in_place_are_undone_one_by_one_whatever_was_added(lights: Path) -> None:
    generate(lights, lights, target={"yellow": 6})
    fill_folder(lights / "train/yellow", "yellow", 1, first=700)
    before = contents(lights)
    generate(lights, lights, target={"yellow": 10})
    assert synth.undo(lights).removed == 3
    ours = ("README.md", "manifest.jsonl", "report.html")  # all now know of the added image
    assert {k: v for k, v in contents(lights).items() if k not in ours} == {
        k: v for k, v in before.items() if k not in ours
    }
    assert synth.undo(lights).removed == 3
    assert not list(lights.glob("*.*"))
    with pytest.raises(synth.SynthError, match="nothing to undo"):
        synth.undo(lights)


def test_the_first_of_two_runs_can_be_undone_first(lights: Path) -> None:
    before = contents(lights)
    first = generate(lights, lights, target={"yellow": 6})
    generate(lights, lights, target={"yellow": 9}, seed=4)
    assert synth.undo(lights, first.run).removed == 3
    assert all(made.same_file for made in synth.remake(lights, synthetic_ids(lights)))
    synth.undo(lights)
    assert contents(lights) == before


def test_files_of_systems_do_not_spoil_verify(lights: Path) -> None:
    generate(lights, lights, target={"yellow": 5})
    (lights / "train/red/._red-000.jpg").write_bytes(b"x")
    (lights / ".DS_Store").write_bytes(b"x")
    assert synth.verify(lights).good


def test_a_class_name_with_a_colon(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"A: good": 4, "B: bad": 2}})
    generate(data, tmp_path / "out")
    assert synth.verify(tmp_path / "out").good


def test_rows_of_a_metadata_file_may_change_their_order(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for folder, label in {"a": "red", "b": "red", "c": "red"}.items():
        fill_folder(data / folder, label, 1, first=ord(folder))
        next((data / folder).iterdir()).rename(data / folder / "1.jpg")
    (data / "metadata.csv").write_text("file_name,label\na/1.jpg,red\nb/1.jpg,red\n")
    generate(data, tmp_path / "out")
    (data / "metadata.csv").write_text("file_name,label\nc/1.jpg,red\nb/1.jpg,red\na/1.jpg,red\n")
    generate(data, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/red").iterdir()) == ["a-1.jpg", "b-1.jpg", "c-1.jpg"]


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("augment__classes", {"yelow": {"forbid": ["hue"]}}, 'did you mean "yellow"'),
        ("augment__label_map", {"flip_horizontal": {"lefft": "red"}}, "lefft"),
        ("augment__label_map", {"flip_horizontal": {"red": "green", "yellow": "green"}}, "mirror of two"),
    ],
)
def test_a_class_that_is_not_there_is_named(lights: Path, tmp_path: Path, key: str, value: object, word: str) -> None:
    with pytest.raises(synth.SynthError, match=word):
        generate(lights, tmp_path / "out", **{key: value})


def test_training_images_that_stand_in_the_test_split_are_named(lights: Path, tmp_path: Path) -> None:
    source = next((lights / "test/yellow").iterdir())
    (lights / "train/yellow/leak.jpg").write_bytes(source.read_bytes())
    assert "train/yellow/leak.jpg" in generate(lights, tmp_path / "out").warnings[0]


def test_lost_images_of_a_class_that_is_gone_are_told(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("generate", lights, out, "--quiet") == 0
    made = sorted((out / "train/yellow").glob("yellow-augment-*"))
    original = next(path for path in sorted((out / "train/yellow").iterdir()) if path not in made)
    made[0].unlink()
    original.unlink()
    shutil.rmtree(lights / "train/yellow")
    capsys.readouterr()
    assert run("generate", lights, out, "--quiet") in (0, 3)
    assert "can't be made again" in capsys.readouterr().out


def test_lost_images_are_missing_in_each_count(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parent is gone, so its child can't be made again: table, line, JSON and status agree."""
    out = tmp_path / "out"
    assert run("generate", lights, out, "--quiet") == 0
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]
    child = next(row for row in rows if row["synthetic"] and row["class"] == "yellow" and row["path"])
    (out / child["path"]).unlink()
    for folder in (lights, out):
        (folder / child["parents"][0]["path"]).unlink()
    capsys.readouterr()
    assert run("generate", lights, out, "--quiet") == 3
    told = capsys.readouterr().out
    assert "1 image of an earlier run is lost" in told
    assert run("generate", lights, out, "--quiet", "--json") == 3
    entry = json.loads(capsys.readouterr().out)["classes"]["yellow"]
    assert entry["short"] == 1
    assert entry["target"] - entry["real"] - entry["existing"] - entry["accepted"] >= 1
