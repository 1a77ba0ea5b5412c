"""The command line says what the library returns, on the right stream, with the right status."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, contents, make_dataset, tree_state
from PIL import Image
from typer.main import get_command

import synth
from synth.cli.app import app
from synth.data.balance import SCHEMES
from synth.errors import UsageError
from synth.pictures.sheets import GAP, LINE, MARGIN, TILE, Strip, Tile, contact_sheet
from synth.settings.recipe import parse_target

LEFTS = [MARGIN + column * (TILE + GAP) for column in range(4)]
"""Where the pictures of a sheet begin."""
Capture = pytest.CaptureFixture[str]


def document(capsys: Capture) -> dict[str, object]:
    loaded = json.loads(capsys.readouterr().out)
    assert isinstance(loaded, dict)
    return loaded


def commands_of(group: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """{path of a command: the command}, also those of groups."""
    found: dict[tuple[str, ...], Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= commands_of(command, (*path, name)) if inner else {(*path, name): command}
    return found


COMMANDS = commands_of(get_command(app))
WITH_A_MEANING_OF_THEIR_OWN = {"--method", "--seed", "--format", "--out"}
"""Options that do not mean the same in every command."""


def test_every_command_is_there() -> None:
    words = "inspect weights plan preview generate undersample policy check trial report verify undo recipe demo"
    trained = {("train", network) for network in ("classifier", "autoencoder", "gan")}
    assert set(COMMANDS) == {(word,) for word in words.split()} | trained


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_that_parses(path: tuple[str, ...], run: Run, capsys: Capture) -> None:
    assert run(*path, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert f"Example: synth {' '.join(path)}" in shown
    example = COMMANDS[path].help.partition("Example: synth ")[2].partition(">")[0].split()
    with COMMANDS[path].make_context(path[-1], example[len(path) :]) as context:
        assert context.params


@pytest.mark.parametrize("path", [(), ("train",)])
def test_the_list_of_commands_cuts_no_line(path: tuple[str, ...], run: Run, capsys: Capture) -> None:
    assert run(*path, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert not [line for line in shown.splitlines() if line.endswith("...") and "Usage" not in line]


def test_an_option_means_the_same_everywhere() -> None:
    helps: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for option in command.params:
            helps.setdefault(max(option.opts, key=len), set()).add(option.help)
    several = {name for name, texts in helps.items() if name.startswith("--") and len(texts) > 1}
    assert several == WITH_A_MEANING_OF_THEIR_OWN


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("synth tr", ["trial", "train"]),
        ("synth train g", ["gan"]),
        ("synth train gan a b --au", ["--autoencoder"]),
        ("synth generate a b --link h", ["hard"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete(
    line: str, completed: list[str], shell: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_SYNTH_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    with pytest.raises(SystemExit):
        app(prog_name="synth")
    shown = capsys.readouterr().out
    assert shown.split() == completed if shell == "bash" else all(f'"{word}"' in shown for word in completed)


def test_inspect_prints_what_the_library_returns(lights: Path, run: Run, capsys: Capture) -> None:
    assert run("inspect", lights, "--json") == 0
    assert document(capsys) == synth.inspect(synth.open_dataset(lights)).to_json()


def test_plan_prints_what_the_library_returns(lights: Path, run: Run, capsys: Capture) -> None:
    assert run("plan", lights, "--json", "--target", "10") == 0
    plan = synth.make_plan(synth.open_dataset(lights), 10)
    printed = document(capsys)
    assert printed.pop("notes")
    assert printed == {"classes": plan.to_json(), "new": 9}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_print_what_the_library_returns(lights: Path, scheme: str, run: Run, capsys: Capture) -> None:
    assert run("weights", lights, "--json", "--scheme", scheme) == 0
    weights = synth.class_weights(synth.open_dataset(lights), scheme)
    assert document(capsys) == {"scheme": scheme, "counts": "filled", "classes": weights}


def test_weights_for_torch_and_keras(lights: Path, run: Run, capsys: Capture) -> None:
    run("weights", lights, "--format", "torch", "--quiet")
    assert capsys.readouterr().out == "weight=torch.tensor([2.875, 1.916667, 7.666667])  # green, red, yellow\n"
    run("weights", lights, "--format", "keras", "--quiet")
    assert capsys.readouterr().out == "class_weight={0: 2.875, 1: 1.916667, 2: 7.666667}  # green, red, yellow\n"


def test_generate_prints_what_the_library_returns(lights: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    assert run("generate", lights, tmp_path / "a", "--json", "--target", "yellow=9", "--seed", 3) == 0
    printed = document(capsys)
    recipe = synth.Recipe(target={"yellow": 9}, seed=3)
    returned = synth.generate(synth.open_dataset(lights), None, recipe, tmp_path / "b").to_json()
    assert isinstance(printed.pop("seconds"), float)
    assert isinstance(returned.pop("seconds"), float)
    assert printed == returned
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_summary_file_is_the_document_without_the_clock(
    lights: Path, tmp_path: Path, run: Run, capsys: Capture
) -> None:
    run("generate", lights, tmp_path / "out", "--json")
    printed = document(capsys)
    stored = json.loads((tmp_path / "out/summary.json").read_text())
    assert stored == {**printed, "seconds": None}


def test_the_stored_recipe_gives_the_same_bytes(lights: Path, tmp_path: Path, run: Run) -> None:
    options = ("--target", "yellow=9", "--seed", 3, "--set", "augment.effects.shear.p=0.5")
    run("generate", lights, tmp_path / "a", *options)
    run("generate", lights, tmp_path / "b", "--recipe", tmp_path / "a/recipe.toml")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_dry_run_shows_the_plan_and_writes_nothing(lights: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    before = sorted(tmp_path.iterdir())
    assert run("generate", lights, tmp_path / "out", "--dry-run", "--json") == 0
    assert document(capsys)["new"] == 13
    assert sorted(tmp_path.iterdir()) == before


def test_json_has_standard_output_to_itself(lights: Path, tmp_path: Path) -> None:
    (lights / "train/red/bad.jpg").write_bytes(b"no image")
    command = (sys.executable, "-m", "synth", "generate", str(lights), str(tmp_path / "out"), "--json")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert json.loads(result.stdout)["refused"] == [
        {"path": "train/red/bad.jpg", "reason": "not an image of a known format"}
    ]
    assert "refused train/red/bad.jpg" in result.stderr


def test_quiet_says_nothing_on_standard_error(lights: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    assert run("generate", lights, tmp_path / "out", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_progress_is_plain_lines_where_there_is_no_terminal(
    lights: Path, tmp_path: Path, run: Run, capsys: Capture
) -> None:
    assert run("generate", lights, tmp_path / "out") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("images: 42 of 42")
    assert all("\x1b" not in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["generate", "DATA"], 2, "--in-place"),
        (["generate", "DATA", "OUT", "--in-place"], 2, "--in-place"),
        (["generate", "DATA", "OUT", "--method", "magic"], 2, "augment, smote, gan, mix, duplicate"),
        (["generate", "DATA", "OUT", "--method", "nowhere:Name"], 2, "nowhere"),
        (["generate", "DATA", "OUT", "--method", "json:loads"], 2, "json:loads"),
        (["generate", "DATA", "OUT", "--class", "yelow"], 2, 'did you mean "yellow"'),
        (["generate", "DATA", "OUT", "--set", "sed=3"], 2, 'did you mean "seed"'),
        (["generate", "DATA", "OUT", "--set", "augment.transforms=[{name='GausNoise'}]"], 2, "GaussNoise"),
        (["generate", "DATA", "OUT", "--workers", "0"], 2, "workers"),
        (["verify", "OUT"], 1, "no such folder"),
        (["undo", "OUT"], 1, "nothing to undo"),
        (["inspect", "OUT"], 1, "no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(
    lights: Path, tmp_path: Path, arguments: list[str], status: int, word: str, run: Run, capsys: Capture
) -> None:
    before = tree_state(tmp_path)
    words = [word.replace("DATA", str(lights)).replace("OUT", str(tmp_path / "out")) for word in arguments]
    assert run(*words, *(["--quiet"] if arguments[0] in ("generate", "inspect") else [])) == status
    error = capsys.readouterr().err
    assert word in error
    assert "Traceback" not in error
    assert tree_state(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["generate", "--method", "augmnt"], 'did you mean "augment"'),
        (["plan", "--method", "augmnt"], 'did you mean "augment"'),
        (["plan", "--target", "majorty"], 'did you mean "majority"'),
        (["plan", "--target", "yelow=9"], 'did you mean "yellow"'),
        (["generate", "--class", "yelow"], 'did you mean "yellow"'),
        (["generate", "--judge", "nosuch"], "nosuch"),
        (["generate", "--method", "smote", "--bundle", "nosuch"], "nosuch"),
        (["generate", "--method", "nosuch:Name"], "nosuch"),
        (["generate", "--method", "gan"], "synth train gan"),
        (["train", "gan", "--autoencoder", "nosuch"], "nosuch"),
        (["undersample", "--judge", "nosuch"], "nosuch"),
        (["trial", "--arms", "augmnt"], "augmnt"),
        (["trial", "--keep", "yellow=x"], "--keep"),
        (["policy", "--class", "yelow", "--judge", "nosuch"], "nosuch"),
        (["plan", "--set", "cap=x" + 5000 * "x"], "cap"),
        (["plan", "--workers", "x"], "--workers"),
        (["plan", "--nosuch"], "synth plan --help"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)
def test_a_mistake_is_told_before_any_image_is_read(
    arguments: list[str],
    named: str,
    lights: Path,
    tmp_path: Path,
    run: Run,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synth.data.images.read", None)
    out = [] if arguments[0] in ("plan", "policy") else [tmp_path / "out"]
    words = 2 if arguments[0] == "train" else 1
    status = run(*arguments[:words], lights, *out, *arguments[words:], "--json")
    printed = capsys.readouterr()
    line = printed.err.strip()
    assert named in line
    assert "\n" not in line
    assert len(line) <= 300
    assert json.loads(printed.out) == {"error": line.removeprefix("synth: "), "exit_status": status}


def test_preview_writes_only_the_sheet(lights: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = tree_state(lights)
    for _ in range(2):
        assert run("preview", lights, "--class", "yellow", "--params", "--quiet") == 0
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["preview-2.png", "preview.png"]
    assert tree_state(lights) == before
    assert run("preview", lights, "--out", "preview.png", "--quiet") == 1
    assert run("preview", lights, "--out", lights / "sheet.png", "--quiet") == 1


def test_preview_shows_the_classes_that_a_run_would_fill(lights: Path) -> None:
    dataset = synth.open_dataset(lights)
    sheet = synth.preview(dataset, synth.Recipe(), n=2)
    filled = synth.preview(dataset, synth.Recipe(classes=("yellow", "green")), n=2)
    assert sheet.tobytes() == filled.tobytes()  # yellow, the rarest, is above green; red is the majority
    balanced = synth.preview(dataset, synth.Recipe(target=3), n=2)  # nothing to fill: all classes
    assert balanced.height > sheet.height


def test_preview_shows_each_parent_once_above_its_children(tmp_path: Path) -> None:
    label = "a class of one image with a name that is far too long for the width of one picture"
    data = make_dataset(tmp_path / "data", {"": {label: 1, "other": 4}})
    sheet = np.asarray(synth.preview(synth.open_dataset(data), synth.Recipe(classes=(label,)), n=4))
    top, below = np.flatnonzero(np.ptp(sheet, axis=1).max(axis=1))[[0, -1]]
    columns = [np.ptp(sheet[top + LINE : below // 2, left : left + TILE], axis=(0, 1)).max() for left in LEFTS]
    assert columns[0] > 100
    assert columns[1:] == [0, 0, 0]
    children = [np.ptp(sheet[-TILE:, left : left + TILE], axis=(0, 1)).max() for left in LEFTS]
    assert min(children) > 100


def test_a_sheet_is_as_wide_as_its_texts_need() -> None:
    names = "bolt, thread worn on the last three turns", "bolt, thread worn on the first three turns"
    tile = Tile(np.zeros((30, 40, 3), np.uint8), (f"{names[0]} 0.93", "a", "b"))
    narrow, long = (contact_sheet([Strip(title, (tile,))]) for title in ("bolt", f"{names[0]} taken for {names[1]}: 3"))
    assert long.width > 3 * narrow.width
    assert contact_sheet([Strip("bolt", (replace(tile, caption=("0.93", "a", "b")),))]).height < narrow.height
    assert long.height > narrow.height


def test_preview_shows_what_generate_makes(lights: Path, tmp_path: Path) -> None:
    dataset = synth.open_dataset(lights)
    sheet = synth.preview(dataset, synth.Recipe(classes=("yellow",)), n=3)
    synth.preview(dataset, synth.Recipe(method="synth.demo:TrafficLights"), n=2, rows=2, captions=True)
    assert isinstance(sheet, Image.Image)
    assert sheet.width > 3 * 100


def test_recipe_prints_toml(run: Run, capsys: Capture) -> None:
    assert run("recipe", "duplicate", "--set", "seed=4") == 0
    assert 'method = "duplicate"' in capsys.readouterr().out


def test_verify_makes_images_again(lights: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    run("generate", lights, tmp_path / "out", "--quiet")
    capsys.readouterr()
    assert run("verify", tmp_path / "out", "--remake", "5", "--remake", "yellow/augment/000002", "--json") == 0
    remade = document(capsys)["remade"]
    assert isinstance(remade, list)
    assert all(row["same_file"] and row["same_pixels"] for row in remade)
    assert "yellow/augment/000002" in [row["id"] for row in remade]
    assert run("verify", tmp_path / "out", "--remake", "yellow/augment/999") == 1


def test_undo_says_what_it_took_out(lights: Path, run: Run, capsys: Capture) -> None:
    run("generate", lights, "--in-place", "--quiet", "--target", "yellow=5")
    capsys.readouterr()
    assert run("undo", lights, "--json") == 0
    assert document(capsys)["removed"] == 2
    assert run("undo", lights) == 1


def test_demo_runs_offline(tmp_path: Path, run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", no_network)
    assert run("demo", tmp_path / "demo", "--json", "--quiet") == 0
    classes = document(capsys)["classes"]
    assert isinstance(classes, dict)
    assert classes["yellow"]["accepted"] == 159
    assert synth.verify(tmp_path / "demo/balanced").good
    assert (tmp_path / "demo/preview.png").exists()
    assert (tmp_path / "demo/gan.png").exists()  # by the bundle on the shelf


def test_strict_turns_a_refusal_into_a_failure(tmp_path: Path, run: Run) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 2, "green": 2}})
    (data / "red/bad.png").write_bytes(b"")
    assert run("inspect", data, "--quiet") == 3
    assert run("inspect", data, "--quiet", "--strict") == 1
    assert run("generate", data, tmp_path / "out", "--quiet", "--strict") == 1


def test_only_a_command_that_goes_on_promises_it(
    lights: Path, run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("synth.data.dataset.open_dataset", stop)
    assert run("inspect", lights) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert run("generate", lights, "--in-place") == 130
    assert "Run it again: synth generate" in capsys.readouterr().err


def test_quiet_hides_the_progress_of_every_command_on_an_output(lights: Path, run: Run, capsys: Capture) -> None:
    run("generate", lights, "--in-place", "--target", "yellow=5", "--quiet")
    capsys.readouterr()
    for verb in ("verify", "report", "undo"):
        assert run(verb, lights, "--quiet") == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("yellow=350,green=500", {"yellow": 350, "green": 500}),
        ("red, dark=3, a=b=4", {"red, dark": 3, "a=b": 4}),
        ("a=1=5,b,c=2,", {"a=1": 5, "b,c": 2}),
    ],
)
def test_a_target_takes_names_with_commas_and_equals_signs(text: str, counts: dict[str, int]) -> None:
    assert parse_target(text) == counts


@pytest.mark.parametrize("text", ["yellow=", "=5", "yellow=3,green", "yellow=x"])
def test_a_target_without_a_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expects NAME=NUMBER"):
        parse_target(text)


def test_targets_given_apart_count_together(lights: Path, run: Run, capsys: Capture) -> None:
    assert run("plan", lights, "--target", "yellow=7", "--target", "green=9", "--json") == 0
    planned = {label: entry["planned"] for label, entry in document(capsys)["classes"].items()}
    assert planned == {"red": 0, "green": 1, "yellow": 4}
    assert run("plan", lights, "--target", "yellow=7", "--target", "yellow=8") == 2
    assert 'names "yellow" twice' in capsys.readouterr().err
    assert run("plan", lights, "--target", "2x", "--target", "yellow=7", "--json") == 0  # the last one counts
    assert sum(entry["planned"] for entry in document(capsys)["classes"].values()) == 4
    assert run("plan", lights, "--target", "yellow=3.5,green=4") == 2
    assert 'expects NAME=NUMBER, got "yellow=3.5"' in capsys.readouterr().err


def test_a_class_with_a_comma_has_a_target_of_its_own(lights: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    (lights / "train/yellow").rename(lights / "train/a=b, c")
    (lights / "test/yellow").rename(lights / "test/a=b, c")
    assert run("plan", lights, "--target", "a=b, c=7,green=9", "--json") == 0
    assert {label: entry["planned"] for label, entry in document(capsys)["classes"].items()} == {
        "a=b, c": 4,
        "green": 1,
        "red": 0,
    }


class _Interrupted:
    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


def test_ctrl_c_while_the_command_line_is_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from synth.__main__ import main

    monkeypatch.setitem(sys.modules, "synth.cli.app", _Interrupted())  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted\n")


def test_an_input_that_ends_too_early_is_no_interrupt(
    lights: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def ended(*_: object, **__: object) -> None:
        raise EOFError("a worker is gone")

    monkeypatch.setattr("synth.data.dataset.open_dataset", ended)
    assert run("plan", lights) == 1
    assert "synth: an input ended too early: a worker is gone\n" in capsys.readouterr().err


def test_a_full_output_says_by_which_seed_and_how_to_get_other_images(
    lights: Path, tmp_path: Path, run: Run, capsys: Capture
) -> None:
    assert run("generate", lights, tmp_path / "out", "--seed", 2, "--quiet") == 0
    capsys.readouterr()
    assert run("generate", lights, tmp_path / "out", "--seed", 3, "--quiet") == 0
    printed = capsys.readouterr().out
    assert "nothing to do: the planned images are there, made with seed 2 (for others: synth undo" in printed
