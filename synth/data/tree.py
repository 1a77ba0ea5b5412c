"""Walking a folder: which files are there to be looked at, and what becomes of all others. Nothing is opened."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synth.data.encoding import EXTENSIONS

SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in EXTENSIONS.values() for suffix in suffixes)
LINK_OUT = "link that leads out of the folder: --follow-symlinks reads it"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An image file and what it is meant to be."""

    id: str
    path: str
    label: str
    split: str
    output_path: str
    group: str | None = None


@dataclass
class Listing:
    """All files of a folder, sorted out."""

    files: list[FoundFile] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    train_folder: str = ""
    in_class_folders: bool = True
    warnings: tuple[str, ...] = ()
    synthetic: Counter[str] = field(default_factory=Counter)
    """{class: images of earlier runs}, from the folder's own manifest."""


@dataclass
class Walk:
    """One pass over the tree: yields the files that are ours to look at, settles all others in the listing."""

    root: Path
    listing: Listing
    follow: bool
    ours: Mapping[str, bool]
    seen: set[str]

    def files(self) -> Iterator[str]:
        """Paths below the root, folder by folder."""
        pending = [""]  # folders below the root, with a slash at their end
        while pending:
            folder = pending.pop()
            try:
                entries = sorted(os.scandir(f"{self.root}/{folder}"), key=lambda entry: entry.name)
            except OSError as error:
                self._refuse(folder.rstrip("/"), f"can't be read: {error.strerror}")
                continue
            for entry in entries:
                state = self._settle(entry, f"{folder}{entry.name}")
                if state == "folder":
                    pending.append(f"{folder}{entry.name}/")
                elif state == "file":
                    yield f"{folder}{entry.name}"

    def _settle(self, entry: os.DirEntry[str], below: str) -> str:
        """`file` or `folder` for what is ours to look at; anything else is settled in the listing."""
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
        return "settled"

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
        # Links that a run of ours put there (--link sym) are listed in the manifest.
        return None if inside or self.follow or below in self.ours else LINK_OUT


def _bad_file(entry: os.DirEntry[str]) -> str | None:
    try:
        return None if stat.S_ISREG(entry.stat().st_mode) else "not a regular file"
    except OSError as error:  # a folder that may be listed but not entered
        return f"can't be read: {error.strerror}"


def shown(name: str) -> str:
    """A name that JSON and terminals can hold."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def is_system(name: str) -> bool:
    """Files and folders of operating systems and editors, which no one means to be data."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def _count_files(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return 1
    return sum(len(files) for _, _, files in os.walk(entry.path))


def bad_name(name: str) -> str | None:
    """Why a name can't be used; None for a good one."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "name is not UTF-8: rename it"
    return "name holds a backslash: rename it" if "\\" in name else None


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def is_image(path: str, listing: Listing) -> bool:
    """By its extension; what is none is counted as skipped."""
    if _suffix(path) in IMAGE_SUFFIXES:
        return True
    listing.skipped[_kind(path)] += 1
    return False


def _kind(path: str) -> str:
    suffix = _suffix(path)
    if suffix in (".heic", ".heif"):
        return f"{suffix} (convert to JPEG; pillow-heif reads it)"
    return suffix or "no extension"
