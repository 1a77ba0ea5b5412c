"""The report's pictures: a few of each class, evenly spaced over its attempts, neither the best nor the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.pages.captions import Picture, accepted, real, rejected
from synth.pages.folder import SHOWN, ClassFacts, Folder
from synth.pages.thumbnails import from_base64, on_one_scale, shrunk, thumbnail
from synth.records import CODES_OF, Row

SHEETS = 10
"""Classes with pictures."""
BUDGET = 6_000_000
"""Characters that all pictures together may take: later classes are shown without pictures."""
PARENTS = 2
"""Parents that are shown beside a picture."""
OTHERS = 4
"""Real images that are shown beside those with new images."""


Places = Mapping[str, tuple[str, str]]
"""{id of a real training image: (its path in the folder, its class)}."""


@dataclass(frozen=True)
class Family:
    """Pictures that were made from the same real images, and those real images."""

    parents: tuple[Picture, ...]
    children: tuple[Picture, ...]


@dataclass(frozen=True)
class Sheet:
    """The pictures of one class."""

    accepted: tuple[Family, ...]
    rejected: tuple[Family, ...]
    real: tuple[Picture, ...]
    """Real images that are no parents of the others."""

    @property
    def pictures(self) -> list[Picture]:
        """All pictures."""
        families = [*self.accepted, *self.rejected]
        return [*self.real, *(each for family in families for each in (*family.parents, *family.children))]

    @property
    def n_characters(self) -> int:
        """Characters that its pictures take."""
        return sum(len(each.thumbnail.source) for each in self.pictures if each.thumbnail)


def make_sheets(out: Path, folder: Folder, order: Sequence[ClassFacts]) -> dict[str, Sheet]:
    """Return {class: its pictures} for the first classes, as long as the budget lasts."""
    sheets: dict[str, Sheet] = {}
    left = BUDGET
    for facts in order[:SHEETS]:
        if left > 0:
            sheets[facts.label] = _sheet(out, folder.places, facts)
            left -= sheets[facts.label].n_characters
    return sheets


def _sheet(out: Path, places: Places, facts: ClassFacts) -> Sheet:
    label, made, tried = facts.label, facts.accepted.chosen(), list(facts.rejected.values())
    rows = [*made, *(row for _, row in tried if row)]
    beside = list(dict.fromkeys(id for row in rows for id in _beside(row, places)))
    others = [row.id for row in facts.real.chosen() if row.id not in beside]
    shown = [*beside, *others[: OTHERS if rows or tried else SHOWN]]
    pixels = on_one_scale(
        [shrunk(out / places[id][0]) for id in shown]
        + [shrunk(out / str(row.path)) for row in made]
        + [shrunk(from_base64(entry.get("thumbnail"))) for entry, _ in tried]
    )
    pictures = list(map(thumbnail, pixels))
    originals = {id: real(id, places[id][1], pictures.pop(0)) for id in shown}
    children: list[tuple[Row | None, Picture]] = [(row, accepted(row, pictures.pop(0))) for row in made]
    failed: list[tuple[Row | None, Picture]] = [
        (row, rejected(label, entry, row, thumbnail=pictures.pop(0))) for entry, row in tried
    ]
    return Sheet(
        _families(children, places, originals),
        _families(failed, places, originals),
        tuple(originals[id] for id in shown if id not in beside),
    )


def _beside(row: Row, places: Places) -> list[str]:
    """Return the parents that can be shown beside an image; none if it borrows codes of other classes."""
    if row.params.get(CODES_OF, row.label) != row.label:
        return []
    return [id for id in parent_ids(row) if id in places][:PARENTS]


def parent_ids(row: Row) -> list[str]:
    """Return the ids of the real images that an image was made from."""
    return [str(parent["path"]) for parent in row.parents]


def _families(
    children: Sequence[tuple[Row | None, Picture]], places: Places, originals: Mapping[str, Picture]
) -> tuple[Family, ...]:
    """Group pictures by their parents, in the order of the first of each group."""
    groups: dict[tuple[str, ...], list[Picture]] = {}
    for row, picture in children:
        groups.setdefault(tuple(_beside(row, places)) if row else (), []).append(picture)
    return tuple(Family(tuple(originals[id] for id in ids), tuple(group)) for ids, group in groups.items())
