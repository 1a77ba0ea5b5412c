"""trial: arms x splits x seeds -> which strategy helps, by how much, and what should not be used.

1. The training images are split again and again; groups stay together.
2. For each split, from its own training part alone: judge, autoencoder, GAN, new images.
3. Every arm trains the same network with the same seeds for the same number of steps, and is asked about the real
   images held out.
4. Differences to the control, paired by split, become words.
5. The dataset's own test images are looked at once, at the end, for the control and the arm that the splits chose.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synth import seeds
from synth.data.balance import check_classes
from synth.data.dataset import Dataset
from synth.errors import TrainingError, UsageError
from synth.files import replace_file
from synth.measures.scores import score
from synth.runs.preflight import check_recipe
from synth.settings.recipe import Recipe
from synth.training.bundle import run_id, training_folder
from synth.training.device import choose_device
from synth.trials.arms import DEFAULT, Arm, parse_arms, with_doses
from synth.trials.context import TrialContext
from synth.trials.design import design_of
from synth.trials.examples import examples_of
from synth.trials.images import read_inputs_once
from synth.trials.publish import publish
from synth.trials.results import Outcome
from synth.trials.scheduler import Say, Scheduler
from synth.trials.search import Rung, fitting, promoted, rungs_of
from synth.trials.split_data import check_dose, part_of
from synth.trials.splits import OWN_TEST, Split, splits_of
from synth.trials.time_estimates import duration
from synth.trials.verdict import Verdict, conclude
from synth.versions import NETWORKS, versions
from synth.workers import Progress

SEARCH = "search.json"


def trial(
    dataset: Dataset,
    arms: Sequence[str],
    recipe: Recipe,
    out: str | Path,
    *,
    seconds: float | None = None,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    say: Say | None = None,
) -> Verdict:
    """Find out which strategy helps on this dataset; the same call again resumes.

    Args:
        arms: strategies as in `synth.trials.arms`; empty: those of the recipe, or common ones.
        out: folder for the verdict; it must not exist yet.
        seconds: search within this time: many arms in few runs first, the best in full.
        say: told what comes next.

    Raises:
        UsageError: an arm, class or setting that makes no sense. TrainingError: too few images to split.
        OutputError: something else stands at `out`. LockedError: another trial is at work there.
    """
    started, out = time.monotonic(), Path(os.path.realpath(out))
    settings = recipe.trial
    asked = parse_arms(arms or settings.arms or DEFAULT, control=settings.control)
    every, ladders = with_doses(asked, settings.doses)
    _check(dataset, recipe, every)
    settled = [recipe.model_dump(mode="json"), {"arms": [arm.name for arm in every], "search": seconds is not None}]
    where = str(choose_device(device))
    with training_folder(out, run_id(dataset.items, dataset.classes, settled, seed=recipe.seed)) as work:
        context = _stage(dataset, recipe, work, device=where, n_workers=n_workers, progress=progress)
        scheduler = Scheduler(context, n_workers, progress, say or (lambda _: None))
        for arm in every:
            if arm.corrects_twice:
                scheduler.say(f"{arm.name}: its {arm.objective} goes by the counts after filling and thinning")
        outcomes = (
            _in_full(scheduler, every) if seconds is None else _searched(scheduler, every, until=started + seconds)
        )
        verdict = conclude(outcomes, design_of(context, every, outcomes), doses=ladders)
        verdict = dataclasses.replace(
            verdict,
            test=_tested(scheduler, every, verdict),
            seconds=round(time.monotonic() - started, 1),
            versions=versions(NETWORKS),
        )
        publish(context, verdict, examples_of(outcomes, verdict, context), out)
    return verdict


def _check(dataset: Dataset, recipe: Recipe, arms: Sequence[Arm]) -> None:
    known = [label for label, found in dataset.train.items() if found]
    if len(known) < 2:
        raise TrainingError(f"a trial needs training images of two classes at least, got {len(known)}")
    check_recipe(recipe, dataset.classes)
    check_classes(recipe.trial.keep, dataset.classes)
    for arm in arms:
        check_dose(dataset, recipe, arm)
    if recipe.bundle or recipe.judge:
        raise UsageError("a trial trains networks of its own in each split: leave out --bundle and --judge")


def _stage(
    dataset: Dataset, recipe: Recipe, work: Path, *, device: str, n_workers: int, progress: Progress | None
) -> TrialContext:
    """Images, splits, and a place for what each split makes; the dataset's own test images are the last split."""
    items = [item for found in dataset.train.values() for item in found]
    tests = [item for item in dataset.items if item.split == "test"]
    splits = list(splits_of(items, recipe.trial, seed=recipe.seed))
    if tests:
        splits.append(Split(OWN_TEST, np.arange(len(items)), len(items) + np.arange(len(tests))))
    items += tests
    parts = [
        part_of(
            dataset,
            [items[index] for index in split.train.tolist()],
            work / ("all" if split.number == OWN_TEST else f"split-{split.number}"),
            seed=seeds.derived(recipe.seed, f"split {split.number}"),
        )
        for split in splits
    ]
    material = read_inputs_once(
        items, dataset.classes, recipe, work=work, device=device, n_workers=n_workers, progress=progress
    )
    return TrialContext(recipe, dataset.classes, tuple(items), material, tuple(splits), tuple(parts), work, device)


