"""What `ImageSMOTE` works on: the images of an array, or image files."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synth.data import images
from synth.data.encoding import encode
from synth.errors import ImageError, OutputError, UsageError
from synth.generators.feature_space import Points, pixel_points
from synth.generators.interpolation import lerp
from synth.generators.neighbour_pairs import Floats, Indices
from synth.generators.smote import MAX_OTHERS, PORTION
from synth.measures.subset import evenly_spaced
from synth.records import Encoding, Pixels
from synth.settings.recipe import Data

Array = npt.NDArray[Any]
_KEPT = 64  # decoded image files that are held, and that tell the typical size of a class
_COLOURS = (1, 3)


class Rows(Protocol):
    """The N images of an X."""

    def pixels(self, row: int) -> Pixels:
        """One image."""

    def points(self, rows: Indices, others: Indices) -> tuple[Floats, Floats]:
        """Of a class and of what lies around it, what tells in pixels how near images are: (n, F), (m, F)."""

    def new(self, made: Sequence[Pixels]) -> Array:
        """New images as rows of an X."""

    def whole(self) -> contextlib.AbstractContextManager[None]:
        """Where this is left by an error, nothing of what was made stays."""


def points_of(images: Rows, rows: Indices, others: Indices, points: Points) -> tuple[Floats, Floats]:
    """Where the images of a class lie in a space, and those around it: (n, F), (m, F)."""
    own = _in_portions(images, rows.tolist(), points)
    return own, _in_portions(images, evenly_spaced(others.tolist(), MAX_OTHERS), points) if len(others) else own[:0]


def _in_portions(images: Rows, rows: Sequence[int], points: Points) -> Floats:
    starts = range(0, len(rows), PORTION)
    return np.concatenate([points([images.pixels(row) for row in rows[at : at + PORTION]]) for at in starts])


class ArrayRows:
    """Images, or any vectors, of an array (N, ...)."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def pixels(self, row: int) -> Pixels:
        """One image: (H, W), or (H, W, 3).

        Raises:
            UsageError: the rows are no images, or of other levels than uint8 or uint16.
        """
        x = self._array
        if x.dtype not in (np.uint8, np.uint16) or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in _COLOURS):
            raise UsageError(
                "effects and the codes of an autoencoder need images (N, H, W) or (N, H, W, C), C being 1 or 3, of "
                f'uint8 or uint16, got {x.dtype} {x.shape}; anything goes with space="pixel" and augment="off"'
            )
        image: Pixels = x[row]
        return image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image

    def points(self, rows: Indices, others: Indices) -> tuple[Floats, Floats]:
        """The rows themselves."""
        flat = self._array.reshape(len(self._array), -1)
        return flat[rows], flat[others]

    def lerp(self, first: Indices, second: Indices, steps: Floats) -> Array:
        """New rows between rows, whatever they are: straight, and of the array's own dtype."""
        return lerp(self._array, first, second, steps)

    def new(self, made: Sequence[Pixels]) -> Array:
        """Stacked, with the one channel of grey images where the array has it."""
        return np.stack(made).reshape(-1, *self._array.shape[1:])

    def whole(self) -> contextlib.AbstractContextManager[None]:
        """Nothing to do."""
        return contextlib.nullcontext()


class FileRows:
    """Image files of any sizes; new ones are written as PNG."""

    def __init__(self, paths: Array, settings: Data, folder: str | os.PathLike[str] | None) -> None:
        """The files, and where new ones are written.

        Raises:
            UsageError: no folder.
        """
        if folder is None:
            raise UsageError("X is paths: say with folder=... where the new image files are written")
        self._paths, self._settings, self._folder = paths, settings, Path(folder)
        self._names = (f"smote-{number:06d}.png" for number in itertools.count())
        self._written: list[Path] = []
        self._read = functools.lru_cache(maxsize=_KEPT)(self._decoded)

    def pixels(self, row: int) -> Pixels:
        """One image.

        Raises:
            ImageError: the file can't be read or decoded.
        """
        return self._read(row)

    def points(self, rows: Indices, others: Indices) -> tuple[Floats, Floats]:
        """Levels 0..1 at the side that suits the class."""
        typical = [self.pixels(row).shape for row in evenly_spaced(rows.tolist(), _KEPT)]
        points = pixel_points([(width, height) for height, width, *_ in typical])
        return points_of(self, rows, others, points)

    def new(self, made: Sequence[Pixels]) -> Array:
        """Paths of the new files, as texts or Path objects like those given.

        Raises:
            OutputError: the folder can't be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            paths = [self._write(encode(pixels, Encoding("png", ""))) for pixels in made]
        except OSError as error:
            raise OutputError(f"can't write in {self._folder}: {error.strerror}") from None
        if self._paths.dtype.kind == "U":
            return np.array([str(path) for path in paths])
        column = np.empty(len(paths), object)
        column[:] = [str(path) if isinstance(self._paths[0], str) else path for path in paths]
        return column

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Files that were written are taken back where an error comes."""
        try:
            yield
        except BaseException:
            for path in self._written:
                path.unlink(missing_ok=True)
            raise

    def _decoded(self, row: int) -> Pixels:
        path, settings = self._paths[row], self._settings
        try:
            return images.read(path, settings)[1].pixels
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None

    def _write(self, data: bytes) -> Path:
        """Under the next name that is free: a file that is there is never touched, whoever else writes."""
        for name in self._names:
            with contextlib.suppress(FileExistsError), open(self._folder / name, "xb") as file:
                self._written.append(self._folder / name)
                file.write(data)
                break
        return self._written[-1]
