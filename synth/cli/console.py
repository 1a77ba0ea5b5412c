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

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED = 130
LINE_EVERY_SECONDS = 5.0
WIDTH = 120
"""Columns of a table that goes to no terminal."""
SLOW = 10.0
"""Things per second below which they are no images."""
Report = Callable[[str, int, int], None]


def printable(text: object) -> str:
    """A name as one harmless line: control characters and broken bytes are shown as escapes."""
    plain = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


def say(text: str) -> None:
    """One line of result on standard output."""
    print(printable(text))


def note(text: str) -> None:
    """One line that is no result, on standard error."""
    print(printable(text), file=sys.stderr)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on standard output; all columns but the first are numbers or short words."""
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
    """The one JSON document of `--json`."""
    print(json.dumps(document, indent=1, allow_nan=False))


@contextlib.contextmanager
def progress_display(*, quiet: bool) -> Iterator[Report | None]:
    """A bar with rate and time left on a terminal, now and then a plain line elsewhere, nothing when quiet."""
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
    last, pace = time.monotonic(), _Pace()

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        rate, now = pace.rate(what, done), time.monotonic()
        if (now - last < LINE_EVERY_SECONDS and done < total) or done == pace.first:
            return
        last = now
        left = f", about {(total - done) / rate:.0f} s left" if rate and done < total else ""
        note(f"{what}: {done} of {total}{_rate(rate)}{left}")

    return report


def _rate(per_second: float) -> str:
    """Of images; what goes slower than one a second is networks, say, and needs no rate."""
    return f", {per_second:.0f} images/s" if per_second >= SLOW else ""


class _Pace:
    """Images per second of what is being done."""

    def __init__(self) -> None:
        self.what, self.begin, self.first, self.done = "", 0.0, 0, 0

    def rate(self, what: str, done: int) -> float:
        """Since the first report of this work: another kind, or another round, has another pace."""
        now = time.monotonic()
        if what != self.what or done < self.done:
            self.what, self.begin, self.first = what, now, done
        self.done = done
        return (done - self.first) / max(now - self.begin, 1e-6)


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Turn Ctrl-C and a polite kill into one line with the command that goes on from here."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted; nothing is lost. To go on: {shlex.join(['synth', *sys.argv[1:]])}")
        raise SystemExit(INTERRUPTED) from None
