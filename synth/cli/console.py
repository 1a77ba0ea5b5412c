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
from synth.workers import duration

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED = 130
"""Exit status."""
LINE_EVERY_SECONDS = 5.0
WIDTH = 120
"""Columns of a table if standard output is no terminal."""
SLOW = 10.0
"""Below this rate per second no rate is shown: slow work is networks, not images."""
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _bar_report(bar: Progress) -> Report:
    task = bar.add_task("", total=None, rate="")
    pace = _Pace()

    def report(what: str, done: int, total: int) -> None:
        bar.update(task, description=what, completed=done, total=total, rate=_rate(pace.rate(what, done)).strip(", "))

    return report


def _line_report() -> Report:
    last, pace, shown = time.monotonic(), _Pace(), ("", 0)

    def report(what: str, done: int, total: int) -> None:
        nonlocal last, shown
        rate, now = pace.rate(what, done), time.monotonic()
        if (now - last < LINE_EVERY_SECONDS and done < total) or done == pace.first or (what, done) == shown:
            return
        last, shown = now, (what, done)
        left = f", about {duration((total - done) / rate)} left" if rate and done < total else ""
        note(f"{what}: {done} of {total}{_rate(rate)}{left}")

    return report


def _rate(per_second: float) -> str:
    return f", {per_second:.0f} images/s" if per_second >= SLOW else ""


class _Pace:
    """The rate of the current kind of work."""

    def __init__(self) -> None:
        self.what, self.begin, self.first, self.done = "", 0.0, 0, 0

    def rate(self, what: str, done: int) -> float:
        """Return things per second since the first report of this kind of work, or of this round of it."""
        now = time.monotonic()
        if what != self.what or done < self.done:
            self.what, self.begin, self.first = what, now, done
        self.done = done
        return (done - self.first) / max(now - self.begin, 1e-6)


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
