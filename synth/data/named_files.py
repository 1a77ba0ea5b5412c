"""Find the file that a table's row names, also if the name differs from that on the disk."""

import difflib
import functools
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.data.output_paths import folded
from synth.data.tree import IMAGE_SUFFIXES

_DRIVE = re.compile(r"[A-Za-z]:/")
_COMPARED, _COMPARED_WITH = 20, 2000
"""Names that are compared letter by letter, and files of a folder that they are compared with: this takes long."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """The file that a row means."""

    id: str | None
    """Path below the root; None if there is no such file."""
    exact: bool = True
    """False if the name differs in case or has no extension."""
    problem: str = ""
    """Why there is none."""


class NamedFiles:
    """The files of a folder, by the names that a table may give them."""

    def __init__(self, root: Path, found: Iterable[str]) -> None:
        """Take the root and the paths below it of all files."""
        self._roots = [f"{os.path.abspath(root)}/", f"{os.path.realpath(root)}/"]
        self.known = frozenset(found)
        self._n_compared = 0

    def find(self, name: str, base: str) -> NamedFile:
        """Return the file of a row: by its name, or else by Unicode normal form, by case, and without an extension.

        Args:
            name: as the table has it: relative to the table's folder, or absolute but inside the root.
            base: the table's folder below the root; "" for the root.
        """
        if not name:
            return NamedFile(None, problem="no file_name")
        path = name.replace("\\", "/")  # a table from Windows; files with a backslash in their name are refused anyway
        inside = next((path.removeprefix(root) for root in self._roots if path.startswith(root)), None)
        absolute = inside is None and (path.startswith("/") or _DRIVE.match(path))
        if absolute or "\0" in path or ".." in path.split("/"):
            return NamedFile(None, problem=f"file_name {name!r} leads out of the folder")
        path = posixpath.normpath(posixpath.join(base, path) if inside is None else inside)
        if path in self.known:
            return NamedFile(path)
        alike = self._alike(path)
        if len(alike) == 1:
            return NamedFile(alike[0], exact=_nfc(alike[0]) == _nfc(path))
        if alike:
            return NamedFile(None, problem=f"{path} can mean {' or '.join(alike[:3])}: write the name exactly")
        return NamedFile(None, problem=f"{path} is listed, but there is no such file{self._near(path)}")

    def _alike(self, path: str) -> Sequence[str]:
        no_suffix = os.path.splitext(path)[1].lower() not in IMAGE_SUFFIXES
        keys = [("form", _nfc(path)), ("case", folded(path)), *([("stem", folded(path))] if no_suffix else [])]
        return next((self._by_form[key] for key in keys if key in self._by_form), ())

    @functools.cached_property
    def _by_form(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """{(form, name in that form): paths}; built for the first name that is no path."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for path in sorted(self.known):
            stem, suffix = os.path.splitext(path)
            found["form", _nfc(path)].append(path)
            found["case", folded(path)].append(path)
            if suffix.lower() in IMAGE_SUFFIXES:
                found["stem", folded(stem)].append(path)
                found["file", folded(posixpath.basename(stem))].append(path)
                found["folder", posixpath.dirname(path)].append(path)
        return dict(found)

    def _near(self, path: str) -> str:
        """Return the end of a message that names the nearest file; an empty string if none is near."""
        stem = folded(os.path.splitext(posixpath.basename(path))[0])
        near = self._by_form.get(("file", stem), ())  # in another folder, or with another extension
        beside = self._by_form.get(("folder", posixpath.dirname(path)), ())
        if not near and self._n_compared < _COMPARED and len(beside) <= _COMPARED_WITH:
            self._n_compared += 1
            near = difflib.get_close_matches(path, beside, n=1, cutoff=0.8)
        return f"; the nearest is {near[0]}" if len(near) == 1 else ""


def _nfc(path: str) -> str:
    return unicodedata.normalize("NFC", path)
