"""Estimates of the time that a trial takes. Steps of its networks are timed once; then the measured runs count."""

import functools
from collections.abc import Callable

from synth.classifier.training import is_frozen
from synth.runs.speed import image_seconds, stages_of
from synth.training.bundle import CLASSIFIER, GAN
from synth.trials.context import TrialContext

FROZEN = 1.5e-5
"""Seconds for each image that is shown to a head on frozen features."""


class TimeEstimates:
    """Times that one process takes for the parts of a trial; each is measured once."""

    def __init__(self, context: TrialContext) -> None:
        self._context = context
        self.network_seconds: Callable[[str], float] = functools.cache(self._network_seconds)
        """Seconds to train a network of one split, by its name."""

    @functools.cached_property
    def learner_seconds(self) -> float:
        """Seconds for each image that is shown to a learner."""
        context, recipe = self._context, self._context.recipe
        if is_frozen(recipe.classifier):
            return FROZEN
        side, n_classes = context.inputs.side, len(context.classes)
        return image_seconds(CLASSIFIER, side=side, n_classes=n_classes, recipe=recipe, device=context.device)

    def _network_seconds(self, name: str) -> float:
        start = {"bundle": "autoencoder", "judge": "classifier"} if name == GAN else {}  # a GAN starts from these
        recipe = self._context.recipe.model_copy(update=start)
        stages = stages_of(name, self._context.items, recipe, n_workers=1, device=self._context.device)
        return sum(stages.values())
