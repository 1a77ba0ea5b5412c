"""What a person sees in a terminal: tables on standard output, progress and warnings on standard error."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synth.errors import printable
from synth.workers import PERCENT, duration

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED = 130
"""Exit status."""
LINE_EVERY_SECONDS = 5.0
WIDTH = 120
"""Columns of a table if standard output is no terminal."""
SLOW = 10.0
"""Below this rate per second no rate is shown: slow work is networks, not images."""
TELLING_SECONDS = 1.0
"""A rate is shown after this time: before, it says nothing."""
Report = Callable[[str, int, int], None]


def say(text: str) -> None:
    """Print one line of the result, on standard output."""
    print(printable(text))


def note(text: str) -> None:
    """Print one line about the work, on standard error."""
    print(printable(text), file=sys.stderr)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on standard output. The first column is aligned left, the others right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        drawn.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    width = None if sys.stdout.isatty() else WIDTH
    Console(highlight=False, markup=False, width=width).print(drawn)


def print_json(document: Mapping[str, Any]) -> None:
    """Print the JSON document of `--json`."""
    print(json.dumps(document, indent=1, allow_nan=False))


@contextlib.contextmanager
def progress_display(*, quiet: bool) -> Iterator[Report | None]:
    """Show progress on standard error: a bar on a terminal, else a line every few seconds; nothing if `quiet`."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield _bar_report(bar)
    else:
        yield _line_report()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _bar_report(bar: Progress) -> Report:
    task = bar.add_task("", total=None, state="")
    pace = _Pace()

    def report(what: str, done: int, total: int) -> None:
        pace.add(what, done)
        state = _state(what, done, total, pace)
        bar.update(task, description=what.removesuffix(PERCENT), completed=done, total=total, state=state)

    return report


def _line_report() -> Report:
    last, pace, shown = time.monotonic(), _Pace(), ("", 0)

    def report(what: str, done: int, total: int) -> None:
        nonlocal last, shown
        pace.add(what, done)
        now = time.monotonic()
        if (now - last < LINE_EVERY_SECONDS and done < total) or done == pace.first or (what, done) == shown:
            return
        last, shown = now, (what, done)
        left = f", about {duration((total - done) / pace.rate)} left" if pace.rate and done < total else ""
        note(f"{what.removesuffix(PERCENT)}: {_state(what, done, total, pace)}{left}")

    return report


def _state(what: str, done: int, total: int, pace: _Pace) -> str:
    """Return how much is done: `40 % done`, or `128 of 379, 149 per second`."""
    if what.endswith(PERCENT):
        return f"{100 * done // max(total, 1)} % done"
    telling = pace.rate >= SLOW and pace.seconds >= TELLING_SECONDS
    return f"{done} of {total}{f', {pace.rate:.0f} per second' if telling else ''}"


class _Pace:
    """The rate of the current kind of work."""

    def __init__(self) -> None:
        self.what, self.begin, self.first, self.done = "", 0.0, 0, 0
        self.seconds = 0.0
        """Since the first report of this kind of work, or of this round of it."""

    @property
    def rate(self) -> float:
        """Things per second in that time."""
        return (self.done - self.first) / max(self.seconds, 1e-6)

    def add(self, what: str, done: int) -> None:
        """Take the next report."""
        now = time.monotonic()
        if what != self.what or done < self.done:
            self.what, self.begin, self.first = what, now, done
        self.done, self.seconds = done, now - self.begin


@contextlib.contextmanager
def interruptible(*, resumes: bool) -> Iterator[None]:
    """Turn Ctrl-C or SIGTERM into one line and status 130.

    Args:
        resumes: the same command continues what was begun, so the line names it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        again = f"; nothing is lost. Run it again: {shlex.join(['synth', *sys.argv[1:]])}" if resumes else ""
        note(f"interrupted{again}")
        raise SystemExit(INTERRUPTED) from None
