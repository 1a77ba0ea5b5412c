"""What a metadata table says otherwise than the folder does, and what it leaves out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synth.data.findings import Finding, few, n_images
from synth.data.output_paths import folded
from synth.data.splits import split_hint
from synth.data.tree import FoundFile
from synth.records import PARENT_SPLIT, SPLITS


@dataclass(frozen=True, slots=True)
class Entry:
    """An image that a table lists."""

    file: FoundFile
    exact: bool
    """Whether the table has its very name."""
    by_folder: str | None
    """The split that a folder of its path is called after."""
    split_cell: str | None
    """Its cell of the split column; None without that column."""
    in_split_folder: bool
    """Whether the table lies in a split folder."""

    @property
    def has_split(self) -> bool:
        """Whether the table or a folder names its split."""
        return bool(self.split_cell or self.by_folder)


def table_findings(entries: Sequence[Entry], unlisted: Sequence[str], *, table: str, n_rows: int) -> list[Finding]:
    """Return the findings about a table, the most harmful first.

    Args:
        entries: the images that it lists.
        unlisted: ids of the images that it does not list.
        table: its name.
        n_rows: its rows, also those that can't be used.
    """
    return [
        *_left_out(entries, unlisted, table, n_rows),
        *_labels_against_folders(entries, table),
        *_splits(entries, table),
        *_names(entries, table),
    ]


def _left_out(entries: Sequence[Entry], unlisted: Sequence[str], table: str, n_rows: int) -> Iterator[Finding]:
    if unlisted:
        rows = f"it has {n_rows} rows; {len(entries)} can be used"
        advice = "add rows for them, or rename the table, and the folders give the classes"
        message = f"{n_images(len(unlisted))} left out, because {table} does not list them ({rows}): {advice}"
        yield Finding("not_listed", tuple(unlisted), message)


def _labels_against_folders(entries: Sequence[Entry], table: str) -> Iterator[Finding]:
    """Yield a finding about images in a folder that is called like another class of the table."""
    labels = {folded(entry.file.label) for entry in entries}
    against = []
    for entry in entries:
        *folders, _ = entry.file.id.split("/")
        named = [folder for folder in folders if folded(folder) in labels]
        if named and folded(entry.file.label) not in map(folded, named):
            against.append((entry.file.id, named[-1], entry.file.label))
    if against:
        id, folder, label = against[0]
        found = f"{n_images(len(against))} in the folder of another class than {table} says"
        example = f"{id} is called {label} there"
        advice = f"the table counts; correct its row, or move the image out of {folder}/"
        yield Finding("label_against_folder", tuple(id for id, _, _ in against), f"{found} ({example}): {advice}")


def _splits(entries: Sequence[Entry], table: str) -> Iterator[Finding]:
    against = [e for e in entries if e.split_cell and e.by_folder and e.by_folder != e.file.split]
    if against:
        file, folder = against[0].file, against[0].by_folder
        found = f"{n_images(len(against))} in the folder of another split than {table} says"
        advice = f"({file.id}: {file.split}): the table counts, but readers of folders see {folder}"
        yield Finding("split_against_folder", tuple(e.file.id for e in against), f"{found} {advice}")
    taken = [e for e in entries if e.by_folder and not e.split_cell and not e.in_split_folder]
    if taken:
        counts = {split: sum(e.file.split == split for e in taken) for split in SPLITS}
        shown = ", ".join(f"{n} {split}" for split, n in counts.items() if n)
        message = f"{table} names no split for {n_images(len(taken))}, so the folder names give it: {shown}"
        yield Finding("split_from_folder", tuple(e.file.id for e in taken), message)
    hidden = [e.file.id for e in entries if not e.has_split and _in_folder_like_split(e.file)]
    if hidden:
        folder = hidden[0].rpartition("/")[0]
        message = (
            f"{n_images(len(hidden))} in folders that look like a split ({folder}) count as train: add a column split"
        )
        yield Finding("folder_like_split", tuple(hidden), message)
    without = [e.file.id for e in entries if not e.has_split]
    if without and any(e.has_split for e in entries):
        message = f"{table} names no split for {n_images(len(without))}: counted as {PARENT_SPLIT}; fill in the split"
        yield Finding("no_split", tuple(without), message)


def _in_folder_like_split(file: FoundFile) -> bool:
    """Whether a folder of its path looks like val or test, and is not called like its class."""
    folders = [folder for folder in file.id.split("/")[:-1] if folded(folder) != folded(file.label)]
    return any(split_hint(folder) in SPLITS[1:] for folder in folders)


def _names(entries: Sequence[Entry], table: str) -> Iterator[Finding]:
    other = [entry.file.id for entry in entries if not entry.exact]
    if other:
        how = "in another case or without extension"
        advice = "used, but other readers need the exact names"
        message = f"{table} names {n_images(len(other))} {how} (files: {few(other)}): {advice}"
        yield Finding("file_name_differs", tuple(other), message)
