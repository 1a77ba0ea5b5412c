"""A few rejected candidates, made again as thumbnails: they have no files, but people want to see them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from synth.generators.base import Generator
from synth.measures.subset import evenly_spaced
from synth.pages.thumbnails import picture_base64
from synth.records import Item, Row

PER_REASON = 6


def rejected_document(rows: Iterable[Row], generator: Generator, train: Mapping[str, Sequence[Item]]) -> bytes:
    """Return `rejected.json`: for each class and reason some candidates, evenly spread over the attempts."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.synthetic and row.reasons:
            found[row.label, row.reasons[0]].append(row)
    shown = [row for _, group in sorted(found.items()) for row in evenly_spaced(group, PER_REASON)]
    by_id = {item.id: item for items in train.values() for item in items}
    made = [(row, generator.remake_row(row, lambda parent: by_id[parent["path"]])) for row in shown]
    images = [
        {
            "id": row.id,
            "class": row.label,
            "reasons": list(row.reasons),
            "scores": dict(row.scores),
            "params": dict(row.params),
            "parents": [parent["path"] for parent in row.parents],
            "thumbnail": picture_base64(candidate.pixels),
        }
        for row, candidate in made
        if candidate.pixels_sha256 == row.pixels_sha256  # else the code of the generator has changed
    ]
    return json.dumps({"images": images}, indent=1, allow_nan=False).encode()
