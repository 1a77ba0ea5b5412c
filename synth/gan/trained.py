"""A trained GAN, opened: the networks of a latent space, and the bank of codes that all its images are mixed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from synth.autoencoder.latent_space import BANK, LatentSpace
from synth.data.images import MAX_SIDE, MIN_SIDE
from synth.errors import BundleError
from synth.gan.codes import CodeBank, Ints
from synth.gan.evaluation import LOOK, NOT_USABLE, USABLE
from synth.records import Origin
from synth.training.bundle import GAN, IMAGES, INFO, Bundle, open_bundle

MAX_NOISE = 1000


def open_gan(path: str | Path) -> TrainedGan:
    """Open a bundle that `synth train gan` wrote.

    Raises:
        BundleError: foreign, damaged or hostile.
    """
    bundle = open_bundle(path, GAN)
    return TrainedGan(bundle, bundle.tensors())


class TrainedGan(LatentSpace):
    """A latent space with all that its images are drawn from."""

    def __init__(self, bundle: Bundle, tensors: Mapping[str, Tensor]) -> None:
        """Check all that the bundle says against its weights and its list of images.

        Raises:
            BundleError: they do not fit one another, or a number is out of bounds.
        """
        super().__init__(bundle, tensors)
        named = bundle.origins()
        self.origins: tuple[Origin, ...] = tuple(origin for origin, _ in named)
        """The training images."""
        owned = np.array([self.numbers[label] for _, label in named], np.intp)
        self.counts = _counts(bundle, Counter(label for _, label in named))
        """Training images of each class, in the order of the classes."""
        self.bank = _bank(bundle, tensors, owned, n_code=self.n_code)
        self.sizes = _sizes(bundle, [label for label, n in zip(self.classes, self.counts, strict=True) if n])
        """{class: median (width, height) of its training images}; a class without any is missing."""
        self.verdicts = _verdicts(bundle)
        """{class: (usable, look or not usable; the reasons)}."""
        self.code_noise = _code_noise(bundle)
        """Amount of noise on the mixed codes that it was trained with."""


def _counts(bundle: Bundle, listed: Mapping[str, int]) -> tuple[int, ...]:
    counts = bundle.info["counts"]
    said = [counts.get(label) for label in bundle.classes]
    if set(counts) != set(bundle.classes) or any(type(n) is not int or n < 0 for n in said):
        raise BundleError(f"{bundle.path / INFO}: counts must be the number of images of each class")
    wrong = next((label for label, n in zip(bundle.classes, said, strict=True) if n != listed.get(label, 0)), None)
    if wrong is not None:
        raise BundleError(
            f'{bundle.path / IMAGES}: lists {listed.get(wrong, 0)} images of "{wrong}", not {counts[wrong]}'
        )
    return tuple(said)


def _bank(bundle: Bundle, tensors: Mapping[str, Tensor], owned: Ints, *, n_code: int) -> CodeBank:
    """The bank in the weights, of images whose class numbers are `owned`."""
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


def _sizes(bundle: Bundle, needed: Sequence[str]) -> dict[str, tuple[int, int]]:
    sizes = bundle.info.get("sizes")
    if not isinstance(sizes, dict) or set(sizes) != set(needed) or not all(map(_is_size, sizes.values())):
        raise BundleError(
            f"{bundle.path / INFO}: sizes must be [width, height] of each class with images, {MIN_SIDE}..{MAX_SIDE}"
        )
    return {label: (width, height) for label, (width, height) in sizes.items()}


def _is_size(value: Any) -> bool:
    sides = value if isinstance(value, list) else []
    return len(sides) == 2 and all(type(side) is int and MIN_SIDE <= side <= MAX_SIDE for side in sides)


def _verdicts(bundle: Bundle) -> dict[str, tuple[str, tuple[str, ...]]]:
    verdicts = bundle.info.get("verdicts")
    if not _are_verdicts(verdicts, bundle.classes):
        words = f"{USABLE}, {LOOK} or {NOT_USABLE}"
        raise BundleError(f"{bundle.path / INFO}: verdicts must be {words} for each class, with reasons")
    return {label: (entry["verdict"], tuple(entry["reasons"])) for label, entry in verdicts.items()}


def _are_verdicts(verdicts: Any, classes: Sequence[str]) -> TypeGuard[dict[str, Any]]:
    return isinstance(verdicts, dict) and set(verdicts) <= set(classes) and all(map(_is_verdict, verdicts.values()))


def _is_verdict(value: Any) -> bool:
    good = isinstance(value, dict) and value.get("verdict") in (USABLE, LOOK, NOT_USABLE)
    reasons = value.get("reasons") if good else None
    return isinstance(reasons, list) and all(isinstance(reason, str) for reason in reasons)


def _code_noise(bundle: Bundle) -> float:
    settings = bundle.info.get("settings")
    noise = settings.get("code_noise") if isinstance(settings, dict) else None
    if not isinstance(noise, int | float) or isinstance(noise, bool) or not 0 <= noise <= MAX_NOISE:
        raise BundleError(f"{bundle.path / INFO}: settings.code_noise must be 0..{MAX_NOISE}, got {noise!r}")
    return float(noise)
