"""Kills, full disks, two runs at once, changed input, hostile manifests: nothing lost, nothing written outside."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Run, contents, fill_folder, make_dataset, tree_state

import synth
from synth.data.manifest import read_manifest
from synth.files import staging_folder

COMMAND = (sys.executable, "-m", "synth")
SETTINGS = ("--target", "200", "--cap", "100", "--seed", "7", "--quiet")


def start(data: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    def listen() -> None:  # tests that run in the background of a shell have inherited that Ctrl-C is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    arguments = ("generate", str(data), str(out), *SETTINGS, *options)
    return subprocess.Popen((*COMMAND, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listen)


def finish(data: Path, out: Path, *options: str) -> str:
    process = start(data, out, *options)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return errors.decode()


def test_killed_runs_resume_to_the_same_bytes(lights: Path, tmp_path: Path) -> None:
    finish(lights, tmp_path / "whole", "--workers", "1")
    before = tree_state(lights)
    draw = random.Random(3)
    out = tmp_path / "killed"
    for _ in range(3):
        process = start(lights, out, "--workers", "2")
        wait_for_rows(out, at_least=draw.randrange(1, 450), process=process)
        process.kill()
        process.communicate()
    finish(lights, out, "--workers", "2")
    assert contents(out) == contents(tmp_path / "whole")
    assert not staging_folder(out).exists()
    assert tree_state(lights) == before


def wait_for_rows(out: Path, *, at_least: int, process: subprocess.Popen[bytes]) -> None:
    journal = staging_folder(out) / "tree" / "manifest.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= at_least):
        time.sleep(0.002)


@pytest.mark.parametrize("cut", [0, 1, 40, 700, 701, 1500, 5000, -1, -2, -300])
def test_a_manifest_cut_at_any_byte_resumes(lights: Path, tmp_path: Path, cut: int, run: Run) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    options = ("--target", "yellow=40", "--cap", "50", "--quiet", "--workers", 1)
    assert run("generate", lights, whole, *options) == 0
    interrupted(lights, out, options, run)
    journal = staging_folder(out) / "tree" / "manifest.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data[: cut if cut >= 0 else len(data) + cut])
    assert run("generate", lights, out, *options) == 0
    assert contents(out) == contents(whole)


def interrupted(data: Path, out: Path, options: tuple[object, ...], run: Run) -> None:
    """Leave a run behind whose files are all made, but not committed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synth.output.staging.Staging.commit", stop)
        assert run("generate", data, out, *options) == 130


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def die_at_step(patch: pytest.MonkeyPatch, step: int, names: str, *, full: bool = False) -> None:
    """Let the step-th call of these functions of `os` be the last one before a kill, or fail as on a full disk."""
    calls = 0

    def dying(function: object) -> object:
        def call(*arguments: object, **keywords: object) -> object:
            nonlocal calls
            calls += 1
            if calls == step:
                named = [str(each) for each in arguments if isinstance(each, str | Path)]  # fsync names no file
                raise OSError(28, "No space left on device", *named[:1]) if full else KeyboardInterrupt
            return function(*arguments, **keywords)  # type: ignore[operator]

        return call

    for name in names.split():
        patch.setattr(os, name, dying(getattr(os, name)))


@pytest.mark.parametrize("step", range(1, 40, 3))
def test_a_commit_in_place_killed_at_any_step_is_finished_by_the_next_start(lights: Path, step: int, run: Run) -> None:
    """Every call that changes the folder may be the last one before a kill."""
    options = ("--target", "yellow=12", "--quiet", "--workers", 1, "--in-place")
    with pytest.MonkeyPatch.context() as patch:
        die_at_step(patch, step, "link replace rename unlink")
        status = run("generate", lights, *options)
    assert status in (0, 130)
    assert run("generate", lights, *options) == 0
    assert synth.verify(lights).good
    assert len(list((lights / "train/yellow").iterdir())) == 12
    assert sum(row.synthetic for row in read_manifest(lights / "manifest.jsonl")) == 9


