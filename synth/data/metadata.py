"""Read `metadata.csv` or `metadata.jsonl`: label, split and group of each listed image."""

import csv
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from synth.data.manifest import check_path
from synth.data.tree import FoundFile, Listing, bad_name, shown
from synth.errors import DatasetError, ManifestError
from synth.records import PARENT_SPLIT

METADATA = ("metadata.csv", "metadata.jsonl")
NAME_BYTES = 255
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""{name of a split: train, val or test}."""


def read_metadata(root: Path, found: Sequence[str], metadata: Sequence[str], listing: Listing) -> None:
    """Sort the files by the metadata files; `found` and `metadata` are paths below the root.

    Raises:
        DatasetError: a metadata file is not readable, or has no column file_name or label.
    """
    listing.in_class_folders = False
    known, listed, places = set(found), set[str](), set[str]()
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
                listing.refused.append((id if new else where, shown(f"{where}: {reason}")))
                listed.add(id)
                continue
            listed.add(id)
            place = _output_path(label, id, split=SPLIT_WORDS[split_word], taken=places)
            group = shown(str(row["group"])) if row.get("group") not in (None, "") else None
            listing.classes.add(label)
            listing.files.append(FoundFile(id, f"{root}/{id}", label, SPLIT_WORDS[split_word], place, group))
    if n_unlisted := sum(map(listing.accepts, known - listed)):
        listing.skipped["not in the metadata file"] = n_unlisted
    if has_splits:
        listing.train_folder = f"{PARENT_SPLIT}/"
    else:  # no split folder in the output either
        listing.files = [replace(file, output_path=file.output_path.partition("/")[2]) for file in listing.files]


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
    return "" if row[name] is None else str(row[name])  # None in a short line of a CSV file


def _bad_row(id: str, label: str, split: str, *, known: set[str], listed: set[str]) -> str | None:
    try:
        check_path(id, "file_name")
    except ManifestError:
        return f"file_name {id!r} leads out of the folder"
    unusable = not label or label.startswith(".") or re.search(r"[/\\\0]", label) or bad_name(label)
    if unusable or len(label.encode()) > NAME_BYTES:
        return f"label {label!r} can't be a folder name"
    if split not in SPLIT_WORDS:
        return f"split {split!r}: expected one of {', '.join(SPLIT_WORDS)}"
    if id in listed:
        return f"{id} is listed twice"
    return None if id in known else f"{id} is listed, but there is no such file"


def _output_path(label: str, id: str, *, split: str, taken: set[str]) -> str:
    """Return the path in an output: split and class folder, and a name that depends only on the id."""
    name = id.replace("/", "-")
    if len(name.encode()) > NAME_BYTES or _folded(f"{split}/{label}/{name}") in taken:
        ending = f"-{hashlib.sha256(id.encode()).hexdigest()[:8]}{os.path.splitext(name)[1]}"
        name = name.encode()[: NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending
    taken.add(_folded(f"{split}/{label}/{name}"))
    return f"{split}/{label}/{name}"


def _folded(path: str) -> str:
    """Return the name as a system sees it that ignores case and Unicode normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
