"""Walk a folder: find the files to read, and sort out all others. No file is opened."""

import os
import stat
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from synth.data.encoding import EXTENSIONS
from synth.data.findings import Finding

SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in EXTENSIONS.values() for suffix in suffixes)
LINK_OUT = "link that leads out of the folder: --follow-symlinks reads it"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An image file with its class and split."""

    id: str
    path: str
    label: str
    split: str
    output_path: str
    group: str | None = None
    synthetic: bool = False
    """Whether an earlier run made it."""


@dataclass
class Listing:
    """The files of a folder: to read, refused or skipped."""

    files: list[FoundFile] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    train_folder: str = ""
    in_class_folders: bool = True
    findings: list[Finding] = field(default_factory=list)
    """What the layout, a metadata table or the groups say, the most harmful first."""
    has_groups: bool = False
    """Whether a metadata table has a column of groups."""

    def accepts(self, path: str) -> bool:
        """Whether a file is an image by its extension; other files are counted as skipped."""
        suffix = os.path.splitext(path)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            return True
        convert = " (convert to JPEG; pillow-heif reads it)" if suffix in (".heic", ".heif") else ""
        self.skipped[f"{suffix or 'no extension'}{convert}"] += 1
        return False


@dataclass
class Walk:
    """One pass over the tree: yields the files to read, and records all others in the listing."""

    root: Path
    listing: Listing
    follow: bool
    ours: Container[str]
    """Paths of the files that an earlier run put there."""

    def __post_init__(self) -> None:
        self.seen = {os.path.realpath(self.root)}

    def files(self) -> Iterator[str]:
        """Yield paths below the root, folder by folder."""
        pending = [""]  # folders below the root, with a final slash
        while pending:
            folder = pending.pop()
            try:
                entries = sorted(os.scandir(f"{self.root}/{folder}"), key=lambda entry: entry.name)
            except OSError as error:
                self._refuse(folder.rstrip("/"), f"can't be read: {error.strerror}")
                continue
            for entry in entries:
                kind = self._kind(entry, f"{folder}{entry.name}")
                if kind == "folder":
                    pending.append(f"{folder}{entry.name}/")
                elif kind == "file":
                    yield f"{folder}{entry.name}"

    def _kind(self, entry: os.DirEntry[str], below: str) -> str:
        """Return "file" or "folder" for an entry to read; record any other in the listing."""
        if is_system(entry.name):
            self.listing.skipped["system file"] += _count_files(entry)
        elif reason := bad_name(entry.name) or self._bad_link(entry, below):
            self._refuse(below, reason)
        elif entry.is_dir():
            self.seen.add(os.path.realpath(entry.path))
            return "folder"
        elif reason := _bad_file(entry):
            self._refuse(below, reason)
        else:
            return "file"
        return "other"

    def _refuse(self, below: str, reason: str) -> None:
        self.listing.refused.append((shown(below), reason))

    def _bad_link(self, entry: os.DirEntry[str], below: str) -> str | None:
        if not entry.is_symlink():
            return None
        real = os.path.realpath(entry.path)
        if not os.path.exists(real):
            return "link that leads nowhere"
        inside = Path(real).is_relative_to(os.path.realpath(self.root))
        if os.path.isdir(real) and (inside or real in self.seen):
            return "link to a folder that is read already"
        # Links of an earlier run (--link sym) are listed in the manifest.
        return None if inside or self.follow or below in self.ours else LINK_OUT


def _bad_file(entry: os.DirEntry[str]) -> str | None:
    try:
        return None if stat.S_ISREG(entry.stat().st_mode) else "not a regular file"
    except OSError as error:  # a folder that can be listed but not entered
        return f"can't be read: {error.strerror}"


def shown(name: str) -> str:
    """Return a name that JSON and terminals can show."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def is_system(name: str) -> bool:
    """Whether a name belongs to an operating system or editor and is not data."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def _count_files(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return 1
    return sum(len(files) for _, _, files in os.walk(entry.path))


def bad_name(name: str) -> str | None:
    """Return the reason to refuse a name; None for a good one."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "name is not UTF-8: rename it"
    return "name has a backslash: rename it" if "\\" in name else None
