"""Take one run out of an output folder, completely, whenever the process is killed.

What goes is settled in `OUT.undo` before the first file goes. Each step may be repeated, and all follow the manifest,
which is changed last. As long as the journal is there, the next command on OUT takes the same run out.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from synth.data.manifest import MANIFEST, read_manifest, row_line
from synth.errors import OutputError, in_the_way
from synth.files import (
    RUN_NAME,
    file_sha256,
    naming,
    new_file,
    removal_file,
    remove_if_empty,
    replace_file,
    sync_folder,
)
from synth.output import root_files
from synth.output.card import card_of
from synth.output.staging import Staging
from synth.pages.report import write_report
from synth.records import Row, ShortRepr
from synth.workers import Progress


@dataclass(frozen=True)
class Removal:
    """A run to take out."""

    run: str
    restore: Mapping[str, str | None]
    """{root file: the file of an earlier run that takes its place; None: none does}."""
    in_place: bool = False
    unfinished: bool = False
    """The run is not in OUT yet, but in its working folder."""


@dataclass(frozen=True, repr=False)
class Undone(ShortRepr):
    """What an undo removed."""

    run: str
    removed: int
    kept: tuple[str, ...]
    """Files of the run that were changed later: they stay, but the manifest no longer lists them."""


def settle_removal(out: Path, run: str | None) -> Removal:
    """Settle what to take out: the unfinished run; without one, the last run, or `run`. Writes nothing.

    Raises:
        OutputError: no output of this package, no such run in it, or a damaged summary.
    """
    state = Staging(out).state
    if state is not None and run in (None, state["run"]):
        return Removal(state["run"], {}, unfinished=True)
    if not out.exists():
        raise OutputError(f"{out}: no such folder, so nothing to undo")
    if not (out / MANIFEST).is_file():
        raise OutputError(f"{out}: no {MANIFEST}, so nothing to undo")
    runs, in_place = dict[str, None](), False
    for row in read_manifest(out / MANIFEST):
        if row.method is None:
            in_place = True
        else:
            runs[row.run] = None
    chosen = run or next(reversed(runs), "")
    if chosen not in runs:
        raise OutputError(f'{out}: no run "{chosen}" to undo: it has {", ".join(runs) or "none"}')
    restore = root_files.replacements(out, chosen, runs=list(runs))
    summary = restore.get(root_files.SUMMARY, root_files.SUMMARY)
    if summary is not None:  # a damaged document stops the undo here, not half way
        card_of(out, without=chosen, summary=summary)
    return Removal(chosen, restore, in_place)


def write_journal(out: Path, removal: Removal) -> None:
    """Note a removal beside OUT, and wait until it is on the disk."""
    replace_file(removal_file(out), json.dumps(dataclasses.asdict(removal)).encode())
    sync_folder(removal_file(out).parent)


def read_journal(out: Path) -> Removal | None:
    """Return the removal that was begun; None if there is none.

    Raises:
        OutputError: another file has the name of the journal.
    """
    try:
        removal = Removal(**json.loads(removal_file(out).read_text("utf-8")))
        names = {*removal.restore, *filter(None, removal.restore.values())}
        if RUN_NAME.fullmatch(removal.run) and all(map(root_files.is_root_file, names)):
            return removal
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise in_the_way(removal_file(out))


def finish_removal(out: Path) -> None:
    """Finish a removal that was begun, if any."""
    removal = read_journal(out)
    if removal is not None:
        take_out(out, removal)
    remove_journal(out)


def remove_journal(out: Path) -> None:
    """Remove the journal, also one that a kill left half written."""
    path = removal_file(out)
    for name in (f".{path.name}.tmp", path.name):
        with naming(path, "remove"):
            path.with_name(name).unlink(missing_ok=True)


def take_out(out: Path, removal: Removal, *, progress: Progress | None = None) -> Undone:
    """Take a run out; the same call again after a kill does the rest."""
    if removal.unfinished:
        staging = Staging(out)
        removed = sum(row.path is not None and row.method is not None for row in staging.resume())
        staging.remove()
        return Undone(removal.run, removed, ())
    manifest = out / MANIFEST
    removed, kept = 0, []
    if manifest.is_file():
        rows = [row for row in read_manifest(manifest) if not _stays(row, removal.run) and row.path is not None]
        for number, row in enumerate(rows, start=1):
            gone, changed = _remove(out, row)
            removed += gone
            kept += [str(row.path)] if changed else []
            if progress:
                progress("files", number, len(rows))
        root_files.restore(out, removal.run, removal.restore)
        _write_rest(out, removal.run)
        if not removal.in_place:
            _remove_empty(out, rows)
        _leave_out(manifest, removal.run)
    if not removal.in_place:
        remove_if_empty(out)
    return Undone(removal.run, removed, tuple(kept))


def _stays(row: Row, run: str) -> bool:
    """Whether a row is of another run, or of an original that the run found in its place."""
    return row.run != run or row.method is None


def _remove(out: Path, row: Row) -> tuple[bool, bool]:
    """Remove the file of a row, and return whether it was removed, and whether it stays because it was changed."""
    path = out / str(row.path)
    link = path.is_symlink() and row.method == "sym"  # the link is ours, whatever happened to its target
    sha256 = None if link else file_sha256(path)
    if sha256 not in (None, row.sha256):
        return False, True
    existed = os.path.lexists(path)
    with naming(path, "remove"):
        path.unlink(missing_ok=True)
    return existed, False


def _write_rest(out: Path, run: str) -> None:
    """Write card and page of what is left; remove those of a folder without a run, and what a check found."""
    card = card_of(out, without=run)
    if root_files.is_our_card(out / root_files.CARD):
        _put_or_remove(out / root_files.CARD, card)
    if root_files.is_our_quality(out / root_files.QUALITY):
        _put_or_remove(out / root_files.QUALITY, None)
    if root_files.is_our_page(out / root_files.REPORT):
        if card is not None:
            write_report(out, without=run)
        else:
            _put_or_remove(out / root_files.REPORT, None)


def _put_or_remove(path: Path, data: bytes | None) -> None:
    if data is not None:
        replace_file(path, data)
        return
    with naming(path, "remove"):
        path.unlink(missing_ok=True)


def _remove_empty(out: Path, rows: Iterable[Row]) -> None:
    """Remove the folders below OUT that an undo has emptied."""
    folders = {folder for row in rows for folder in Path(str(row.path)).parents} - {Path(".")}
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        remove_if_empty(out / folder)


def _leave_out(manifest: Path, run: str) -> None:
    """Take the rows of a run out of the manifest; remove the manifest if no other run is left in it."""
    if any(_stays(row, run) and row.method is not None for row in read_manifest(manifest)):
        with new_file(manifest) as file:
            file.writelines(row_line(row) for row in read_manifest(manifest) if _stays(row, run))
    else:
        _put_or_remove(manifest, None)
