"""The report's pictures: a few of each class, evenly spaced over its attempts, neither the best nor the worst."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.pages.captions import Parent, Picture, accepted, real, rejected
from synth.pages.folder import SHOWN, ClassFacts, Folder
from synth.pages.thumbnails import PARENT_BOX, from_base64, on_one_scale, shrunk, thumbnail
from synth.pictures.text import shortened
from synth.records import CODES_OF, Row

SHEETS = 10
"""Classes with pictures."""
BUDGET = 3_500_000
"""Characters that all pictures together may take: later classes are shown without pictures."""

Sheets = Mapping[str, Sequence[Picture]]
"""The pictures of one class: {real, accepted, rejected}."""


def make_sheets(out: Path, folder: Folder, order: Sequence[ClassFacts]) -> dict[str, Sheets]:
    """Return {class: its pictures} for the first classes, as long as the budget lasts."""
    sheets: dict[str, Sheets] = {}
    left = BUDGET
    for place, facts in enumerate(order[:SHEETS]):
        if left > 0:
            found = sheets[facts.label] = _sheets(out, folder.places, facts, place=place)
            left -= sum(picture.n_characters for pictures in found.values() for picture in pictures)
    return sheets


def _sheets(out: Path, places: Mapping[str, str], facts: ClassFacts, *, place: int) -> Sheets:
    """Return real images (first the parents of the new ones that are shown), accepted ones and rejected ones."""
    label, made, tried = facts.label, facts.accepted.chosen(), list(facts.rejected.values())
    own = [row for row in made if row.params.get(CODES_OF, row.label) == row.label]
    ids = [*(id for id in _parent_ids(own) if id in places), *(row.id for row in facts.real.chosen())]
    shown = list(dict.fromkeys(ids))[: SHOWN if facts.new or tried else SHOWN // 2]
    pairs = [row for row in (*made, *(row for _, row in tried)) if row and len(row.parents) == 2]
    beside = [id for id in _parent_ids(pairs) if id in places]
    originals = list(dict.fromkeys([*shown, *beside]))
    pixels = on_one_scale(
        [shrunk(out / places[id]) for id in originals]
        + [shrunk(out / str(row.path)) for row in made]
        + [shrunk(from_base64(entry.get("thumbnail"))) for entry, _ in tried]
    )
    parents = {}
    for i, id in enumerate(originals):
        name, anchor = (
            (f"R{i + 1}", f"real-{place}-{i + 1}") if i < len(shown) else (shortened(id.rpartition("/")[2]), "")
        )
        parents[id] = Parent(id, name, anchor, thumbnail(pixels[i], PARENT_BOX) if id in beside else None)
    pictures = iter([thumbnail(each) for each in (*pixels[: len(shown)], *pixels[len(originals) :])])
    return {
        "real": [real(parents[id], label, next(pictures)) for id in shown],
        "accepted": [accepted(row, parents, next(pictures)) for row in made],
        "rejected": [rejected(label, entry, row, parents=parents, thumbnail=next(pictures)) for entry, row in tried],
    }


def _parent_ids(rows: Sequence[Row]) -> list[str]:
    return [str(parent["path"]) for row in rows for parent in row.parents]
