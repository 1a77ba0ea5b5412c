"""Held-out images on which the advised arm and the control disagree, as small pictures for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from synth.data.images import to_uint8
from synth.data.originals import Originals
from synth.records import Pixels
from synth.trials.context import TrialContext
from synth.trials.results import Outcome
from synth.trials.verdict import Verdict

SHOWN = 6
"""Of each class and kind."""
SIDE = 96
PLAIN = "none"


def examples_of(outcomes: Sequence[Outcome], verdict: Verdict, context: TrialContext) -> dict[str, Any]:
    """The document of `examples.json`: images that the arm alone gets right, and such that the control alone does.

    Where the control itself is advised it stands as the arm, against `none` if that was asked for, else against the
    best of the others.
    """
    arm, control = verdict.advised, verdict.control
    if arm == control:
        others = {name: scores.macro_f1 or 0.0 for name, scores in verdict.arms.items() if name != control}
        if not others:
            return {"arm": arm, "control": control, "classes": {}}
        control = PLAIN if PLAIN in others else max(others, key=lambda name: others[name])
    said = {name: _predicted(outcomes, name, verdict.steps) for name in (arm, control)}
    classes: dict[str, dict[str, list[dict[str, Any]]]] = {}
    sources = Originals(context.recipe.data)
    for split in context.splits:
        if split.number not in said[arm]:
            continue
        pairs = zip(split.held_out.tolist(), said[arm][split.number], said[control][split.number], strict=True)
        for place, by_arm, by_control in pairs:
            truth = context.material.labels[place]
            if (by_arm == truth) == (by_control == truth):
                continue
            entry = classes.setdefault(context.classes[truth], {"gained": [], "lost": []})
            found = entry["gained" if by_arm == truth else "lost"]
            if len(found) < SHOWN:
                item = context.items[place]
                said_of = {"control": context.classes[by_control], "arm": context.classes[by_arm]}
                seen = {"path": item.id, "png": _png(sources.pixels(item)), "truth": item.label}
                found.append({**seen, **said_of, "split": split.number})
    return {"arm": arm, "control": control, "classes": classes}


def _png(pixels: Pixels) -> str:
    """A small picture as PNG in base64."""
    picture = Image.fromarray(np.ascontiguousarray(to_uint8(pixels))).convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _predicted(outcomes: Sequence[Outcome], arm: str, steps: int) -> dict[int, npt.NDArray[np.intp]]:
    """{split: the class that the seeds together find most probable, of each image held out}."""
    chosen = [outcome for outcome in outcomes if outcome.arm == arm and outcome.steps == steps]
    numbers = dict.fromkeys(outcome.split for outcome in chosen)
    return {
        number: np.mean([outcome.predictions for outcome in chosen if outcome.split == number], axis=0).argmax(axis=1)
        for number in numbers
    }
