"""What the work of a trial takes, before any of it is done: roughly, by the networks of this package on one core.

Times of the classifiers that a trial has trained itself take the place of these.
"""

from __future__ import annotations

from synth.classifier.training import is_frozen
from synth.data.network_input import fitting_side
from synth.trials.context import TrialContext

SECONDS = {"small": 2.6e-4, "frozen": 1.5e-5, "classifier": 5e-4, "autoencoder": 3.2e-3, "gan": 6.5e-3}
"""For each image that is shown, of 32 x 32 pixels: contestants, then networks of a split."""
SIDE = 32
FASTER = 10.0
"""A graphics card than one core."""


def learner_seconds(context: TrialContext) -> float:
    """Of one image that a contestant is shown, by one process."""
    if context.material.features is not None:
        return SECONDS["frozen"]
    return SECONDS["small"] * _area(context.material.side) / _speed(context)


def network_seconds(context: TrialContext, name: str) -> float:
    """Of training a network for one split, by one process."""
    recipe = context.recipe
    if name == "classifier":
        judge = recipe.classifier
        n_shown = judge.steps * judge.batch * (judge.folds + judge.seeds)
        return n_shown * (SECONDS["frozen"] if is_frozen(judge) else SECONDS[name] * _area(context.material.side))
    settings = recipe.gan if name == "gan" else recipe.autoencoder
    side = recipe.autoencoder.size or fitting_side([(item.width, item.height) for item in context.items])
    return settings.steps * settings.batch * SECONDS[name] * _area(side) / _speed(context)


def duration(seconds: float) -> str:
    """In words."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


def _area(side: int) -> float:
    return (side / SIDE) ** 2


def _speed(context: TrialContext) -> float:
    return 1.0 if context.device == "cpu" else FASTER
