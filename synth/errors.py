"""The exceptions of this package.

All are children of `SynthError`: one clear line, which the command line prints before it exits with `exit_status`. Each
also inherits the built-in exception that it resembles.
"""

import difflib
from collections.abc import Iterable

LONGEST = 290
"""Characters of a message; the middle of a longer one is left out."""
NAME_LENGTH = 60


class SynthError(Exception):
    """Base class of all exceptions of this package; `str(error)` is one line of at most `LONGEST` characters."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message, LONGEST))


class UsageError(SynthError, ValueError):
    """A wrong option, recipe or method; exit status 2."""

    exit_status = 2


class DatasetError(SynthError, ValueError):
    """The input folder as a whole can't be used."""


class ImageError(SynthError, ValueError):
    """One image file can't be used; the message is the reason, without the path. The file counts as refused."""


class GeneratorError(SynthError, RuntimeError):
    """A generator failed, or returned something that is not an image."""


class TrainingError(SynthError, RuntimeError):
    """A network can't be trained on this data or with these settings."""


class BundleError(SynthError, ValueError):
    """The folder of a trained network is damaged, hostile, of another kind, or does not fit the data."""


class ManifestError(SynthError, ValueError):
    """A manifest is damaged, hostile or not from this package."""


class OutputError(SynthError, OSError):
    """The output folder can't be written, or holds foreign files."""


class LockedError(OutputError):
    """Another run holds the output folder; exit status 11."""

    exit_status = 11


def short_name(name: str, longest: int = NAME_LENGTH) -> str:
    """Return a name, with its middle left out if it is too long: names differ at their ends."""
    half = longest // 2 - 1
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def shortened(text: str, longest: int) -> str:
    """Return `text`, with " ... " in place of its middle if it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 5]} ... {text[-end:]}"


def in_the_way(path: object) -> OutputError:
    """Return the error for a file of someone else that has the name of one of ours."""
    return OutputError(f"{path} is in the way, and synth did not write it: move it away")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that suggests the nearest known name; an empty string if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def printable(text: object) -> str:
    """Return `text` as one safe line: control characters and broken bytes become escapes."""
    plain = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)
