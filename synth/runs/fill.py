"""The work of a run: round after round of chunks, in any number of processes, each recorded when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from synth import workers
from synth.output.staging import Staging
from synth.output.summary import ClassSummary
from synth.records import SWITCHED_OFF
from synth.runs.rounds import UNIT, ClassProgress, attempts_left, cut_into_tasks, progress_of, task_size
from synth.runs.settle import SettledRun
from synth.runs.tasks import Copy, Job, do_task
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
    job, tally = Job(run, staging.tree), _Tally(run, summaries, progress)
    for row in staging.resume():
        if row.synthetic:
            tally.count(row.label, row.reasons)
        else:
            tally.n_copied += 1
    tally.report()
    while True:
        standings = tally.standings()
        attempts = attempts_left(standings, tally.passed, first=run.existing.first_attempt)
        copies = run.copies[tally.n_copied :]
        n_missing = len(copies) + sum(map(len, attempts.values()))
        if not n_missing:
            break
        n = n_workers if n_missing > 2 * UNIT else 1  # starting workers costs more than a few units
        tasks = cut_into_tasks(copies, attempts, size=task_size(n_missing, n))
        for task, (lines, verdicts) in workers.run(do_task, job, tasks, n_workers=n):
            staging.append(lines)
            tally.n_copied += len(task.items) if isinstance(task, Copy) else 0
            for reasons in verdicts:
                tally.count(task.label, reasons)  # type: ignore[union-attr]
            tally.report()
    off = [label for label, entry in standings.items() if entry.switched_off]
    staging.withdraw(off)
    for label in off:
        summaries[label].switch_off()


@dataclass
class _Tally:
    """Counts what is done of a run."""

    run: SettledRun
    summaries: Mapping[str, ClassSummary]
    progress: Progress | None
    n_copied: int = 0
    passed: dict[str, list[bool]] = field(init=False)
    """{class: whether each attempt passed}."""

    def __post_init__(self) -> None:
        self.passed = {label: [] for label in sorted(self.summaries)}

    def count(self, label: str, reasons: tuple[str, ...]) -> None:
        """Add one attempt."""
        # Images that were withdrawn before a kill had passed the gates: the rounds must count them as passed.
        passed = not reasons or reasons == (SWITCHED_OFF,)
        self.summaries[label].count(accepted=passed, reasons=() if passed else reasons)
        self.passed[label].append(passed)

    def standings(self) -> dict[str, ClassProgress]:
        """Return where each class is in its rounds."""
        recipe, planned = self.run.recipe, self.run.plan.new
        return {
            label: progress_of(
                planned.get(label, 0), passed, tries=recipe.tries, acceptance_min=recipe.gate.acceptance_min
            )
            for label, passed in self.passed.items()
        }

    def report(self) -> None:
        """Tell the progress display how far the run is."""
        if self.progress is not None:
            n_copies, made = len(self.run.copies), sum(entry.accepted for entry in self.summaries.values())
            what = "originals" if self.n_copied < n_copies else "images"
            self.progress(what, self.n_copied + made, n_copies + sum(self.run.plan.new.values()))
