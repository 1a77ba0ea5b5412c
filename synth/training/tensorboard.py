"""Losses, measures and samples of a training in TensorBoard (`pip install "synth-images[tensorboard]"`)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from synth.errors import UsageError

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class Board:
    """A writer for TensorBoard; without a `SummaryWriter` it writes nothing."""

    def __init__(self, writer: SummaryWriter | None = None) -> None:
        self._writer = writer

    def numbers(self, values: Mapping[str, float | None], *, n_images_seen: int) -> None:
        """Add one point to the curve of each name; None adds no point."""
        for name, value in values.items():
            if self._writer and value is not None:
                self._writer.add_scalar(name, value, n_images_seen)

    def picture(self, name: str, png: bytes, *, n_images_seen: int) -> None:
        """Add a picture."""
        if self._writer:
            pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
            self._writer.add_image(name, pixels, n_images_seen, dataformats="HWC")


@contextlib.contextmanager
def open_board(folder: str | Path | None) -> Iterator[Board]:
    """Open a board that writes into a folder; with None, a board that writes nothing.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    if folder is None:
        yield Board()
        return
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise UsageError('--tensorboard needs the extra: pip install "synth-images[tensorboard]"') from None
    with SummaryWriter(str(folder)) as writer:
        yield Board(writer)
