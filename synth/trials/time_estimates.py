"""Estimates of the time that a trial takes, for the networks of this package on one core.

Once a trial has trained learners itself, their measured time replaces the estimate.
"""

from __future__ import annotations

from synth.classifier.training import is_frozen
from synth.data.network_input import fitting_side
from synth.trials.context import TrialContext

SECONDS = {"small": 2.6e-4, "frozen": 1.5e-5, "classifier": 5e-4, "autoencoder": 3.2e-3, "gan": 6.5e-3}
"""Per image of 32 x 32 pixels that is shown: to a learner (small, frozen), or to a network of a split."""
SIDE = 32
GPU_SPEEDUP = 10.0
"""Of a graphics card over one core."""


def learner_seconds(context: TrialContext) -> float:
    """Return the seconds that one process takes for each image that it shows to a learner."""
    if context.inputs.features is not None:
        return SECONDS["frozen"]
    return SECONDS["small"] * _area(context.inputs.side) / _speed(context)


def network_seconds(context: TrialContext, name: str) -> float:
    """Return the seconds that one process takes to train a network of one split."""
    recipe = context.recipe
    if name == "classifier":
        judge = recipe.classifier
        n_shown = judge.steps * judge.batch * (judge.folds + judge.seeds)
        return n_shown * (SECONDS["frozen"] if is_frozen(judge) else SECONDS[name] * _area(context.inputs.side))
    settings = recipe.gan if name == "gan" else recipe.autoencoder
    side = recipe.autoencoder.size or fitting_side([(item.width, item.height) for item in context.items])
    return settings.steps * settings.batch * SECONDS[name] * _area(side) / _speed(context)


def duration(seconds: float) -> str:
    """Return a time as text: `12 s` or `3 min`."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


def _area(side: int) -> float:
    return (side / SIDE) ** 2


def _speed(context: TrialContext) -> float:
    return 1.0 if context.device == "cpu" else GPU_SPEEDUP
