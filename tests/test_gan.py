"""Training the GAN: the same bytes for the same seed, resumed where killed, measured, chosen, honest on its card."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import Judged, Run, contents, make_dataset, picture
from PIL import Image

import synth
from synth.errors import OutputError, TrainingError, UsageError
from synth.files import staging_folder
from synth.gan.trained import open_gan
from synth.training import loop
from synth.training.loop import read_stats

BEFORE = {
    "autoencoder.steps": 30,
    "autoencoder.batch": 4,
    "autoencoder.code": 8,
    "autoencoder.feature_weight": 0,
    "classifier.steps": 25,
    "classifier.batch": 16,
    "classifier.folds": 2,
}
SETTINGS = {**BEFORE, "gan.steps": 50, "gan.batch": 4, "gan.looks": 2, "gan.bank": 40, "gan.deep": False}
COUNTS = {"train": {"blue": 0, "red": 30, "yellow": 6, "green": 16, "pink": 2}, "test": {"red": 2}}
FILES = {
    "README.md",
    "borrowing.png",
    "bundle.json",
    "curves.png",
    "images.jsonl",
    "looks.jsonl",
    "measures.png",
    "recipe.toml",
    "samples.png",
    "scores.json",
    "stats.jsonl",
    "training.png",
    "walks.png",
    "weights.safetensors",
}
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Trained:
    """A dataset, and a GAN that was trained on it."""

    data: Path
    bundle: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Classes with many, few, very few and no images; read-only, made once."""
    root = tmp_path_factory.mktemp("gan")
    data = make_dataset(root / "data", COUNTS)
    train(data, root / "gan", SETTINGS)
    return Trained(data, root / "gan")


def train(data: Path, out: Path, settings: Mapping[str, Any], **options: Any) -> synth.Bundle:
    return synth.train("gan", synth.open_dataset(data), synth.load_recipe(None, settings), out, **options)


def document(bundle: Path, name: str) -> Any:
    return json.loads((bundle / name).read_text())


def test_the_bundle_tells_what_it_is(trained: Trained) -> None:
    assert set(contents(trained.bundle)) == FILES
    info, scores = document(trained.bundle, "bundle.json"), document(trained.bundle, "scores.json")
    assert info["counts"] == {"blue": 0, "green": 16, "pink": 2, "red": 30, "yellow": 6}
    assert (info["kind"], info["side"], info["network"]) == ("gan", 32, {"code": 8, "channels": 3})
    assert info["sizes"] == {label: [24, 36] for label in ("green", "pink", "red", "yellow")}
    assert scores["n_images_seen"] == 50 * 4
    assert scores["drawn"]["chosen"] in (100, 200)
    found = scores["drawn"]["classes"]
    assert set(found) == {"green", "pink", "red", "yellow"}
    assert all(0 <= found[label]["on_class"] <= 1 for label in ("green", "red"))
    assert "too few" in found["pink"]["reasons"][0]
    assert found["yellow"]["verdict"] in ("look", "not usable")
    assert "6 real images" in found["yellow"]["reasons"][-1]
    card = (trained.bundle / "README.md").read_text()
    assert "| pink | 2 |" in card
    assert "share this folder as you would share the images" in " ".join(card.split())
    assert (trained.bundle / "weights.safetensors").stat().st_size < 3_000_000


def test_it_can_be_opened_and_its_bank_names_real_images(trained: Trained) -> None:
    gan = open_gan(trained.bundle)
    train_items = synth.open_dataset(trained.data).train
    hashes = {item.sha256: item.label for items in train_items.values() for item in items}
    owners = [gan.origins[owner].sha256 for owner in gan.bank.owners]
    assert [hashes[sha256] for sha256 in owners] == [gan.classes[number] for number in gan.bank.labels]
    assert len(set(owners)) == len(hashes)


