"""Training the GAN: the same bytes for the same seed, resumed where killed, measured, chosen, honest on its card."""

from __future__ import annotations

import json
import random
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Judged, Run, contents, in_two_processes, killed_at_the_end_of, make_dataset, picture
from PIL import Image

import synth
from synth.errors import OutputError, TrainingError, UsageError
from synth.files import staging_folder
from synth.gan.setup import GanSetup
from synth.gan.trained import open_gan
from synth.training import loop
from synth.training.bundle import open_bundle
from synth.training.distributed import ProcessGroup
from synth.training.job import TrainingJob
from synth.training.loop import read_stats

BEFORE = {
    "autoencoder.steps": 26,
    "autoencoder.batch": 4,
    "autoencoder.code": 8,
    "autoencoder.feature_weight": 0,
    "classifier.steps": 25,
    "classifier.batch": 16,
    "classifier.folds": 2,
}
SETTINGS = {**BEFORE, "gan.steps": 26, "gan.batch": 4, "gan.looks": 2, "gan.bank": 40, "gan.deep": False}
FEW_STEPS = {"gan.steps": 1, "gan.looks": 1}
SHORT = {**SETTINGS, **FEW_STEPS, "autoencoder.steps": 1, "classifier.steps": 1}
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
    assert scores["n_images_seen"] == 26 * 4
    assert scores["drawn"]["chosen"] in (100, 104)
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
    assert [evaluate["n_images_seen"] for evaluate in evaluations] == [100, 104]
    assert set(evaluations[0]["classes"]) == {"green", "pink", "red", "yellow"}
    stats = read_stats(trained.bundle / "stats.jsonl")
    assert [line["n_images_seen"] for line in stats] == [100, 104]
    assert {"discriminator", "generator", "penalty"} < set(stats[0])
    with Image.open(trained.bundle / "samples.png") as sheet:
        assert sheet.width > sheet.height / 2


def typed(settings: Mapping[str, object]) -> list[str]:
    """Settings as options of a command."""
    return [word for key, value in settings.items() for word in ("--set", f"{key}={str(value).lower()}")]


def test_the_command_gives_the_same_bytes_and_prints_what_they_hold(
    trained: Trained, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index,union-attr]

    before = states()
    command = ("train", "gan", trained.data, tmp_path / "gan", "--workers", 2, *typed(SETTINGS))
    assert run(*command, "--json", "--quiet") == 0
    assert states() == before
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("seconds") > 0
    assert {**printed, "seconds": None} == document(tmp_path / "gan", "scores.json")
    assert contents(tmp_path / "gan") == contents(trained.bundle)
    assert run(*command) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_killed_training_is_resumed_by_the_same_call(
    trained: Trained, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0)  # a checkpoint at every look
    out, told = tmp_path / "gan", []

    for stage in ("autoencoder", "gan"):
        for _ in range(2):
            told.clear()
            with pytest.raises(KeyboardInterrupt):
                train(trained.data, out, SETTINGS, progress=killed_at_the_end_of(stage, told))
            assert not out.exists()
        assert told == [(stage, 1)]  # the second time it goes on from its checkpoint
    # Its first look is there to be seen.
    assert sorted(path.suffix for path in (staging_folder(out) / "looks").rglob("0*")) == [
        ".json",
        ".png",
        ".safetensors",
    ]
    for other in ({"gan.borrow": 0.9}, {"seed": 1}):
        with pytest.raises(OutputError, match="other data or settings"):
            train(trained.data, out, SETTINGS | other)
    assert run("train", "gan", trained.data, out, *typed(SETTINGS)) == 0
    printed = capsys.readouterr().out
    assert "pink: 2 training images are too few" in printed
    assert f"--method gan --bundle {out}" in printed.replace("\n", "")
    assert not staging_folder(out).exists()
    assert contents(out) == contents(trained.bundle)


def given(judged: Judged, codes: Path) -> dict[str, object]:
    """Settings for a short training that begins with networks that are there."""
    return {**SETTINGS, **FEW_STEPS, "bundle": str(codes), "judge": str(judged.bundle)}


def test_out_of_memory_halves_the_batch_on_record(judged: Judged, codes: Path, tmp_path: Path) -> None:
    def full(what: str, done: int, total: int) -> None:
        if total == 8:
            raise torch.OutOfMemoryError("no more memory")

    settings = given(judged, codes)
    bundle = train(judged.data, tmp_path / "gan", {**settings, "gan.batch": 8}, progress=full)
    assert bundle.info["settings"]["batch"] == 4
    assert bundle.scores["n_images_seen"] == 4
    assert "out of memory: 4 images in a step instead of 8" in (bundle.path / "README.md").read_text()
    with pytest.raises(TrainingError, match=r"gan\.batch lower"):
        train(judged.data, tmp_path / "small", settings, progress=fail_always)


def fail_always(what: str, done: int, total: int) -> None:
    if what == "gan":
        raise torch.OutOfMemoryError("no more memory")