def test_interrupt_prints_the_command_that_resumes(lights: Path, tmp_path: Path) -> None:
    long_enough = ("--target", "4000", "--cap", "2000")  # not to be done before the signal comes
    process = start(lights, tmp_path / "out", "--workers", "2", *long_enough)
    wait_for_rows(tmp_path / "out", at_least=30, process=process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"synth generate {lights} {tmp_path / 'out'} --target 200" in errors.decode()
    assert "Traceback" not in errors.decode()
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_and_resumes(lights: Path, tmp_path: Path) -> None:
    """A limit on the file size stands in for a full disk: writing the growing manifest fails."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    out = tmp_path / "out"
    arguments = (*COMMAND, "generate", str(lights), str(out), *SETTINGS)
    failed = subprocess.run(arguments, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "File too large" in failed.stderr
    assert not out.exists()
    finish(lights, out)
    assert synth.verify(out).good


@pytest.mark.parametrize("fails_at", [1, 2, 5, 9, 14, 30])
def test_every_write_may_fail(
    lights: Path, tmp_path: Path, fails_at: int, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def full(function: object) -> object:
        def call(path: object, mode: str = "r", *arguments: object, **keywords: object) -> object:
            nonlocal calls
            if "w" in mode or "a" in mode:
                calls += 1
                if calls == fails_at:
                    raise OSError(28, "No space left on device", str(path))
            return function(path, mode, *arguments, **keywords)  # type: ignore[operator]

        return call

    def full_low(path: object, flags: int, *arguments: object, **keywords: object) -> object:
        nonlocal calls
        if flags & os.O_CREAT:
            calls += 1
            if calls == fails_at:
                raise OSError(28, "No space left on device", str(path))
        return low(path, flags, *arguments, **keywords)  # type: ignore[arg-type]

    low = os.open
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", full_low)
        patch.setattr("builtins.open", full(open))
        patch.setattr(Path, "open", full(Path.open))
        assert run("generate", lights, out, "--quiet", "--workers", 1) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not out.exists()
    assert run("generate", lights, out, "--quiet", "--workers", 1) == 0
    assert synth.verify(out).good


def test_two_runs_at_once_one_wins(lights: Path, tmp_path: Path) -> None:
    processes = [start(lights, tmp_path / "out") for _ in range(3)]
    results = [(process.communicate(timeout=120)[1].decode(), process.returncode) for process in processes]
    codes = sorted(code for _, code in results)
    assert codes[0] == 0
    assert set(codes) <= {0, 11}
    assert all("another run" in errors for errors, code in results if code == 11)
    assert synth.verify(tmp_path / "out").good


def test_the_lock_names_its_holder(lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    process = start(lights, tmp_path / "out", "--workers", "1")
    wait_for_rows(tmp_path / "out", at_least=1, process=process)
    process.send_signal(signal.SIGSTOP)
    try:
        assert run("generate", lights, tmp_path / "out", *SETTINGS) == 11
        assert f"process {process.pid} on" in capsys.readouterr().err
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=120)


def test_a_changed_dataset_is_not_resumed(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = tmp_path / "out", ("--quiet", "--workers", 1)
    interrupted(lights, out, options, run)
    fill_folder(lights / "train/red", "red", 1, first=900)
    assert run("generate", lights, out, *options) == 1
    error = capsys.readouterr().err
    assert "new: train/red/red-900.jpg" in error
    assert "synth undo" in error
    assert run("undo", out) == 0
    assert run("generate", lights, out, *options) == 0
    assert not staging_folder(out).exists()


def test_other_settings_are_not_resumed(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(lights, tmp_path / "out", ("--quiet", "--workers", 1), run)
    assert run("generate", lights, tmp_path / "out", "--quiet", "--seed", 9) == 1
    assert "other settings" in capsys.readouterr().err


def test_a_worker_that_dies_is_replaced(lights: Path, tmp_path: Path) -> None:
    process = start(lights, tmp_path / "out", "--workers", "2")
    wait_for_rows(tmp_path / "out", at_least=1, process=process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if children:
        os.kill(int(children[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    finish(lights, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled folder; read-only, made once."""
    root = tmp_path_factory.mktemp("filled")
    data = make_dataset(root / "data", {"train": {"red": 5, "yellow": 3}})
    synth.generate(synth.open_dataset(data), None, synth.Recipe(), root / "out")
    return root / "out"


HOSTILE = {
    "parent folder": {"path": "../outside.jpg"},
    "absolute": {"path": "/etc/hostname"},
    "backslash": {"path": "train\\..\\x.jpg"},
    "drive": {"path": "C:/x.jpg"},
    "nul": {"path": "train/a\0b.jpg"},
    "parent's path": {"parents": [{"path": "../../x", "sha256": "0" * 64}]},
    "no hash": {"sha256": "abc"},
    "path is a number": {"path": 7},
    "verdict": {"verdict": "perhaps"},
    "run": {"run": "/../../victim"},
    "attempt": {"attempt": "x"},
    "no parents": {"parents": None},
    "parents of another kind": {"parents": [1]},
    "parent without a path": {"parents": [{}]},
    "reasons": {"reasons": 3},
    "params": {"params": []},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("verb", ["verify", "undo", "inspect"])
def test_a_hostile_manifest_is_refused(
    filled: Path, tmp_path: Path, verb: str, change: dict[str, object], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"not yours")
    shutil.copytree(filled, tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), **change})
    manifest.write_text("\n".join(lines) + "\n")
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(verb, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert f"manifest.jsonl:{len(lines)}" in error
    assert "Traceback" not in error
    assert contents(tmp_path) == before


@pytest.mark.parametrize("line", ["not json", "[1]", "{}", '{"id": 1e999}'])
def test_a_damaged_line_is_named(lights: Path, run: Run, capsys: pytest.CaptureFixture[str], line: str) -> None:
    run("generate", lights, "--in-place", "--quiet", "--target", "yellow=5")
    with (lights / "manifest.jsonl").open("a") as file:
        file.write(line + "\n")
    capsys.readouterr()
    assert run("verify", lights) == 1
    assert "manifest.jsonl:32" in capsys.readouterr().err


def test_an_id_that_stands_twice_is_refused(lights: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", lights, "--in-place", "--quiet", "--target", "yellow=5")
    manifest = lights / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join((*lines, lines[0])))
    capsys.readouterr()
    assert run("verify", lights) == 1
    assert "twice" in capsys.readouterr().err


def test_verify_names_what_is_wrong(lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    run("generate", lights, out, "--quiet", "--target", "yellow=6")
    first, second = sorted((out / "train/red").iterdir())[:2]
    first.unlink()
    second.write_bytes(b"x")
    (out / "train/red/stranger.jpg").write_bytes(b"y")
    capsys.readouterr()
    assert run("verify", out, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["missing"] == [first.relative_to(out).as_posix()]
    assert found["changed"] == [second.relative_to(out).as_posix()]
    assert found["unknown"] == ["train/red/stranger.jpg"]


def test_a_file_in_the_way_is_never_overwritten(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("generate", lights, tmp_path / "out", "--quiet", "--target", "yellow=5")
    name = next((tmp_path / "out/train/yellow").glob("*augment-000000*")).name
    (lights / "train/yellow" / name).write_bytes(b"mine")
    capsys.readouterr()
    run("generate", lights, "--in-place", "--quiet", "--target", "yellow=5")
    assert (lights / "train/yellow" / name).read_bytes() == b"mine"
    assert "in the way" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["manifest.jsonl", "recipe.toml", "summary.json"])
def test_a_users_file_of_our_name_is_kept(lights: Path, run: Run, name: str) -> None:
    (lights / name).write_text("mine")
    assert run("generate", lights, "--in-place", "--quiet", "--target", "yellow=5") == 1
    assert (lights / name).read_text() == "mine"


def test_a_users_readme_is_kept(lights: Path, run: Run) -> None:
    (lights / "README.md").write_text("mine")
    assert run("generate", lights, "--in-place", "--quiet", "--target", "yellow=5") == 0
    assert run("undo", lights) == 0
    assert (lights / "README.md").read_text() == "mine"


@pytest.mark.parametrize("step", range(1, 22, 2))
def test_an_undo_killed_at_any_step_may_be_repeated(lights: Path, step: int, run: Run) -> None:
    before = contents(lights)
    options = ("--quiet", "--workers", 1, "--in-place")
    run("generate", lights, "--target", "yellow=6", *options)
    first = contents(lights)
    run("generate", lights, "--target", "yellow=9", *options)
    with pytest.MonkeyPatch.context() as patch:
        die_at_step(patch, step, "replace unlink")
        killed = run("undo", lights) != 0
    if killed:
        assert run("undo", lights) == 0
    assert contents(lights) == first
    assert run("undo", lights) == 0
    assert contents(lights) == before


@pytest.mark.parametrize("step", range(1, 60, 7))
@pytest.mark.parametrize("verb", ["generate into an empty folder", "undersample", "undo", "undo of unfinished work"])
def test_a_failed_step_is_one_line_and_the_same_command_goes_on(
    lights: Path, tmp_path: Path, verb: str, step: int, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever change of a file fails, nothing of the command is in the way of the same command."""
    options, kept = ("--quiet", "--workers", 1), tmp_path / "kept"
    out, whole = tmp_path / "out", tmp_path / "whole"
    if verb.startswith("generate"):
        out.mkdir()
        run("generate", lights, whole, "--target", "yellow=6", *options)
        command = ("generate", lights, out, "--target", "yellow=6", *options)
    elif verb == "undersample":
        run(verb, lights, whole, "--size", 3, *options)
        command = (verb, lights, out, "--size", 3, *options)
    else:
        run("generate", lights, out, "--target", "yellow=6", *options)
        shutil.copytree(out, whole)
        if verb == "undo":
            run("generate", lights, out, "--target", "yellow=9", *options)
        else:
            interrupted(lights, out, ("--target", "yellow=9", *options), run)
        command = ("undo", out)
    shutil.copytree(lights, kept)
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        die_at_step(patch, step, "link replace rename unlink rmdir mkdir fsync", full=True)
        status = run(*command)
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("synth: ")]
    assert status in (0, 1)
    assert [("No space left" in line and str(tmp_path) in line) for line in error] == [True] * status
    if status or verb == "undersample":
        assert run(*command) == 0
    assert contents(out) == contents(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"lights", "kept", "out", "whole"}
    assert contents(lights) == contents(kept)


def test_an_undo_that_was_killed_is_finished_by_any_command(lights: Path, tmp_path: Path, run: Run) -> None:
    """It takes out the run that it began with, and no other."""
    out, options = tmp_path / "out", ("--quiet", "--workers", 1)
    run("generate", lights, out, "--target", "yellow=6", *options)
    first = contents(out)
    run("generate", lights, out, "--target", "yellow=9", *options)
    second = contents(out)
    for step in (4, 9):
        with pytest.MonkeyPatch.context() as patch:
            die_at_step(patch, step, "unlink")
            assert run("undo", out) == 130
        assert run("verify", out) == 1
        assert run("generate", lights, out, "--target", "yellow=6", *options) == 0
        assert contents(out) == first
        assert run("generate", lights, out, "--target", "yellow=9", *options) == 0
        assert contents(out) == second


def test_files_that_are_gone_or_changed_are_said_and_made_again(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = tmp_path / "out", ("--target", "yellow=6", "--quiet", "--workers", 1)
    run("generate", lights, out, *options)
    before = contents(out)
    new, other = sorted((out / "train/yellow").glob("*-augment-*"))[:2]
    original = next((out / "test/red").iterdir())
    for path in (new, original, out / "README.md"):
        path.unlink()
    other.write_bytes(b"edited")
    (out / "train/red/stranger.jpg").write_bytes(b"theirs")
    capsys.readouterr()
    assert run("generate", lights, out, *options) == 0
    told = capsys.readouterr().out
    assert "nothing to do" not in told
    assert "3 files were gone and made again" in told
    assert "1 file was changed and made again" in told
    assert all(path.relative_to(out).as_posix() in told for path in (new, original, other))
    assert (tmp_path / "out.changed" / other.relative_to(out)).read_bytes() == b"edited"
    assert (out / "train/red/stranger.jpg").read_bytes() == b"theirs"
    (out / "train/red/stranger.jpg").unlink()
    assert contents(out) == before
    assert run("generate", lights, out, *options) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_file_that_can_not_be_made_again_is_named(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed file stays then."""
    out, options = tmp_path / "out", ("--target", "yellow=6", "--quiet", "--workers", 1)
    run("generate", lights, out, *options)
    name = next((out / "train/red").iterdir()).name
    (lights / "train/red" / name).unlink()
    (out / "train/red" / name).write_bytes(b"edited")
    capsys.readouterr()
    assert run("generate", lights, out, *options) == 0
    assert f"train/red/{name}: the input has no such image" in capsys.readouterr().out
    assert (out / "train/red" / name).read_bytes() == b"edited"


def test_a_new_image_that_can_not_be_made_again_is_missing_from_the_plan(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = tmp_path / "out", ("--target", "yellow=6", "--workers", 1)
    run("generate", lights, out, "--quiet", *options)
    recipe = out / "recipe.toml"
    recipe.write_text(recipe.read_text("utf-8").replace("seed = 0", "seed = 1"), "utf-8")  # other blocks of the texture
    recipe.write_text(recipe.read_text("utf-8").replace('format = "auto"', 'format = "png"'), "utf-8")
    next((out / "train/yellow").glob("*-augment-*")).unlink()
    capsys.readouterr()
    assert run("generate", lights, out, "--json", *options) == 3
    assert json.loads(capsys.readouterr().out)["classes"]["yellow"]["short"] == 1


def test_the_pictures_of_rejected_candidates_are_made_again(lights: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    settings = ("--set", "augment.effects.brightness.factor=0", "--set", "augment.effects.brightness.p=0.5")
    run("generate", lights, out, "--target", "yellow=8", *settings, "--set", "tries=20", "--quiet", "--workers", 1)
    before = contents(out)
    assert json.loads(before["rejected.json"])["images"]
    (out / "rejected.json").unlink()
    run("generate", lights, out, "--target", "yellow=8", *settings, "--set", "tries=20", "--quiet", "--workers", 1)
    assert contents(out) == before


def test_a_link_that_leads_out_of_the_output_is_not_followed(lights: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "outside").mkdir()
    run("generate", lights, tmp_path / "out", "--target", "yellow=5", "--only-new", "--quiet")
    moved = tmp_path / "out/train/yellow"
    moved.rename(tmp_path / "kept")
    moved.symlink_to(tmp_path / "outside")
    assert run("generate", lights, tmp_path / "out", "--target", "yellow=9", "--only-new", "--quiet") == 1
    assert list((tmp_path / "outside").iterdir()) == []


def test_verify_inside_the_folder(lights: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("generate", lights, tmp_path / "out", "--quiet")
    monkeypatch.chdir(tmp_path / "out")
    assert run("verify", ".") == 0
