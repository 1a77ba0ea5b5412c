"""Asking a trained network: in batches of one fixed shape, so that an answer depends on its own image alone.

How a library cuts a convolution up depends on the shape of the batch. With the shape always the same and one thread,
an image gets the same numbers, bit for bit, whatever stands beside it and wherever it stands (CPU, same versions).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

BATCH = 56
"""A task of 256 attempts asks each of five networks about 51 images, give or take a few."""
Floats = npt.NDArray[np.float32]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the same bits on any number of cores, and no quarrel between worker processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_tensor(images: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32 in [-1, 1], channels last in memory."""
    moved = torch.from_numpy(images).to(device)
    return moved.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def padded(rows: npt.NDArray[np.generic]) -> Iterator[tuple[npt.NDArray[np.generic], int]]:
    """Batches of exactly `BATCH` rows, the last one filled up with zeros, and how many rows of each are real."""
    for start in range(0, max(len(rows), 1), BATCH):
        part = rows[start : start + BATCH]
        if len(part) == BATCH:
            yield part, BATCH
            continue
        full = np.zeros((BATCH, *rows.shape[1:]), rows.dtype)
        full[: len(part)] = part
        yield full, len(part)


def ask(network: nn.Module, rows: npt.NDArray[np.generic], device: torch.device) -> tuple[Floats, Floats]:
    """Features (n, F) and probabilities (n, C) of images (n, S, S, 3) uint8, or of a backbone's features (n, F)."""
    features, probabilities = [], []
    with torch.inference_mode(), one_thread():
        for batch, n in padded(rows):
            x = to_tensor(batch, device) if batch.ndim == 4 else torch.from_numpy(batch).to(device)  # type: ignore[arg-type]
            seen, logits = network(x)
            features.append(seen[:n].cpu().numpy())
            probabilities.append(logits.float().softmax(1)[:n].cpu().numpy())
    return np.concatenate(features), np.concatenate(probabilities)
