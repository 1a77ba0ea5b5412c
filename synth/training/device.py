"""Where a network is computed, and in which precision."""

from __future__ import annotations

import contextlib
from typing import Literal

import torch

from synth.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(word: str = "auto") -> torch.device:
    """The device of a word; `auto` takes a GPU where there is one.

    Raises:
        UsageError: an unknown word, or a device that this machine or this torch does not have.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if word == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if word.partition(":")[0] not in there:
        raise UsageError(f'unknown device "{word}": expected {", ".join(DEVICES)}')
    if not there[word.partition(":")[0]]:
        raise UsageError(f'device "{word}": torch {torch.__version__} finds none on this machine; use cpu or auto')
    return torch.device(word)


def autocast(
    device: torch.device, precision: Literal["auto", "float32", "bfloat16"]
) -> contextlib.AbstractContextManager[object]:
    """Mixed precision where `auto` finds a GPU for it; bfloat16 alone, since it needs no scaling of the loss."""
    fits = device.type == "cuda" and torch.cuda.is_bf16_supported()
    enabled = precision == "bfloat16" or (precision == "auto" and fits)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
