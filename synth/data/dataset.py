"""Index a folder of images as a `Dataset`, without moving or changing any file.

Layouts: `<class>/...`; `{train,val,test}/<class>/...`; or a `metadata.csv` / `metadata.jsonl` with `file_name, label`
and optionally `split, group`. Every file is either used (an item), skipped (not an image of the dataset) or refused (a
bad image or name, with the reason). Images that an earlier run made are listed in its manifest: they are items too, but
marked, and counted as skipped, because nothing is made from them.
"""

import functools
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth import workers
from synth.data import encoding, images
from synth.data.findings import Finding
from synth.data.levels import kind_of, range_of
from synth.data.listing import list_files
from synth.data.tree import FoundFile
from synth.errors import DatasetError, ImageError
from synth.records import PARENT_SPLIT, SPLITS, Item, Levels, ShortRepr, pixels_sha256
from synth.settings.recipe import Data

CHUNK = 128
MADE = "made by an earlier run"
"""Kind of skipped files."""
Progress = Callable[[int, int], None]
"""Called with (files read, files in total)."""


@dataclass(frozen=True, repr=False)
class Dataset(ShortRepr):
    """Images by class and split. All counts and `train` are of real images."""

    root: Path
    items: tuple[Item, ...]
    """Sorted by id; with `item.synthetic` for images that earlier runs put into this folder."""
    classes: tuple[str, ...]
    """Sorted; classes without a usable image are included."""
    refused: tuple[tuple[str, str], ...]
    """(path below the root, reason)."""
    skipped: Mapping[str, int]
    """{kind of file: count}."""
    train_folder: str
    """Folder below the root that holds the class folders with training images: "train/", or "" without splits."""
    in_class_folders: bool
    """False if a metadata file gives the labels."""
    findings: tuple[Finding, ...] = ()
    """What its layout, its metadata table or its groups say, the most harmful first."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages of its findings."""
        return tuple(finding.message for finding in self.findings)

    @functools.cached_property
    def real(self) -> tuple[Item, ...]:
        """The real images, sorted by id."""
        return tuple(item for item in self.items if not item.synthetic)

    @functools.cached_property
    def synthetic(self) -> Mapping[str, int]:
        """{class: images that earlier runs put into this folder}; empty without any."""
        made = Counter(item.label for item in self.items if item.synthetic)
        return {label: made[label] for label in self.classes} if made else {}

    @functools.cached_property
    def digest(self) -> str:
        """A hash of all real images, labels, splits and groups."""
        facts = ([i.id, i.label, i.split, i.sha256, *([i.group] if i.group else [])] for i in self.real)
        return hashlib.sha256("".join("\0".join(each) + "\n" for each in facts).encode()).hexdigest()

    @functools.cached_property
    def pixels(self) -> frozenset[str]:
        """Hashes of the pixels of all real images in all splits."""
        return frozenset(item.pixels_sha256 for item in self.real)

    @functools.cached_property
    def levels(self) -> Mapping[str, Levels | None]:
        """{kind of deep image: the range of levels that the dataset uses}; see `levels`."""
        return {kind_of(item.encoding.mode): item.encoding.levels for item in self.items if item.sixteen_bit}

    @functools.cached_property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """{class: {split: real images}} for every class, and for every split that has images."""
        tally = Counter((item.label, item.split) for item in self.real)
        splits = [split for split in SPLITS if any(item.split == split for item in self.real)] or [PARENT_SPLIT]
        return {label: {split: tally[label, split] for split in splits} for label in self.classes}

    @functools.cached_property
    def train_counts(self) -> Mapping[str, int]:
        """{class: number of real training images} for every class."""
        return {label: by_split.get(PARENT_SPLIT, 0) for label, by_split in self.counts.items()}

    @functools.cached_property
    def train(self) -> Mapping[str, tuple[Item, ...]]:
        """{class: its training items}; only these become parents."""
        by_class: dict[str, list[Item]] = {label: [] for label in self.classes}
        for item in self.real:
            if item.split == PARENT_SPLIT:
                by_class[item.label].append(item)
        return {label: tuple(items) for label, items in by_class.items()}


