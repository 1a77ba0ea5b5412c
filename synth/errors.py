"""The exceptions of this package, as one tree.

SynthError                 one clear line; the command line prints it and exits with `exit_status`
├── UsageError             a wrong option, recipe or method (also a ValueError); exit status 2
├── DatasetError           the input as a whole can't be used (also a ValueError)
├── ImageError             one image file can't be used (also a ValueError); its reason lands in `refused`
├── GeneratorError         a generator broke its contract or failed (also a RuntimeError)
├── TrainingError          a network can't be trained (also a RuntimeError)
├── BundleError            a trained network is damaged, hostile, foreign or does not fit (also a ValueError)
├── ManifestError          a manifest is damaged or hostile (also a ValueError)
└── OutputError            the output folder can't be written or is not ours (also an OSError)
    └── LockedError        another run is writing there; exit status 11
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SynthError(Exception):
    """Root of all errors of this package; `str(error)` is one line for a person."""

    exit_status = 1


class UsageError(SynthError, ValueError):
    """A wrong option, recipe or method."""

    exit_status = 2


class DatasetError(SynthError, ValueError):
    """The input folder as a whole can't be used."""


class ImageError(SynthError, ValueError):
    """One image file can't be used; the message is the reason, without the path."""


class GeneratorError(SynthError, RuntimeError):
    """A generator failed, or gave something that is not an image."""


class TrainingError(SynthError, RuntimeError):
    """A network can't be trained on this data or with these settings."""


class BundleError(SynthError, ValueError):
    """The folder of a trained network is damaged, hostile, of another kind, or does not fit the data."""


class ManifestError(SynthError, ValueError):
    """A manifest is damaged, hostile or not ours."""


class OutputError(SynthError, OSError):
    """The output folder can't be written, or holds something that is not ours."""


class LockedError(OutputError):
    """Another run holds the output folder."""

    exit_status = 11


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that suggests the nearest known name; an empty string if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
