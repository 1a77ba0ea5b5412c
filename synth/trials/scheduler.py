"""The work of a trial: networks and new images of each split, then the runs, in several processes at once."""

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synth import workers
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.networks import is_trained, networks_of, progress_path, train_in_split
from synth.trials.progress_files import read_progress
from synth.trials.results import Outcome
from synth.trials.runs import Run, do_run, is_done, outcome_of
from synth.trials.synthetic_images import fill_split, images_path
from synth.trials.time_estimates import TimeEstimates
from synth.trials.undersampled import undersample_split, undersampled_path
from synth.workers import PERCENT, Progress, duration

Say = Callable[[str], None]
"""Receives messages about the next step and the time that it takes."""


@dataclass(frozen=True)
class Rung:
    """One round of a trial: the number of splits, and the lengths of training as multiples of `classifier.steps`."""

    n_splits: int
    budgets: tuple[float, ...]


@dataclass
class Scheduler:
    """A trial at work."""

    context: TrialContext
    n_workers: int
    progress: Progress | None
    say: Say
    pace: float | None = None
    """Measured seconds per image shown to a learner, of all workers together; None before the first run."""

    @functools.cached_property
    def _times(self) -> TimeEstimates:
        return TimeEstimates(self.context)

    def run_rung(self, arms: Sequence[Arm], rung: Rung) -> list[Outcome]:
        """Do all runs of a round, and everything that they need."""
        runs = self.runs(arms, range(rung.n_splits), rung.budgets)
        steps = " and ".join(str(n) for n in dict.fromkeys(run.steps for run in runs))
        about = f"about {duration(self.cost(arms, rung))}, longer on a busy machine"
        self.say(f"{len(arms)} arms, {rung.n_splits} splits, {steps} steps: {len(runs)} trainings, {about}")
        return self.do(arms, runs)

    def do(self, arms: Sequence[Arm], runs: Sequence[Run]) -> list[Outcome]:
        """Do these runs of the arms, except those that are done already."""
        self._prepare(arms, tuple(dict.fromkeys(run.split for run in runs)))
        self._do_runs([run for run in runs if not is_done(self.context, run)])
        return [outcome_of(self.context, run) for run in runs]

    def runs(self, arms: Sequence[Arm], splits: Iterable[int], budgets: Iterable[float]) -> list[Run]:
        """Return a run for each arm, split, seed and length; on frozen features, seed and length change nothing."""
        recipe, frozen = self.context.recipe, self.context.inputs.features is not None
        lengths = [max(round(recipe.classifier.steps * budget), 1) for budget in sorted(budgets)]
        return [
            Run(arm, split, seed, steps)
            for split in splits
            for arm in arms
            for seed in range(1 if frozen else recipe.trial.seeds)
            for steps in (lengths[-1:] if frozen else lengths)
        ]

    def cost(self, arms: Sequence[Arm], rung: Rung) -> float:
        """Return the seconds that the rest of a round takes: the networks of its splits, and its runs."""
        splits = range(rung.n_splits)
        networks = sum(self._network_cost(name, splits) for name in networks_of(arms, self.context.recipe))
        todo = [run for run in self.runs(arms, splits, rung.budgets) if not is_done(self.context, run)]
        pace = self._times.learner_seconds / self.n_workers if self.pace is None else self.pace
        return networks + self._n_shown(todo) * pace

    def _network_cost(self, name: str, splits: Sequence[int]) -> float:
        n_todo = sum(not is_trained(self.context.data[split], name) for split in splits)
        return math.ceil(n_todo / self.n_workers) * self._times.network_seconds(name)

    def _n_shown(self, runs: Sequence[Run]) -> int:
        return sum(run.steps for run in runs) * self.context.recipe.classifier.batch

    def _prepare(self, arms: Sequence[Arm], splits: Sequence[int]) -> None:
        for name in networks_of(arms, self.context.recipe):
            about = duration(self._network_cost(name, splits))
            self.say(f"{name}: one for each of {len(splits)} splits, about {about}, longer on a busy machine")
            self._train_networks(name, splits)
        data = self.context.data
        fills = {images_path(data[split], arm): (split, arm) for split in splits for arm in arms if arm.fill}
        self._side_by_side(fill_split, list(fills.values()), "new images of each split")
        thins = {undersampled_path(data[split], arm): (split, arm) for split in splits for arm in arms if arm.thin}
        self._side_by_side(undersample_split, list(thins.values()), "undersampling of each split")

    def _train_networks(self, name: str, splits: Sequence[int]) -> None:
        paths = [progress_path(self.context.data[split], name) for split in splits]

        def look() -> None:
            done, total = read_progress(paths)
            if self.progress and total:
                self.progress(f"{name} of each split{PERCENT}", done, total)

        n_workers = min(self.n_workers, len(splits))
        # Other processes are looked at from here; a training in this one calls `look` itself.
        train = functools.partial(train_in_split, then=look if n_workers == 1 else None)
        tasks = [(split, name) for split in splits]
        for _ in workers.run(train, self.context, tasks, n_workers=n_workers, on_wait=look):
            look()

    def _side_by_side(self, function: Callable[[TrialContext, Any], None], tasks: Sequence[Any], what: str) -> None:
        results = workers.run(function, self.context, tasks, n_workers=min(self.n_workers, len(tasks)))
        for number, _ in enumerate(results, start=1):
            if self.progress:
                self.progress(what, number, len(tasks))

    def _do_runs(self, todo: Sequence[Run]) -> None:
        began, n_shown, total = time.monotonic(), 0, self._n_shown(todo)
        for run, _ in workers.run(do_run, self.context, todo, n_workers=min(self.n_workers, len(todo))):
            n_shown += self._n_shown([run])
            self.pace = (time.monotonic() - began) / n_shown
            if self.progress:
                self.progress(f"classifiers{PERCENT}", n_shown, total)
