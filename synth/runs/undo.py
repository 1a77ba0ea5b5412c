"""undo: remove exactly the files of one run."""

import os
from pathlib import Path

from synth.files import locked
from synth.output.staging import Staging
from synth.runs.removal import (
    Undone,
    finish_removal,
    read_journal,
    remove_journal,
    settle_removal,
    take_out,
    write_journal,
)
from synth.workers import Progress


def undo(out: str | Path, run: str | None = None, *, progress: Progress | None = None) -> Undone:
    """Remove the files of the unfinished run; without one, those of the last run, or of `run`.

    The same call again finishes an undo that was interrupted, and takes no other run out.

    Raises:
        OutputError: no output of this package, or no such run in it.
        LockedError: a run is writing there.
    """
    out = Path(os.path.realpath(out))
    with locked(out):
        Staging(out).recover()
        removal = read_journal(out)
        if removal is None or run not in (None, removal.run):
            finish_removal(out)
            removal = settle_removal(out, run)
            write_journal(out, removal)
        undone = take_out(out, removal, progress=progress)
    # The journal goes after the lock, as the very last: until then, the same command finishes this removal.
    if read_journal(out) == removal:  # another undo may have begun since
        remove_journal(out)
    return undone
