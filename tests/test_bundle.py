"""A bundle of foreign, damaged or hostile origin is refused with one line, and nothing in it is ever run."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Judged, Run, light

from synth.classifier.judge import Judge, open_judge
from synth.errors import BundleError
from synth.training.inference import BATCH, predict


@pytest.fixture
def bundle(judged: Judged, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(judged.bundle, tmp_path / "judge"))


def looked(judge: Judge) -> np.ndarray:
    return judge.predict([light("yellow", 900)], [judge.whole]).probabilities


class Bomb:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["weights.safetensors", "bundle.json", "images.jsonl", "scores.json"])
def test_a_pickle_is_refused_and_not_opened(bundle: Path, tmp_path: Path, name: str) -> None:
    (bundle / name).write_bytes(pickle.dumps(Bomb(tmp_path / "opened")))
    with pytest.raises(BundleError):
        looked(open_judge(bundle))
    torch.save({"bomb": Bomb(tmp_path / "opened")}, bundle / name)
    with pytest.raises(BundleError):
        looked(open_judge(bundle))
    assert not (tmp_path / "opened").exists()


def test_a_file_of_weights_is_no_bundle(tmp_path: Path, judged: Judged, run: Run, capsys: Any) -> None:
    path = tmp_path / "model.pt"
    torch.save({"bomb": Bomb(tmp_path / "opened")}, path)
    for command in (
        ("generate", judged.data, tmp_path / "out", "--judge", path),
        ("preview", judged.data, "--judge", path),
        ("policy", judged.data, "--judge", path),
    ):
        assert run(*command, "--quiet") == 1
        assert "expected the folder of a trained network" in capsys.readouterr().err
    assert not (tmp_path / "opened").exists()
    assert not (tmp_path / "out").exists()


CHANGES: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "format": ({"format": 99}, "format 99"),
    "kind": ({"kind": "gan"}, "kind 'gan'"),
    "side": ({"side": 10**9}, "side must be less than or equal to 1024"),
    "classes": ({"classes": ["red", "red", "green"]}, "different names"),
    "more classes": ({"classes": ["a", "b", "c", "d"]}, "do not fit"),
    "hash": ({"weights_sha256": "0" * 64}, "damaged or exchanged"),
    "no hash": ({"weights_sha256": "../../x"}, "weights_sha256 must match"),
    "members": ({"members": [{"name": "fold-0", "fold": 0}]}, "do not fit together"),
    "odd members": ({"members": [3]}, "members.0 must be an object"),
    "network": ({"network": {"backbone": "torchvision:resnet18", "tune": "all", "digest": ""}}, "do not fit"),
    "counts": ({"counts": None}, "counts must be an object, got None"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit_is_refused(bundle: Path, change: str) -> None:
    values, words = CHANGES[change]
    info = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**info, **values}))
    with pytest.raises(BundleError, match=words):
        looked(open_judge(bundle))


@pytest.mark.parametrize("text", ["", "[]", "{", "nothing", "[" * 100_000])
def test_bundle_json_must_be_an_object(bundle: Path, text: str) -> None:
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match="JSON object"):
        open_judge(bundle)


def test_damaged_weights_are_seen(bundle: Path) -> None:
    data = bytearray((bundle / "weights.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(BundleError, match="damaged or exchanged"):
        looked(open_judge(bundle))


def test_an_image_gets_the_same_bits_in_any_company(judged: Judged) -> None:
    judge = open_judge(judged.bundle)
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (2 * BATCH + 5, 32, 32, 3), np.uint8)
    network, cpu = judge.networks[0], torch.device("cpu")
    features, probabilities = predict(network, inputs, cpu)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(inputs))[: 40 + seed]
        again = predict(network, inputs[order], cpu)
        assert np.array_equal(again[0], features[order])
        assert np.array_equal(again[1], probabilities[order])
