"""The autoencoder: the same bytes for the same seed, resumed where killed, and a latent space that is safe to open."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.torch
import torch
from conftest import Run, contents, killed_at_the_end_of, make_dataset, picture
from PIL import Image

import synth
from synth.autoencoder import training as autoencoder_training
from synth.autoencoder.latent_space import LatentSpace, open_latent_space
from synth.autoencoder.step import feature_difference
from synth.effects.policy import Policy
from synth.errors import BundleError, OutputError, TrainingError
from synth.files import staging_folder
from synth.networks.autoencoder import SIDES, Encoder, Generator
from synth.networks.small import Small
from synth.pictures.sheets import TILE
from synth.training import loop
from synth.training.batches import Batches, safe_policy
from synth.training.inference import CODES_BATCH
from synth.training.loop import read_stats

SETTINGS = {"autoencoder.steps": 100, "autoencoder.batch": 8, "autoencoder.code": 16}
FEATURES = {"steps": 50, "batch": 16}
QUICK = {"autoencoder.steps": 5, "autoencoder.batch": 4, "autoencoder.code": 8, "autoencoder.feature_weight": 0}
COUNTS = {"train": {"blue": 0, "red": 12, "yellow": 4, "green": 8}, "test": {"red": 2}}
FILES = {
    "README.md",
    "bundle.json",
    "curves.png",
    "images.jsonl",
    "recipe.toml",
    "reconstructions.png",
    "scores.json",
    "stats.jsonl",
    "weights.safetensors",
}


@dataclass(frozen=True)
class Trained:
    """A dataset, and an autoencoder that was trained on it."""

    data: Path
    bundle: Path


@pytest.fixture(scope="module", autouse=True)
def few_features() -> Iterator[None]:
    """The network of the perceptual loss is trained a little only."""
    with pytest.MonkeyPatch.context() as patch:
        few = autoencoder_training.FEATURES.model_copy(update=FEATURES)
        patch.setattr(autoencoder_training, "FEATURES", few)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """12 red, 4 yellow and 8 green images, and a class without any; read-only, made once."""
    root = tmp_path_factory.mktemp("autoencoder")
    data = make_dataset(root / "data", COUNTS)
    train(data, root / "codes", SETTINGS)
    return Trained(data, root / "codes")


def train(data: Path, out: Path, settings: Mapping[str, Any], **options: Any) -> synth.Bundle:
    return synth.train("autoencoder", synth.open_dataset(data), synth.load_recipe(None, settings), out, **options)


def some_inputs(n: int, side: int = 32) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (n, side, side, 3), np.uint8)


def test_the_bundle_tells_what_it_is(trained: Trained) -> None:
    assert set(contents(trained.bundle)) == FILES
    info = json.loads((trained.bundle / "bundle.json").read_text())
    assert info["classes"] == ["blue", "green", "red", "yellow"]
    assert info["counts"] == {"blue": 0, "green": 8, "red": 12, "yellow": 4}
    assert (info["kind"], info["side"], info["network"]) == ("autoencoder", 32, {"code": 16, "channels": 3})
    scores = json.loads((trained.bundle / "scores.json").read_text())
    assert scores["n_images_seen"] == 100 * 8
    by_class = scores["reconstruction"]["classes"]
    assert by_class["blue"] == {"n": 0, "error": None, "sharpness": None}
    assert by_class["red"]["n"] == 12
    assert all(0 < by_class[label]["error"] < 0.25 for label in ("red", "yellow", "green"))
    images = [json.loads(line) for line in (trained.bundle / "images.jsonl").read_text().splitlines()]
    items = [item for item in synth.open_dataset(trained.data).items if item.split == "train"]
    assert {(i["path"], i["sha256"], i["class"]) for i in images} == {(i.id, i.sha256, i.label) for i in items}
    card = (trained.bundle / "README.md").read_text()
    assert "| yellow | 4 |" in card
    assert "can reveal" in card
    with Image.open(trained.bundle / "reconstructions.png") as sheet:
        assert sheet.height > 6 * TILE  # real and drawn again, of three classes


def test_all_terms_of_the_loss_fall(trained: Trained) -> None:
    lines = read_stats(trained.bundle / "stats.jsonl")
    assert set(lines[0]) == {"n_images_seen", "loss", "pixel", "gradient", "feature"}
    for name in ("loss", "pixel", "feature"):  # by a fifth and more; rounding changes them by a thousandth
        early, late = (np.mean([line[name] for line in part]) for part in (lines[:2], lines[2:]))
        assert late < 0.9 * early


def test_the_command_gives_the_same_bytes_as_the_library_and_prints_what_they_hold(
    trained: Trained, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    command = ("train", "autoencoder", trained.data, tmp_path / "again", "--workers", 2, *sets)
    train(trained.data, tmp_path / "one", QUICK)
    assert run(*command, "--json", "--quiet") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("seconds") > 0
    assert {**printed, "seconds": None} == json.loads((tmp_path / "again/scores.json").read_text())
    assert run(*command) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run("train", "autoencoder", trained.data, tmp_path / "other", *sets, "--seed", 1) == 0
    assert f"--method smote --bundle {tmp_path / 'other'}" in capsys.readouterr().out.replace("\n", "")
    one, again, other = (contents(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one["weights.safetensors"] != other["weights.safetensors"]


def test_a_killed_training_is_resumed_by_the_same_call(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0)  # a checkpoint at every look
    out, told = tmp_path / "codes", []

    for stage in ("feature network", "autoencoder"):
        for _ in range(2):
            told.clear()
            with pytest.raises(KeyboardInterrupt):
                train(trained.data, out, SETTINGS, progress=killed_at_the_end_of(stage, told))
            assert not out.exists()
        assert told == [(stage, 1)]  # the second time it goes on from its checkpoint
    assert {"reconstructions.png", "curves.png"} < set(contents(staging_folder(out)))  # to be seen while it trains
    with pytest.raises(OutputError, match="other data or settings"):
        train(trained.data, out, {**SETTINGS, "autoencoder.balance": 1.0})
    train(trained.data, out, SETTINGS)
    assert not staging_folder(out).exists()
    assert contents(out) == contents(trained.bundle)


def test_grey_images_of_another_side(tmp_path: Path) -> None:
    for label in ("red", "green"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(5):
            picture(label, i).convert("L").save(tmp_path / "data" / label / f"{i}.png")
    levels = np.linspace(0, 65535, 24 * 36).reshape(36, 24).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "data/red/16-bits.png")
    bundle = train(tmp_path / "data", tmp_path / "codes", {**QUICK, "autoencoder.size": 48})
    assert bundle.scores["reconstruction"]["classes"]["red"]["n"] == 6
    space = open_latent_space(tmp_path / "codes")
    assert (space.side, space.channels, space.n_code) == (48, 1, 8)
    grey = np.repeat(some_inputs(3, 48)[..., :1], 3, axis=3)
    assert space.decode(space.encode(grey), ["red", "green", "red"]).shape == (3, 48, 48, 1)


def test_one_image_of_one_class_is_enough(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 1}})
    bundle = train(data, tmp_path / "codes", {**QUICK, "autoencoder.feature_weight": 0.5})
    assert bundle.scores["reconstruction"]["classes"]["red"]["n"] == 1
    assert "feature" not in read_stats(bundle.path / "stats.jsonl")[0]


def test_without_training_images_there_is_nothing_to_learn(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": {"red": 0}, "test": {"red": 2}})
    with pytest.raises(TrainingError, match="training images"):
        train(data, tmp_path / "codes", QUICK)


def test_training_and_asking_leave_the_global_random_state_alone(trained: Trained, tmp_path: Path) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index,union-attr]

    before = states()
    train(trained.data, tmp_path / "codes", QUICK)
    space = open_latent_space(tmp_path / "codes")
    space.decode(space.encode(some_inputs(2)), ["red", "green"])
    assert states() == before


class TestLatentSpace:
    """Codes of images, and images of codes."""

    @pytest.fixture
    def space(self, trained: Trained) -> LatentSpace:
        return open_latent_space(trained.bundle)

    def test_codes_lie_on_the_sphere_and_images_within_their_range(self, space: LatentSpace) -> None:
        inputs = some_inputs(5)
        before = inputs.copy()
        codes = space.encode(inputs)
        assert (codes.shape, codes.dtype) == ((5, 16), np.float32)
        assert np.linalg.norm(codes, axis=1) == pytest.approx(4, rel=1e-4)  # float32, and 1e-6 against nothing
        levels = space.decode(codes, ["red", "blue", "green", "yellow", "red"])
        assert (levels.shape, levels.dtype) == ((5, 32, 32, 3), np.float32)
        assert 0 <= levels.min() < levels.max() <= 1
        assert np.array_equal(inputs, before)

    def test_nothing_gives_nothing(self, space: LatentSpace) -> None:
        codes = space.encode(some_inputs(0))
        assert codes.shape == (0, 16)
        assert space.decode(codes, []).shape == (0, 32, 32, 3)

    def test_a_row_gets_the_same_bits_in_any_company(self, space: LatentSpace) -> None:
        inputs = some_inputs(2 * CODES_BATCH + 5)
        labels = [space.classes[i % 4] for i in range(len(inputs))]
        codes = space.encode(inputs)
        levels = space.decode(codes, labels)
        for seed in range(4):
            order = np.random.default_rng(seed).permutation(len(inputs))[: 1 + 20 * seed]
            assert np.array_equal(space.encode(inputs[order]), codes[order])
            assert np.array_equal(space.decode(codes[order], [labels[i] for i in order]), levels[order])

    def test_the_number_of_threads_changes_no_bit(self, space: LatentSpace) -> None:
        inputs, before = some_inputs(3), torch.get_num_threads()
        codes = space.encode(inputs)
        torch.set_num_threads(3)
        try:
            assert np.array_equal(space.encode(inputs), codes)
            assert torch.get_num_threads() == 3
        finally:
            torch.set_num_threads(before)

    def test_the_class_is_drawn_into_the_image(self, space: LatentSpace) -> None:
        codes = np.repeat(space.encode(some_inputs(1)), 2, axis=0)
        red, green = space.decode(codes, ["red", "green"])
        assert not np.array_equal(red, green)

    def test_an_unknown_class_is_named(self, space: LatentSpace) -> None:
        with pytest.raises(BundleError, match='without "amber"'):
            space.decode(space.encode(some_inputs(1)), ["amber"])
        with pytest.raises(ValueError, match="a class for each code"):
            space.decode(space.encode(some_inputs(2)), ["red"])


CHANGES: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "kind": ({"kind": "classifier"}, "kind 'classifier'"),
    "side": ({"side": 10**9}, "side must be 32 or 48 or 64 or 96 or 128, got 1000000000"),
    "unfit side": ({"side": 96}, "do not fit"),
    "code": ({"network": {"code": 10**12, "channels": 3}}, "code must be less than or equal to 1024"),
    "unfit code": ({"network": {"code": 17, "channels": 3}}, "do not fit"),
    "no code": ({"network": {}}, "network.channels is missing"),
    "channels": ({"network": {"code": 16, "channels": True}}, "channels must be a valid integer, got True"),
    "unfit channels": ({"network": {"code": 16, "channels": 1}}, "do not fit"),
    "many classes": ({"classes": [str(i) for i in range(100_000)]}, "do not fit 100000 classes"),
    "hash": ({"weights_sha256": "0" * 64}, "damaged or exchanged"),
}


@pytest.fixture
def bundle(trained: Trained, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(trained.bundle, tmp_path / "codes"))


def rewrite(bundle: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change weights, and the hash with them."""
    tensors = safetensors.torch.load((bundle / "weights.safetensors").read_bytes())
    change(tensors)
    data = safetensors.torch.save(tensors)
    (bundle / "weights.safetensors").write_bytes(data)
    info = json.loads((bundle / "bundle.json").read_text())
    info["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(info))


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit_is_refused_in_one_line(bundle: Path, change: str) -> None:
    values, words = CHANGES[change]
    info = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**info, **values}))
    with pytest.raises(BundleError, match=words) as error:
        open_latent_space(bundle)
    assert "\n" not in str(error.value)


