"""Read `metadata.csv` or `metadata.jsonl`: label, split and group of each listed image."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synth.data.findings import few
from synth.data.groups import known_group
from synth.data.named_files import NamedFile, NamedFiles
from synth.data.output_paths import NAME_BYTES, OutputPaths
from synth.data.splits import split_of
from synth.data.table import TableRow, read_table
from synth.data.table_findings import Entry, table_findings
from synth.data.tree import FoundFile, Listing, bad_name, shown
from synth.errors import DatasetError
from synth.records import PARENT_SPLIT

METADATA = ("metadata.csv", "metadata.jsonl")
NOT_LISTED, READ = "not in the metadata file", "metadata file"
"""Kinds of skipped files: images without a row, and the tables themselves."""
FILE_NAME, LABEL, SPLIT, GROUP = "file_name", "label", "split", "group"


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of a table, and the file that it names."""

    where: str
    """Table and line, for messages."""
    base: str
    """Folder of the table below the root; "" for the root."""
    row: TableRow
    named: NamedFile


def read_metadata(root: Path, found: Sequence[str], metadata: Sequence[str], listing: Listing) -> None:
    """Sort the files by the metadata files; `found` and `metadata` are paths below the root.

    Raises:
        DatasetError: a metadata file is not readable, or has no column file_name or label.
    """
    listing.in_class_folders = False
    files = NamedFiles(root, found)
    lines = [line for path in metadata for line in _lines(root, path, files)]
    usable, problems = _sort(lines)
    entries = [_entry(root, line) for line in usable]
    # Where all classes are called like splits, an output without split folders could not be read again.
    has_splits = any(entry.has_split for entry in entries) or all(split_of(entry.file.label) for entry in entries)
    listing.train_folder = f"{PARENT_SPLIT}/" if has_splits else ""
    listing.files = _placed([entry.file for entry in entries], by_split=has_splits)
    listing.classes.update(file.label for file in listing.files)
    known = {file.id for file in listing.files}
    for line, problem in problems:
        id = line.named.id
        listing.refused.append((line.where if id is None or id in known else id, shown(f"{line.where}: {problem}")))
        known.update([id] if id else [])
    listing.skipped[READ] = len(metadata)
    unlisted = sorted(filter(listing.accepts, files.known - known - {*metadata}))
    if unlisted:
        listing.skipped[NOT_LISTED] = len(unlisted)
    listing.has_groups = any(GROUP in line.row.cells for line in lines)
    listing.findings += table_findings(entries, unlisted, table=" and ".join(metadata), n_rows=len(lines))


def _lines(root: Path, path: str, files: NamedFiles) -> Iterator[_Line]:
    base = path.rpartition("/")[0]
    for row in read_table(root / path, FILE_NAME):
        where = f"{path}:{row.line}"
        for column in (FILE_NAME, LABEL):
            if column not in row.cells:
                raise DatasetError(_no_column(column, row.cells, files.known, path=path, where=where))
        yield _Line(where, base, row, files.find(row.cells[FILE_NAME], base))


def _no_column(name: str, cells: Mapping[str, str], known: frozenset[str], *, path: str, where: str) -> str:
    has = few([repr(column) for column in cells])
    below = path.count("/")
    folders = sorted({id.split("/")[below] for id in known if id.count("/") > below})
    if name == LABEL and folders:
        other = f"captions.{path.rpartition('.')[2]}"
        found = f"{path} has no column label, only {has}, but there are folders ({few(folders)})"
        return f"{found}: if these are the classes, rename {path} to {other}; if a column has the class, name it label"
    return f'{where}: expected the columns file_name and label, "{name}" is missing (got {has})'


def _sort(lines: Sequence[_Line]) -> tuple[list[_Line], list[tuple[_Line, str]]]:
    """Return the rows to use, and the others with their problems. A row with the exact name of a file goes first."""
    usable: dict[str, _Line] = {}
    problems = []
    for line in sorted(lines, key=lambda line: not line.named.exact):
        id, problem = str(line.named.id), line.row.problem or line.named.problem or _bad_cell(line.row)
        if not problem and id in usable:
            problem = f"{id} is listed twice, first as {usable[id].row.cells[LABEL]!r}"
        if problem:
            problems.append((line, problem))
        else:
            usable[id] = line
    return list(usable.values()), problems


def _bad_cell(row: TableRow) -> str:
    label, split = row.cells[LABEL], row.cells.get(SPLIT, "").strip()
    unusable = not label or label.startswith(".") or re.search(r"[/\\\0]", label) or bad_name(label)
    if unusable or len(label.encode()) > NAME_BYTES:
        return f"label {label!r} can't be a folder name"
    if split and split_of(split) is None:
        return f"split {split!r}: expected train, validation or test"
    return ""


def _entry(root: Path, line: _Line) -> Entry:
    """Return the image of a row. Its split is that of the split column, or else of the first folder of its path."""
    id, cells = str(line.named.id), line.row.cells
    cell = cells[SPLIT].strip() if SPLIT in cells else None
    by_folder = next(filter(None, map(split_of, id.split("/")[:-1])), None)
    split = (split_of(cell) if cell else None) or by_folder
    file = FoundFile(id, f"{root}/{id}", cells[LABEL], split or PARENT_SPLIT, id, known_group(cells.get(GROUP)))
    return Entry(file, line.named.exact, by_folder, cell, in_split_folder=bool(line.base))


def _placed(files: Sequence[FoundFile], *, by_split: bool) -> list[FoundFile]:
    places = OutputPaths()
    return [
        replace(file, output_path=places.flat(f"{file.split}/" * by_split + file.label, file.id, id=file.id))
        for file in files
    ]