def test_what_was_never_finite_is_an_error(judged: Judged, codes: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finite"):
        train(judged.data, tmp_path / "gan", {**given(judged, codes), "gan.steps": 3, "gan.rate": 1e30})


def test_classes_with_too_few_images_alone_are_refused(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 4, "green": 14}})
    with pytest.raises(TrainingError, match=r"red: 4 training images are too few.*augment or smote") as error:
        train(data, tmp_path / "gan", SETTINGS)
    assert "no other class" in str(error.value)
    with pytest.raises(TrainingError, match="no training images"):
        train(make_dataset(tmp_path / "none", {"": {"red": 0}}), tmp_path / "gan", SETTINGS)
    assert not (tmp_path / "gan").exists()


def test_it_begins_with_what_is_given(judged: Judged, codes: Path, tmp_path: Path) -> None:
    told: list[str] = []
    settings = {**given(judged, codes), "gan.rate": 1e-12}
    gan = train(judged.data, tmp_path / "gan", settings, progress=lambda what, done, total: told.append(what))
    assert set(told) == {"gan"}
    before, after = open_bundle(codes, "autoencoder").tensors(), gan.tensors()
    for name in ("encoder.head.weight", "generator.first.weight"):
        assert torch.equal(after[name], before[name].half())
    other = make_dataset(tmp_path / "other", {"": {"cat": 20, "dog": 20}})
    with pytest.raises(UsageError, match="train one on this data"):
        train(other, tmp_path / "more", settings)


def test_few_images_everywhere_and_a_class_without_any(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": {"green": 6, "red": 7}, "test": {"yellow": 2}})
    bundle = train(data, tmp_path / "gan", {**SHORT, "gan.codes": "own"})
    assert set(bundle.scores["drawn"]["classes"]) == {"green", "red"}


def test_grey_images_and_seeds(tmp_path: Path) -> None:
    for label in ("red", "green"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(15):
            picture(label, i).convert("L").save(tmp_path / "data" / label / f"{i}.png")
    one, other = (train(tmp_path / "data", tmp_path / f"gan-{seed}", {**SHORT, "seed": seed}) for seed in (0, 1))
    assert one.info["network"]["channels"] == 1
    assert {found["n"] for found in one.scores["drawn"]["classes"].values()} == {256}
    assert (one.path / "weights.safetensors").read_bytes() != (other.path / "weights.safetensors").read_bytes()


def test_tensorboard_is_asked_for_by_its_extra(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(UsageError, match=r"synth-images\[tensorboard\]"):
        train(trained.data, tmp_path / "gan", SETTINGS, tensorboard=tmp_path / "board")
    dataset = synth.open_dataset(trained.data)
    with pytest.raises(UsageError, match="only the training of a GAN"):
        synth.train("classifier", dataset, synth.Recipe(), tmp_path / "judge", tensorboard=tmp_path)


def script(*arguments: object) -> None:
    """Run `scripts/train_gan.py` in this process, which it ends."""
    sys.argv = ["train_gan.py", *map(str, arguments)]
    runpy.run_path(str(ROOT / "scripts/train_gan.py"), run_name="__main__")


def test_the_script_reads_like_a_manual(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [])
    with pytest.raises(SystemExit) as end:
        script("--help")
    assert not end.value.code
    shown = capsys.readouterr().out
    for words in ("BUNDLE.incomplete/looks", "torchrun", "samples.png", "--recipe", "--tensorboard", "continues"):
        assert words in shown


def test_two_processes_train_and_one_writes(
    trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--device", "cpu", "--workers", 1, "--json", "--quiet", *typed(SHORT))
    in_two_processes(lambda rank: script(trained.data, tmp_path / "gan", *options))
    printed = json.loads(capfd.readouterr().out)  # one of the two speaks
    assert {**printed, "seconds": None} == document(tmp_path / "gan", "scores.json")
    assert set(contents(tmp_path / "gan")) == FILES
    alone, together = train(trained.data, tmp_path / "alone", SHORT), open_bundle(tmp_path / "gan", "gan")
    begun = [name for name in alone.tensors() if not name.startswith("generator.")]
    assert all(torch.equal(alone.tensors()[name], together.tensors()[name]) for name in begun)
    losses = [read_stats(bundle.path / "stats.jsonl")[0] for bundle in (alone, together)]
    rounding = 4 * 32 * 32 * 2.0**-24  # of float32, in sums over the pixels of a batch
    assert losses[1] == pytest.approx(losses[0], rel=rounding, abs=2e-6)  # the file has 6 decimals


def test_processes_share_a_batch_evenly(trained: Trained, tmp_path: Path) -> None:
    dataset, recipe = synth.open_dataset(trained.data), synth.load_recipe(None, {**SHORT, "gan.batch": 5})
    with pytest.raises(UsageError, match="multiple of the 2 processes"):
        GanSetup(TrainingJob(dataset, recipe, tmp_path / "gan"), ProcessGroup(1, 2))


def test_one_class_is_refused_as_a_gan(tmp_path: Path) -> None:
    dataset = synth.open_dataset(make_dataset(tmp_path / "data", {"": {"red": 6}}))
    with pytest.raises(synth.SynthError, match=r'a GAN needs .* two classes, got one \("red"\)'):
        synth.train("gan", dataset, synth.Recipe(), tmp_path / "gan")
