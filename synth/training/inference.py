"""Inference in batches of one fixed shape, so that the output for an image depends on that image alone.

How a library splits a convolution depends on the shape of the batch. With one shape and one thread, an image gets the
same numbers, bit for bit, whatever the other images of the batch are (CPU, same versions).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

BATCH = 56
"""A task of 256 attempts gives each of five networks about 51 images."""
CODES_BATCH = 32
"""Of an autoencoder: interpolation decodes as many images at once as it has attempts, often few."""
Floats = npt.NDArray[np.float32]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the same bits on any number of cores, and worker processes do not compete for cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_tensor(images: npt.NDArray[np.uint8], device: torch.device, *, n_channels: int = 3) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, C, S, S) float32 in [-1, 1], channels last in memory; one channel is their mean."""
    moved = torch.from_numpy(images).to(device)
    x = moved.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return x if n_channels == x.shape[1] else x.mean(1, keepdim=True)


def padded(rows: npt.NDArray[np.generic], size: int = BATCH) -> Iterator[tuple[npt.NDArray[np.generic], int]]:
    """Yield batches of exactly `size` rows, the last one padded with zeros, each with its number of real rows."""
    for start in range(0, max(len(rows), 1), size):
        part = rows[start : start + size]
        if len(part) == size:
            yield part, size
            continue
        full = np.zeros((size, *rows.shape[1:]), rows.dtype)
        full[: len(part)] = part
        yield full, len(part)


def predict(network: nn.Module, rows: npt.NDArray[np.generic], device: torch.device) -> tuple[Floats, Floats]:
    """Return features (n, F) and probabilities (n, C) of images (n, S, S, 3) uint8, or of a backbone's features."""
    features, probabilities = [], []
    with torch.inference_mode(), one_thread():
        for batch, n in padded(rows):
            x = to_tensor(batch, device) if batch.ndim == 4 else torch.from_numpy(batch).to(device)  # type: ignore[arg-type]
            seen, logits = network(x)
            features.append(seen[:n].cpu().numpy())
            probabilities.append(logits.float().softmax(1)[:n].cpu().numpy())
    return np.concatenate(features), np.concatenate(probabilities)


def encode(encoder: nn.Module, images: npt.NDArray[np.uint8], device: torch.device, *, n_channels: int) -> Floats:
    """Return the codes (n, Z) of images (n, S, S, 3) uint8."""
    with torch.inference_mode(), one_thread():
        batches = [
            encoder(to_tensor(batch, device, n_channels=n_channels))[:n].cpu().numpy()  # type: ignore[arg-type]
            for batch, n in padded(images, CODES_BATCH)
        ]
    return np.concatenate(batches)


def decode(generator: nn.Module, codes: Floats, labels: npt.NDArray[np.intp], device: torch.device) -> Floats:
    """Return images (n, S, S, C), levels 0..1, of codes (n, Z) and class numbers (n,)."""
    if len(codes) != len(labels):
        raise ValueError(f"expected a class for each code, got {len(labels)} for {len(codes)}")
    levels = []
    with torch.inference_mode(), one_thread():
        for (batch, n), (numbers, _) in zip(padded(codes, CODES_BATCH), padded(labels, CODES_BATCH), strict=True):
            x = generator(torch.from_numpy(batch).to(device), torch.from_numpy(numbers).to(device))
            levels.append(x[:n].add(1).div(2).permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(levels)
