"""verify: every row of the manifest must have its file, with the same hash, and every file a row."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.data.manifest import MANIFEST, read_manifest
from synth.data.tree import IMAGE_SUFFIXES, is_system, shown
from synth.errors import OutputError
from synth.files import file_sha256, removal_file
from synth.output.root_files import SUMMARY
from synth.output.staging import Staging
from synth.records import ShortRepr
from synth.settings.exclusion import excluded_by
from synth.workers import Progress

OURS = re.compile(
    r"(recipe|summary|rejected)(-[0-9a-f]{12})?\.(toml|json)|manifest\.jsonl|README\.md|report\.html"
    r"|(quality|verdict)\.json"
)


@dataclass(frozen=True, repr=False)
class Audit(ShortRepr):
    """What is wrong in an output folder; `good` if nothing is."""

    rows: int
    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unknown: tuple[str, ...]
    unfinished: bool
    """A run on this folder was interrupted."""

    @property
    def good(self) -> bool:
        """Whether every row has its file, every file its row, and no run is unfinished."""
        return not (self.missing or self.changed or self.unknown or self.unfinished)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `verify --json` prints."""
        return {**vars(self), "good": self.good}


def verify(out: str | Path, *, progress: Progress | None = None) -> Audit:
    """Read the whole manifest and every file that it lists.

    Raises:
        OutputError: no manifest in this folder.
        ManifestError: the manifest is damaged or hostile.
    """
    out = Path(out)
    manifest = out / MANIFEST
    unfinished = Staging(out).state is not None or removal_file(out).exists()
    if not out.exists() and not unfinished:
        raise OutputError(f"{out}: no such folder")
    if not manifest.is_file():
        hint = " (an unfinished run is beside it: run the same command again)" if unfinished else ""
        raise OutputError(f"{out}: no {MANIFEST}, so not an output of synth{hint}")
    rows, in_place, known = 0, False, dict[str, str | None]()
    for row in read_manifest(manifest):
        rows += 1
        in_place = in_place or (not row.synthetic and row.method is None)
        if row.path is not None:
            known[row.path] = row.sha256
    missing, changed = [], []
    for number, (path, sha256) in enumerate(known.items(), start=1):
        if not os.path.exists(out / path):
            missing.append(path)
        elif not _holds(out / path, sha256):
            changed.append(path)
        if progress:
            progress("files", number, len(known))
    unknown = tuple(_unknown(out, set(known), in_place=in_place))
    return Audit(rows, len(known), tuple(missing), tuple(changed), unknown, unfinished)


def _holds(path: Path, sha256: str | None) -> bool:
    """Whether a file can be read and has this hash."""
    try:
        return file_sha256(path) == sha256
    except OutputError:
        return False


def _unknown(out: Path, known: set[str], *, in_place: bool) -> Iterator[str]:
    # A folder that was filled in place holds its owner's files: only images count, without those that are not used.
    expected = known | _not_used(out) if in_place else known
    for folder, _, names in os.walk(out):
        for name in sorted(names):
            path = (Path(folder) / name).relative_to(out).as_posix()
            ours = OURS.fullmatch(path) is not None
            foreign = in_place and Path(name).suffix.lower() not in IMAGE_SUFFIXES
            if path not in expected and not ours and not foreign and not is_system(name):
                yield shown(path)


def _not_used(out: Path) -> set[str]:
    """Return the files that the last run refused, or left out by its exclude list."""
    found = set[str]()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found.update(entry["path"] for entry in json.loads((out / SUMMARY).read_text("utf-8"))["refused"])
    return found | excluded_by(out)
