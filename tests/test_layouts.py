"""Folders, names, links, metadata files and outputs as people have them: what becomes of each file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import corpus
import pytest
from corpus import Run, inspect_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAME = (
    (
        st.binary(min_size=1, max_size=60)
        | st.text(min_size=1, max_size=40).map(lambda text: text.encode("utf-8", "ignore"))
    )
    .map(lambda name: name.translate(None, b"/\0"))
    .filter(lambda name: name.lower() not in (b"", b".", b"..", b"cat", b"train", b"test"))
)
"""Any name that a file system takes, UTF-8 or not."""
SYNTH = [sys.executable, "-c", "from synth.cli.app import main; main()"]
HANGS_AFTER_SECONDS = 120
Capture = pytest.CaptureFixture[str]


def reads_everything() -> bool:
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return os.access(file.name, os.R_OK)


needs_permissions = pytest.mark.skipif(reads_everything(), reason="this user (root?) may read every file")


def image(seed: int = 0) -> bytes:
    return corpus.encoded(corpus.picture(seed).resize((16, 12)), "PNG")


def lay_out(root: Path, paths: Mapping[str, bytes] | list[str]) -> Path:
    """Files below a folder; a list gives each path a picture of its own."""
    files = {path: image(i) for i, path in enumerate(paths)} if isinstance(paths, list) else paths
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three cats and two dogs."""
    return lay_out(tmp_path / "pets", ["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/2.png"])


def error_line(capsys: Capture) -> str:
    """The one line that a failed command prints, and nothing on standard output."""
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("refused ")]
    assert out == ""
    assert len(lines) == 1, err
    assert lines[0].startswith("synth: ")
    return lines[0]