def open_dataset(
    path: str | Path,
    settings: Data | None = None,
    *,
    check_classes: Callable[[Collection[str]], None] | None = None,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> Dataset:
    """Read every image of a folder once and index it; the folder is opened read-only.

    Args:
        check_classes: called with the names of the classes before any image is read; what it raises ends the call.

    Raises:
        DatasetError: no such folder, no class folder, no usable image, split folders mixed with class folders, or an
            exclude list that names no image.
        UsageError: `data.groups` matches no path.
    """
    settings = settings or Data()
    listing = list_files(Path(path), settings)
    if check_classes:
        check_classes(sorted(listing.classes))
    results = _read_all(listing.files, settings, n_workers=n_workers, progress=progress)
    items = [result for result in results if isinstance(result, Item)]
    unreadable = [(file.id, r) for file, r in zip(listing.files, results, strict=True) if isinstance(r, str)]
    refused = (*listing.refused, *unreadable)
    if not items and not listing.classes:
        where = "in a class folder" if listing.in_class_folders else "that its metadata file lists"
        first = f"; first: {refusal(*refused[0])}" if refused else ""
        counts = f"{listing.skipped.total()} files skipped, {len(refused)} refused{first}"
        raise DatasetError(f"{path}: found no image {where} ({counts})")
    if made := sum(item.synthetic for item in items):
        listing.skipped[MADE] = made
    return Dataset(
        root=Path(path),
        items=tuple(sorted(items, key=lambda item: item.id)),
        classes=tuple(sorted(listing.classes)),
        refused=tuple(sorted(refused)),
        skipped=dict(sorted(listing.skipped.items())),
        train_folder=listing.train_folder,
        in_class_folders=listing.in_class_folders,
        findings=tuple(listing.findings),
    )


def refusal(path: str, reason: str) -> str:
    """Return a refused file and the reason as one text; a reason from a table begins with its line already."""
    return reason if reason.startswith(path) else f"{path}: {reason}"


def _read_all(
    files: Sequence[FoundFile], settings: Data, *, n_workers: int, progress: Progress | None
) -> list[Item | str]:
    """Return the item of each file, or the reason to refuse it. Deep images are read again in the dataset's range."""
    results = _read_once(files, Reading(settings), n_workers=n_workers, progress=progress)
    deep = [i for i, result in enumerate(results) if isinstance(result, Item) and result.sixteen_bit]
    levels = _levels_of([results[i] for i in deep])  # type: ignore[misc]
    again = _read_once([files[i] for i in deep], Reading(settings, levels), n_workers=n_workers)
    for i, result in zip(deep, again, strict=True):
        results[i] = result
    return results


def _levels_of(items: Iterable[Item]) -> Mapping[str, Levels | None]:
    """Return the range of each kind of deep image."""
    extents: dict[str, list[Levels]] = defaultdict(list)
    for item in items:
        extents[kind_of(item.encoding.mode)].append(item.extent)
    return {kind: range_of(kind, found) for kind, found in extents.items()}


@dataclass(frozen=True)
class Reading:
    """How files are read."""

    settings: Data
    levels: Mapping[str, Levels | None] = field(default_factory=dict)
    """{kind of deep image: range of the dataset}."""


def _read_once(
    files: Sequence[FoundFile], reading: Reading, *, n_workers: int, progress: Progress | None = None
) -> list[Item | str]:
    results: list[Item | str] = []
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    few = len(files) < 4 * CHUNK  # starting workers costs more than it saves
    for _, read in workers.run(_read_chunk, reading, chunks, n_workers=1 if few else n_workers):
        results += read
        if progress:
            progress(len(results), len(files))
    return results


def _read_chunk(reading: Reading, files: Sequence[FoundFile]) -> list[Item | str]:
    """Return the item of each file, or the reason to refuse it."""
    return [_read_one(file, reading) for file in files]


def _read_one(file: FoundFile, reading: Reading) -> Item | str:
    try:
        data, decoded = images.read(file.path, reading.settings, levels=reading.levels)
    except ImageError as error:
        return str(error)
    pixels = decoded.pixels
    mean, std = images.mean_and_std(pixels)
    turns, dhash = images.dhash(pixels)
    suffix = os.path.splitext(file.path)[1].lower()
    renamed = () if suffix in encoding.EXTENSIONS[decoded.encoding.format] else ("extension",)
    return Item(
        id=file.id,
        path=file.path,
        label=file.label,
        split=file.split,
        output_path=file.output_path,
        group=file.group,
        sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=pixels_sha256(pixels, decoded.alpha),
        width=pixels.shape[1],
        height=pixels.shape[0],
        encoding=decoded.encoding,
        grey=pixels.ndim == 2,
        dhash=dhash,
        mean=mean,
        std=std,
        notes=decoded.notes + renamed,
        extent=decoded.extent,
        turns=turns,
        synthetic=file.synthetic,
    )


def read_item(id: str, path: Path, settings: Data) -> Item | str:
    """Read one image file as an item without a class, or return the reason to refuse it."""
    return _read_one(FoundFile(id, str(path), "", PARENT_SPLIT, output_path=id), Reading(settings))
