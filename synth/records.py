"""Immutable records that all rooms share.

An `Item` is one image of a dataset. A generator turns items into a `Candidate`; gates give it a `Verdict`; the writer
turns both into a `Row` of the manifest.
"""

import base64
import dataclasses
import functools
import hashlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""An image: (H, W) grey or (H, W, 3) RGB; uint8 in 0..255, or uint16 in 0..65535 for 16-bit grey."""

Alpha = Pixels
"""The transparency of an image: (H, W) uint8, 0 for clear and 255 for opaque."""
Levels = tuple[int, int] | tuple[float, float]
"""The lowest and the highest level of a range: whole numbers for files of integers, floats for files of floats."""

Scores = Mapping[str, float | Mapping[str, float]]
"""Measurements of the gates by name; "classes" holds the judge's probabilities by class."""

SPLITS = ("train", "val", "test")
PARENT_SPLIT = "train"
CONTROL = "duplicate"
"""The method that copies originals, with which every other one is compared."""
REPEAT = "repeat"
"""Reason to reject an image: an earlier new image of the class is the same."""
SWITCHED_OFF = "switched_off"
"""Reason to reject an image: the gates accept too few images of this method for this class."""
ENCODED_AS = "encoded_as"
"""Parameter of an image that is not made from a parent's own pixels: format, quality and subsampling of its file."""
STORED_AS = "stored_as"
"""Parameter of an image whose parents need more than their pixels to be read or written: `Encoding.extras` of each."""
CODES_OF = "codes_of"
"""Parameter of a GAN image: the class of the real images whose codes it mixes."""
EFFECTS, FIRST, SECOND = "effects", "first", "second"
"""Parameters of an interpolated image: the effects on the result, on its first and on its second parent."""
BLANK_STD = 0.005
"""An image is blank up to this standard deviation of its levels (0..1)."""


REPR_LENGTH, REPR_VALUE, REPR_PARTS = 280, 60, 3
"""Largest `repr` of a record, in characters; of one of its values; and the parts of a container that are shown."""


class ShortRepr:
    """Base class of records whose `repr` fits on a screen: containers are shown by their size."""

    __slots__ = ()

    def __repr__(self) -> str:
        assert dataclasses.is_dataclass(self)
        return short_repr(self, {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.repr})


def short_repr(thing: object, values: Mapping[str, object]) -> str:
    """Return `Name(field=value, ...)` with at most `REPR_LENGTH` characters."""
    inside = ", ".join(f"{name}={_short(value)}" for name, value in values.items())
    text = f"{type(thing).__name__}({inside})"
    return text if len(text) <= REPR_LENGTH else f"{text[: REPR_LENGTH - 4]}...)"


def _short(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping | tuple | list | set | frozenset) and len(value) > REPR_PARTS:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_short(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple | list | set | frozenset):
        return "[" + ", ".join(map(_short, value)) + "]"
    text = repr(value)
    return text if len(text) <= REPR_VALUE else f"{text[: REPR_VALUE - 3]}..."


