"""The X of `ImageSMOTE`: the images of an array, or image files."""

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.data import images
from synth.data.encoding import encode
from synth.data.levels import AS_STORED
from synth.errors import ImageError, OutputError, UsageError
from synth.generators.feature_space import FeatureSpace, pixel_space
from synth.generators.neighbour_graph import Floats, Indices
from synth.generators.smote import MAX_OTHERS
from synth.measures.subset import evenly_spaced
from synth.records import Encoding, Pixels
from synth.settings.recipe import Data

Array = npt.NDArray[Any]
_KEPT = 64  # decoded image files in memory; also the images that tell the typical size of a class
_COLOURS = (1, 3)


class ArrayRows:
    """Images, or any vectors, of an array (N, ...)."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def pixels(self, row: int) -> Pixels:
        """Return one image: (H, W), or (H, W, 3).

        Raises:
            UsageError: the rows are not images, or not uint8 or uint16.
        """
        x = self.array
        if x.dtype not in (np.uint8, np.uint16) or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in _COLOURS):
            raise UsageError(
                "effects and the codes of an autoencoder need images (N, H, W) or (N, H, W, C) of uint8 or uint16, C "
                f'being 1 or 3, got {x.dtype} {x.shape}; space="pixel" with augment="off" takes any array'
            )
        image: Pixels = x[row]
        return image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image

    def pixel_features(self, rows: Indices, others: Indices) -> tuple[Floats, Floats]:
        """Return the rows of a class (n, F) and of the other classes (m, F), as vectors."""
        flat = self.array.reshape(len(self.array), -1)
        return flat[rows], flat[others]

    def new(self, made: Sequence[Pixels]) -> Array:
        """Stack new images, with a channel axis if the array has one."""
        return np.stack(made).reshape(-1, *self.array.shape[1:])

    def all_or_nothing(self) -> contextlib.AbstractContextManager[None]:
        """Return a context that does nothing: an array writes nothing."""
        return contextlib.nullcontext()


class FileRows:
    """Image files of any sizes; new ones are written as PNG."""

    def __init__(self, paths: Array, settings: Data, folder: str | os.PathLike[str] | None) -> None:
        """Take the paths of the files, and the folder for new ones.

        Raises:
            UsageError: no folder.
        """
        if folder is None:
            raise UsageError("X is paths: say with folder=... where the new image files are written")
        self._paths, self._settings, self._folder = paths, settings, Path(folder)
        self._names = (f"smote-{number:06d}.png" for number in itertools.count())
        self._written: list[Path] = []
        self.pixels = functools.lru_cache(maxsize=_KEPT)(self._read)

    def pixel_features(self, rows: Indices, others: Indices) -> tuple[Floats, Floats]:
        """Return the levels (n, F) of a class and (m, F) of the other classes, at the side that suits the class."""
        typical = [self.pixels(row).shape for row in evenly_spaced(rows.tolist(), _KEPT)]
        space = pixel_space([(width, height) for height, width, *_ in typical])
        return features_in(space, self, rows, others)

    def new(self, made: Sequence[Pixels]) -> Array:
        """Write new files and return their paths, as str or Path like those given.

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
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the new files if the block raises an error."""
        try:
            yield
        except BaseException:
            for path in self._written:
                path.unlink(missing_ok=True)
            raise

    def _read(self, row: int) -> Pixels:
        path, settings = self._paths[row], self._settings
        try:
            return images.read(path, settings, levels=AS_STORED)[1].pixels
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None

    def _write(self, data: bytes) -> Path:
        """Write under the next free name. An existing file is never touched, even if another process writes too."""
        for name in self._names:
            with contextlib.suppress(FileExistsError), open(self._folder / name, "xb") as file:
                self._written.append(self._folder / name)
                file.write(data)
                break
        return self._written[-1]


Rows = ArrayRows | FileRows


def features_in(space: FeatureSpace, images: Rows, rows: Indices, others: Indices) -> tuple[Floats, Floats]:
    """Return features of the images of a class (n, F) and of the other classes (m, F)."""
    own, around = space.embed(map(images.pixels, rows.tolist())), evenly_spaced(others.tolist(), MAX_OTHERS)
    return own, space.embed(map(images.pixels, around)) if around else own[:0]
