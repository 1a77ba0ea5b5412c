"""Files of our own, written whole or not at all, and the lock of a folder that is being written.

A run on OUT works in `OUT.incomplete` beside it and holds `OUT.lock`; only what is complete appears as OUT.
"""

from __future__ import annotations

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
    """Where a run on `out` works until it is complete."""
    real = Path(os.path.realpath(out))
    return real.with_name(real.name + ".incomplete")


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the output folder for one run; a lock dies with its process.

    Raises:
        LockedError: another run holds it, named by process, machine and start.
        OutputError: the folder that would hold the output can't be written.
    """
    path = staging_folder(out).with_suffix(".lock")
    lock = FileLock(path, timeout=LOCK_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        if not path.exists():  # on some file systems a refusal looks like a lock that is held
            raise OutputError(f"can't write beside {out}") from None
        raise LockedError(f"{out} is being written by another run ({_holder(out)})") from None
    except OSError as error:
        raise OutputError(f"can't write beside {out}: {error.strerror}") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: whoever waits on this file notices that it is gone
        lock.release()


def worker() -> dict[str, str | int]:
    """Who is at work, as `run.json` of a staging folder says it."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": time.strftime("%Y-%m-%d %H:%M:%S")}


def _holder(out: Path) -> str:
    try:
        state = json.loads((staging_folder(out) / "run.json").read_text("utf-8"))
        return f"process {state['pid']} on {state['host']} since {state['started']}"
    except (OSError, ValueError, KeyError):
        return "it has just started"


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file of our own whole: readers see the old one or the new one, never half."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def replace_file(path: Path, data: bytes) -> None:
    """Write a small file of our own whole."""
    with new_file(path) as file:
        file.write(data)


def file_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