def test_looks_and_losses_are_on_record(trained: Trained) -> None:
    evaluations = [json.loads(line) for line in (trained.bundle / "looks.jsonl").read_text().splitlines()]
    assert [evaluate["n_images_seen"] for evaluate in evaluations] == [100, 200]
    assert set(evaluations[0]["classes"]) == {"green", "pink", "red", "yellow"}
    stats = read_stats(trained.bundle / "stats.jsonl")
    assert [line["n_images_seen"] for line in stats] == [100, 200]
    assert {"discriminator", "generator", "penalty"} < set(stats[0])
    with Image.open(trained.bundle / "samples.png") as sheet:
        assert sheet.width > sheet.height / 2


def test_the_same_seed_gives_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    train(trained.data, tmp_path / "again", SETTINGS, n_workers=2)
    again, first = contents(tmp_path / "again"), contents(trained.bundle)
    assert {name for name in first if first[name] != again[name]} <= {"scores.json"}  # it holds the seconds
    train(trained.data, tmp_path / "other", {**SETTINGS, "seed": 1})
    assert contents(tmp_path / "other")["weights.safetensors"] != first["weights.safetensors"]


@pytest.mark.parametrize("stage", ["before: training", "training"])
def test_a_killed_training_is_resumed_by_the_same_call(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0)  # a checkpoint at every look
    out = tmp_path / "gan"

    def killed(what: str, done: int, total: int) -> None:
        if what == stage and done >= total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trained.data, out, SETTINGS, progress=killed)
    assert not out.exists()
    with pytest.raises(OutputError, match="other data or settings"):
        train(trained.data, out, {**SETTINGS, "gan.borrow": 0.9})
    told: list[str] = []
    train(trained.data, out, SETTINGS, progress=lambda what, done, total: told.append(what))
    assert told[0] == stage
    assert not staging_folder(out).exists()
    for name in FILES - {"scores.json"}:
        assert (out / name).read_bytes() == (trained.bundle / name).read_bytes(), name


def test_sheets_can_be_looked_at_while_it_trains(trained: Trained, tmp_path: Path) -> None:
    found = []

    def evaluate(what: str, done: int, total: int) -> None:
        if what == "training":
            found.append(sorted(path.suffix for path in (staging_folder(tmp_path / "gan") / "looks").rglob("0*")))

    train(trained.data, tmp_path / "gan", {**SETTINGS, "gan.steps": 75, "gan.looks": 3}, progress=evaluate)
    assert found[1:] == [[".json", ".png", ".safetensors"], [".json", ".json", ".png", ".png", *2 * [".safetensors"]]]


def test_out_of_memory_halves_the_batch_on_record(trained: Trained, tmp_path: Path) -> None:
    def full(what: str, done: int, total: int) -> None:
        if what == "training" and total == 50 * 8:
            raise torch.OutOfMemoryError("no more memory")

    bundle = train(trained.data, tmp_path / "gan", {**SETTINGS, "gan.batch": 8}, progress=full)
    assert bundle.info["settings"]["batch"] == 4
    assert bundle.scores["n_images_seen"] == 50 * 4
    assert "out of memory: 4 images in a step instead of 8" in (bundle.path / "README.md").read_text()
    with pytest.raises(TrainingError, match=r"gan\.batch lower"):
        train(trained.data, tmp_path / "small", SETTINGS, progress=fail_always)


def fail_always(what: str, done: int, total: int) -> None:
    if what == "training":
        raise torch.OutOfMemoryError("no more memory")


def test_what_is_not_finite_stops_with_the_last_good_state(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finite"):
        train(trained.data, tmp_path / "gan", {**SETTINGS, "gan.rate": 1e30})


def test_classes_with_too_few_images_alone_are_refused(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 4, "green": 14}})
    with pytest.raises(TrainingError, match=r"red: 4 training images are too few.*augment or smote") as error:
        train(data, tmp_path / "gan", SETTINGS)
    assert "no other class" in str(error.value)
    with pytest.raises(TrainingError, match="no training images"):
        train(make_dataset(tmp_path / "none", {"": {"red": 0}}), tmp_path / "gan", SETTINGS)
    assert not (tmp_path / "gan").exists()


