"""undo: take out exactly the files of one run, nothing else."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.data.manifest import MANIFEST, read_manifest, row_line
from synth.errors import OutputError
from synth.files import locked, new_file, replace_file
from synth.output.audit import file_sha256
from synth.output.staging import (
    CARD,
    QUALITY,
    RECIPE,
    REJECTED,
    REPORT,
    SUMMARY,
    Staging,
    aside,
    is_our_page,
    is_our_quality,
    run_of,
)
from synth.output.summary import card, is_our_card
from synth.pages.report import write_report
from synth.records import PARENT_SPLIT, Row


@dataclass(frozen=True)
class Undone:
    """What an undo took out."""

    run: str
    removed: int
    kept: tuple[str, ...]
    """Files of the run that someone changed since: they stay, and are no longer in the manifest."""


def undo(out: str | Path, run: str | None = None) -> Undone:
    """Take out the files of a run: of the unfinished one if there is one, else of the last, or of `run`.

    May be repeated after an interruption.

    Raises:
        OutputError: no output of this package, or no such run in it.
        LockedError: a run is writing there.
    """
    out = Path(os.path.realpath(out))
    staging = Staging(out)
    if not out.exists() and not staging.folder.exists():
        raise OutputError(f"{out}: no such folder, so nothing to undo")
    with locked(out):
        staging.finish_commit()
        state = staging.state
        if state is not None and run in (None, state["run"]):
            removed = sum(row.path is not None and row.method is not None for row in staging.take_up())
            staging.remove()
            return Undone(state["run"], removed, ())
        if not (out / MANIFEST).is_file():
            raise OutputError(f"{out}: no {MANIFEST}, so nothing to undo")
        return _undo_run(out, run)


def _undo_run(out: Path, run: str | None) -> Undone:
    """Each step may be repeated after a kill; the manifest, which all of them follow, goes last."""
    manifest = out / MANIFEST
    runs = list(dict.fromkeys(row.run for row in read_manifest(manifest) if row.method is not None))
    if not runs or (run or runs[-1]) not in runs:
        raise OutputError(f'{out}: no run "{run or ""}" to undo: it has {", ".join(runs) or "none"}')
    chosen = run or runs[-1]
    others = [name for name in runs if name != chosen]
    removed, kept, folders, in_place = 0, [], set[Path](), False
    for row in read_manifest(manifest):
        in_place = in_place or (not row.synthetic and row.method is None)
        if row.run == chosen and row.path is not None and row.method is not None:
            gone, changed = _remove(out, row)
            removed += gone
            kept += [row.path] if changed else []
            folders.update(Path(row.path).parents)
    _restore_root_files(out, chosen, others=others)
    _restore_card(out, chosen, others=others)
    _restore_page(out, chosen, others=others)
    if others:
        with new_file(manifest) as file:
            file.writelines(row_line(row) for row in read_manifest(manifest) if _stays(row, chosen))
    else:
        manifest.unlink()
    if not in_place:
        _remove_empty(out, folders)
    return Undone(chosen, removed, tuple(kept))


def _stays(row: Row, chosen: str) -> bool:
    """Rows of other runs, and those of originals that the run found in their place."""
    return row.run != chosen or row.method is None


def _remove(out: Path, row: Row) -> tuple[bool, bool]:
    """(removed, kept because it was changed)."""
    path = out / str(row.path)
    if path.is_symlink() and row.method == "sym":  # the link is ours, whatever became of what it points to
        path.unlink()
        return True, False
    sha256 = file_sha256(path)
    if sha256 is None or sha256 == row.sha256:
        existed = os.path.lexists(path)
        path.unlink(missing_ok=True)
        return existed, False
    return False, True


def _remove_empty(out: Path, folders: Iterable[Path]) -> None:
    """Take away the folders that an undo has emptied; they are ours where nothing was filled in place."""
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with contextlib.suppress(OSError):
            (out / folder).rmdir()


def _restore_root_files(out: Path, run: str, *, others: Sequence[str]) -> None:
    """Recipe and summary of the run before this one take their places again; the summary, which names its run, last."""
    latest = run_of(out) in (run, None)
    for name in (RECIPE, REJECTED, SUMMARY):
        before = aside(out, name, others[-1]) if others else None
        if latest and before is None:
            (out / name).unlink(missing_ok=True)
        elif latest and before is not None and before.exists():
            os.replace(before, out / name)
        aside(out, name, run).unlink(missing_ok=True)


def _restore_page(out: Path, run: str, *, others: Sequence[str]) -> None:
    """The page tells of what is left; what a check found no longer holds."""
    if is_our_quality(out / QUALITY):
        (out / QUALITY).unlink()
    if not (out / REPORT).exists() or not is_our_page(out / REPORT):
        return
    if others and (out / SUMMARY).exists():
        write_report(out, without=run)
    else:
        (out / REPORT).unlink()


def _restore_card(out: Path, run: str, *, others: Sequence[str]) -> None:
    path = out / CARD
    if not is_our_card(path):
        return
    if not others:
        path.unlink()
        return
    real, new = Counter[str](), Counter[str]()
    for row in read_manifest(out / MANIFEST):
        if not _stays(row, run):
            continue
        real[row.label] += not row.synthetic and row.split == PARENT_SPLIT
        new[row.label] += row.synthetic and row.path is not None
    totals = {label: (real[label], new[label]) for label in sorted(real.keys() | new.keys())}
    with contextlib.suppress(OSError, ValueError):
        replace_file(path, card(json.loads((out / SUMMARY).read_text("utf-8")), totals).encode())
