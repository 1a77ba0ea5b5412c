"""Which files lie in a folder and what each is meant to be, from names alone: nothing is opened but a metadata file."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synth.data.images import EXTENSIONS
from synth.errors import DatasetError
from synth.manifest import MANIFEST, read_manifest
from synth.recipe import Data
from synth.records import PARENT_SPLIT

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "valid": "val",
    "val": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
METADATA = ("metadata.csv", "metadata.jsonl")
SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in EXTENSIONS.values() for suffix in suffixes)
NAME_BYTES = 255
LINK_OUT = "link that leads out of the folder: --follow-symlinks reads it"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An image file and what it is meant to be."""

    id: str
    path: str
    label: str
    split: str
    place: str
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


def list_files(root: Path, settings: Data) -> Listing:
    """Walk a folder and give every file a state.

    Raises:
        DatasetError: not a folder, can't be read, or a layout that can't be told apart.
    """
    if not root.exists():
        raise DatasetError(f"{root}: no such folder")
    if not root.is_dir():
        raise DatasetError(f"{root}: expected a folder of class folders, got a file")
    try:
        os.listdir(root)
    except PermissionError:
        raise DatasetError(f"{root}: no permission to read this folder") from None
    listing = Listing()
    ours = _our_files(root, listing)
    walk = _Walk(root, listing, follow=settings.follow_symlinks, ours=ours, seen={os.path.realpath(root)})
    found = list(walk.files(root))
    metadata = [path for path in found if path.rpartition("/")[2] in METADATA and path.count("/") <= 1]
    if metadata:
        _from_metadata(root, found, metadata, listing)
    else:
        _from_folders(root, found, listing)
    _leave_out_synthetic(listing, ours)
    listing.files.sort(key=lambda file: file.id)
    return listing


def _our_files(root: Path, listing: Listing) -> Mapping[str, bool]:
    """{path: is synthetic} of an earlier run's manifest; empty without one."""
    path = root / MANIFEST
    if not path.is_file():
        return {}
    ours = {}
    for row in read_manifest(path):
        if row.path is not None:
            ours[row.path] = row.synthetic
            listing.synthetic[row.label] += row.synthetic
    return ours


def _leave_out_synthetic(listing: Listing, ours: Mapping[str, bool]) -> None:
    kept = [file for file in listing.files if not ours.get(file.id, False)]
    if len(kept) < len(listing.files):
        listing.skipped["made by an earlier run"] = len(listing.files) - len(kept)
    listing.files[:] = kept


@dataclass
class _Walk:
    """One pass over the tree: yields the files that are ours to look at, settles all others in the listing."""

    root: Path
    listing: Listing
    follow: bool
    ours: Mapping[str, bool]
    seen: set[str]

    def files(self, folder: Path) -> Iterator[str]:
        """Paths below the root, in order of name."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._refuse(_below(folder, self.root), f"can't be read: {error.strerror}")
            return
        for entry in entries:
            yield from self._entry(entry, _below(Path(entry.path), self.root))

    def _entry(self, entry: os.DirEntry[str], below: str) -> Iterator[str]:
        if _is_system(entry.name):
            self.listing.skipped["system file"] += _count_files(entry)
        elif reason := _bad_name(entry.name) or self._bad_link(entry, below):
            self._refuse(below, reason)
        elif entry.is_dir():
            self.seen.add(os.path.realpath(entry.path))
            yield from self.files(Path(entry.path))
        elif reason := _bad_file(entry):
            self._refuse(below, reason)
        else:
            yield below

    def _refuse(self, below: str, reason: str) -> None:
        self.listing.refused.append((_shown(below), reason))

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


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _shown(name: str) -> str:
    """A name that JSON and terminals can hold."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_system(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def _count_files(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return 1
    return sum(len(files) for _, _, files in os.walk(entry.path))


def _bad_name(name: str) -> str | None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "name is not UTF-8: rename it"
    return "name holds a backslash: rename it" if "\\" in name else None


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _is_image(path: str, listing: Listing) -> bool:
    if _suffix(path) in IMAGE_SUFFIXES:
        return True
    listing.skipped[_kind(path)] += 1
    return False


def _kind(path: str) -> str:
    suffix = _suffix(path)
    if suffix in (".heic", ".heif"):
        return f"{suffix} (convert to JPEG; pillow-heif reads it)"
    return suffix or "no extension"


