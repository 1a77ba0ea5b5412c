"""The report's pictures: which images of a class are shown.

A few, evenly spaced over its attempts: neither the best nor the worst.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synth.pages.captions import Picture, accepted, real, rejected
from synth.pages.thumbnails import Thumbnail, on_one_scale, parent_thumbnail, shrunk, thumbnail
from synth.pictures.text import texts
from synth.records import CODES_OF, Row

SHOWN = 12
"""Pictures of a kind and class."""
BUDGET = 3_500_000
"""Characters that all pictures together may take: classes that come later are shown without."""


class Spread:
    """Keeps evenly spaced ones of all that pass by, however many they are."""

    def __init__(self) -> None:
        self._kept: list[Row] = []
        self._stride = 1
        self.seen = 0

    def add(self, row: Row) -> None:
        """Let one pass by."""
        if self.seen % self._stride == 0:
            self._kept.append(row)
        self.seen += 1
        if len(self._kept) > 4 * SHOWN:
            del self._kept[1::2]
            self._stride *= 2

    def chosen(self) -> list[Row]:
        """At most `SHOWN` of them, in order."""
        n = min(SHOWN, len(self._kept))
        return [self._kept[i * len(self._kept) // n] for i in range(n)]


@dataclass
class Shots:
    """What passes by of one class while the manifest is read."""

    real: Spread = field(default_factory=Spread)
    accepted: Spread = field(default_factory=Spread)
    rejected: dict[str, tuple[Mapping[str, Any], Row | None]] = field(default_factory=dict)
    """{id: (entry of rejected.json, row of the manifest)}."""


@dataclass(frozen=True)
class Sheets:
    """The pictures of one class."""

    real: tuple[Picture, ...]
    accepted: tuple[Picture, ...]
    rejected: tuple[Picture, ...]

    @property
    def between(self) -> bool:
        """Is one of them shown with two parents beside it?"""
        return any(picture.between for picture in (*self.accepted, *self.rejected))


class Album:
    """Makes the sheets of one class after the other, as long as the budget lasts."""

    def __init__(self, out: Path, places: Mapping[str, str]) -> None:
        """`places`: {id of a real training image: its path in the output}."""
        self._out, self._places, self._left = out, places, BUDGET

    @property
    def full(self) -> bool:
        """Is the budget spent?"""
        return self._left <= 0

    def sheets(self, label: str, shots: Shots, *, number: int, n_real: int = SHOWN) -> Sheets:
        """Real images (first the parents of the new ones that are shown), accepted ones and rejected ones."""
        made, tried = shots.accepted.chosen(), list(shots.rejected.values())
        shown = self._real_ids(made, shots.real.chosen(), n_real)
        names = {id: (f"R{i}", f"real-{number}-{i}") for i, id in enumerate(shown, start=1)}
        captions = (
            [real(id, label, names) for id in shown]
            + [accepted(row, names) for row in made]
            + [rejected(label, entry, row, names) for entry, row in tried]
        )
        parents = self._beside(captions)
        originals = list(dict.fromkeys([*shown, *parents]))
        pixels = on_one_scale(
            [shrunk(self._read(self._places[id])) for id in originals]
            + [shrunk(self._read(str(row.path))) for row in made]
            + [shrunk(_thumbnail_bytes(entry)) for entry, _ in tried]
        )
        small = {id: parent_thumbnail(pixels[originals.index(id)]) for id in parents}
        own = [thumbnail(each) for each in (*pixels[: len(shown)], *pixels[len(originals) :])]
        pictures = tuple(_illustrated(*each, small) for each in zip(captions, own, strict=True))
        self._left -= sum(map(_size, pictures))
        first, second = len(shown), len(shown) + len(made)
        return Sheets(pictures[:first], pictures[first:second], pictures[second:])

    def _real_ids(self, made: Sequence[Row], real: Sequence[Row], n: int) -> list[str]:
        own = (row for row in made if row.params.get(CODES_OF, row.label) == row.label)
        parents = (str(parent["path"]) for row in own for parent in row.parents)
        ids = [*(id for id in parents if id in self._places), *(row.id for row in real)]
        return list(dict.fromkeys(ids))[:n]

    def _beside(self, captions: Iterable[Picture]) -> list[str]:
        """Ids of the originals that are shown beside what lies between two of them."""
        pairs = (picture.parents for picture in captions if len(picture.parents) == 2)
        return list(dict.fromkeys(parent.id for pair in pairs for parent in pair if parent.id in self._places))

    def _read(self, path: str) -> bytes | None:
        place = self._out / path
        try:
            return place.read_bytes() if place.is_file() else None
        except OSError:
            return None


def _illustrated(picture: Picture, own: Thumbnail | None, small: Mapping[str, Thumbnail | None]) -> Picture:
    """A caption with its pictures: its own, and those of its parents."""
    parents = tuple(replace(parent, thumbnail=small.get(parent.id)) for parent in picture.parents)
    return replace(picture, thumbnail=own, parents=parents)


def _size(picture: Picture) -> int:
    """Characters of the page."""
    beside = [parent.thumbnail for parent in picture.parents] if picture.between else []
    return sum(len(each.source) for each in (picture.thumbnail, *beside) if each)


def read_rejected(document: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """{class: {id: entry}} of `rejected.json`, at most `SHOWN` of a class, every reason in its turn."""
    by_reason: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    images = document.get("images")
    for entry in images if isinstance(images, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("class"), str):
            reason = (*texts(entry.get("reasons")), "")[0]
            by_reason.setdefault(entry["class"], {}).setdefault(reason, []).append(entry)
    return {label: {str(e["id"]): e for e in _in_turn(groups.values())} for label, groups in by_reason.items()}


def _in_turn(groups: Iterable[Sequence[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    """A few of every group, group by group: large groups give way to small ones."""
    groups = list(groups)
    shares = [0] * len(groups)
    while sum(shares) < min(SHOWN, sum(map(len, groups))):
        for i, group in enumerate(groups):
            shares[i] += shares[i] < len(group) and sum(shares) < SHOWN
    return [entry for group, share in zip(groups, shares, strict=True) for entry in group[:share]]


def _thumbnail_bytes(entry: Mapping[str, Any]) -> bytes | None:
    try:
        return base64.b64decode(str(entry.get("thumbnail") or ""), validate=True)
    except (binascii.Error, ValueError):
        return None
