"""trial: arms x splits x seeds -> which strategy helps, by how much, and which images should not be used.

1. The training images are split again and again; images of a group stay together.
2. Each split makes its judge, autoencoder, GAN and new images from its own training part alone.
3. For every arm, the same network is trained with the same seeds for the same number of steps; it predicts the real
   images held out.
4. The differences to the control, paired by split, become the verdict.
5. At the end, the control and the advised arm predict the dataset's own test images, once.
"""

import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synth.data.balance import check_classes
from synth.data.dataset import Dataset
from synth.errors import TrainingError, UsageError
from synth.files import path_from
from synth.gates.choices import with_choices
from synth.measures.scores import score
from synth.pages.page import VERDICT
from synth.runs.preflight import check_recipe
from synth.settings.recipe import Recipe
from synth.training.bundle import run_id, training_folder
from synth.training.device import choose_device
from synth.trials.arms import DEFAULT, Arm, parse_arms, with_doses
from synth.trials.context import design_of, open_context
from synth.trials.examples import examples_of
from synth.trials.finished import read_verdict
from synth.trials.publish import publish
from synth.trials.results import Verdict
from synth.trials.scheduler import Say, Scheduler
from synth.trials.search import rungs_of, search
from synth.trials.synthetic_images import check_dose
from synth.trials.verdict import conclude
from synth.versions import NETWORKS, versions
from synth.workers import Progress


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
    """Find out which strategy helps on this dataset; the same call again resumes, or returns the verdict.

    Mirrors, movements and `fill` that are "auto" are chosen once, from all training images, and so are part of the
    settings. The images that a split holds out take part in this choice, without their scores.

    Args:
        arms: strategies as in `synth.trials.arms`; empty: those of the recipe, or common ones.
        out: folder for the verdict.
        seconds: search within this time: many arms in few runs first, the best in full.
        say: receives messages about the next step.

    Raises:
        UsageError: an unknown arm or class, or contradictory settings. TrainingError: too few images to split.
        OutputError: `out` holds something else. LockedError: another trial holds the folder.
    """
    started, out = time.monotonic(), Path(os.path.realpath(out))
    settings = recipe.trial
    every, ladders = arms_of(arms, recipe)
    _check(dataset, recipe, every)
    recipe, line = with_choices(recipe, dataset.train)
    if line and say:
        say(line)
    settled = [recipe.model_dump(mode="json"), {"arms": [arm.name for arm in every], "search": seconds is not None}]
    where = str(choose_device(device))
    run = run_id(dataset.real, dataset.classes, settled, seed=recipe.seed)
    with training_folder(out, run, record=VERDICT) as work:
        if work is None:
            return read_verdict(out)
        context = open_context(dataset, recipe, work, device=where, n_workers=n_workers, progress=progress)
        scheduler = Scheduler(context, n_workers, progress, say or (lambda _: None))
        for warning in context.warnings:
            scheduler.say(f"note: {warning}")
        for arm in every:
            if arm.corrects_twice:
                scheduler.say(f"{arm.name}: {arm.objective} uses the class counts after new and dropped images")
        if seconds is None:
            outcomes = scheduler.run_rung(every, rungs_of(settings)[-1])
        else:
            outcomes = search(scheduler, every, until=started + seconds)
        verdict = conclude(outcomes, design_of(context, every, outcomes), doses=ladders)
        verdict = dataclasses.replace(
            verdict,
            test=_test(scheduler, every, verdict) if context.has_own_test else None,
            data=path_from(out, dataset.root),
            run=run,
            versions=versions(NETWORKS),
        )
        publish(context, verdict, examples_of(outcomes, verdict, context), out)
    return dataclasses.replace(verdict, seconds=round(time.monotonic() - started, 1))


def arms_of(names: Sequence[str], recipe: Recipe) -> tuple[tuple[Arm, ...], dict[str, list[tuple[str, str]]]]:
    """Return the arms of a trial, with their doses; arguments as `trial`. It needs no dataset.

    Raises:
        UsageError: an unknown arm, or a trained network in the recipe.
    """
    if recipe.bundle or recipe.judge:
        raise UsageError("a trial trains networks of its own in each split: leave out --bundle and --judge")
    settings = recipe.trial
    return with_doses(parse_arms(names or settings.arms or DEFAULT, control=settings.control), settings.doses)


def _check(dataset: Dataset, recipe: Recipe, arms: Sequence[Arm]) -> None:
    n_known = sum(n > 0 for n in dataset.train_counts.values())
    if n_known < 2:
        raise TrainingError(f"a trial needs training images of at least two classes, got {n_known}")
    check_recipe(recipe, dataset.classes)
    check_classes(recipe.trial.keep, dataset.classes)
    for arm in arms:
        check_dose(dataset, recipe, arm)


def _test(scheduler: Scheduler, arms: Sequence[Arm], verdict: Verdict) -> dict[str, Any]:
    """Score the control, the advised arm, and `none` if it is among the arms, on the dataset's own test images."""
    context = scheduler.context
    chosen = [arm for arm in arms if arm.name in (verdict.control, verdict.advised, "none")]
    names = [arm.name for arm in chosen]
    scheduler.say(f"last step: {', '.join(names)} on the dataset's own test images")
    runs = scheduler.runs(chosen, [len(context.splits) - 1], [max(context.recipe.trial.budgets)])
    outcomes = scheduler.do(chosen, runs)
    truth = outcomes[0].truth
    means = {name: np.mean([each.predictions for each in outcomes if each.arm == name], axis=0) for name in names}
    return {
        "arms": {name: score(truth, mean, context.classes).to_json() for name, mean in means.items()},
        "n": {label: int((truth == number).sum()) for number, label in enumerate(context.classes)},
    }