def test_damaged_weights_are_seen(bundle: Path) -> None:
    data = bytearray((bundle / "weights.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(BundleError, match="damaged or exchanged"):
        open_latent_space(bundle)


BIAS = "generator.to_image.bias"
REWRITES: Mapping[str, tuple[Callable[[dict[str, torch.Tensor]], object], str]] = {
    "one missing": (lambda tensors: tensors.pop(BIAS), "do not fit"),
    "no classes": (lambda tensors: tensors.pop("generator.embedding.weight"), "do not fit"),
    "a number for classes": (lambda t: t.update({"generator.embedding.weight": torch.tensor(1.0)}), "do not fit"),
    "one more": (lambda tensors: tensors.update(extra=torch.zeros(1)), "do not fit"),
    "another shape": (lambda tensors: tensors.update({BIAS: torch.zeros(5)}), "do not fit"),
    "not finite": (lambda tensors: tensors[BIAS].fill_(float("nan")), "not finite"),
}


@pytest.mark.parametrize("change", REWRITES)
def test_weights_of_another_form_are_refused(bundle: Path, change: str) -> None:
    rewrite(bundle, REWRITES[change][0])
    with pytest.raises(BundleError, match=REWRITES[change][1]) as error:
        open_latent_space(bundle)
    assert "\n" not in str(error.value)


def test_grey_images_differ_as_colour_images_without_colour_do() -> None:
    with loop.seeded(0):
        network, (x, made) = Small(2, 32).double().eval(), torch.randn(2, 2, 1, 32, 32, dtype=torch.double)
    colour = feature_difference(network, made.repeat(1, 3, 1, 1), x.repeat(1, 3, 1, 1))
    assert feature_difference(network, made, x).item() == pytest.approx(colour.item(), rel=1e-9)  # double precision
    assert feature_difference(network, x, x) == 0


@pytest.mark.parametrize("side", SIDES)
def test_networks_of_every_side(side: int) -> None:
    with loop.seeded(0):
        encoder, generator = Encoder(side, 1, 8).eval(), Generator(side, 1, 8, 2).eval()
    with torch.inference_mode():
        codes = encoder(torch.zeros(2, 1, side, side))
        images = generator(codes, torch.tensor([0, 1]))
    assert codes.norm(dim=1).tolist() == pytest.approx([8**0.5] * 2, rel=1e-4)
    assert images.shape == (2, 1, side, side)


def test_a_generator_begins_without_a_grid() -> None:
    with loop.seeded(0):
        generator, codes = Generator(32, 3, 8, 2).double(), torch.randn(4, 8, dtype=torch.double)
    with torch.inference_mode():
        x = generator(codes, torch.tensor([0, 1, 0, 1]))
    pooled = torch.nn.functional.avg_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(x, pooled, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("balance", "shares"), [(1.0, (0.5, 0.5)), (0.5, (2 / 3, 1 / 3)), (0.0, (0.8, 0.2))])
def test_classes_are_drawn_as_the_balance_says(balance: float, shares: tuple[float, float]) -> None:
    labels = np.repeat([0, 1], [16, 4])
    policy = Policy(safe_policy(synth.Recipe(), without=("blur",)), "x", seed=0)
    assert "blur" not in policy.effects
    batches = Batches(some_inputs(20, 4), labels, np.arange(20), policy, 0, "x", 2000, balance)
    drawn = np.bincount(batches.draw(3)[1]) / 2000
    assert drawn.tolist() == pytest.approx(shares, abs=0.04)
