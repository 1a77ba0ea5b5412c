"""The unit of work: a chunk of originals or of attempts, done by one call in any process."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from synth.gates.base import Gate, judge_all, open_gates
from synth.generators.base import Context, Generator, open_generator
from synth.manifest import row_line
from synth.output.writer import Writer, most_common_form
from synth.records import Item


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
    """All that a worker needs; what is heavy is opened in the worker itself, once."""

    context: Context
    run: str
    tree: Path
    train_folder: str
    in_place: bool

    @functools.cached_property
    def generator(self) -> Generator:
        """The method's generator."""
        return open_generator(self.context)

    @functools.cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The run's gates."""
        return open_gates()

    @functools.cached_property
    def writer(self) -> Writer:
        """Writes into the staging tree."""
        return Writer(self.tree, self.context.recipe, run=self.run, train_folder=self.train_folder)


def work(job: Job, task: Copy | Make) -> Done:
    """Do one chunk."""
    if isinstance(task, Copy):
        return Done(b"".join(row_line(job.writer.original(item, in_place=job.in_place)) for item in task.items))
    form = most_common_form(job.context.train.get(task.label, ()))
    lines, verdicts = [], []
    for candidate in job.generator.make(task.label, task.attempts):
        verdict = judge_all(job.gates, candidate)
        lines.append(row_line(job.writer.candidate(candidate, verdict, class_form=form)))
        verdicts.append(verdict.reasons)
    return Done(b"".join(lines), tuple(verdicts))
