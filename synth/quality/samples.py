"""Images as arrays, read in one pass: the judge's predictions, textures, thumbnails and hashes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth import workers
from synth.data import images
from synth.data.dataset import Reading
from synth.errors import ImageError
from synth.measures.copies import resave_error, thumbnail
from synth.measures.texture import descriptor
from synth.records import Pixels, pixels_sha256
from synth.workers import Progress

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

CHUNK = 64
TRAIN, HELD_OUT, SYNTHETIC = "train", "held_out", "synthetic"

Floats = npt.NDArray[np.floating[Any]]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file to check."""

    id: str
    path: str
    label: str
    kind: str
    """train, held_out or synthetic."""
    parents: tuple[str, ...] = ()
    """sha256 of the real images that a synthetic one was made from, if known."""


@dataclass(frozen=True)
class Sample:
    """n images; row i of every array belongs to image i."""

    probabilities: Floats
    """(n, C) by networks that learned neither from the image nor from its parents."""
    features: Floats
    """(n, F), all by the same network, so that distances between them make sense."""
    textures: Floats
    """(n, 11), see `measures.texture`."""
    thumbnails: Floats
    """(n, 3072), see `measures.copies`."""
    resave_errors: Floats
    """(n,); NaN for synthetic images."""
    sha256s: Objects
    """(n,) str, hashes of the files."""
    pixels_sha256s: Objects
    """(n,) str."""
    parents: Objects
    """(n,) tuples of hashes of files."""

    def __len__(self) -> int:
        return len(self.sha256s)

    def take(self, rows: npt.NDArray[np.integer[Any]] | Sequence[int]) -> Sample:
        """Return some of the images."""
        places = np.asarray(rows, np.intp)
        return Sample(*(getattr(self, field.name)[places] for field in fields(self)))


Samples = Mapping[tuple[str, str], Sample]
"""{(class, kind): its images}."""


def join(samples: Sequence[Sample]) -> Sample:
    """Concatenate samples."""
    return Sample(*(np.concatenate([getattr(each, field.name) for each in samples]) for field in fields(Sample)))


_Read = tuple[Pixels, str, str, Floats, Floats, float]
"""Pixels, sha256, pixels_sha256, texture, thumbnail and resave error of one image."""


def read_samples(
    files: Sequence[ImageFile], judge: Judge, *, reading: Reading, n_workers: int = 1, progress: Progress | None = None
) -> tuple[Samples, tuple[tuple[str, str], ...]]:
    """Read all images once and ask the judge about each.

    Returns: the samples, in the given order; (id, reason) of images that can't be read.
    """
    parts: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    refused: list[tuple[str, str]] = []
    done = 0
    n = n_workers if len(files) > 4 * CHUNK else 1  # starting workers costs more than it saves
    for chunk, results in workers.run(_read_chunk, reading, _chunks(files), n_workers=n):
        refused += [(file.id, r) for file, r in zip(chunk, results, strict=True) if isinstance(r, str)]
        usable = [(file, r) for file, r in zip(chunk, results, strict=True) if not isinstance(r, str)]
        if usable:
            parts[chunk[0].label, chunk[0].kind].append(_sample(usable, judge))
        done += len(chunk)
        if progress:
            progress("images", done, len(files))
    return {key: join(samples) for key, samples in parts.items()}, tuple(refused)


def _chunks(files: Sequence[ImageFile]) -> Iterator[list[ImageFile]]:
    """Yield chunks of one class and kind each."""
    by_set: dict[tuple[str, str], list[ImageFile]] = defaultdict(list)
    for file in files:
        by_set[file.label, file.kind].append(file)
    for members in by_set.values():
        yield from (members[start : start + CHUNK] for start in range(0, len(members), CHUNK))


def _read_chunk(reading: Reading, files: Iterable[ImageFile]) -> list[_Read | str]:
    return [_read(file, reading) for file in files]


def _read(file: ImageFile, reading: Reading) -> _Read | str:
    """Measure one image; return the reason if it can't be read."""
    try:
        data, decoded = images.read(file.path, reading.settings, levels=reading.levels)
    except ImageError as refused:
        return str(refused)
    pixels = decoded.pixels
    error = float("nan") if file.kind == SYNTHETIC else resave_error(pixels)
    hashes = hashlib.sha256(data).hexdigest(), pixels_sha256(pixels, decoded.alpha)
    return pixels, *hashes, descriptor(pixels), thumbnail(pixels), error


def _sample(usable: Sequence[tuple[ImageFile, _Read]], judge: Judge) -> Sample:
    pixels, sha256s, pixels_sha256s, textures, thumbnails, errors = zip(*(read for _, read in usable), strict=True)
    parents = [file.parents for file, _ in usable]
    # The judge knows its training images by the hash of the file: a copy of such a file counts as learned from, too.
    unseen = [judge.unseen_by([sha256, *hashes]) for sha256, hashes in zip(sha256s, parents, strict=True)]
    return Sample(
        judge.predict(pixels, unseen).probabilities,
        judge.predict(pixels, [judge.whole[:1]] * len(pixels)).features,
        np.stack(textures),
        np.stack(thumbnails),
        np.array(errors),
        np.array(sha256s, object),
        np.array(pixels_sha256s, object),
        np.fromiter(parents, object, len(parents)),
    )
