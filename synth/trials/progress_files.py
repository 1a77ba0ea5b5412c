"""Progress of trainings in other processes: each writes a small file, and the process that waits reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

TRAINING = "training"
"""Name that the trainings give their main part; progress of earlier parts is not written."""
SECONDS = 0.5


class ProgressFile:
    """A `Progress` that writes a file with "images seen, images in all"."""

    def __init__(self, path: Path, then: Callable[[], None] | None = None) -> None:
        """`then` is called after each write."""
        self._path, self._then, self._last = path, then, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Write the file, twice a second at most."""
        now = time.monotonic()
        if what != TRAINING or (now - self._last < SECONDS and done < total):
            return
        self._last = now
        self._path.write_text(f"{done} {total}", "utf-8")
        if self._then:
            self._then()


def read_progress(paths: Sequence[Path]) -> tuple[int, int]:
    """Return images seen, and images in all, of several like trainings; (0, 0) before the first has begun."""
    known = [progress for progress in map(_read, paths) if progress]
    total = max((total for _, total in known), default=0)
    return sum(done for done, _ in known), total * len(paths)


def _read(path: Path) -> tuple[int, int] | None:
    try:
        done, total = path.read_text("utf-8").split()
    except (OSError, ValueError):  # not begun yet, or read in the middle of a write
        return None
    return int(done), int(total)