def test_it_begins_with_what_is_given(judged: Judged, tmp_path: Path) -> None:
    codes = synth.train(
        "autoencoder", synth.open_dataset(judged.data), synth.load_recipe(None, BEFORE), tmp_path / "codes"
    )
    told: list[str] = []
    settings = {**SETTINGS, "bundle": str(codes.path), "judge": str(judged.bundle), "gan.rate": 1e-12}
    gan = train(judged.data, tmp_path / "gan", settings, progress=lambda what, done, total: told.append(what))
    assert set(told) == {"training"}
    before, after = codes.tensors(), gan.tensors()
    for name in ("encoder.head.weight", "generator.first.weight"):
        assert torch.equal(after[name], before[name].half())
    other = make_dataset(tmp_path / "other", {"": {"cat": 20, "dog": 20}})
    with pytest.raises(UsageError, match="train one on this data"):
        train(other, tmp_path / "more", settings)


def test_few_images_everywhere_and_a_class_without_any(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": {"green": 6, "red": 7}, "test": {"yellow": 2}})
    bundle = train(data, tmp_path / "gan", {**SETTINGS, "gan.steps": 25, "gan.looks": 1, "gan.codes": "own"})
    assert set(bundle.scores["drawn"]["classes"]) == {"green", "red"}


def test_grey_images(tmp_path: Path) -> None:
    for label in ("red", "green"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(15):
            picture(label, i).convert("L").save(tmp_path / "data" / label / f"{i}.png")
    bundle = train(tmp_path / "data", tmp_path / "gan", {**SETTINGS, "gan.steps": 25, "gan.looks": 1})
    assert bundle.info["network"]["channels"] == 1
    assert {found["n"] for found in bundle.scores["drawn"]["classes"].values()} == {256}


def test_training_leaves_the_global_random_state_alone(trained: Trained, tmp_path: Path) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index,union-attr]

    before = states()
    train(trained.data, tmp_path / "gan", SETTINGS)
    assert states() == before


def test_the_command_prints_what_the_bundle_holds(
    trained: Trained, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={str(value).lower()}")]
    command = ("train", "gan", trained.data, tmp_path / "gan", "--workers", 1, *sets)
    assert run(*command, "--json", "--quiet") == 0
    assert json.loads(capsys.readouterr().out) == document(tmp_path / "gan", "scores.json")
    assert run(*command) == 1
    assert "choose another folder" in capsys.readouterr().err
    assert run("train", "gan", trained.data, tmp_path / "more", *sets) == 0
    printed = capsys.readouterr().out
    assert "pink: 2 training images are too few" in printed
    assert f"--method gan --bundle {tmp_path / 'more'}" in printed.replace("\n", "")


def test_tensorboard_is_asked_for_by_its_extra(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(UsageError, match=r"synth-images\[tensorboard\]"):
        train(trained.data, tmp_path / "gan", SETTINGS, tensorboard=tmp_path / "board")
    dataset = synth.open_dataset(trained.data)
    with pytest.raises(UsageError, match="only the training of a GAN"):
        synth.train("classifier", dataset, synth.Recipe(), tmp_path / "judge", tensorboard=tmp_path)


def script(*arguments: object, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *launcher, str(ROOT / "scripts/train_gan.py"), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def test_the_script_reads_like_a_manual() -> None:
    shown = script("--help").stdout
    for words in ("BUNDLE.incomplete/looks", "torchrun", "samples.png", "--recipe", "--tensorboard", "resumes"):
        assert words in shown


def test_two_processes_train_and_one_writes(trained: Trained, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={str(value).lower()}")]
    command = (trained.data, tmp_path / "gan", "--device", "cpu", "--workers", 1, "--json", "--quiet", *sets)
    done = script(*command, launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == document(tmp_path / "gan", "scores.json")  # one of the two speaks
    assert set(contents(tmp_path / "gan")) == FILES
    alone, together = (
        safetensors.torch.load((folder / "weights.safetensors").read_bytes())
        for folder in (trained.bundle, tmp_path / "gan")
    )
    for name, values in alone.items():
        assert torch.allclose(values.float(), together[name].float(), atol=2e-2), name
    refused = script(trained.data, tmp_path / "odd", *sets, "--set", "gan.batch=5", launcher=launcher)
    assert "multiple of the 2 processes" in refused.stderr
