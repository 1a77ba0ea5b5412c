"""An output folder in the hands of one command: locked, and without anything that a killed command left half done."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from synth.files import locked
from synth.output.staging import Staging
from synth.runs.removal import finish_removal


@contextlib.contextmanager
def held(out: Path) -> Iterator[Staging]:
    """Lock OUT, finish the commit or the removal that was begun there, and yield its unfinished run.

    Raises:
        LockedError: another command holds the folder.
        OutputError: OUT can't be written, or what is beside it is not ours.
    """
    with locked(out):
        staging = Staging(out)
        staging.recover()
        finish_removal(out)
        yield staging