def refused_of(document: Mapping[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["reason"] for entry in document["refused"]}


def skipped_of(document: Mapping[str, Any]) -> dict[str, int]:
    return {entry["kind"]: entry["n"] for entry in document["skipped"]}


def test_system_files_are_skipped_and_never_a_class(root: Path, run: Run, capsys: Capture) -> None:
    names = (".DS_Store", "Thumbs.db", "desktop.ini", "cat/._1.png", "cat/.DS_Store", "cat/Thumbs.db")
    folders = (".ipynb_checkpoints/1.png", "__MACOSX/cat/1.png", "cat/@eaDir/1.png", ".git/a/b/config")
    lay_out(root, [*names, *folders])
    status, found = inspect_json(run, capsys, root)
    assert status == 0
    assert found["classes"] == {"cat": {"train": 3}, "dog": {"train": 2}}
    assert skipped_of(found) == {"system file": len(names) + len(folders)}


@pytest.fixture
def linked(root: Path, tmp_path: Path) -> Path:
    """Links of every kind, a pipe, and a link to a file that never ends."""
    outside = lay_out(tmp_path / "outside", ["far.png", "folder/a.png"])
    links = {
        "cat/inside.png": root / "dog" / "1.png",
        "cat/outside.png": outside / "far.png",
        "cat/dead.png": root / "nowhere.png",
        "cat/loop.png": root / "cat" / "loop.png",
        "cat/again": root / "dog",
        "cat/up": root,
        "bird": outside / "folder",
        "cat/zero.jpg": Path("/dev/zero"),
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "cat" / "pipe.jpg")
    return root


def test_links_are_read_only_where_they_stay_inside(linked: Path) -> None:
    """In a process of its own: a pipe or /dev/zero would hang it."""
    before = corpus.state_of(linked)
    done = subprocess.run(
        [*SYNTH, "inspect", str(linked), "--json"],
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    reasons = refused_of(found)
    assert found["classes"] == {"cat": {"train": 4}, "dog": {"train": 2}}  # a link out is no class either
    assert set(reasons) == {
        *("cat/outside.png", "cat/dead.png", "cat/loop.png", "cat/again", "cat/up", "bird", "cat/zero.jpg"),
        "cat/pipe.jpg",
    }
    assert "--follow-symlinks" in reasons["cat/outside.png"]
    assert "nowhere" in reasons["cat/dead.png"]
    assert "nowhere" in reasons["cat/loop.png"]
    assert "read already" in reasons["cat/up"]
    assert reasons["cat/pipe.jpg"] == "not a regular file"
    assert corpus.state_of(linked) == before


def test_links_are_followed_on_request(linked: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [*SYNTH, "generate", str(linked), str(out), "--follow-symlinks", "--json"],
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    assert {label: entry["real"] for label, entry in summary["classes"].items()} == {
        "bird": 1,
        "cat": 5,
        "dog": 2,
    }
    assert refused_of(summary)["cat/zero.jpg"] == "not a regular file"
    assert not [path for path in out.rglob("*") if path.is_symlink()]  # copies, not links


def test_a_link_that_is_not_followed_is_no_class_beside_splits(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = lay_out(tmp_path / "in", ["train/cat/1.png", "train/dog/1.png"])
    (root / "extra").symlink_to(lay_out(tmp_path / "elsewhere", ["1.png"]))
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert found["classes"] == {"cat": {"train": 1}, "dog": {"train": 1}}
    assert list(refused_of(found)) == ["extra"]


NAMES = (
    "with space.png",
    "new\nline.png",
    "tab\there.png",
    "quote'\".png",
    "-rf.png",
    "--help.png",
    "\N{CAT FACE}.png",
    "caf\u00e9.png",
    "cafe\u0301.png",
    "\u202egnp.exe.png",
    "a" * 251 + ".png",
    "=1+1.png",
    "<b>bold.png",
    "$(touch pwned).png",
    "%s%n{}.png",
    "CON.png",
    "dot..png",
    "a.PNG",
    "A.png",
    "[red].png",
)
CLASSES = (
    "with space",
    "new\nline",
    "-x",
    "=cmd|1",
    "<script>",
    "\N{CAT FACE}",
    "Cat",
    "cat",
    "c" * 255,
    "caf\u00e9",
    "cafe\u0301",
)


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """Every odd file name, and a class for every odd folder name."""
    paths = [f"plain/{name}" for name in NAMES] + [f"{name}/{i}.png" for name in CLASSES for i in range(2)]
    return lay_out(tmp_path / "named", paths)


def test_odd_names_are_read(named: Path, run: Run, capsys: Capture) -> None:
    before = corpus.state_of(named)
    status, found = inspect_json(run, capsys, named)
    assert status == 0
    assert set(found["classes"]) == {"plain", *CLASSES}
    assert found["classes"]["plain"] == {"train": len(NAMES)}
    assert run("inspect", named) == 0
    printed = capsys.readouterr().out
    assert "\u202e" not in printed  # a mark that turns the text round does not reach the terminal
    assert "new\nline" not in printed
    assert corpus.state_of(named) == before


def test_odd_names_go_through_every_verb(named: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    before, out, sheet = corpus.state_of(named), tmp_path / "out", tmp_path / "sheet.png"
    assert run("plan", named, "--json") == 0
    assert run("preview", named, "--n", 1, "--out", sheet) == 0
    assert run("generate", named, out, "--target", 4, "--quiet") == 0
    assert corpus.state_of(named) == before
    assert {path.name for path in (out / "plain").iterdir()} == set(NAMES)
    for label in CLASSES:
        new = {path.name for path in (out / label).iterdir()} - {"0.png", "1.png"}
        assert len(new) == 2
        assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") for name in new), new
        assert all(len(name) < 100 and not name.startswith("-") for name in new), new
    assert run("verify", out) == 0
    assert run("verify", out, "--remake", 4) == 0
    assert run("undo", out) == 0
    assert not out.exists()
    assert "Traceback" not in capsys.readouterr().err


def test_in_place_and_undo_with_odd_names(named: Path, run: Run) -> None:
    before = files_of(named)
    assert run("generate", named, "--in-place", "--target", 3, "--quiet") == 0
    assert run("verify", named) == 0
    assert run("undo", named) == 0
    assert files_of(named) == before


def files_of(root: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """State of the files alone: a folder's own time changes with what is put into it."""
    return {path: state for path, state in corpus.state_of(root).items() if not os.path.isdir(path)}


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(label=NAME, name=NAME)
def test_any_name_is_read_or_refused(
    label: bytes, name: bytes, tmp_path_factory: pytest.TempPathFactory, run: Run, capsys: Capture
) -> None:
    root = lay_out(tmp_path_factory.mktemp("any"), ["cat/1.png", "cat/2.png"])
    folder = os.path.join(os.fsencode(root), label)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + b".png"), "wb") as file:
        file.write(image(5))
    before, out = corpus.state_of(root), root.with_name(root.name + "-out")
    status, found = inspect_json(run, capsys, root)
    assert status == (3 if found["refused"] else 0)
    assert found["files"]["found"] == 3
    assert run("generate", root, out, "--target", 3, "--quiet") == status
    assert run("verify", out) == 0
    assert corpus.state_of(root) == before
    assert "Traceback" not in capsys.readouterr().err


def test_names_that_are_not_utf8_are_refused_by_a_printable_name(root: Path, run: Run, capsys: Capture) -> None:
    for name in (b"cat/caf\xe9.png", b"cat/back\\slash.png"):
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(image())
    os.mkdir(os.path.join(os.fsencode(root), b"dir\xff"))
    before = corpus.state_of(root)
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert set(refused_of(found)) == {"cat/caf\\udce9.png", "cat/back\\slash.png", "dir\\udcff"}
    assert set(found["classes"]) == {"cat", "dog"}
    assert run("generate", root, root.with_name("out"), "--quiet") == 3
    assert corpus.state_of(root) == before


@pytest.mark.parametrize("splits", [[""], ["train/", "test/"]])
def test_the_same_name_in_two_classes_and_splits(splits: list[str], tmp_path: Path, run: Run) -> None:
    paths = [f"{split}{label}/{name}" for split in splits for label in ("Cat", "cat") for name in ("a.png", "A.png")]
    root, out = lay_out(tmp_path / "in", [*paths, f"{splits[0]}cat/b.png"]), tmp_path / "out"
    assert run("generate", root, out, "--quiet") == 0
    for path in paths:
        assert (out / path).read_bytes() == (root / path).read_bytes()
    assert run("verify", out) == 0


def test_names_that_other_systems_take_for_one_are_said(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = lay_out(tmp_path / "in", ["Cat/a.png", "Cat/A.png", "cat/b.png", "cat/CON.png", "cat/c.png"])
    found = inspect_json(run, capsys, root)[1]
    said = " ".join(f"{f['kind']} {f['message']} {f['paths']}" for f in found["findings"] if "portable" in f["kind"])
    for word in ("A.png", "CON.png", "Cat"):
        assert word in said


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("method", ["augment", "duplicate"])
def test_small_classes_are_filled(n: int, method: str, tmp_path: Path, run: Run, capsys: Capture) -> None:
    paths = [f"rare/{i}.png" for i in range(n)] + [f"common/{i}.png" for i in range(8)]
    root, out = lay_out(tmp_path / "in", paths), tmp_path / "out"
    assert inspect_json(run, capsys, root)[0] == 0
    assert run("generate", root, out, "--method", method, "--json", "--quiet") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["classes"]["rare"]["accepted"] == 8 - n
    assert run("verify", out) == 0


def test_an_empty_class_stays_a_class_and_gets_nothing(root: Path, run: Run, capsys: Capture) -> None:
    (root / "bird").mkdir()
    found = inspect_json(run, capsys, root)[1]
    assert found["classes"]["bird"] == {"train": 0}
    assert run("plan", root, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["classes"]["bird"]["planned"] == 0
    assert plan["classes"]["bird"]["note"] == "no training image to start from"
    assert run("generate", root, root.with_name("out"), "--quiet") in (0, 3)
    assert "Traceback" not in capsys.readouterr().err


def test_a_class_whose_images_are_all_refused(root: Path, run: Run, capsys: Capture) -> None:
    lay_out(root, {"bird/a.jpg": b"no image", "bird/b.jpg": b""})
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert found["classes"]["bird"] == {"train": 0}
    assert run("generate", root, root.with_name("out"), "--quiet") == 3
    assert run("weights", root, "--json", "--quiet") in (0, 3)
    assert run("preview", root, "--out", root.with_name("sheet.png")) in (0, 3)
    assert "Traceback" not in capsys.readouterr().err


def test_a_single_class(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root, out = lay_out(tmp_path / "in", ["cat/1.png", "cat/2.png"]), tmp_path / "out"
    assert inspect_json(run, capsys, root)[0] == 0
    assert run("generate", root, out, "--quiet") == 0
    assert len(list((out / "cat").iterdir())) == 2
    assert run("generate", root, tmp_path / "more", "--target", "2x", "--quiet") == 0
    assert len(list((tmp_path / "more" / "cat").iterdir())) == 4


def test_a_class_only_in_test_is_no_source(tmp_path: Path, run: Run, capsys: Capture) -> None:
    paths = ["train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/cat/1.png", "test/bird/1.png"]
    root, out = lay_out(tmp_path / "in", paths), tmp_path / "out"
    found = inspect_json(run, capsys, root)[1]
    assert found["classes"]["bird"] == {"train": 0, "test": 1}
    assert run("generate", root, out, "--json", "--quiet") in (0, 3)
    summary = json.loads(capsys.readouterr().out)
    assert summary["classes"]["bird"]["accepted"] == 0
    assert summary["classes"]["dog"]["accepted"] == 1
    assert [path.name for path in (out / "test" / "bird").iterdir()] == ["1.png"]


def test_already_balanced_is_done_and_complete(tmp_path: Path, run: Run) -> None:
    paths = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(3)]
    root, out = lay_out(tmp_path / "in", paths), tmp_path / "out"
    assert run("generate", root, out, "--quiet") == 0
    images = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert images == set(paths)
    assert (out / "manifest.jsonl").exists()
    assert run("verify", out) == 0


def test_nested_folders_count_for_the_outer_class(tmp_path: Path, run: Run, capsys: Capture) -> None:
    paths = ["cat/a/1.png", "cat/b/deep/2.png", "cat/3.png", "dog/1.png"]
    root, out = lay_out(tmp_path / "in", paths), tmp_path / "out"
    status, found = inspect_json(run, capsys, root)
    assert status == 0
    assert found["classes"] == {"cat": {"train": 3}, "dog": {"train": 1}}
    assert any("outer class" in finding["message"] for finding in found["findings"])
    assert run("generate", root, out, "--quiet") == 0
    assert {path.name for path in (out / "cat").iterdir()} == {"3.png", "a-1.png", "b-deep-2.png"}
    rows = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    assert {row["path"]: row["id"] for row in rows if not row["synthetic"]}["cat/b-deep-2.png"] == "cat/b/deep/2.png"
    assert run("verify", out) == 0


def test_images_beside_class_folders_are_refused(root: Path, run: Run, capsys: Capture) -> None:
    lay_out(root, ["lonely.png"])
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert refused_of(found) == {"lonely.png": "lies beside the class folders: move it into one"}


def test_images_beside_class_folders_of_a_split(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = lay_out(tmp_path / "in", ["train/cat/1.png", "train/lonely.png", "root.png"])
    found = inspect_json(run, capsys, root)[1]
    assert set(refused_of(found)) == {"train/lonely.png", "root.png"}


def test_split_words(tmp_path: Path, run: Run, capsys: Capture) -> None:
    paths = [
        "training/cat/1.png",
        "training/cat/2.png",
        "training/dog/1.png",
        "Valid/cat/1.png",
        "testing/cat/1.png",
    ]
    root, out = lay_out(tmp_path / "in", paths), tmp_path / "out"
    found = inspect_json(run, capsys, root)[1]
    assert found["classes"] == {
        "cat": {"train": 2, "val": 1, "test": 1},
        "dog": {"train": 1, "val": 0, "test": 0},
    }
    assert run("generate", root, out, "--quiet") == 0
    assert len(list((out / "training" / "dog").iterdir())) == 2  # the folder keeps its own name
    assert not (out / "train").exists()


def test_split_folders_beside_class_folders_are_an_error(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = lay_out(tmp_path / "in", ["train/cat/1.png", "test/cat/1.png", "bird/1.png"])
    assert run("inspect", root) == 1
    line = error_line(capsys)
    assert "bird" in line
    assert "train" in line


def test_a_class_named_like_a_split_is_said(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = lay_out(tmp_path / "in", ["test/1.png", "cat/1.png"])
    found = inspect_json(run, capsys, root)[1]
    assert set(found["classes"]) == {"cat", "test"}
    assert any("named like a split" in finding["message"] for finding in found["findings"])


@pytest.mark.parametrize("verb", ["inspect", "plan", "weights", "preview", "generate"])
@pytest.mark.parametrize("what", ["missing", "file", "empty", "flat", "loop", "too long"])
def test_an_input_that_is_no_dataset_is_one_line(
    verb: str, what: str, tmp_path: Path, run: Run, capsys: Capture
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    if what == "file":
        data.write_bytes(image())
    elif what == "empty":
        data.mkdir()
    elif what == "flat":
        lay_out(data, ["1.png", "2.png"])
    elif what == "loop":
        data.symlink_to(data)
    elif what == "too long":
        data = tmp_path / ("x" * 300)
    assert run(verb, data, *([out] if verb == "generate" else [])) in (1, 2)
    assert str(data)[:120] in error_line(capsys)  # the middle of a long name is left out
    assert {path.name for path in tmp_path.iterdir()} <= {"data"}  # no output, and no lock left behind


@needs_permissions
def test_no_permission_is_said(root: Path, run: Run, capsys: Capture) -> None:
    root.chmod(0)
    try:
        assert run("inspect", root) in (1, 2)
    finally:
        root.chmod(0o755)
    out, err = capsys.readouterr()
    assert out == ""
    assert "readable" in err or "no permission" in err
    assert "Traceback" not in err


@needs_permissions
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100])
def test_a_folder_without_permission_is_refused(mode: int, root: Path, run: Run, capsys: Capture) -> None:
    (root / "dog").chmod(mode)
    (root / "cat" / "1.png").chmod(0)
    try:
        status, found = inspect_json(run, capsys, root)
    finally:
        (root / "dog").chmod(0o755)
    assert status == 3
    assert found["files"]["used"] == 2
    assert all("can't be read" in reason for reason in refused_of(found).values())


def test_a_manifest_that_is_damaged_is_one_line(root: Path, run: Run, capsys: Capture) -> None:
    (root / "manifest.jsonl").write_text('{"audio_filepath": "a.wav"}\n')
    assert run("inspect", root) == 1
    assert "manifest.jsonl:1" in error_line(capsys)


def with_metadata(root: Path, name: str, text: str, *, encoding: str = "utf-8") -> Path:
    lay_out(root, ["a.png", "b.png", "c.png", "d.png", "e.png"])
    (root / name).write_bytes(text.encode(encoding))
    return root


CSV = """file_name,label,split,group
a.png,cat,train,p1
b.png,cat,train,p1
c.png,dog,valid,p2
d.png,dog,train,p3
"""
JSONL = "".join(
    json.dumps(dict(zip(("file_name", "label", "split", "group"), line.split(","), strict=True))) + "\n"
    for line in CSV.splitlines()[1:]
)


@pytest.mark.parametrize(("name", "text"), [("metadata.csv", CSV), ("metadata.jsonl", JSONL)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_metadata_files(name: str, text: str, encoding: str, tmp_path: Path, run: Run, capsys: Capture) -> None:
    root, out = with_metadata(tmp_path / "in", name, text, encoding=encoding), tmp_path / "out"
    before = corpus.state_of(root)
    status, found = inspect_json(run, capsys, root)
    assert status == 0
    assert found["classes"] == {"cat": {"train": 2, "val": 0}, "dog": {"train": 1, "val": 1}}
    assert skipped_of(found)["not in the metadata file"] == 1
    assert run("generate", root, out, "--quiet") == 0
    assert (out / "train" / "cat" / "a.png").exists()
    assert (out / "val" / "dog" / "c.png").exists()
    assert len(list((out / "train" / "dog").iterdir())) == 2
    assert corpus.state_of(root) == before
    assert run("generate", root, "--in-place") == 1  # a metadata file is never changed
    assert corpus.state_of(root) == before


BAD_ROWS = {
    "../outside.png,cat": "leads out of the folder",
    "/etc/passwd,cat": "leads out of the folder",
    "C:/a.png,cat": "leads out of the folder",
    "x\\..\\a.png,cat": "leads out of the folder",
    "nul\0.png,cat": "leads out of the folder",
    "sub/../../a.png,cat": "leads out of the folder",
    "b.png,../up": "can't be a folder name",
    "b.png,a/b": "can't be a folder name",
    "b.png,": "can't be a folder name",
    "b.png": "can't be a folder name",
    "b.png,.hidden": "can't be a folder name",
    "b.png," + "x" * 256: "can't be a folder name",
    "a.png,cat": "listed twice",
    "gone.png,cat": "no such file",
}


@pytest.mark.parametrize("row", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_bad_rows_of_a_metadata_file(row: str, tmp_path: Path, run: Run, capsys: Capture) -> None:
    lay_out(tmp_path, ["outside.png"])
    root = with_metadata(tmp_path / "in", "metadata.csv", f"file_name,label\na.png,cat\n{row}\nc.png,dog\n")
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert found["files"]["used"] == 2
    (reason,) = refused_of(found).values()
    assert reason.startswith("metadata.csv:3: ")
    assert BAD_ROWS[row] in reason
    before = corpus.state_of(tmp_path / "in")
    assert run("generate", root, tmp_path / "out", "--quiet") == 3
    assert corpus.state_of(tmp_path / "in") == before
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "outside.png"}


def test_a_bad_split_in_a_metadata_file(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = with_metadata(tmp_path / "in", "metadata.csv", CSV + "e.png,dog,someday,p4\n")
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert "split 'someday'" in refused_of(found)["e.png"]


def test_names_that_json_can_hold_and_files_cannot(tmp_path: Path, run: Run, capsys: Capture) -> None:
    rows = [
        {"file_name": "a.png", "label": "cat", "group": "\ud800"},
        {"file_name": "b.png", "label": "\ud800"},
        {"file_name": "\ud800.png", "label": "cat"},
        {"file_name": ["c.png"], "label": "cat"},
        {"file_name": "d.png", "label": 7},
        {"file_name": "e.png", "label": None},
    ]
    root = with_metadata(tmp_path / "in", "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    status, found = inspect_json(run, capsys, root)
    assert status == 3
    assert found["classes"] == {"7": {"train": 1}, "cat": {"train": 1}}
    assert run("generate", root, tmp_path / "out", "--target", 2, "--quiet") == 3
    assert "Traceback" not in capsys.readouterr().err


BROKEN_METADATA = {
    "no column": ("metadata.csv", b"file_name|label\na.png|cat\n", '"file_name" is missing'),
    "twice": ("metadata.csv", b"file_name,label,label\na.png,cat,dog\n", '"label" twice'),
    "an open quote": ("metadata.csv", b'file_name,label\na.png,"cat\nb.png,dog\n', "metadata.csv:2: not a row"),
    "no label": ("metadata.csv", b"file_name,class\na.png,cat\n", '"label" is missing'),
    "not UTF-8": ("metadata.csv", "file_name,label\ncaf\u00e9.png,cat\n".encode("latin-1"), "save the table as UTF-8"),
    "empty": ("metadata.csv", b"", "no image"),
    "not JSON": ("metadata.jsonl", b'{"file_name": "a.png", \n', "metadata.jsonl:1: not JSON"),
    "a list": ("metadata.jsonl", b'["a.png", "cat"]\n', "expected an object"),
    "no key": ("metadata.jsonl", b'{"file_name": "a.png"}\n', '"label" is missing'),
    "deep": ("metadata.jsonl", b"[" * 200_000, "metadata.jsonl:1: not JSON"),
    "a huge field": ("metadata.csv", b"file_name,label\n" + b"a" * 200_000 + b",cat\n", "metadata.csv"),
}


@pytest.mark.parametrize("what", BROKEN_METADATA)
def test_a_broken_metadata_file_is_one_line(what: str, tmp_path: Path, run: Run, capsys: Capture) -> None:
    name, data, word = BROKEN_METADATA[what]
    root = with_metadata(tmp_path / "in", name, "")
    (root / name).write_bytes(data)
    assert run("inspect", root) == 1
    line = error_line(capsys)
    assert word in line
    assert len(line) < 500


def test_a_metadata_file_for_each_split(tmp_path: Path, run: Run, capsys: Capture) -> None:
    root = lay_out(tmp_path / "in", ["train/a.png", "train/b.png", "test/a.png"])
    (root / "train" / "metadata.csv").write_text("file_name,label\na.png,cat\nb.png,dog\n")
    (root / "test" / "metadata.csv").write_text("file_name,label\na.png,cat\n")
    found = inspect_json(run, capsys, root)[1]
    assert found["classes"] == {"cat": {"train": 1, "test": 1}, "dog": {"train": 1, "test": 0}}


def test_files_of_one_name_get_places_of_their_own(tmp_path: Path, run: Run) -> None:
    long = "n" * 251 + ".png"
    paths = ["x/a.png", "y/a.png", "z/A.PNG", "x/a-2.png", f"x/{long}", f"y/{long}"]
    root, out = lay_out(tmp_path / "in", paths), tmp_path / "out"
    (root / "metadata.csv").write_text("file_name,label\n" + "".join(f"{path},cat\n" for path in paths))
    assert run("generate", root, out, "--quiet") == 0
    names = [path.name for path in (out / "cat").iterdir()]
    assert len({name.casefold() for name in names}) == len(names) == len(paths)
    assert max(map(len, names)) <= 255
    assert run("verify", out) == 0


@pytest.mark.parametrize("place", ["pets", "pets/out", "pets/cat", ".", "link", "pets/../pets"])
def test_an_output_in_the_wrong_place_is_refused(
    place: str, root: Path, tmp_path: Path, run: Run, capsys: Capture
) -> None:
    (tmp_path / "link").symlink_to(root)
    before = corpus.state_of(tmp_path)
    assert run("generate", root, tmp_path / place) in (1, 2)
    assert error_line(capsys)
    assert corpus.state_of(tmp_path) == before


def test_an_output_that_holds_other_things_is_refused(root: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    thesis = lay_out(tmp_path / "out", {"thesis.tex": b"dear to me"}) / "thesis.tex"
    before = corpus.state_of(tmp_path)
    assert run("generate", root, tmp_path / "out") == 1
    assert "holds files" in error_line(capsys)
    assert corpus.state_of(tmp_path) == before
    assert run("generate", root, thesis) == 1
    assert "is a file" in error_line(capsys)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"thesis.tex": b"dear to me"}


def test_an_empty_folder_may_become_the_output(root: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "out").mkdir()
    assert run("generate", root, tmp_path / "out", "--quiet") == 0
    assert run("verify", tmp_path / "out") == 0


def test_a_dataset_that_lies_behind_a_link(root: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    (tmp_path / "link").symlink_to(root)
    status, found = inspect_json(run, capsys, tmp_path / "link")
    assert status == 0
    assert found["files"]["used"] == 5


def test_a_file_that_vanishes_after_the_listing(root: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    """Between two commands a dataset may lose files: the next one reads what is there."""
    assert run("generate", root, tmp_path / "out", "--quiet") == 0
    shutil.rmtree(root / "dog")
    assert run("generate", root, tmp_path / "out", "--quiet") in (0, 1)
    assert "Traceback" not in capsys.readouterr().err
