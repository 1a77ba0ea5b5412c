"""undo: remove exactly the files of one run."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.data.manifest import MANIFEST, read_manifest, row_line
from synth.errors import OutputError
from synth.files import file_sha256, locked, new_file, replace_file
from synth.output import root_files
from synth.output.card import filled_card
from synth.output.staging import Staging
from synth.pages.report import write_report
from synth.records import PARENT_SPLIT, Row, ShortRepr


@dataclass(frozen=True, repr=False)
class Undone(ShortRepr):
    """What an undo removed."""

    run: str
    removed: int
    kept: tuple[str, ...]
    """Files of the run that were changed later: they stay, but the manifest no longer lists them."""


def undo(out: str | Path, run: str | None = None) -> Undone:
    """Remove the files of the unfinished run; without one, those of the last run, or of `run`.

    An interrupted undo may be repeated.

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
            removed = sum(row.path is not None and row.method is not None for row in staging.resume())
            staging.remove()
            return Undone(state["run"], removed, ())
        if not (out / MANIFEST).is_file():
            raise OutputError(f"{out}: no {MANIFEST}, so nothing to undo")
        return _undo_run(out, run)


def _undo_run(out: Path, run: str | None) -> Undone:
    """Each step may be repeated after a kill. All steps follow the manifest, so the manifest is changed last."""
    manifest = out / MANIFEST
    runs = list(dict.fromkeys(row.run for row in read_manifest(manifest) if row.method is not None))
    if not runs or (run or runs[-1]) not in runs:
        raise OutputError(f'{out}: no run "{run or ""}" to undo: it has {", ".join(runs) or "none"}')
    chosen = run or runs[-1]
    others = [name for name in runs if name != chosen]
    removed, kept, folders, in_place = 0, [], set[Path](), False
    real, new = Counter[str](), Counter[str]()
    for row in read_manifest(manifest):
        in_place = in_place or (not row.synthetic and row.method is None)
        if _stays(row, chosen):
            real[row.label] += not row.synthetic and row.split == PARENT_SPLIT
            new[row.label] += row.synthetic and row.path is not None
        elif row.path is not None:
            gone, changed = _remove(out, row)
            removed += gone
            kept += [row.path] if changed else []
            folders.update(Path(row.path).parents)
    root_files.restore(out, chosen, others=others)
    totals = {label: (real[label], new[label]) for label in sorted(real.keys() | new.keys())}
    _restore_card(out, totals if others else None)
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
    """Whether a row is of another run, or of an original that the run found in its place."""
    return row.run != chosen or row.method is None


def _remove(out: Path, row: Row) -> tuple[bool, bool]:
    """Remove the file of a row, and return whether it was removed, and whether it stays because it was changed."""
    path = out / str(row.path)
    if path.is_symlink() and row.method == "sym":  # the link is ours, whatever happened to its target
        path.unlink()
        return True, False
    sha256 = file_sha256(path)
    if sha256 is None or sha256 == row.sha256:
        existed = os.path.lexists(path)
        path.unlink(missing_ok=True)
        return existed, False
    return False, True


def _remove_empty(out: Path, folders: Iterable[Path]) -> None:
    """Remove the folders that an undo has emptied."""
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with contextlib.suppress(OSError):
            (out / folder).rmdir()


def _restore_card(out: Path, totals: Mapping[str, tuple[int, int]] | None) -> None:
    """Write the card of the images that are left, {class: (real, synthetic)}; remove it if no run is left."""
    path = out / root_files.CARD
    if not root_files.is_our_card(path):
        return
    if totals is None:
        path.unlink()
        return
    with contextlib.suppress(OSError, ValueError):
        replace_file(path, filled_card(json.loads((out / root_files.SUMMARY).read_text("utf-8")), totals).encode())


def _restore_page(out: Path, run: str, *, others: Sequence[str]) -> None:
    """Write the page of what is left. Remove what a check found, because it no longer holds."""
    if root_files.is_our_quality(out / root_files.QUALITY):
        (out / root_files.QUALITY).unlink()
    if not (out / root_files.REPORT).exists() or not root_files.is_our_page(out / root_files.REPORT):
        return
    if others and (out / root_files.SUMMARY).exists():
        write_report(out, without=run)
    else:
        (out / root_files.REPORT).unlink()
