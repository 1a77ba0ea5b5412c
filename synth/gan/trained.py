"""A trained GAN: the networks of a latent space, and the bank of codes that all images are mixed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, Strict
from torch import Tensor

from synth.autoencoder.latent_space import BANK, LatentSpace
from synth.data.images import MAX_SIDE, MIN_SIDE
from synth.errors import BundleError
from synth.gan.codes import CodeBank, Ints
from synth.training.bundle import GAN, IMAGES, INFO, Bundle, Checked, open_bundle

MAX_NOISE = 1000
Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)]


class _Verdict(Checked):
    verdict: Literal["usable", "look", "not usable"]
    reasons: list[str]


class _Settings(Checked):
    code_noise: float = Field(ge=0, le=MAX_NOISE)


class _Info(Checked):
    """What bundle.json says of a GAN, besides what it says of an autoencoder."""

    counts: dict[str, Annotated[int, Field(ge=0)]]
    sizes: dict[str, Annotated[tuple[Side, Side], Strict(False)]]
    verdicts: dict[str, _Verdict]
    settings: _Settings


def open_gan(path: str | Path) -> TrainedGan:
    """Open a bundle that `synth train gan` wrote.

    Raises:
        BundleError: a foreign, damaged or hostile bundle.
    """
    bundle = open_bundle(path, GAN)
    return TrainedGan(bundle, bundle.tensors())


class TrainedGan(LatentSpace):
    """A latent space, with all that images are drawn from."""

    def __init__(self, bundle: Bundle, tensors: Mapping[str, Tensor]) -> None:
        """Check bundle.json, the weights and the list of images against one another.

        Raises:
            BundleError: they do not fit one another, or a number is out of bounds.
        """
        super().__init__(bundle, tensors)
        info, listed = bundle.info_as(_Info), bundle.origins()
        _check_classes(bundle, info, Counter(label for _, label in listed))
        self.origins = tuple(origin for origin, _ in listed)
        """The training images."""
        self.counts = tuple(info.counts[label] for label in self.classes)
        """Number of training images of each class, in the order of the classes."""
        self.sizes = info.sizes
        """{class: median (width, height) of its training images}, of the classes with images."""
        self.verdicts = {label: (each.verdict, tuple(each.reasons)) for label, each in info.verdicts.items()}
        """{class: (usable, look or not usable; the reasons)}."""
        self.code_noise = info.settings.code_noise
        """Amount of noise on the mixed codes in the training."""
        owned = np.array([self.numbers[label] for _, label in listed], np.intp)
        self.bank = _bank(bundle, tensors, owned, n_code=self.n_code)


def _check_classes(bundle: Bundle, info: _Info, listed: Mapping[str, int]) -> None:
    """Args: listed: number of images of each class in images.jsonl."""
    classes = set(bundle.classes)
    if set(info.counts) != classes:
        raise BundleError(f"{bundle.path / INFO}: counts must be the number of images of each class")
    for label, n in info.counts.items():
        if n != listed[label]:
            raise BundleError(f'{bundle.path / IMAGES}: lists {listed[label]} images of "{label}", not {n}')
    if set(info.sizes) != set(listed):
        raise BundleError(f"{bundle.path / INFO}: sizes must be [width, height] of each class with images")
    if not set(info.verdicts) <= classes:
        raise BundleError(f"{bundle.path / INFO}: verdicts must be of classes that the network knows")


def _bank(bundle: Bundle, tensors: Mapping[str, Tensor], owned: Ints, *, n_code: int) -> CodeBank:
    """Return the bank in the weights. Args: owned: class numbers of the training images."""
    codes, owners, labels = (tensors.get(f"{BANK}{name}") for name in ("codes", "owners", "labels"))
    if codes is None or not codes.is_floating_point() or codes.ndim != 2 or codes.shape[1] != n_code:
        raise BundleError(f"{bundle.path}: the bank must hold codes of {n_code} numbers")
    if any(each is None or each.dtype != torch.int64 or each.shape != codes.shape[:1] for each in (owners, labels)):
        raise BundleError(f"{bundle.path}: the bank must name an owner and a class for each of its {len(codes)} codes")
    assert owners is not None
    assert labels is not None
    bank = CodeBank(codes.float().numpy(), owners.numpy().astype(np.intp), labels.numpy().astype(np.intp))
    if not np.isfinite(bank.codes).all():
        raise BundleError(f"{bundle.path}: codes of the bank are not finite")
    if len(bank.owners) and not 0 <= bank.owners.min() <= bank.owners.max() < len(owned):
        raise BundleError(f"{bundle.path}: the bank names owners beyond the {len(owned)} images of {IMAGES}")
    if (np.diff(bank.labels) < 0).any() or (owned[bank.owners] != bank.labels).any():
        raise BundleError(f"{bundle.path}: classes of the bank must ascend, and be those of the codes' owners")
    if set(bank.labels.tolist()) != set(owned.tolist()):
        raise BundleError(f"{bundle.path}: the bank must hold codes of every class that has images")
    return bank
