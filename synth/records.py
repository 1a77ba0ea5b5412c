"""The records that travel between the rooms: immutable, without behaviour beyond their own form.

An `Item` is one real image. A generator turns items into a `Candidate`; gates give it a `Verdict`; the writer turns
both into a `Row` of the manifest.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""An image: (H, W) grey or (H, W, 3) RGB; uint8 in 0..255, or uint16 in 0..65535 for 16-bit grey."""

Scores = Mapping[str, float | Mapping[str, float]]
"""What gates measured: a number under each name, and under "classes" the judge's probabilities."""

SPLITS = ("train", "val", "test")
PARENT_SPLIT = "train"
SWITCHED_OFF = "switched_off"
"""Reason against an image of a class for which its method passed too seldom."""
ENCODED_AS = "encoded_as"
"""Parameter of an image that is not made of a parent's own pixels: format, quality and subsampling of its file."""
CODES_OF = "codes_of"
"""Parameter of an image that a GAN drew: the class of the real images whose codes it is a mix of."""
EFFECTS, FIRST, SECOND = "effects", "first", "second"
"""Parameters of an image between two others: effects on the whole, on its first and on its second parent."""
BLANK_STD = 0.005
"""Standard deviation of the levels (0..1) up to which all pixels of an image are alike."""


def pixels_sha256(pixels: Pixels) -> str:
    """Hash of form and levels: the same pixels in another file format give the same hash."""
    digest = hashlib.sha256(f"uint{8 * pixels.itemsize} {pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Encoding:
    """How an image file is encoded."""

    format: str
    """One of jpeg, png, webp, bmp, tiff, ppm, gif."""
    mode: str
    """The mode that the file itself states, in Pillow's words (RGB, L, P, CMYK, I;16 ...)."""
    quality: int | None = None
    """JPEG quality 1..100, estimated from the quantisation tables."""
    subsampling: str | None = None
    """JPEG chroma subsampling: 4:4:4, 4:2:2, 4:2:0, ... or grey."""


@dataclass(frozen=True, slots=True)
class Item:
    """One real image of a dataset."""

    id: str
    """Path below the dataset's root, with forward slashes."""
    path: str
    """Where the file is read."""
    label: str
    split: str
    """train, val or test."""
    output_path: str
    """Its path in an output folder."""
    group: str | None
    sha256: str
    pixels_sha256: str
    width: int
    height: int
    encoding: Encoding
    grey: bool
    """True for single-channel pixels."""
    dhash: bytes
    """Difference hash of 256 bits: near duplicates differ in few of them."""
    mean: float
    """Mean level, 0..1."""
    std: float
    """Standard deviation of the levels, 0..1."""
    notes: tuple[str, ...] = ()
    """Kinds of things worth a word: animated, alpha, extension, turned."""

    @property
    def sixteen_bit(self) -> bool:
        """True for levels of 16 bits."""
        return self.encoding.mode.startswith(("I", "F"))


@dataclass(frozen=True, slots=True)
class Origin:
    """A real image known by its name and hash only: a trained network remembers no more of it."""

    id: str
    sha256: str


Parent = Item | Origin


@dataclass(frozen=True)
class Candidate:
    """What one attempt gave, before any gate."""

    pixels: Pixels
    label: str
    method: str
    attempt: int
    parents: tuple[Parent, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    from_parent_pixels: bool = False
    """Declared to be made of its parents' own pixels, and so near to them by its nature."""
    file: bytes | None = None
    """The whole encoded file, where the candidate is an exact copy of one; otherwise the writer encodes the pixels."""

    @functools.cached_property
    def pixels_sha256(self) -> str:
        """See `pixels_sha256`."""
        return pixels_sha256(self.pixels)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gates said of a candidate: every score, and the reasons against it."""

    scores: Scores = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """True where no gate had a reason against it."""
        return not self.reasons


class Row(NamedTuple):
    """One line of the manifest: an image of the output, or a rejected candidate (`path` is None)."""

    id: str
    run: str
    path: str | None
    label: str
    split: str
    synthetic: bool
    method: str | None
    """The generator of a synthetic image; `copy`, `hard` or `sym` for a real one put there by us; None for one that
    stood there before."""
    attempt: int | None
    seed: int | None
    parents: tuple[Mapping[str, str], ...]
    params: Mapping[str, Any]
    scores: Scores
    verdict: str
    """accepted or rejected."""
    reasons: tuple[str, ...]
    sha256: str | None
    pixels_sha256: str
    width: int
    height: int
