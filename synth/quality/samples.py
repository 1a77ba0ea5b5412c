"""Sets of images as arrays, read in one pass: what the judge sees in each image, and what it looks like."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth import workers
from synth.data import images
from synth.errors import ImageError
from synth.measures.copies import resave_error, thumbnail
from synth.measures.texture import descriptor
from synth.records import Pixels, pixels_sha256
from synth.settings.recipe import Data
from synth.workers import Progress

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

CHUNK = 64

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Picture:
    """One image file to look at."""

    id: str
    path: str
    label: str
    kind: str
    """train, held_out or synthetic."""
    parents: tuple[str, ...] = ()
    """sha256 of the real images that a synthetic one was made from, as far as known."""


@dataclass(frozen=True)
class Sample:
    """n images; row i of every array belongs to image i."""

    probabilities: Floats
    """(n, C) by networks that learned neither from the image nor from its parents."""
    features: Floats
    """(n, F), all by one and the same network, so that distances between any of them make sense."""
    textures: Floats
    """(n, 11), see `measures.texture`."""
    thumbnails: Floats
    """(n, 3072), see `measures.copies`."""
    resave_errors: Floats
    """(n,); NaN for synthetic images."""
    sha256s: tuple[str, ...]
    pixels_sha256s: tuple[str, ...]
    parents: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.sha256s)

    def take(self, rows: npt.NDArray[np.integer[Any]] | Sequence[int]) -> Sample:
        """Some of the images."""
        picked: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            picked[field.name] = values[rows] if isinstance(values, np.ndarray) else tuple(values[i] for i in rows)
        return Sample(**picked)


def join(samples: Sequence[Sample]) -> Sample:
    """One sample after another."""
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(Sample):
        parts = [getattr(sample, field.name) for sample in samples]
        is_array = isinstance(parts[0], np.ndarray)
        columns[field.name] = np.concatenate(parts) if is_array else tuple(value for part in parts for value in part)
    return Sample(**columns)


def empty_sample(like: Sample) -> Sample:
    """No images, in arrays of the same form."""
    return like.take(np.arange(0))


@dataclass(frozen=True, slots=True)
class _Read:
    pixels: Pixels
    sha256: str
    pixels_sha256: str
    texture: Floats
    thumbnail: Floats
    resave_error: float


def look_at(
    pictures: Sequence[Picture],
    judge: Judge,
    *,
    settings: Data,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> tuple[dict[tuple[str, str], Sample], tuple[tuple[str, str], ...]]:
    """Read all images once and ask the judge about each.

    Returns: {(class, kind): its images in the given order}; (id, reason) of those that can't be read.
    """
    parts: dict[tuple[str, str], list[Sample]] = {}
    refused: list[tuple[str, str]] = []
    done = 0
    n = n_workers if len(pictures) > 4 * CHUNK else 1  # starting workers costs more than it saves
    for chunk, results in workers.run(_read_chunk, settings, _chunks(pictures), n_workers=n):
        refused += [(p.id, r) for p, r in zip(chunk, results, strict=True) if isinstance(r, str)]
        usable = [(p, r) for p, r in zip(chunk, results, strict=True) if isinstance(r, _Read)]
        if usable:
            parts.setdefault((chunk[0].label, chunk[0].kind), []).append(_sample(usable, judge))
        done += len(chunk)
        if progress:
            progress("images", done, len(pictures))
    return {key: join(samples) for key, samples in parts.items()}, tuple(refused)


def _chunks(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Chunks of one class and kind each."""
    by_set: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures:
        by_set.setdefault((picture.label, picture.kind), []).append(picture)
    for members in by_set.values():
        yield from (members[start : start + CHUNK] for start in range(0, len(members), CHUNK))


def _read_chunk(settings: Data, pictures: Iterable[Picture]) -> list[_Read | str]:
    return [_read(picture, settings) for picture in pictures]


def _read(picture: Picture, settings: Data) -> _Read | str:
    """What can be said of an image without a network, or the reason why it can't be read."""
    try:
        data, decoded = images.read(picture.path, settings)
    except ImageError as error:
        return str(error)
    pixels = decoded.pixels
    return _Read(
        pixels,
        hashlib.sha256(data).hexdigest(),
        pixels_sha256(pixels),
        descriptor(pixels),
        thumbnail(pixels),
        float("nan") if picture.kind == "synthetic" else resave_error(pixels),
    )


def _sample(usable: Sequence[tuple[Picture, _Read]], judge: Judge) -> Sample:
    pixels = [read.pixels for _, read in usable]
    # An image counts as learnt from if the very file was: a copy of a training image is scored like its original.
    unseen = [judge.unseen_by([read.sha256, *picture.parents]) for picture, read in usable]
    return Sample(
        judge.predict(pixels, unseen).probabilities,
        judge.predict(pixels, [judge.whole[:1]] * len(pixels)).features,
        np.stack([read.texture for _, read in usable]),
        np.stack([read.thumbnail for _, read in usable]),
        np.array([read.resave_error for _, read in usable]),
        tuple(read.sha256 for _, read in usable),
        tuple(read.pixels_sha256 for _, read in usable),
        tuple(picture.parents for picture, _ in usable),
    )