def _from_folders(root: Path, found: list[str], listing: Listing) -> None:
    turned_down = {path for path, _ in listing.refused}  # a link that isn't followed is no class either
    folders = _class_folders(root, "", turned_down)
    splits = [name for name in folders if name.lower() in SPLIT_WORDS]
    others = [name for name in folders if name.lower() not in SPLIT_WORDS]
    if any(SPLIT_WORDS[name.lower()] == PARENT_SPLIT for name in splits) and others:
        raise DatasetError(
            f"{root}: split folders ({', '.join(splits)}) beside class folders ({', '.join(others[:3])}): "
            "move the classes into a split, or the splits elsewhere"
        )
    by_split = bool(splits) and not others
    if by_split:
        train = [name for name in splits if SPLIT_WORDS[name.lower()] == PARENT_SPLIT]
        listing.train_folder = f"{train[0] if train else PARENT_SPLIT}/"
    depth = 1 if by_split else 0
    for base in [f"{name}/" for name in splits] if by_split else [""]:
        listing.classes.update(_class_folders(root, base, turned_down))
    nested = False
    for path in found:
        if not _is_image(path, listing):
            continue
        parts = path.split("/")
        if len(parts) <= depth + 1:
            listing.refused.append((path, "lies beside the class folders: move it into one"))
            continue
        nested = nested or len(parts) > depth + 2
        split = SPLIT_WORDS[parts[0].lower()] if by_split else PARENT_SPLIT
        listing.files.append(FoundFile(path, str(root / path), parts[depth], split, place=path))
    listing.warnings = (
        *((f"class named like a split: {', '.join(splits)}",) if splits and others else ()),
        *(("folders inside class folders: their images count for the outer class",) if nested else ()),
    )


def _class_folders(root: Path, base: str, turned_down: set[str]) -> list[str]:
    try:
        entries = [entry for entry in os.scandir(root / base) if entry.is_dir() and not _is_system(entry.name)]
    except OSError:  # the walk has refused it with the reason
        return []
    names = sorted(entry.name for entry in entries if _bad_name(entry.name) is None)
    return [name for name in names if f"{base}{name}" not in turned_down]


def _from_metadata(root: Path, found: list[str], metadata: list[str], listing: Listing) -> None:
    listing.in_class_folders = False
    known, listed, places = set(found), set[str](), Counter[str]()
    has_splits = False
    for path in metadata:
        base = path.rpartition("/")[0]
        for number, row in _metadata_rows(root / path):
            where = f"{path}:{number}"
            name, label = _field(row, "file_name", where), _field(row, "label", where)
            id = f"{base}/{name}" if base else name
            split_word = str(row.get("split") or base or PARENT_SPLIT).lower()
            has_splits = has_splits or bool(row.get("split")) or bool(base)
            reason = _bad_row(id, label, split_word, known=known, listed=listed)
            if reason:
                new = id in known and id not in listed
                listing.refused.append((id if new else where, _shown(f"{where}: {reason}")))
                listed.add(id)
                continue
            listed.add(id)
            place = _place(label, id, split=SPLIT_WORDS[split_word], taken=places)
            group = _shown(str(row["group"])) if row.get("group") not in (None, "") else None
            listing.classes.add(label)
            listing.files.append(FoundFile(id, str(root / id), label, SPLIT_WORDS[split_word], place, group))
    for path in known - listed:
        if _is_image(path, listing):
            listing.skipped["not in the metadata file"] += 1
    if has_splits:
        listing.train_folder = f"{PARENT_SPLIT}/"
    else:
        listing.files[:] = [_without_split_folder(file) for file in listing.files]


def _without_split_folder(file: FoundFile) -> FoundFile:
    place = file.place.partition("/")[2]
    return FoundFile(file.id, file.path, file.label, file.split, place, file.group)


def _metadata_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                yield from ((number, row) for number, row in enumerate(csv.DictReader(file), start=2))
            else:
                yield from ((n, _json_row(line, f"{path}:{n}")) for n, line in enumerate(file, start=1) if line.strip())
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: {error}") from None
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror}") from None


def _json_row(line: str, where: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: expected an object with file_name and label")
    return row


def _field(row: Mapping[str, object], name: str, where: str) -> str:
    if name not in row:
        raise DatasetError(f'{where}: expected the columns file_name and label, "{name}" is missing (got {list(row)})')
    return "" if row[name] is None else str(row[name])  # a short line of a CSV file has None


def _bad_row(id: str, label: str, split: str, *, known: set[str], listed: set[str]) -> str | None:
    if id.startswith("/") or re.match(r"^[A-Za-z]:", id) or "\\" in id or ".." in id.split("/") or "\0" in id:
        return f"file_name {id!r} leads out of the folder"
    if _bad_label(label):
        return f"label {label!r} can't be a folder name"
    if split not in SPLIT_WORDS:
        return f"split {split!r}: expected one of {', '.join(SPLIT_WORDS)}"
    if id in listed:
        return f"{id} is listed twice"
    return None if id in known else f"{id} is listed, but there is no such file"


def _bad_label(label: str) -> bool:
    if not label or label.startswith(".") or re.search(r"[/\\\0]", label) or _bad_name(label):
        return True
    return len(label.encode()) > NAME_BYTES


def _place(label: str, id: str, *, split: str, taken: Counter[str]) -> str:
    """Path in an output: split and class folder, and a name that no other file there has."""
    name = id.rpartition("/")[2]
    stem, suffix = os.path.splitext(name)
    wished = place = f"{split}/{label}/{name}"
    while taken[_folded(place)]:
        taken[_folded(wished)] += 1
        ending = f"-{taken[_folded(wished)]}{suffix}"
        short = stem.encode()[: NAME_BYTES - len(ending.encode())].decode(errors="ignore")
        place = f"{split}/{label}/{short}{ending}"
    taken[_folded(place)] = 1
    return place


def _folded(path: str) -> str:
    """What is the same name for a system that ignores case and the form of accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
