"""Estimates of the time that a trial takes, for the networks of this package on one core.

Once a trial has trained learners itself, their measured time replaces the estimate.
"""

from synth.classifier.training import is_frozen
from synth.data.network_input import fitting_side
from synth.trials.context import TrialContext

SECONDS = {"small": 2.6e-4, "frozen": 1.5e-5, "classifier": 5e-4, "autoencoder": 3.2e-3, "gan": 6.5e-3}
"""Per image of 32 x 32 pixels that is shown: to a learner (small, frozen), or to a network of a split."""
SIDE = 32
GPU_SPEEDUP = 10.0
"""Speed of a graphics card relative to one core."""


def learner_seconds(context: TrialContext) -> float:
    """Return the seconds that one process takes for each image that it shows to a learner."""
    if context.inputs.features is not None:
        return SECONDS["frozen"]
    return _per_image("small", context.inputs.side, context.device)


def network_seconds(context: TrialContext, name: str) -> float:
    """Return the seconds that one process takes to train a network of one split."""
    recipe = context.recipe
    if name == "classifier":
        judge = recipe.classifier
        n_shown = judge.steps * judge.batch * (judge.folds + judge.seeds)
        return n_shown * (SECONDS["frozen"] if is_frozen(judge) else _per_image(name, context.inputs.side, "cpu"))
    settings = recipe.gan if name == "gan" else recipe.autoencoder
    side = recipe.autoencoder.size or fitting_side([(item.width, item.height) for item in context.items])
    return settings.steps * settings.batch * _per_image(name, side, context.device)


def _per_image(name: str, side: int, device: str) -> float:
    return SECONDS[name] * (side / SIDE) ** 2 / (1.0 if device == "cpu" else GPU_SPEEDUP)


def duration(seconds: float) -> str:
    """Return a time as text: `12 s` or `3 min`."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"
