"""The work of a run: round after round of chunks, in any number of processes, each noted when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synth import workers
from synth.output.staging import Staging
from synth.output.summary import ClassSummary
from synth.records import SWITCHED_OFF
from synth.runs.rounds import UNIT, ClassProgress, attempts_left, cut_into_tasks, progress_of, task_size
from synth.runs.settle import SettledRun
from synth.runs.tasks import Copy, Job, work
from synth.settings.recipe import Recipe
from synth.workers import Progress


def fill(
    run: SettledRun,
    staging: Staging,
    summaries: Mapping[str, ClassSummary],
    *,
    n_workers: int,
    progress: Progress | None,
) -> None:
    """Copy the originals and make the planned images, from where an interrupted run stopped; count in `summaries`."""
    copies, train_folder = run.copies, run.dataset.train_folder
    job = Job(run.context, run.id, staging.tree, train_folder, run.in_place, run.panel, run.generator)
    verdicts: dict[str, list[bool]] = {label: [] for label in sorted(summaries)}
    copied = 0
    for row in staging.take_up():
        copied += not row.synthetic
        if row.synthetic:
            _count(summaries, verdicts, row.label, row.reasons)
    report = _Reporter(progress, len(copies), copied, summaries)
    report.show()
    while True:
        standings = _standings(run.recipe, summaries, verdicts)
        attempts = attempts_left(standings, verdicts, first=run.existing.first_attempt)
        n_missing = len(copies) - copied + sum(map(len, attempts.values()))
        if not n_missing:
            break
        n = n_workers if n_missing > 2 * UNIT else 1  # starting workers costs more than a few units
        tasks = cut_into_tasks(copies[copied:], attempts, size=task_size(n_missing, n))
        for task, done in workers.run(work, job, tasks, n_workers=n):
            staging.append(done.lines)
            if isinstance(task, Copy):
                copied += len(task.items)
                report.copied = copied
            for reasons in done.verdicts:
                _count(summaries, verdicts, task.label, reasons)  # type: ignore[union-attr]
            report.show()
    off = [label for label, entry in standings.items() if entry.switched_off]
    staging.withdraw(off)
    for label in off:
        summaries[label].switch_off()


def _standings(
    recipe: Recipe, summaries: Mapping[str, ClassSummary], verdicts: Mapping[str, Sequence[bool]]
) -> dict[str, ClassProgress]:
    return {
        label: progress_of(
            summaries[label].planned, passed, tries=recipe.tries, acceptance_min=recipe.gate.acceptance_min
        )
        for label, passed in verdicts.items()
    }


def _count(
    summaries: Mapping[str, ClassSummary], verdicts: Mapping[str, list[bool]], label: str, reasons: tuple[str, ...]
) -> None:
    # What was taken back before a kill had passed the gates: the rounds have to see that again.
    passed = not reasons or reasons == (SWITCHED_OFF,)
    summaries[label].count(accepted=passed, reasons=() if passed else reasons)
    verdicts[label].append(passed)


@dataclass
class _Reporter:
    """Counts what is done, for a progress display."""

    progress: Progress | None
    to_copy: int
    copied: int
    summaries: Mapping[str, ClassSummary]

    def show(self) -> None:
        """Say where the run is."""
        if self.progress is None:
            return
        made = sum(entry.accepted for entry in self.summaries.values())
        planned = sum(entry.planned for entry in self.summaries.values())
        what = "originals" if self.copied < self.to_copy else "images"
        self.progress(what, self.copied + made, self.to_copy + planned)
