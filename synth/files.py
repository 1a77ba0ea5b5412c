"""Atomic writes of our own files, the folder that an unfinished command works in, and the lock of an output.

A command on OUT works in `OUT.incomplete` beside it and holds `OUT.lock`; OUT appears when it is complete. The
working folder is known by its `run.json`, which is written first and removed last.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from synth.errors import LockedError, OutputError, SynthError

LOCK_SECONDS = 0.5  # the workers of a run that was just killed may take a moment to die
RUN_NAME = re.compile(r"[0-9a-f]{12}")
STATE = "run.json"


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


def removal_file(out: Path) -> Path:
    """Return the file that names the run which is being taken out of `out`."""
    real = Path(os.path.realpath(out))
    return real.with_name(real.name + ".undo")


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock the output folder for one run; the lock ends with its process.

    Raises:
        LockedError: another run holds it; the message names its process, machine and start.
        OutputError: the folder that would hold the output can't be written.
    """
    path = staging_folder(out).with_suffix(".lock")
    lock = FileLock(path, timeout=LOCK_SECONDS)
    with _parents(path):
        try:
            lock.acquire()
        except Timeout:
            if not path.exists():  # on some file systems a missing permission looks like a held lock
                raise OutputError(f"can't write {path}") from None
            raise LockedError(f"{out} is being written by another run ({_holder(out)})") from None
        except OSError as error:
            raise OutputError(f"can't write {path}: {error.strerror}") from None
        try:
            yield
        finally:
            try:
                path.unlink(missing_ok=True)  # still locked: a process that waits for it notices that it is gone
            finally:
                lock.release()


@contextlib.contextmanager
def _parents(path: Path) -> Iterator[None]:
    """Make the folders above a path, and remove those again that nothing was written to."""
    made = [folder for folder in path.parents if not folder.exists()]
    if made:
        with naming(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in made:
            remove_if_empty(folder)


def read_state(folder: Path) -> Mapping[str, Any] | None:
    """Return what `write_state` wrote to a working folder; None if no command is unfinished there.

    Raises:
        OutputError: the folder exists, but this package did not make it.
    """
    if not os.path.lexists(folder):
        return None
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        if RUN_NAME.fullmatch(state["run"]):
            return dict(state)
    except FileNotFoundError:
        if {path.name for path in folder.iterdir()} <= {f".{STATE}.tmp"}:
            return None  # killed right after the folder was made, or right before it was removed
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise OutputError(f"{folder} is in the way, and it is not an unfinished run of synth: move it away")


def write_state(folder: Path, run: str, **more: str) -> None:
    """Note in a working folder which run works there, and who works on it. The folder is made if it is not there."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    who = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.strftime("%Y-%m-%d %H:%M:%S")}
    replace_file(folder / STATE, json.dumps({"run": run, **more, **who}, indent=1).encode())


def remove_file(path: Path) -> None:
    """Remove one of our own files if it is there."""
    with naming(path, "remove"):
        path.unlink(missing_ok=True)


def remove_work(folder: Path) -> None:
    """Remove a working folder if it is there. Its state goes last, so that a kill leaves a folder that is known."""
    if not folder.exists():
        return
    with naming(folder, "remove"):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != STATE:
                path.unlink()
        (folder / STATE).unlink(missing_ok=True)
        folder.rmdir()


def remove_if_empty(folder: Path) -> None:
    """Remove a folder if it is there and empty, unless a disk is mounted there."""
    real = folder.is_dir() and not folder.is_symlink() and not os.path.ismount(folder)
    if real and not any(folder.iterdir()):
        with naming(folder, "remove"):
            folder.rmdir()


def leads_out(folder: Path, path: str) -> bool:
    """Whether a link on the way to a file below a folder leads out of the folder."""
    return not Path(os.path.realpath((folder / path).parent)).is_relative_to(os.path.realpath(folder))


def _holder(out: Path) -> str:
    try:
        state = json.loads((staging_folder(out) / STATE).read_text("utf-8"))
        return f"process {state['pid']} on {state['host']} since {state['started']}"
    except (OSError, ValueError, KeyError):
        return "it has just started"


@contextlib.contextmanager
def naming(path: str | Path, action: str = "write") -> Iterator[None]:
    """Let an error of the system name the file that it is about: a full disk does not say what could not be written.

    Raises:
        OutputError: instead of any OSError.
    """
    try:
        yield
    except SynthError:
        raise
    except OSError as error:
        raise OutputError(f"can't {action} {path}: {error.strerror or error}") from None


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write one of our own files atomically: readers see the old file or the new one, never a part.

    Raises:
        OutputError: it can't be written; no part of it is left then.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with naming(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def replace_file(path: Path, data: bytes) -> None:
    """Write one of our own small files atomically."""
    with new_file(path) as file:
        file.write(data)


def write_new(path: Path, data: bytes) -> None:
    """Write a file under a name that is free; the same bytes may be there already.

    Raises:
        OutputError: another file has the name, or it can't be written.
    """
    if not os.path.lexists(path):
        replace_file(path, data)
    elif not path.is_file() or path.read_bytes() != data:
        raise OutputError(f"{path} exists: choose another name")


def sync_folder(folder: Path) -> None:
    """Make sure that a new file of this folder outlives a loss of power."""
    with naming(folder):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def file_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if there is no such file.

    Raises:
        OutputError: the file is there, but it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"can't read {path}: {error.strerror}") from None
