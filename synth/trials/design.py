"""What the verdict has to know of a trial: what was asked, what ran, and where the classifier will be used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.results import Outcome, TrialDesign
from synth.trials.splits import OWN_TEST


def design_of(context: TrialContext, arms: Sequence[Arm], outcomes: Sequence[Outcome]) -> TrialDesign:
    """What the verdict has to know of the trial."""
    settings, classes, shares = context.recipe.trial, context.classes, _shares(context)
    ran = {outcome.arm for outcome in outcomes}
    splits = [split for split in context.splits if split.number in {outcome.split for outcome in outcomes}]
    ratio = float(np.mean([len(split.held_out) / len(split.train) for split in splits]))
    design = {
        "held_out": settings.held_out,
        "alpha": settings.alpha,
        "keep": dict(settings.keep),
        "backbone": context.recipe.classifier.backbone,
        "side": context.material.side,
        "asked": [arm.name for arm in arms],
        "shares": shares,
        "corrected_after_filling": [arm.name for arm in arms if arm.corrects_twice] or None,
    }
    return TrialDesign(
        classes,
        settings.control,
        tuple(arm.name for arm in arms if arm.name in ran),
        frozenset(arm.name for arm in arms if arm.fill and arm.name in ran),
        ratio,
        settings.alpha,
        len(splits),
        len({outcome.seed for outcome in outcomes}),
        max(outcome.steps for outcome in outcomes),
        design,
        shares=shares,
        n_asked=len(arms),
    )


def _shares(context: TrialContext) -> dict[str, float] | None:
    """How often classes are where the classifier will be used; of the own test images nothing but that is looked at."""
    asked, own = context.recipe.trial.shares, context.splits[-1]
    if asked == "even":
        return dict.fromkeys(context.classes, 1 / len(context.classes))
    if asked == "held out" or own.number != OWN_TEST:
        return None
    counts = np.bincount(context.material.labels[own.held_out], minlength=len(context.classes))
    if asked == "auto" and not counts.all():
        return None
    return dict(zip(context.classes, (counts / counts.sum()).tolist(), strict=True))
