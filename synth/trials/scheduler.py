"""The work of a trial: networks and new images of each split, then the runs, side by side in several processes."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synth import workers
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.progress_files import read_progress
from synth.trials.results import Outcome
from synth.trials.runs import Run, do_run, fill_split, is_done, outcome_of, train_networks
from synth.trials.search import Rung
from synth.trials.split_data import filling_path, is_trained, networks_of, tick_path
from synth.trials.time_estimates import duration, learner_seconds, network_seconds
from synth.trials.undersampled import undersample_split, undersampled_path
from synth.workers import Progress

Say = Callable[[str], None]
"""Told what comes next, and how long it will take."""


@dataclass
class Scheduler:
    """A trial at work."""

    context: TrialContext
    n_workers: int
    progress: Progress | None
    say: Say
    pace: float | None = None
    """Seconds per image that a classifier is shown, of all workers together, once it has been measured."""

    def run_rung(self, arms: Sequence[Arm], rung: Rung) -> list[Outcome]:
        """Everything that these arms need in these splits, and their runs."""
        runs = self.rung_runs(arms, rung)
        lengths = " and ".join(str(n) for n in dict.fromkeys(run.steps for run in runs))
        about = f"about {duration(self.cost(arms, rung))}"
        self.say(f"{len(arms)} arms, {rung.n_splits} splits, {lengths} steps: {len(runs)} trainings, {about}")
        return self.do(arms, runs)

    def do(self, arms: Sequence[Arm], runs: Sequence[Run]) -> list[Outcome]:
        """What stands in their files is not done again."""
        self._prepare(arms, tuple(dict.fromkeys(run.split for run in runs)))
        todo = [run for run in runs if not is_done(self.context, run)]
        self._train(todo)
        return [outcome_of(self.context, run) for run in runs]

    def runs(self, arms: Sequence[Arm], splits: Iterable[int], budgets: Iterable[float]) -> list[Run]:
        """One for each arm, split, seed and length; of frozen features seeds and lengths change nothing."""
        recipe, frozen = self.context.recipe, self.context.material.features is not None
        lengths = [max(round(recipe.classifier.steps * budget), 1) for budget in sorted(budgets)]
        return [
            Run(arm, split, seed, steps)
            for split in splits
            for arm in arms
            for seed in range(1 if frozen else recipe.trial.seeds)
            for steps in (lengths[-1:] if frozen else lengths)
        ]

    def rung_runs(self, arms: Sequence[Arm], rung: Rung) -> list[Run]:
        """Those of one round."""
        return self.runs(arms, range(rung.n_splits), rung.budgets)

    def cost(self, arms: Sequence[Arm], rung: Rung) -> float:
        """Seconds that a round will take: the networks of its splits, and its runs, as far as they are not done."""
        networks = networks_of(arms, self.context.recipe)
        shown = self._n_shown([run for run in self.rung_runs(arms, rung) if not is_done(self.context, run)])
        pace = self.pace if self.pace is not None else learner_seconds(self.context) / self.n_workers
        return sum(self._network_cost(name, range(rung.n_splits)) for name in networks) + shown * pace

    def _network_cost(self, name: str, splits: Sequence[int]) -> float:
        n_todo = sum(not is_trained(self.context.parts[split], name) for split in splits)
        return math.ceil(n_todo / self.n_workers) * network_seconds(self.context, name)

    def _n_shown(self, runs: Sequence[Run]) -> int:
        return sum(run.steps for run in runs) * self.context.recipe.classifier.batch

    def _prepare(self, arms: Sequence[Arm], splits: Sequence[int]) -> None:
        for name in networks_of(arms, self.context.recipe):
            about = duration(self._network_cost(name, splits))
            self.say(f"{name}: one for each of {len(splits)} splits, about {about}")
            self._train_networks(name, splits)
        parts = self.context.parts
        fills = {filling_path(parts[split], arm): (split, arm) for split in splits for arm in arms if arm.fill}
        self._side_by_side(fill_split, list(fills.values()), "new images of each split")
        thins = {undersampled_path(parts[split], arm): (split, arm) for split in splits for arm in arms if arm.thin}
        self._side_by_side(undersample_split, list(thins.values()), "undersampling of each split")

    def _train_networks(self, name: str, splits: Sequence[int]) -> None:
        ticks = [tick_path(self.context.parts[split], name) for split in splits]

        def look() -> None:
            done, total = read_progress(ticks)
            if self.progress and total:
                self.progress(f"{name} of each split, images seen", done, total)

        n_workers = min(self.n_workers, len(splits))
        # In other processes they are looked at from here; in this one they say themselves that it is time to.
        train = functools.partial(train_networks, then=look if n_workers == 1 else None)
        tasks = [(split, name) for split in splits]
        for _ in workers.run(train, self.context, tasks, n_workers=n_workers, on_wait=look):
            look()

    def _side_by_side(self, function: Callable[[TrialContext, Any], None], tasks: Sequence[Any], what: str) -> None:
        results = workers.run(function, self.context, tasks, n_workers=min(self.n_workers, len(tasks)))
        for number, _ in enumerate(results, start=1):
            if self.progress:
                self.progress(what, number, len(tasks))

    def _train(self, todo: Sequence[Run]) -> None:
        began, read_progress, total = time.monotonic(), 0, self._n_shown(todo)
        for run, _ in workers.run(do_run, self.context, todo, n_workers=min(self.n_workers, len(todo))):
            read_progress += self._n_shown([run])
            self.pace = (time.monotonic() - began) / read_progress
            if self.progress:
                self.progress("classifiers", read_progress, total)
