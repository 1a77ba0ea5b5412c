"""New images that are copies of one another: the first one in the order of attempts stays, the others are refused.

The order of attempts does not depend on workers, kills or resumes, so neither does this. `duplicate` may repeat images:
it is the control that shows what copies do.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.data.manifest import parse_row, row_line
from synth.files import remove_file
from synth.output.summary import ClassSummary
from synth.records import CONTROL, REPEAT, Row


class Repeats:
    """The new images of each class, of earlier runs too, by the hashes of their pixels and of their files."""

    def __init__(self, tree: Path, known: Mapping[str, frozenset[str]]) -> None:
        """Args: tree: folder of the files of this run. known: {class: hashes of the new images of earlier runs}."""
        self._tree = tree
        self._seen: dict[str, set[str]] = defaultdict(set, {label: set(hashes) for label, hashes in known.items()})

    def note(self, row: Row) -> None:
        """Remember an image that passed the gates."""
        if row.method != CONTROL:
            self._seen[row.label] |= {row.pixels_sha256, *([row.sha256] if row.sha256 else ())}

    def refuse(self, lines: bytes, reasons: Sequence[tuple[str, ...]]) -> tuple[bytes, list[tuple[str, ...]]]:
        """Reject the repeats among the next attempts, and remove their files.

        Args:
            lines: their rows of the manifest.
            reasons: the reasons of the gates to reject each.

        Returns: both, with the repeats rejected.
        """
        kept, settled = [], []
        for line, found in zip(lines.splitlines(keepends=True), reasons, strict=True):
            row = None if found else parse_row(line, "row")
            if row is not None and self._is_repeat(row):
                remove_file(self._tree / str(row.path))
                line = row_line(row._replace(path=None, sha256=None, verdict="rejected", reasons=(REPEAT,)))
                found = (REPEAT,)
            elif row is not None:
                self.note(row)
            kept.append(line)
            settled.append(found)
        return b"".join(kept), settled

    def _is_repeat(self, row: Row) -> bool:
        return row.method != CONTROL and not self._seen[row.label].isdisjoint((row.pixels_sha256, str(row.sha256)))


def repeats_note(entry: ClassSummary) -> str:
    """Return why a class is short if only few different images can be made; nothing if there is another reason."""
    repeats = entry.rejected.get(REPEAT, 0)
    if not entry.short or not repeats or entry.switched_off:
        return ""
    n, originals = entry.existing + entry.accepted, "1 original" if entry.real == 1 else f"{entry.real} originals"
    images = "1 different image" if n == 1 else f"{n} different images"
    tries = f"{repeats} of {entry.attempted} attempts were repeats"
    return f"only {images} can be made from {originals} with these settings ({tries})"
