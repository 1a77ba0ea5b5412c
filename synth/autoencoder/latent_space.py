"""The latent space of a trained autoencoder, or of a GAN that started as one: codes of images, and images of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from synth.errors import BundleError, UsageError
from synth.networks.autoencoder import SIDES, Autoencoder
from synth.training.bundle import AUTOENCODER, GAN, Bundle, Checked, open_bundle
from synth.training.inference import decode, encode
from synth.training.loop import is_finite, seeded

Floats = npt.NDArray[np.float32]
MAX_CODE = 1024
BANK = "bank."
"""Prefix of the tensors of a GAN's bundle that belong to no network."""
_CPU = torch.device("cpu")


def _one_of(*allowed: int) -> AfterValidator:
    def check(value: int) -> int:
        if value not in allowed:
            raise ValueError(f"must be {' or '.join(map(str, allowed))}")
        return value

    return AfterValidator(check)


class _Network(Checked):
    channels: Annotated[int, _one_of(1, 3)]
    code: int = Field(ge=2, le=MAX_CODE)


class _Info(Checked):
    """What bundle.json says of an autoencoder."""

    side: Annotated[int, _one_of(*SIDES)]
    network: _Network


def open_latent_space(path: str | Path) -> LatentSpace:
    """Open a bundle that `synth train autoencoder` or `synth train gan` wrote.

    Raises:
        BundleError: a foreign, damaged or hostile bundle.
    """
    bundle = open_bundle(path, AUTOENCODER, GAN)
    return LatentSpace(bundle, bundle.tensors())


class LatentSpace:
    """An encoder and a generator. They compute on one thread of the CPU, so the bits are the same everywhere.

    Batches have one fixed shape, so the result for an image does not depend on the other images of its batch.
    """

    def __init__(self, bundle: Bundle, tensors: Mapping[str, Tensor]) -> None:
        """Check the weights against bundle.json, and load them.

        Args:
            tensors: all tensors of the bundle.

        Raises:
            BundleError: weights that do not fit, or sizes out of bounds.
        """
        self.bundle = bundle
        self.digest: str = bundle.info["weights_sha256"]
        """SHA-256 of the weights."""
        self.classes = bundle.classes
        info = bundle.info_as(_Info)
        self.side = info.side
        """Side of the square images in pixels."""
        self.channels = info.network.channels
        """1 (grey) or 3."""
        self.n_code = info.network.code
        """Length of a code."""
        self.network = self._load(tensors)
        """Encoder and generator, to continue training from."""
        self.numbers = {label: number for number, label in enumerate(self.classes)}
        """{class: its number}."""

    def check_class(self, label: str) -> None:
        """Refuse a class that the network did not learn.

        Raises:
            UsageError: the network knows only other classes.
        """
        if label not in self.numbers:
            known = ", ".join(self.classes)
            raise UsageError(
                f'the network in {self.bundle.path} knows {known}, but not "{label}": train one on this data'
            )

    def encode(self, inputs: npt.NDArray[np.uint8]) -> Floats:
        """Return codes (n, Z) float32, on the sphere of radius sqrt(Z), of images (n, S, S, 3) uint8."""
        return encode(self.network.encoder, inputs, _CPU, n_channels=self.channels)

    def decode(self, codes: Floats, labels: Sequence[str]) -> Floats:
        """Return images (n, S, S, channels) float32, levels 0..1, of codes (n, Z) and the class of each image.

        Raises:
            BundleError: a class that the network does not know.
        """
        unknown = next((label for label in labels if label not in self.numbers), None)
        if unknown is not None:
            raise BundleError(f'{self.bundle.path}: made for other classes, without "{unknown}": train it again')
        numbers = np.array([self.numbers[label] for label in labels], np.intp)
        return decode(self.network.generator, np.asarray(codes, np.float32), numbers, _CPU)

    def _load(self, tensors: Mapping[str, Tensor]) -> Autoencoder:
        if self.bundle.info["kind"] == GAN:
            tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(BANK)}
        # The number of classes has no limit: compare it with the weights before the network is allocated.
        embedded = tensors.get("generator.embedding.weight")
        if embedded is None or embedded.shape[:1] != (len(self.classes),):
            raise BundleError(f"{self.bundle.path}: weights do not fit {len(self.classes)} classes")
        with seeded(0):
            network = Autoencoder(self.side, self.channels, self.n_code, len(self.classes))
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            problem = " ".join(str(error).splitlines()[:2])
            raise BundleError(f"{self.bundle.path}: weights do not fit the network ({problem})") from None
        if not is_finite(network):
            raise BundleError(f"{self.bundle.path}: weights are not finite")
        network.eval().to(memory_format=torch.channels_last)
        return network
