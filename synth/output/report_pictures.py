"""The report's pictures: which images are shown, as what thumbnails, with what captions.

Shown are a few images of a class, evenly spaced over its attempts: neither the best nor the worst.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from synth.data.images import decode, to_uint8
from synth.errors import ImageError
from synth.output.report_words import mapping, number, score, short, texts
from synth.recipe import Data
from synth.records import ENCODED_AS, Pixels, Row

SHOWN = 12
"""Pictures of a kind and class."""
WIDTH, HEIGHT = 128, 168
"""Box of a thumbnail; smaller images are enlarged by a whole factor into it."""
LOSSLESS_SIDE = 96
BUDGET = 3_500_000
"""Characters that all pictures together may take: classes that come later are shown without."""
SHOWN_PARAMS = 6
SCORES = ("classifier", "classes", "nearest", "copy", "size", "grain", "contrast")
"""Scores in the order in which they are shown."""
ONLY_FOR = {"size": "size", "grain": "noise", "contrast": "blank"}
"""Scores that are shown only where they are the reason, or where there is no other: {score: reason}."""
UNITS = {"degrees": "°", "kelvin": " K", "sigma": " px"}


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


@dataclass(frozen=True)
class Picture:
    """One picture of a sheet with its caption."""

    id: str
    title: str
    anchor: str = ""
    alt: str = ""
    source: str = ""
    """A data URI; empty where there is no file to show."""
    width: int = 0
    height: int = 0
    enlarged: bool = False
    method: str = ""
    parents: tuple[tuple[str, str], ...] = ()
    """(name, anchor of its picture on the page or "")."""
    params: str = ""
    scores: tuple[tuple[str, str], ...] = ()
    """(word, value)."""
    reasons: tuple[str, ...] = ()


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
        made = shots.accepted.chosen()
        real = self._real_ids(made, shots.real.chosen(), n_real)
        names = {id: (f"R{i}", f"real-{number}-{i}") for i, id in enumerate(real, start=1)}
        rejected = list(shots.rejected.values())
        pixels = _on_one_scale(
            [_shrunk(self._read(self._places[id])) for id in real]
            + [_shrunk(self._read(str(row.path))) for row in made]
            + [_shrunk(_thumbnail_bytes(entry)) for entry, _ in rejected]
        )
        captions = (
            [Picture(id, *names[id], f"Real training image {names[id][0]} of {label}") for id in real]
            + [_accepted(row, names) for row in made]
            + [_rejected(label, entry, row, names) for entry, row in rejected]
        )
        pictures = tuple(_with_pixels(*pair) for pair in zip(captions, pixels, strict=True))
        self._left -= sum(len(picture.source) for picture in pictures)
        first, second = len(real), len(real) + len(made)
        return Sheets(pictures[:first], pictures[first:second], pictures[second:])

    def _real_ids(self, made: Sequence[Row], real: Sequence[Row], n: int) -> list[str]:
        parents = (str(parent["path"]) for row in made for parent in row.parents)
        ids = [*(id for id in parents if id in self._places), *(row.id for row in real)]
        return list(dict.fromkeys(ids))[:n]

    def _read(self, path: str) -> bytes | None:
        place = self._out / path
        try:
            return place.read_bytes() if place.is_file() else None
        except OSError:
            return None


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


def _shrunk(data: bytes | None) -> Pixels | None:
    """Pixels that fit into the box; None where there is no picture."""
    settings = Data()
    try:
        pixels = decode(data or b"", max_pixels=settings.max_pixels, background=settings.background).pixels
    except ImageError:
        return None
    scale = min(WIDTH / pixels.shape[1], HEIGHT / pixels.shape[0])
    if scale >= 1:
        return pixels
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _on_one_scale(pictures: Sequence[Pixels | None]) -> list[np.ndarray | None]:
    """8 bits each; 16-bit levels by one factor for the whole class, so that 12 bits are not black, yet comparable."""
    wide = [int(pixels.max()) for pixels in pictures if pixels is not None and pixels.dtype == np.uint16]
    factor = 65535 / max([*wide, 256])
    return [
        None
        if pixels is None
        else to_uint8(np.round(pixels * factor).astype(np.uint16) if pixels.dtype == np.uint16 else pixels)
        for pixels in pictures
    ]


def _with_pixels(picture: Picture, pixels: np.ndarray | None) -> Picture:
    if pixels is None:
        return picture
    height, width = pixels.shape[:2]
    factor = max(min(WIDTH // width, HEIGHT // height), 1)
    kind = "png" if max(height, width) <= LOSSLESS_SIDE else "jpeg"
    options = [] if kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, 85]
    colours = pixels if pixels.ndim == 2 else pixels[:, :, ::-1]
    data = cv2.imencode(f".{kind}", np.ascontiguousarray(colours), options)[1].tobytes()
    return replace(
        picture,
        source=f"data:image/{kind};base64,{base64.b64encode(data).decode()}",
        width=width * factor,
        height=height * factor,
        enlarged=factor > 1,
    )


Names = Mapping[str, tuple[str, str]]


def _accepted(row: Row, names: Names) -> Picture:
    parents = _parents(row, names)
    made_from = f", made from {' and '.join(name for name, _ in parents)}" if parents else ""
    alt = f"Accepted synthetic image of {row.label}, attempt {row.attempt}, by {row.method}{made_from}"
    caption = Picture(row.id, f"#{row.attempt}", alt=alt, parents=parents)
    return replace(caption, method=str(row.method), params=_params(row.params), scores=_scores(row.label, row.scores))


def _rejected(label: str, entry: Mapping[str, Any], row: Row | None, names: Names) -> Picture:
    reasons = texts(entry.get("reasons"))
    id = str(entry["id"])
    title = f"#{row.attempt}" if row else short(id)
    return Picture(
        id,
        title,
        alt=f"Rejected candidate for {label}, {title}: {', '.join(reasons) or 'no reason given'}",
        method=str(row.method) if row else "",
        parents=_parents(row, names) if row else (),
        params=_params(row.params) if row else "",
        scores=_scores(label, mapping(entry, "scores"), reasons),
        reasons=reasons,
    )


def _parents(row: Row, names: Names) -> tuple[tuple[str, str], ...]:
    ids = [str(parent["path"]) for parent in row.parents]
    return tuple(names.get(id) or (short(id.rpartition("/")[2]), "") for id in ids)


def _params(params: Mapping[str, Any]) -> str:
    """Main parameters in short: `flip horizontal, scale 1.08, rotate -4.2°`."""
    words = [_param(name, values) for name, values in params.items() if name != ENCODED_AS]
    more = len(words) - SHOWN_PARAMS
    return ", ".join(words[:SHOWN_PARAMS]) + (f" and {more} more" if more > 0 else "") or "unchanged"


def _param(name: str, values: object) -> str:
    pairs = values.items() if isinstance(values, dict) else [("", values)]
    parts = [f"{_value(value)}{UNITS.get(key, '')}" for key, value in pairs]
    return short(" ".join([name.replace("_", " "), *parts]))


def _value(value: object) -> str:
    if not isinstance(value, float):
        return str(value).replace("-", "\u2212") if isinstance(value, int) else str(value)
    digits = f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:.1g}"
    return digits.replace("-", "\u2212")


def _scores(label: str, scores: Mapping[str, Any], reasons: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    words = {key: score(value) for key, value in scores.items() if number(value) is not None}
    classes = {str(name): number(value) or 0 for name, value in mapping(scores, "classes").items()}
    top = max(classes, key=lambda name: classes[name], default=label)
    if top != label:
        words["classes"] = short(top)
    order = [word for word in (*SCORES, *words) if word in words]
    main = [word for word in order if word not in ONLY_FOR or ONLY_FOR[word] in reasons]
    return tuple((word, words[word]) for word in dict.fromkeys(main or order))
