"""Held-out images on which the advised arm and the control disagree, as small pictures for the page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.data.originals import Originals
from synth.pages.thumbnails import picture_base64
from synth.trials.context import TrialContext
from synth.trials.results import Outcome, Verdict

SHOWN = 6
"""Pictures of each class and kind."""
PLAIN = "none"


def examples_of(outcomes: Sequence[Outcome], verdict: Verdict, context: TrialContext) -> dict[str, Any]:
    """Return `examples.json`: images that only the advised arm gets right, and images that only the control does.

    If the control is advised, it is compared with `none`, or else with the best of the other arms.
    """
    arm, control = verdict.advised, verdict.control
    if arm == control:
        others = {name: scores.macro_f1 or 0.0 for name, scores in verdict.arms.items() if name != control}
        control = PLAIN if PLAIN in others else max(others, key=lambda name: others[name], default=control)
    predicted = {name: _predicted(outcomes, name, verdict.steps) for name in (arm, control)}
    classes: dict[str, dict[str, list[dict[str, Any]]]] = {}
    sources = Originals(context.recipe.data)
    for split in context.splits:
        if split.number not in predicted[arm]:
            continue
        pairs = zip(*(predicted[name][split.number] for name in (arm, control)), strict=True)
        for place, (by_arm, by_control) in zip(split.held_out.tolist(), pairs, strict=True):
            item, truth = context.items[place], context.inputs.labels[place]
            if (by_arm == truth) == (by_control == truth):
                continue
            kinds = classes.setdefault(item.label, {"gained": [], "lost": []})
            found = kinds["gained" if by_arm == truth else "lost"]
            if len(found) < SHOWN:
                example = {"path": item.id, "thumbnail": picture_base64(sources.pixels(item)), "truth": item.label}
                names = {"control": context.classes[by_control], "arm": context.classes[by_arm]}
                found.append({**example, **names, "split": split.number})
    return {"arm": arm, "control": control, "classes": classes}


def _predicted(outcomes: Sequence[Outcome], arm: str, steps: int) -> dict[int, npt.NDArray[np.intp]]:
    """Return {split: (n,) the most probable class of each held-out image, by the mean of all seeds}."""
    chosen = [outcome for outcome in outcomes if outcome.arm == arm and outcome.steps == steps]
    return {
        number: np.mean([outcome.predictions for outcome in chosen if outcome.split == number], axis=0).argmax(axis=1)
        for number in dict.fromkeys(outcome.split for outcome in chosen)
    }
