"""Progress of trainings in other processes: each writes a small file, and the process that waits reads it."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS = 0.5


class ProgressFile:
    """A `Progress` that writes a file with "images seen, images in all"."""

    def __init__(self, path: Path, stage: str, then: Callable[[], None] | None = None) -> None:
        """Args: stage: only its progress is written. then: called after each write."""
        self._path, self._stage, self._then, self._last = path, stage, then, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Write the file, twice a second at most."""
        now = time.monotonic()
        if what != self._stage or (now - self._last < SECONDS and done < total):
            return
        self._last = now
        whole = self._path.with_suffix(".tmp")  # a reader never meets half a line
        whole.write_text(f"{done} {total}", "utf-8")
        whole.replace(self._path)
        if self._then:
            self._then()


def read_progress(paths: Sequence[Path]) -> tuple[int, int]:
    """Return images seen, and images in all, of several like trainings; (0, 0) before the first has begun."""
    seen = total = 0
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # not begun yet
            done, of = map(int, path.read_text("utf-8").split())
            seen, total = seen + done, max(total, of)
    return seen, total * len(paths)
