"""Inference in batches of one fixed shape, so that the output for an image depends on that image alone.

How a library splits a convolution depends on the shape of the batch. With one shape and one thread, an image gets the
same numbers, bit for bit, whatever the other images of the batch are (CPU, same versions).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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


def in_batches(
    compute: Callable[..., Sequence[Tensor]], *arrays: npt.NDArray[Any], size: int = BATCH
) -> list[npt.NDArray[Any]]:
    """Apply a function to batches of exactly `size` rows, without gradients and on one thread.

    Args:
        compute: takes a batch of each array, and returns tensors with as many rows.
        arrays: n rows each; the last batch is padded with zeros.

    Returns:
        For each tensor that `compute` returns, an array of n rows.
    """
    n, parts = len(arrays[0]), []
    with torch.inference_mode(), one_thread():
        for start in range(0, max(n, 1), size):
            rows = [array[start : start + size] for array in arrays]
            batch = [np.pad(each, [(0, size - len(each))] + [(0, 0)] * (each.ndim - 1)) for each in rows]
            parts.append([output[: n - start].cpu().numpy() for output in compute(*batch)])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def predict(network: nn.Module, rows: npt.NDArray[Any], device: torch.device) -> tuple[Floats, Floats]:
    """Return features (n, F) and probabilities (n, C) of images (n, S, S, 3) uint8, or of a backbone's features."""

    def compute(batch: npt.NDArray[Any]) -> Sequence[Tensor]:
        features, logits = network(to_tensor(batch, device) if batch.ndim == 4 else torch.from_numpy(batch).to(device))
        return features, logits.float().softmax(1)

    features, probabilities = in_batches(compute, rows)
    return features, probabilities


def encode(encoder: nn.Module, images: npt.NDArray[np.uint8], device: torch.device, *, n_channels: int) -> Floats:
    """Return the codes (n, Z) of images (n, S, S, 3) uint8."""
    return in_batches(
        lambda batch: [encoder(to_tensor(batch, device, n_channels=n_channels))], images, size=CODES_BATCH
    )[0]


def decode(generator: nn.Module, codes: Floats, labels: npt.NDArray[np.intp], device: torch.device) -> Floats:
    """Return images (n, S, S, C), levels 0..1, of codes (n, Z) and class numbers (n,)."""
    if len(codes) != len(labels):
        raise ValueError(f"expected a class for each code, got {len(labels)} for {len(codes)}")

    def compute(*batch: npt.NDArray[Any]) -> Sequence[Tensor]:
        x = generator(*(torch.from_numpy(each).to(device) for each in batch))
        return [x.add(1).div(2).permute(0, 2, 3, 1)]

    return in_batches(compute, codes, labels, size=CODES_BATCH)[0]