def pixels_sha256(pixels: Pixels, alpha: Alpha | None = None) -> str:
    """Return the SHA-256 of dtype, shape, levels and transparency (if any); the file format does not change it."""
    digest = hashlib.sha256(f"uint{8 * pixels.itemsize} {pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    if alpha is not None and alpha.min(initial=255) < 255:
        digest.update(np.ascontiguousarray(alpha).data)
    return digest.hexdigest()


CODEC = ("format", "mode", "quality", "subsampling")


@dataclass(frozen=True, slots=True, repr=False)
class Encoding(ShortRepr):
    """How an image file is encoded."""

    format: str
    """One of jpeg, png, webp, bmp, tiff, ppm, gif."""
    mode: str
    """Pillow's mode of the file (RGB, L, P, CMYK, I;16 ...)."""
    quality: int | None = None
    """JPEG quality 1..100, estimated from the quantisation tables."""
    subsampling: str | None = None
    """JPEG chroma subsampling: 4:4:4, 4:2:2, 4:2:0, ... or grey."""
    orientation: int = 1
    """EXIF orientation 1..8 of the stored pixels; pixels in memory are upright."""
    profile: bytes = field(default=b"", repr=False)
    """ICC profile, if it is not sRGB; pixels are never converted."""
    alpha: bool = False
    """Whether the file stores transparency beside the colours."""
    equal_channels: bool = False
    """Whether the file stores grey as three equal channels; pixels in memory are grey."""
    wide_colour: bool = False
    """Whether the file stores 16 bits for each of three channels; pixels in memory have their high bytes."""
    levels: Levels | None = None
    """Levels of the file that the pixels 0 and 65535 stand for; None: the same as in memory."""

    @property
    def extras(self) -> dict[str, Any]:
        """The fields that differ from an ordinary file, as JSON."""
        values = {name: getattr(self, name) for name in EXTRAS if getattr(self, name) != EXTRAS[name]}
        if self.profile:
            values["profile"] = base64.b64encode(zlib.compress(self.profile)).decode()
        return {name: list(value) if name == "levels" else value for name, value in values.items()}

    def with_extras(self, extras: Mapping[str, Any]) -> "Encoding":
        """Return the encoding with recorded extras instead of its own; a profile that is only True is its own."""
        values = {name: extras.get(name, default) for name, default in EXTRAS.items()}
        if values["profile"] is True:
            values["profile"] = self.profile
        elif values["profile"]:
            values["profile"] = zlib.decompress(base64.b64decode(values["profile"]))
        if values["levels"]:
            values["levels"] = tuple(values["levels"])
        return dataclasses.replace(self, **values)


EXTRAS: Mapping[str, Any] = {each.name: each.default for each in dataclasses.fields(Encoding) if each.name not in CODEC}
"""{field of `Encoding` about more than the codec: its value in an ordinary file}."""


@dataclass(frozen=True, slots=True, repr=False)
class Item(ShortRepr):
    """One image of a dataset: a real one, or one that an earlier run put there."""

    id: str
    """Path below the dataset's root, with forward slashes."""
    path: str
    """Path of the file."""
    label: str
    split: str
    """train, val or test."""
    output_path: str
    """Its path below an output folder."""
    group: str | None
    sha256: str
    pixels_sha256: str
    width: int
    height: int
    encoding: Encoding
    grey: bool
    """True for single-channel pixels."""
    dhash: bytes
    """Difference hashes, 256 bits for each of `turns`: near duplicates differ in few of them."""
    mean: float
    """Mean level, 0..1."""
    std: float
    """Standard deviation of the levels, 0..1."""
    notes: tuple[str, ...] = ()
    """Any of animated, alpha, extension, turned, profile, mended, unopened."""
    extent: Levels = (0, 255)
    """Lowest and highest level in the file."""
    turns: tuple[int, ...] = (1,)
    """The orientations in which the picture is compared with others; see `data.turns`."""
    synthetic: bool = False
    """Whether an earlier run made it: then it is no parent and does not count as real."""

    @property
    def sixteen_bit(self) -> bool:
        """Whether the levels have 16 bits."""
        return self.encoding.mode.startswith(("I", "F"))

    @property
    def grey_file(self) -> bool:
        """Whether the file itself stores a single channel."""
        return self.grey and not self.encoding.equal_channels


@dataclass(frozen=True, slots=True, repr=False)
class Origin(ShortRepr):
    """A real image as a trained network remembers it: id and hash only."""

    id: str
    sha256: str


Parent = Item | Origin


@dataclass(frozen=True, repr=False)
class Candidate(ShortRepr):
    """The result of one attempt, before any gate."""

    pixels: Pixels
    label: str
    method: str
    attempt: int
    parents: tuple[Parent, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    from_parent_pixels: bool = False
    """Whether it is made from its parents' own pixels, and so lies near them by design."""
    file: bytes | None = None
    """The encoded file of an exact copy; None: the writer encodes the pixels."""
    alpha: Alpha | None = None
    """Transparency, if the first parent has it."""

    @functools.cached_property
    def pixels_sha256(self) -> str:
        """See `pixels_sha256`."""
        return pixels_sha256(self.pixels, self.alpha)


@dataclass(frozen=True, slots=True, repr=False)
class Verdict(ShortRepr):
    """The gates' scores of a candidate, and their reasons to reject it."""

    scores: Scores = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether no gate has a reason to reject it."""
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
    """The generator of a synthetic image; `copy`, `hard` or `sym` for a real image that the run put there; None for one
    that was there before."""
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
    group: str | None = None
    """Group of a real image, or the one group of all parents; None without one, and in older manifests."""

    def __repr__(self) -> str:
        return short_repr(self, self._asdict())


def rounded(value: Any) -> Any:
    """Return a value as JSON: floats with four digits, infinity and NaN as null.

    A dataclass becomes what its `to_json` returns, or an object of its fields, where `label` is called "class".
    """
    if dataclasses.is_dataclass(value):
        fields = {"class" if name == "label" else name: part for name, part in vars(value).items()}
        value = value.to_json() if hasattr(value, "to_json") else fields
    if isinstance(value, Mapping):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
