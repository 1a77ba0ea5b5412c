"""The unit of work: a chunk of originals or of attempts, done by one call in any process."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synth.data.manifest import row_line
from synth.gates.panel import Panel
from synth.generators.base import Context, Generator
from synth.output.writer import Writer, most_common_form
from synth.records import Candidate, Encoding, Item

BATCH_PIXELS = 1_000_000


@dataclass(frozen=True)
class Copy:
    """A chunk of originals to put into the output."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Make:
    """A chunk of attempts of one class."""

    label: str
    attempts: range


@dataclass(frozen=True)
class Done:
    """What a chunk gave: finished manifest lines, and each attempt's verdict."""

    lines: bytes
    verdicts: tuple[tuple[str, ...], ...] = ()
    """Reasons against each attempt, in order; empty for an accepted one."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs."""

    context: Context
    run: str
    tree: Path
    train_folder: str
    in_place: bool
    panel: Panel
    generator: Generator

    @functools.cached_property
    def class_forms(self) -> Mapping[str, Encoding | None]:
        """How most images of each class are encoded."""
        return {label: most_common_form(items) for label, items in self.context.train.items()}

    @functools.cached_property
    def writer(self) -> Writer:
        """Writes into the staging tree."""
        return Writer(self.tree, self.context.recipe, run=self.run, train_folder=self.train_folder)


def work(job: Job, task: Copy | Make) -> Done:
    """Do one chunk."""
    if isinstance(task, Copy):
        return Done(b"".join(row_line(job.writer.original(item, in_place=job.in_place)) for item in task.items))
    form = job.class_forms.get(task.label)
    lines, verdicts = [], []
    for batch in batches(job.generator.make(task.label, task.attempts)):
        judged = job.panel.verdicts(batch)
        lines += [row_line(row) for row in job.writer.candidates(batch, judged, class_form=form)]
        verdicts += [verdict.reasons for verdict in judged]
    return Done(b"".join(lines), tuple(verdicts))


def batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Small images go through each step many at a time, which is faster; large ones one by one, which saves memory."""
    batch: list[Candidate] = []
    n_pixels = 0
    for candidate in candidates:
        batch.append(candidate)
        n_pixels += candidate.pixels.size
        if n_pixels >= BATCH_PIXELS:
            yield batch
            batch, n_pixels = [], 0
    if batch:
        yield batch