def _in_full(scheduler: Scheduler, arms: Sequence[Arm]) -> list[Outcome]:
    settings = scheduler.context.recipe.trial
    return scheduler.run_rung(arms, Rung(settings.splits, tuple(sorted(settings.budgets))))


def _searched(scheduler: Scheduler, arms: Sequence[Arm], *, until: float) -> list[Outcome]:
    """Rung by rung; what was decided is kept, so that a resumed search goes the same way."""
    settings, path = scheduler.context.recipe.trial, scheduler.context.work / SEARCH
    decided: list[list[str]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    by_name = {arm.name: arm for arm in arms}
    names = tuple(dict.fromkeys([settings.control, *by_name]))
    outcomes: list[Outcome] = []
    rungs = rungs_of(settings)
    for number, rung in enumerate(rungs):
        if number == len(decided):
            left = until - time.monotonic()
            fit = _within(scheduler, [by_name[name] for name in names], rung, left / (len(rungs) - number), left)
            if not fit and not decided:
                needed = duration(scheduler.cost([by_name[name] for name in names[:2]], rung))
                raise UsageError(f"budget: {names[0]} and {names[1]} alone take about {needed} in the first round")
            decided.append(fit)
            replace_file(path, json.dumps(decided).encode())
        if not decided[number]:
            scheduler.say("no time is left for the next round: the verdict is that of this one")
            break
        outcomes = scheduler.run_rung([by_name[name] for name in decided[number]], rung)
        ranking = _ranking(scheduler.context, arms, outcomes)
        scheduler.say(f"best so far: {', '.join(ranking[:3])}")
        names = promoted(ranking, control=settings.control)
    return outcomes


def _within(scheduler: Scheduler, arms: Sequence[Arm], rung: Rung, share: float, left: float) -> list[str]:
    """The arms that fit into a share of the time, or if none does into all that is left."""
    by_name = {arm.name: arm for arm in arms}

    def cost(names: Sequence[str]) -> float:
        return scheduler.cost([by_name[name] for name in names], rung)

    chosen = fitting(list(by_name), cost, seconds=share) or fitting(list(by_name), cost, seconds=left)
    behind = [name for name in by_name if name not in chosen]
    if chosen and behind:
        scheduler.say(f"left behind for want of time: {', '.join(behind)}")
    return list(chosen)


def _ranking(context: TrialContext, arms: Sequence[Arm], outcomes: Sequence[Outcome]) -> list[str]:
    """Arms from the best mean macro-F1 down, by the longest training."""
    scores = conclude(outcomes, design_of(context, arms, outcomes)).arms
    return sorted(scores, key=lambda name: -(scores[name].macro_f1 or 0.0))


def _tested(scheduler: Scheduler, arms: Sequence[Arm], verdict: Verdict) -> dict[str, Any] | None:
    """The dataset's own test images, for the control, the advised arm, and `none` where it was asked for."""
    context = scheduler.context
    last = len(context.splits) - 1
    if context.splits[last].number != OWN_TEST:
        return None
    chosen = [arm for arm in arms if arm.name in (verdict.control, verdict.advised, "none")]
    scheduler.say(f"at last the dataset's own test images, once, for {', '.join(arm.name for arm in chosen)}")
    outcomes = scheduler.do(chosen, scheduler.runs(chosen, [last], [max(context.recipe.trial.budgets)]))
    truth = outcomes[0].truth
    means = {
        arm.name: np.mean([outcome.predictions for outcome in outcomes if outcome.arm == arm.name], axis=0)
        for arm in chosen
    }
    return {
        "arms": {name: score(truth, mean, context.classes).to_json() for name, mean in means.items()},
        "n": {label: int((truth == number).sum()) for number, label in enumerate(context.classes)},
    }
