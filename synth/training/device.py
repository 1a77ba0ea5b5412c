"""The device that a network is computed on, and the precision of its arithmetic."""

import contextlib
from typing import Literal

import torch

from synth.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(word: str = "auto") -> torch.device:
    """Return the device of a word; `auto` is a GPU where there is one, else the CPU.

    Raises:
        UsageError: an unknown word, or a device that this machine or this build of torch does not have.
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
    """Return the context of mixed precision: bfloat16 on request, or with `auto` on a GPU that has it.

    Mixed precision is never float16, which would need a scaled loss.
    """
    fits = device.type == "cuda" and torch.cuda.is_bf16_supported()
    enabled = precision == "bfloat16" or (precision == "auto" and fits)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
