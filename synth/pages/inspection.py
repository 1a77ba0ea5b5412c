"""The page of an inspection: what is wrong with a dataset, with the pictures, and a list of what could be left out.

The date on the page is that of its making: the dataset may change.
"""

import datetime
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.data.dataset import Dataset
from synth.data.exclude_list import Proposal, list_text, proposals
from synth.data.findings import Finding
from synth.data.health import FEW, Inspection
from synth.data.manifest import MANIFEST
from synth.errors import OutputError
from synth.files import path_from, replace_file
from synth.pages.captions import Picture, file_name
from synth.pages.commands import EXCLUDE, inspection_steps
from synth.pages.page import VERDICT, check_page, page_template, write_page
from synth.pages.thumbnails import on_one_scale, shrunk, thumbnail
from synth.records import ShortRepr

SMALL = "tiny_class"
"""Kind of the findings about classes with few images."""
SHOWN_FINDINGS = 12
"""Findings of one kind that are shown with pictures; the others are counted."""
SHOWN = 8
"""Pictures of one finding or small class."""
OPEN_CLASSES = 6
"""Small classes whose pictures are visible; the others are folded."""
BUDGET = 6_000_000
"""Characters that all pictures together may take."""


@dataclass(frozen=True)
class Shown:
    """A finding with its pictures."""

    message: str
    pictures: tuple[tuple[Picture, str, str], ...]
    """(picture, its split, what the exclude list does with it)."""
    n_more: int
    """Images without a picture."""


@dataclass(frozen=True, repr=False)
class InspectionFiles(ShortRepr):
    """The files of an inspection."""

    page: Path
    exclude: Path
    """The list."""
    n_out: int
    """Images that the list leaves out."""
    n_open: int
    """Images that a person has to decide on."""


def write_inspection(dataset: Dataset, inspection: Inspection, out: str | Path) -> InspectionFiles:
    """Write `report.html` and `exclude.txt` into a folder.

    Args:
        out: a new or empty folder, or that of an earlier inspection.

    Raises:
        OutputError: the folder is a file or lies in the dataset, holds a page of someone else or another list, or can't
            be written. Nothing is written then.
    """
    out = Path(out)
    found = proposals(inspection, dataset.real)
    text = list_text(found).encode()
    _check(out, dataset, text)
    page = _Page(dataset, inspection, found).render(path_from(out, dataset.root))
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / EXCLUDE, text)
    except OSError as error:
        raise OutputError(f"can't write {out}: {error.strerror}") from None
    n_out, n_open = _totals(found)
    return InspectionFiles(write_page(out, page), out / EXCLUDE, n_out, n_open)


def _check(out: Path, dataset: Dataset, text: bytes) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file: choose a folder for the page")
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(dataset.root)):
        raise OutputError(f"{out} would lie inside the input: choose another folder for the page")
    if any((out / name).exists() for name in (MANIFEST, VERDICT)):
        raise OutputError(f"{out} is a result of synth: choose another folder for the page")
    check_page(out)
    path = out / EXCLUDE
    if path.exists() and path.read_bytes() != text:
        raise OutputError(
            f"{path} holds another list, and nothing is overwritten: move it away, or choose a new folder"
        )


def _totals(found: Iterable[Proposal]) -> tuple[int, int]:
    counts = {True: 0, False: 0}
    for proposal in found:
        counts[proposal.safe] += len(proposal.out)
    return counts[True], counts[False]


class _Page:
    """Chooses what the page shows."""

    def __init__(self, dataset: Dataset, inspection: Inspection, found: Sequence[Proposal]) -> None:
        self._dataset, self._inspection = dataset, inspection
        self._items = {item.id: item for item in dataset.real}
        self._fate = {id: "left out" if each.safe else "for you to decide" for each in found for id in each.out}
        self._totals = _totals(found)
        self._left = BUDGET

    def render(self, data: str) -> str:
        """Return the page; `data` is the dataset as seen from its folder."""
        by_kind: dict[str, list[Finding]] = defaultdict(list)
        for finding in self._inspection.findings:
            by_kind[finding.kind].append(finding)
        n_out, n_open = self._totals
        return page_template("inspection.html.j2").render(
            dataset=self._dataset.root.resolve().name,
            date=datetime.datetime.now().astimezone().date().isoformat(),
            inspection=self._inspection,
            splits=list(next(iter(self._inspection.classes.values()), {})),
            top=max([1, *self._dataset.train_counts.values()]),
            n_images=len(self._dataset.real),
            counts={kind: len(findings) for kind, findings in by_kind.items()},
            sections={kind: self._findings(findings) for kind, findings in by_kind.items() if kind != SMALL},
            open_classes=OPEN_CLASSES,
            small=self._small(by_kind[SMALL]),
            n_out=n_out,
            n_open=n_open,
            exclude=EXCLUDE,
            next=inspection_steps(data, n_out=n_out, n_open=n_open),
        )

    def _findings(self, findings: Sequence[Finding]) -> Mapping[str, Any]:
        """Return the first findings of a kind with their pictures, and the messages of the others."""
        shown = [self._shown(finding.message, finding.paths) for finding in findings[:SHOWN_FINDINGS]]
        return {"shown": shown, "more": [finding.message for finding in findings[SHOWN_FINDINGS:]]}

    def _small(self, findings: Sequence[Finding]) -> Mapping[str, Shown]:
        """Return the training images of each class that has few."""
        small = {label: items for label, items in self._dataset.train.items() if len(items) <= FEW}
        told = {label: [f.message for f in findings if f.message.startswith(f"{label} has ")] for label in small}
        ids = {label: [item.id for item in items] for label, items in small.items()}
        return {label: self._shown(told[label][0], ids[label]) for label in small if told[label]}

    def _shown(self, message: str, ids: Sequence[str]) -> Shown:
        items = [self._items[id] for id in ids if id in self._items][: SHOWN if self._left > 0 else 0]
        pixels = on_one_scale([shrunk(Path(item.path)) for item in items])
        pictures = [
            Picture(item.id, item.label, f"Image {file_name(item.id)} of {item.label}, {item.split}", thumbnail(own))
            for item, own in zip(items, pixels, strict=True)
        ]
        self._left -= sum(len(picture.thumbnail.source) for picture in pictures if picture.thumbnail)
        told = zip(pictures, items, strict=True)
        fates = tuple((picture, item.split, self._fate.get(item.id, "kept")) for picture, item in told)
        return Shown(message, fates, sum(id in self._items for id in ids) - len(pictures))
