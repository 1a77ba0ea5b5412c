"""The list of images that are left out: a text file with one path below the input in each line."""

import contextlib
import tomllib
import unicodedata
from pathlib import Path

RECIPE = "recipe.toml"
"""The file of an output folder that holds the settings of its last run."""


def read_exclusion(value: object) -> object:
    """Return the sorted paths of a list, given as a sequence of paths or as the path of a text file.

    In a file, `#` starts a comment line and empty lines are skipped. `./` before a path and backslashes between folders
    are accepted.

    Raises:
        ValueError: the file can't be read.
    """
    if isinstance(value, str):
        value = _lines(Path(value)) if value else ()
    if not isinstance(value, list | tuple) or not all(isinstance(path, str) for path in value):
        return value  # pydantic says what it expects
    return tuple(sorted({path.replace("\\", "/").removeprefix("./") for path in value}))


def same_name(path: str) -> str:
    """Return a path as it is compared: editors store accents in two forms, and leave blanks at the end of a line."""
    return unicodedata.normalize("NFC", path.strip())


def excluded_by(out: Path) -> frozenset[str]:
    """Return the paths, see `same_name`, that the recipe in an output leaves out; empty if it can't be read."""
    with contextlib.suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError):
        paths = tomllib.loads((out / RECIPE).read_text("utf-8"))["data"]["exclude"]
        return frozenset(same_name(path) for path in paths if isinstance(path, str))
    return frozenset()


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8: expected one path per line") from None
    lines = (line.rstrip("\r") for line in text.split("\n"))  # a name may hold other characters that end lines
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
