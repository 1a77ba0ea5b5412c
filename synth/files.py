"""Atomic writes of our own files, and the lock of a folder that is being written.

A run on OUT works in `OUT.incomplete` beside it and holds `OUT.lock`; OUT appears when it is complete.
"""

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from synth.errors import LockedError, OutputError

LOCK_SECONDS = 0.5  # the workers of a run that was just killed may take a moment to die


def staging_folder(out: Path) -> Path:
    """Return the folder in which a run on `out` works until it is complete."""
    real = Path(os.path.realpath(out))
    return real.with_name(real.name + ".incomplete")


def path_from(folder: Path, path: str | Path) -> str:
    """Return how a command that runs in `folder` names a path.

    A path that was given as relative, or that is beside or below the folder, becomes relative to it. So both may be
    moved together, and the text is the same on every machine. Any other path stays absolute.
    """
    here, given = Path(os.path.realpath(folder)), os.path.abspath(path)
    real = os.path.join(os.path.realpath(os.path.dirname(given)), os.path.basename(given))
    if os.path.isabs(path) and not Path(real).is_relative_to(here.parent):
        return str(path)
    return os.path.relpath(real, here)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock the output folder for one run; the lock ends with its process.

    Raises:
        LockedError: another run holds it; the message names its process, machine and start.
        OutputError: the folder that would hold the output can't be written.
    """
    path = staging_folder(out).with_suffix(".lock")
    lock = FileLock(path, timeout=LOCK_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        if not path.exists():  # on some file systems a missing permission looks like a held lock
            raise OutputError(f"can't write beside {out}") from None
        raise LockedError(f"{out} is being written by another run ({_holder(out)})") from None
    except OSError as error:
        raise OutputError(f"can't write beside {out}: {error.strerror}") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # still locked, so that a process that waits for it notices that it is gone
        lock.release()


def this_process() -> dict[str, str | int]:
    """Return process, machine and start time for the `run.json` of a staging folder."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": time.strftime("%Y-%m-%d %H:%M:%S")}


def _holder(out: Path) -> str:
    try:
        state = json.loads((staging_folder(out) / "run.json").read_text("utf-8"))
        return f"process {state['pid']} on {state['host']} since {state['started']}"
    except (OSError, ValueError, KeyError):
        return "it has just started"


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write one of our own files atomically: readers see the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def replace_file(path: Path, data: bytes) -> None:
    """Write one of our own small files atomically."""
    with new_file(path) as file:
        file.write(data)


def file_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
