"""The unit of work: a chunk of originals or of attempts, done by one call in any process."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from synth.output.writer import Writer
from synth.records import Candidate, Item
from synth.runs.settle import SettledRun

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
class Job:
    """Everything that a worker needs."""

    run: SettledRun
    tree: Path
    """The folder that images are written to."""

    @functools.cached_property
    def writer(self) -> Writer:
        """Writes into the staging tree."""
        return Writer(self.tree, self.run.dataset, self.run.recipe, run=self.run.id)


def do_task(job: Job, task: Copy | Make) -> tuple[bytes, list[tuple[str, ...]]]:
    """Do one chunk, and return its manifest lines and the reasons against each attempt; no reason: accepted."""
    run, writer = job.run, job.writer
    if isinstance(task, Copy):
        return writer.originals(task.items, in_place=run.in_place), []
    lines, reasons = b"", []
    for batch in batches(run.generator.make(task.label, task.attempts)):
        judged = run.gates.verdicts(batch)
        lines += writer.candidates(batch, judged)
        reasons += [verdict.reasons for verdict in judged]
    return lines, reasons


def batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Group candidates: many small images, which is faster, or few large ones, which saves memory."""
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
