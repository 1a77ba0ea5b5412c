"""How far trainings in other processes are: each leaves a small file, which is read while they are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

TRAINING = "training"
"""What the trainings call their main part; what they do before it is not counted."""
SECONDS = 0.5


class ProgressFile:
    """A training's progress, as a file of "images seen, images in all"."""

    def __init__(self, path: Path, then: Callable[[], None] | None = None) -> None:
        """`then` is called after each writing."""
        self._path, self._then, self._last = path, then, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """As a `Progress`."""
        now = time.monotonic()
        if what != TRAINING or (now - self._last < SECONDS and done < total):
            return
        self._last = now
        self._path.write_text(f"{done} {total}", "utf-8")
        if self._then:
            self._then()


def read_progress(paths: Sequence[Path]) -> tuple[int, int]:
    """Images seen, and images in all, of trainings that are alike; (0, 0) before the first has begun."""
    known = [ticked for ticked in map(_read, paths) if ticked]
    total = max((total for _, total in known), default=0)
    return sum(done for done, _ in known), total * len(paths)


def _read(path: Path) -> tuple[int, int] | None:
    try:
        done, total = path.read_text("utf-8").split()
    except (OSError, ValueError):  # not begun, or caught half written
        return None
    return int(done), int(total)
