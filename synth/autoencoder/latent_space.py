"""The codes of images: a trained autoencoder, or a GAN that began as one, asked for codes and for images of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.errors import BundleError, UsageError
from synth.networks.autoencoder import SIDES, Autoencoder
from synth.training.bundle import AUTOENCODER, GAN, Bundle, open_bundle
from synth.training.inference import decode, encode
from synth.training.loop import is_finite, seeded

Floats = npt.NDArray[np.float32]
CHANNELS, MAX_CODE = (1, 3), 1024
BANK = "bank."
"""What the names of a GAN's tensors begin with that belong to no network."""
_CPU = torch.device("cpu")


def open_latent_space(path: str | Path) -> LatentSpace:
    """Open a bundle that `synth train autoencoder` or `synth train gan` wrote.

    Raises:
        BundleError: foreign, damaged or hostile.
    """
    bundle = open_bundle(path, AUTOENCODER, GAN)
    return LatentSpace(bundle, bundle.tensors())


class LatentSpace:
    """From images to codes and back; computes on one thread of the CPU, so that bits are the same everywhere.

    All is computed in batches of one shape: what becomes of a row does not depend on the rows beside it.
    """

    def __init__(self, bundle: Bundle, tensors: Mapping[str, Tensor]) -> None:
        """Check the weights against what the bundle says of itself, and load them.

        Args:
            tensors: all that the bundle holds.

        Raises:
            BundleError: they do not fit, or the sizes are out of bounds.
        """
        self.bundle = bundle
        self.digest: str = bundle.info["weights_sha256"]
        """SHA-256 of the weights."""
        self.classes = bundle.classes
        network = bundle.info["network"]
        self.side = _one_of(bundle, "side", bundle.info["side"], SIDES)
        self.channels = _one_of(bundle, "channels", network.get("channels"), CHANNELS)
        self.n_code = _one_of(bundle, "code", network.get("code"), range(2, MAX_CODE + 1))
        self.network = self._load(tensors)
        """Encoder and generator, for training on from them."""
        self.numbers = {label: number for number, label in enumerate(self.classes)}
        """{class: its number}."""

    def check_class(self, label: str) -> None:
        """Refuse a class that the network did not learn.

        Raises:
            UsageError: it knows others only.
        """
        if label not in self.numbers:
            known = ", ".join(self.classes)
            raise UsageError(
                f'the network in {self.bundle.path} knows {known}, but not "{label}": train one on this data'
            )

    def encode(self, inputs: npt.NDArray[np.uint8]) -> Floats:
        """Codes (n, Z) float32, on the sphere of radius sqrt(Z), of images (n, S, S, 3) uint8."""
        return encode(self.network.encoder, inputs, _CPU, n_channels=self.channels)

    def decode(self, codes: Floats, labels: Sequence[str]) -> Floats:
        """Images (n, S, S, channels) float32, levels 0..1, of codes (n, Z), each drawn as its class.

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
        # The only size that has no bound: the weights themselves must bear it out before anything of it is allocated.
        embedded = tensors.get("generator.embedding.weight")
        if embedded is None or embedded.shape[:1] != (len(self.classes),):
            raise BundleError(f"{self.bundle.path}: weights do not fit {len(self.classes)} classes")
        with seeded(0):
            network = Autoencoder(self.side, self.channels, self.n_code, len(self.classes))
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            words = " ".join(str(error).splitlines()[:2])
            raise BundleError(f"{self.bundle.path}: weights do not fit the network ({words})") from None
        if not is_finite(network):
            raise BundleError(f"{self.bundle.path}: weights are not finite")
        network.eval().to(memory_format=torch.channels_last)
        return network


def _one_of(bundle: Bundle, name: str, value: object, known: Sequence[int]) -> int:
    if type(value) is int and value in known:
        return value
    allowed = f"{known[0]}..{known[-1]}" if isinstance(known, range) else " or ".join(map(str, known))
    raise BundleError(f"{bundle.path}: {name} must be {allowed}, got {value!r}")
