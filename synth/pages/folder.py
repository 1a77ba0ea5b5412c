"""What an output folder says of itself: its documents, and the counts and pictures of each class."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError
from synth.output.root_files import QUALITY, RECIPE, REJECTED, SUMMARY
from synth.pages.page import VERDICT, read_json, records
from synth.pictures.text import at, mapping, number, texts
from synth.records import PARENT_SPLIT, REPEAT, SWITCHED_OFF, Row

SHOWN = 8
"""Pictures of each kind and class."""


class Spread:
    """Keeps a few evenly spaced rows of a stream of any length."""

    def __init__(self) -> None:
        self._kept: list[Row] = []
        self._stride = 1
        self._n = 0

    def add(self, row: Row) -> None:
        """Take the next row."""
        if self._n % self._stride == 0:
            self._kept.append(row)
        self._n += 1
        if len(self._kept) > 4 * SHOWN:
            del self._kept[1::2]
            self._stride *= 2

    def chosen(self) -> list[Row]:
        """Return at most `SHOWN` rows, in order."""
        n = min(SHOWN, len(self._kept))
        return [self._kept[i * len(self._kept) // n] for i in range(n)]


@dataclass
class Tally:
    """What one method did for one class, over all runs of the folder."""

    attempted: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float | None:
        """The share that passed the gates: repeats too, and images of a method that was switched off afterwards."""
        passed = self.accepted + self.reasons[SWITCHED_OFF] + self.reasons[REPEAT]
        return passed / self.attempted if self.attempted else None


@dataclass
class ClassFacts:
    """What the folder says of one class."""

    label: str
    entry: Mapping[str, Any] = field(default_factory=dict)
    """Its part of the summary; empty for a class of earlier runs alone."""
    n_real: int = 0
    """Real training images in the folder."""
    new: int = 0
    """Synthetic images in the folder, of all runs."""
    methods: dict[str, Tally] = field(default_factory=dict)
    real: Spread = field(default_factory=Spread)
    accepted: Spread = field(default_factory=Spread)
    rejected: dict[str, tuple[Mapping[str, Any], Row | None]] = field(default_factory=dict)
    """{id: (entry of rejected.json, row of the manifest)}."""

    def count(self, key: str) -> int:
        """Return a count of the summary; 0 if it has none."""
        return int(number(self.entry.get(key)) or 0)

    @property
    def originals(self) -> int:
        """Real training images, also if the folder holds the new ones alone."""
        return max(self.count("real"), self.n_real)

    @property
    def after(self) -> int:
        """Training images now."""
        return self.originals + self.new


@dataclass
class Folder:
    """An output folder."""

    summary: Mapping[str, Any]
    recipe: str
    quality: Mapping[str, Any] | None
    verdict: Mapping[str, Any] | None
    classes: dict[str, ClassFacts] = field(default_factory=dict)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    """{id of a real training image: (its path in the folder, its class)}."""
    runs: dict[str, None] = field(default_factory=dict)
    """In the order of the manifest."""
    example: str = ""
    """Id of a synthetic image."""

    def facts(self, label: str) -> ClassFacts:
        """Return the facts of a class."""
        return self.classes.setdefault(label, ClassFacts(label))

    def add(self, row: Row) -> None:
        """Count a row of the manifest."""
        facts = self.facts(row.label)
        if not row.synthetic:
            if row.split == PARENT_SPLIT:
                facts.n_real += 1
                facts.real.add(row)
                self.places[row.id] = str(row.path), row.label
            return
        self.runs[row.run] = None
        tally = facts.methods.setdefault(str(row.method), Tally())
        tally.attempted += 1
        tally.reasons.update(map(str, row.reasons))
        if row.id in facts.rejected:
            facts.rejected[row.id] = facts.rejected[row.id][0], row
        if row.path is not None:
            tally.accepted += 1
            facts.new += 1
            facts.accepted.add(row)
            self.example = self.example or row.id


def read_folder(out: Path, *, without: str | None = None) -> Folder:
    """Read an output folder.

    Args:
        without: a run whose images are left out.

    Raises:
        OutputError: not an output of this package, or one of its files is damaged.
        ManifestError: the manifest is damaged or hostile.
    """
    if not out.is_dir():
        raise OutputError(f"{out}: no such folder")
    for name in (MANIFEST, SUMMARY):
        if not (out / name).is_file():
            raise OutputError(f"{out}: no {name}, so not a complete output of synth")
    recipe = (out / RECIPE).read_text("utf-8", "replace") if (out / RECIPE).is_file() else ""
    folder = Folder(read_json(out / SUMMARY) or {}, recipe, read_json(out / QUALITY), read_json(out / VERDICT))
    for label, entry in mapping(folder.summary, "classes").items():
        folder.facts(label).entry = entry if isinstance(entry, dict) else {}
    for label, entries in _rejected(read_json(out / REJECTED)).items():
        folder.facts(label).rejected = {str(entry["id"]): (entry, None) for entry in entries}
    for row in read_manifest(out / MANIFEST):
        if row.run != without or row.method is None:
            folder.add(row)
    return folder


def _rejected(document: Mapping[str, Any] | None) -> dict[str, list[Mapping[str, Any]]]:
    """Return {class: entries} of `rejected.json`: at most `SHOWN` of a class, every reason in turn."""
    by_reason: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for entry in records(at(document, "images")):
        if isinstance(entry.get("id"), str) and isinstance(entry.get("class"), str):
            reason = (*texts(entry.get("reasons")), "")[0]
            by_reason.setdefault(entry["class"], {}).setdefault(reason, []).append(entry)
    found = {}
    for label, groups in by_reason.items():
        turns = itertools.zip_longest(*(((i, entry) for entry in group) for i, group in enumerate(groups.values())))
        chosen = [pair for turn in turns for pair in turn if pair][:SHOWN]
        found[label] = [entry for _, entry in sorted(chosen, key=lambda pair: pair[0])]
    return found
