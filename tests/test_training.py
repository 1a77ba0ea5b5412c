"""The training loop and its bundles: the same bytes for the same seed, resumed where killed, stopped at NaN."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from conftest import QUICK, Judged, Run, contents
from torch import Tensor, nn

import synth
from synth.errors import OutputError, TrainingError, UsageError
from synth.runs.speed import stages_of, whole_progress
from synth.training import loop
from synth.training.device import autocast, choose_device
from synth.training.loop import CHECK, CHECKPOINT, STATS, fit, read_stats, seeded

STEPS = 4 * CHECK


class Line:
    """Fits y = 3x + 1, and gives a loss that is not a number at one step if asked to."""

    averaged = "network"

    def __init__(self, *, breaks_at: int | None = None, killed_at: int | None = None) -> None:
        with seeded(5):
            self.network = nn.Linear(1, 1)
        self.modules: Mapping[str, nn.Module] = {"network": self.network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "optimizer": torch.optim.AdamW(self.network.parameters(), 0.1)
        }
        self.breaks_at, self.killed_at = breaks_at, killed_at
        self.steps: list[int] = []

    def step(self, number: int) -> Mapping[str, Tensor]:
        if number == self.killed_at:
            raise KeyboardInterrupt
        self.steps.append(number)
        x = torch.linspace(-1, 1, 8)[:, None] + 0.01 * number
        loss = nn.functional.mse_loss(self.network(x), 3 * x + 1)
        if number == self.breaks_at:
            loss = loss * float("nan")
        self.optimizers["optimizer"].zero_grad()
        loss.backward()
        self.optimizers["optimizer"].step()
        return {"loss": loss.detach()}


def weights(fitted: loop.Fit) -> list[float]:
    return [float(value) for parameter in fitted.network.parameters() for value in parameter.detach().flatten()]


def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(Line(), tmp_path / "whole", n_steps=STEPS, batch=8)
    monkeypatch.setattr(loop, "SECONDS", 0)  # a checkpoint at every look
    with pytest.raises(KeyboardInterrupt):
        fit(Line(killed_at=2 * CHECK + 3), tmp_path / "killed", n_steps=STEPS, batch=8)
    resumed = Line()
    again = fit(resumed, tmp_path / "killed", n_steps=STEPS, batch=8)
    assert resumed.steps[0] == 2 * CHECK
    assert weights(again) == weights(whole)
    assert read_stats(tmp_path / "killed" / STATS) == read_stats(tmp_path / "whole" / STATS)


def test_progress_is_counted_in_images(tmp_path: Path) -> None:
    seen: list[int] = []
    fitted = fit(Line(), tmp_path, n_steps=STEPS, batch=8, on_check=lambda n_seen, _: seen.append(n_seen))
    assert seen == [8 * CHECK * i for i in range(1, 5)]
    assert fitted.n_images_seen == 8 * STEPS
    lines = read_stats(tmp_path / STATS)
    assert [line["n_images_seen"] for line in lines] == seen
    assert all(a["loss"] > b["loss"] for a, b in itertools.pairwise(lines))


def test_a_loss_that_is_no_number_stops_with_the_last_good_state(tmp_path: Path) -> None:
    good = fit(Line(), tmp_path / "good", n_steps=2 * CHECK, batch=8)
    stopped = fit(Line(breaks_at=2 * CHECK + 1), tmp_path / "bad", n_steps=STEPS, batch=8)
    assert weights(stopped) == weights(good)
    assert stopped.n_images_seen == 8 * 2 * CHECK
    assert "not finite" in stopped.stopped


def test_a_loss_that_never_was_a_number_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="lower learning rate"):
        fit(Line(breaks_at=0), tmp_path, n_steps=STEPS, batch=8)


def test_the_average_follows_the_weights(tmp_path: Path) -> None:
    line = Line()
    average = fit(line, tmp_path, n_steps=STEPS, batch=8, decay=0.0)
    assert weights(average) == [float(p.detach()) for p in line.network.parameters()]


def test_the_first_weights_leave_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded(7):
        torch.rand(100)
    assert torch.equal(torch.rand(3), expected)


def test_devices_are_named_and_refused() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="expected auto, cpu, cuda, mps"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="use cpu or auto"):
            choose_device("cuda")


def test_mixed_precision_computes_in_bfloat16() -> None:
    line, x = nn.Linear(4, 2), torch.ones(3, 4)
    with autocast(torch.device("cpu"), "bfloat16"):
        assert line(x).dtype == torch.bfloat16
    for precision in ("auto", "float32"):
        with autocast(torch.device("cpu"), precision):  # type: ignore[arg-type]
            assert line(x).dtype == torch.float32


SETTINGS = {**QUICK, "classifier.steps": 20}


@pytest.fixture(scope="module")
def whole(judged: Judged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of a classifier, by one process; read-only."""
    bundle = tmp_path_factory.mktemp("whole") / "judge"
    synth.train("classifier", synth.open_dataset(judged.data), synth.load_recipe(None, SETTINGS), bundle)
    return bundle


