"""A folder of images -> `Dataset`: an index, nothing is moved or rewritten.

Layouts: `<class>/...`; `{train,val,test}/<class>/...`; or a `metadata.csv` / `metadata.jsonl` with `file_name, label`
and, if wanted, `split, group`. Every file found ends in one state: used (an item), skipped (not ours to read) or
refused (ours, but bad, with the reason). Images that an earlier run made are known from its manifest and are skipped.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth import workers
from synth.data import encoding, images
from synth.data.listing import list_files
from synth.data.tree import FoundFile, Listing
from synth.errors import DatasetError, ImageError
from synth.records import PARENT_SPLIT, SPLITS, Item, pixels_sha256
from synth.settings.recipe import Data

CHUNK = 128
Progress = Callable[[int, int], None]
"""Called with (files read, files in all)."""


@dataclass(frozen=True)
class Dataset:
    """Real images by class and split."""

    root: Path
    items: tuple[Item, ...]
    """Sorted by id."""
    classes: tuple[str, ...]
    """Sorted; with those that have no usable image."""
    refused: tuple[tuple[str, str], ...]
    """(path below the root, reason)."""
    skipped: Mapping[str, int]
    """Kind of file -> how many."""
    train_folder: str
    """Where the class folders with training images lie, below the root: "train/", or "" without split folders."""
    in_class_folders: bool
    """False where a metadata file gives the labels."""
    warnings: tuple[str, ...] = ()
    synthetic: Mapping[str, int] = field(default_factory=dict)
    """{class: images that earlier runs put into this folder}; they are no items."""

    @functools.cached_property
    def digest(self) -> str:
        """Changes when any image, label or split does."""
        lines = (f"{i.id}\0{i.label}\0{i.split}\0{i.sha256}\n" for i in self.items)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @functools.cached_property
    def pixels(self) -> frozenset[str]:
        """Hashes of the pixels of all images, of every split."""
        return frozenset(item.pixels_sha256 for item in self.items)

    @functools.cached_property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """{class: {split: n}}; every class, and every split that has images."""
        tally = Counter((item.label, item.split) for item in self.items)
        splits = [split for split in SPLITS if any(item.split == split for item in self.items)] or [PARENT_SPLIT]
        return {label: {split: tally[label, split] for split in splits} for label in self.classes}

    @functools.cached_property
    def train_counts(self) -> Mapping[str, int]:
        """{class: real training images}; every class."""
        return {label: by_split.get(PARENT_SPLIT, 0) for label, by_split in self.counts.items()}

    @functools.cached_property
    def train(self) -> Mapping[str, tuple[Item, ...]]:
        """{class: its training items}, the only images that become parents."""
        by_class: dict[str, list[Item]] = {label: [] for label in self.classes}
        for item in self.items:
            if item.split == PARENT_SPLIT:
                by_class[item.label].append(item)
        return {label: tuple(items) for label, items in by_class.items()}


def open_dataset(
    path: str | Path, settings: Data | None = None, *, n_workers: int = 1, progress: Progress | None = None
) -> Dataset:
    """Read every image of a folder once and index it; the folder is opened read-only.

    Raises:
        DatasetError: no such folder, no class folder, no usable image, split folders mixed with class folders.
    """
    settings = settings or Data()
    listing = list_files(Path(path), settings)
    items, refused = _read_all(listing, settings, n_workers=n_workers, progress=progress)
    if not items and not listing.classes:
        raise DatasetError(f"{path}: found no image in a class folder ({_tried(listing, refused)})")
    return Dataset(
        root=Path(path),
        items=tuple(sorted(items, key=lambda item: item.id)),
        classes=tuple(sorted(listing.classes)),
        refused=tuple(sorted((*listing.refused, *refused))),
        skipped=dict(sorted(listing.skipped.items())),
        train_folder=listing.train_folder,
        in_class_folders=listing.in_class_folders,
        warnings=listing.warnings,
        synthetic=listing.synthetic,
    )


def _tried(listing: Listing, refused: Sequence[tuple[str, str]]) -> str:
    all_refused = (*listing.refused, *refused)
    first = f"; {all_refused[0][0]}: {all_refused[0][1]}" if all_refused else ""
    return f"{sum(listing.skipped.values())} files skipped, {len(all_refused)} refused{first}"


def _read_all(
    listing: Listing, settings: Data, *, n_workers: int, progress: Progress | None
) -> tuple[list[Item], list[tuple[str, str]]]:
    items: list[Item] = []
    refused: list[tuple[str, str]] = []
    total, done = len(listing.files), 0
    few = total < 4 * CHUNK  # starting workers costs more than it saves
    chunks = _chunks(listing.files, CHUNK)
    for chunk, results in workers.run(_read_chunk, settings, chunks, n_workers=1 if few else n_workers):
        for found, result in zip(chunk, results, strict=True):
            if isinstance(result, Item):
                items.append(result)
            else:
                refused.append((found.id, result))
        done += len(chunk)
        if progress:
            progress(done, total)
    return items, refused


def _chunks(files: Sequence[FoundFile], size: int) -> Iterator[Sequence[FoundFile]]:
    return (files[start : start + size] for start in range(0, len(files), size))


def _read_chunk(settings: Data, files: Iterable[FoundFile]) -> list[Item | str]:
    """Each file's item, or the reason why it is refused."""
    return [_read_one(file, settings) for file in files]


def _read_one(file: FoundFile, settings: Data) -> Item | str:
    try:
        data, decoded = images.read(file.path, settings)
    except ImageError as error:
        return str(error)
    pixels = decoded.pixels
    mean, std = images.mean_and_std(pixels)
    suffix = os.path.splitext(file.path)[1].lower()
    renamed = () if suffix in encoding.EXTENSIONS[decoded.encoding.format] else ("extension",)
    return Item(
        id=file.id,
        path=file.path,
        label=file.label,
        split=file.split,
        output_path=file.output_path,
        group=file.group or _group(file.id, settings.groups),
        sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=pixels_sha256(pixels),
        width=pixels.shape[1],
        height=pixels.shape[0],
        encoding=decoded.encoding,
        grey=pixels.ndim == 2,
        dhash=images.dhash(pixels),
        mean=mean,
        std=std,
        notes=decoded.notes + renamed,
    )


def read_item(id: str, path: Path, settings: Data) -> Item | str:
    """One image file as an item without class or split, or the reason why it can't be read."""
    return _read_one(FoundFile(id, str(path), "", PARENT_SPLIT, output_path=id), settings)


def _group(id: str, pattern: str) -> str | None:
    match = re.search(pattern, id) if pattern else None
    return match[1] if match and match.re.groups else match[0] if match else None
