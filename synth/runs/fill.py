"""The work of a run: round after round of tasks, in any number of processes, each recorded when it is done."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synth import workers
from synth.output.staging import Staging
from synth.output.summary import ClassSummary
from synth.output.writer import Writer
from synth.records import REPEAT, SWITCHED_OFF, Candidate
from synth.runs.repeats import Repeats, repeats_note
from synth.runs.rounds import UNIT, ClassProgress, Copy, Make, Rounds, cut_into_tasks, earliest, task_size
from synth.runs.settle import SettledRun
from synth.workers import Progress

BATCH_PIXELS = 1_000_000


def fill(
    run: SettledRun,
    staging: Staging,
    summaries: Mapping[str, ClassSummary],
    *,
    n_workers: int,
    progress: Progress | None,
) -> None:
    """Copy the originals and make the planned images, from where an interrupted run stopped; count in `summaries`."""
    job, tally = Job(run, staging.tree), _Tally(run, summaries, progress)
    repeats = Repeats(staging.tree, run.existing.hashes)
    for row in staging.resume():
        if row.synthetic:
            tally.count(row.label, row.reasons)
            if not set(row.reasons) - {SWITCHED_OFF}:
                repeats.note(row)
        else:
            tally.n_copied += 1
    tally.report()
    while True:
        standings = tally.standings()
        attempts = earliest(standings)
        copies = run.copies[tally.n_copied :]
        n_missing = len(copies) + sum(map(len, attempts.values()))
        if not n_missing:
            break
        n = n_workers if n_missing > 2 * UNIT else 1  # starting workers costs more than a few units
        tasks = cut_into_tasks(copies, attempts, size=task_size(n_missing, n))
        for task, (lines, verdicts) in workers.run(do_task, job, tasks, n_workers=n):
            if isinstance(task, Make):
                lines, verdicts = repeats.refuse(lines, verdicts)
            staging.append(lines)
            tally.n_copied += len(task.items) if isinstance(task, Copy) else 0
            for reasons in verdicts:
                tally.count(task.label, reasons)  # type: ignore[union-attr]
            tally.report()
    _finish(standings, staging, summaries)


def _finish(standings: Mapping[str, ClassProgress], staging: Staging, summaries: Mapping[str, ClassSummary]) -> None:
    """Withdraw the images of methods that were switched off, and say why classes are short."""
    off = [label for label, entry in standings.items() if entry.switched_off]
    staging.withdraw(off)
    for label in off:
        summaries[label].switch_off()
    for label, entry in standings.items():
        note = repeats_note(summaries[label])
        summaries[label].note = note or summaries[label].note
        summaries[label].given_up = () if note else tuple(entry.given_up)


@dataclass
class _Tally:
    """Counts what is done of a run."""

    run: SettledRun
    summaries: Mapping[str, ClassSummary]
    progress: Progress | None
    n_copied: int = 0
    passed: dict[str, list[bool]] = field(init=False)
    """{class: whether each attempt passed}."""
    repeated: dict[str, list[bool]] = field(init=False)
    """{class: whether each attempt passed the gates, but is a repeat}."""
    rounds: dict[str, Rounds] = field(init=False)

    def __post_init__(self) -> None:
        self.passed = {label: [] for label in sorted(self.summaries)}
        self.repeated = {label: [] for label in sorted(self.summaries)}
        recipe, existing, generator = self.run.recipe, self.run.existing, self.run.generator
        self.rounds = {
            label: Rounds(
                n,
                existing.first_attempt.get(label, 0),
                tries=recipe.tries,
                acceptance_min=recipe.gate.acceptance_min,
                real=(self.summaries[label].real_passed, self.summaries[label].real_n),
                order=generator.parent_order(label),
            )
            for label, n in sorted(self.run.plan.new.items())
        }

    def count(self, label: str, reasons: tuple[str, ...]) -> None:
        """Add one attempt."""
        # Images that were withdrawn before a kill had passed the gates: the rounds must count them as passed.
        passed = not reasons or reasons == (SWITCHED_OFF,)
        self.summaries[label].count(accepted=passed, reasons=() if passed else reasons)
        self.passed[label].append(passed)
        self.repeated[label].append(reasons == (REPEAT,))

    def standings(self) -> dict[str, ClassProgress]:
        """Return where each class is in its rounds."""
        return {label: rounds.follow(self.passed[label], self.repeated[label]) for label, rounds in self.rounds.items()}

    def report(self) -> None:
        """Tell the progress display how far the run is."""
        if self.progress is not None:
            n_copies, made = len(self.run.copies), sum(entry.accepted for entry in self.summaries.values())
            what = "originals" if self.n_copied < n_copies else "images"
            self.progress(what, self.n_copied + made, n_copies + sum(self.run.plan.new.values()))


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
    for batch in batches(run.generator.make_chosen(task.label, task.attempts)):
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