class TestClassifier:
    """`synth train classifier`."""

    def test_the_command_gives_the_same_bytes_with_two_workers_and_prints_what_they_hold(
        self, judged: Judged, whole: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
        command = ("train", "classifier", judged.data, tmp_path / "judge", "--workers", 2, *sets)
        assert run(*command, "--json", "--quiet") == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed.pop("seconds") > 0
        assert {**printed, "seconds": None} == json.loads((tmp_path / "judge/scores.json").read_text())
        assert printed["n_images_seen"] == 4 * 20 * 32  # three folds and the whole, 20 steps of 32
        found = printed["out_of_fold"]
        assert set(found["classes"]) == {"red", "yellow", "green"}
        assert [sum(row) for row in found["confusion"]] == [found["classes"][label]["n"] for label in found["labels"]]
        assert contents(whole) == contents(tmp_path / "judge")

    def test_the_same_command_again_finds_the_bundle(
        self, judged: Judged, whole: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
        out = Path(shutil.copytree(whole, tmp_path / "judge"))
        (tmp_path / "judge.incomplete").mkdir()  # a kill came right before it was removed
        assert run("train", "classifier", judged.data, out, *sets) == 0
        assert "nothing to do" in capsys.readouterr().out
        assert contents(out) == contents(whole)
        assert not (tmp_path / "judge.incomplete").exists()
        (out / "weights.safetensors").write_bytes(b"damaged")
        assert run("train", "classifier", judged.data, out, *sets) == 1
        assert "weights.safetensors" in capsys.readouterr().err

    def test_another_seed_gives_other_weights(self, judged: Judged, tmp_path: Path) -> None:
        dataset, settings = synth.open_dataset(judged.data), {**SETTINGS, "classifier.steps": 1}
        for seed in (0, 1):
            synth.train(
                "classifier", dataset, synth.load_recipe(None, {**settings, "seed": seed}), tmp_path / str(seed)
            )
        one, other = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "01")
        assert one != other

    def test_a_killed_training_is_resumed_by_the_same_call(self, judged: Judged, whole: Path, tmp_path: Path) -> None:
        dataset, recipe = synth.open_dataset(judged.data), synth.load_recipe(None, SETTINGS)

        def killed(what: str, done: int, total: int) -> None:
            if done > total / 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            synth.train("classifier", dataset, recipe, tmp_path / "killed", progress=killed)
        assert not (tmp_path / "killed").exists()
        with pytest.raises(OutputError, match="other data or settings"):
            synth.train("classifier", dataset, synth.load_recipe(None, {**SETTINGS, "seed": 9}), tmp_path / "killed")
        synth.train("classifier", dataset, recipe, tmp_path / "killed")
        assert not (tmp_path / "killed.incomplete").exists()
        assert contents(tmp_path / "killed") == contents(whole)

    def test_an_existing_folder_is_never_replaced(self, judged: Judged) -> None:
        before, other = contents(judged.bundle), synth.load_recipe(None, {**QUICK, "seed": 9})
        with pytest.raises(OutputError, match="choose another folder"):
            synth.train("classifier", synth.open_dataset(judged.data), other, judged.bundle)
        assert contents(judged.bundle) == before

    def test_one_class_alone_can_not_be_told_from_nothing(self, tmp_path: Path, judged: Judged) -> None:
        shutil.copytree(judged.data / "train" / "red", tmp_path / "data" / "red")
        with pytest.raises(TrainingError, match="two classes"):
            synth.train("classifier", synth.open_dataset(tmp_path / "data"), synth.Recipe(), tmp_path / "judge")

    def test_scores_are_out_of_fold(self, judged: Judged) -> None:
        records = [json.loads(line) for line in (judged.bundle / "images.jsonl").read_text().splitlines()]
        scores = json.loads((judged.bundle / "scores.json").read_text())["out_of_fold"]
        hits = sum(record["predicted"] == record["class"] for record in records if record["class"] == "yellow")
        assert scores["classes"]["yellow"]["recall"] == pytest.approx(hits / 20)
        assert scores["macro_f1"] > 0.9
        assert CHECKPOINT not in contents(judged.bundle)


@pytest.mark.parametrize("what", ["classifier", "autoencoder", "gan"])
def test_one_progress_for_all_networks_of_a_training(what: str, judged: Judged) -> None:
    dataset = synth.open_dataset(judged.data)
    items = [item for found in dataset.train.values() for item in found]
    stages = stages_of(what, items, synth.Recipe(), n_workers=2, device="cpu")
    assert list(stages)[-1] == what
    assert all(seconds > 0 for seconds in stages.values())
    reports: list[tuple[str, int, int]] = []
    report = whole_progress(lambda *values: reports.append(values), what, stages)
    for stage in stages:
        for done in range(0, 101, 20):
            report(stage, done, 100)
    names, done_so_far, totals = zip(*reports, strict=True)
    assert len(set(names)) == 1
    assert list(done_so_far) == sorted(done_so_far)
    assert set(totals) == {done_so_far[-1]}
