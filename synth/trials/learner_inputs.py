"""Real images as the learner of a trial sees them: pixels, or the features of a frozen backbone. Each is read once."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.classifier.frozen_features import FeatureExtractor, Floats, extract_features
from synth.classifier.training import is_frozen, side_of
from synth.data.originals import Originals
from synth.effects.policy import Policy
from synth.files import new_file
from synth.records import Item
from synth.settings.recipe import Recipe
from synth.training.batches import Images, read_inputs, safe_policy
from synth.workers import Progress

COPIES = 4
"""Augmented copies of each real image; their features replace the safe effects of `online`."""


@dataclass(frozen=True)
class LearnerInputs:
    """All real images of a trial, in the order of its items."""

    side: int
    images: Images = field(repr=False)
    """(N, S, S, 3)."""
    labels: npt.NDArray[np.intp] = field(repr=False)
    """(N,) class numbers."""
    features: Floats | None = field(default=None, repr=False)
    """(N, 1 + COPIES, F): of each image, then of its augmented copies; None if the learner sees pixels."""
    extractor: FeatureExtractor | None = None

    def at(self, places: npt.NDArray[np.intp]) -> Images | Floats:
        """Return the images (n, S, S, 3) or features (n, F) at these places."""
        return self.images[places] if self.features is None else self.features[places, 0]


def read_learner_inputs(
    items: Sequence[Item],
    classes: Sequence[str],
    recipe: Recipe,
    *,
    work: Path,
    device: str,
    n_workers: int,
    progress: Progress | None,
) -> LearnerInputs:
    """Read all images; the features of a frozen backbone are kept in `work`."""
    settings = recipe.classifier
    side = side_of(items, settings)
    images = read_inputs(items, Originals(recipe.data), side)
    labels = np.array([classes.index(item.label) for item in items], np.intp)
    if not is_frozen(settings):
        return LearnerInputs(side, images, labels)
    extractor = FeatureExtractor(settings.backbone, side, device)
    path = work / "features.npy"
    if not path.exists():
        copies = _copies(images, Policy(safe_policy(recipe), "trial", seed=recipe.seed))
        report = functools.partial(progress, "features") if progress else None
        rows = extract_features(extractor, np.concatenate([images, copies]), n_workers=n_workers, report=report)
        with new_file(path) as file:
            np.save(file, rows.reshape(1 + COPIES, len(images), -1).transpose(1, 0, 2))
    return LearnerInputs(side, images, labels, np.load(path, allow_pickle=False), extractor)


def _copies(images: Images, policy: Policy) -> Images:
    """Return (COPIES * N, S, S, 3): an augmented copy of each image, then another of each, and so on."""
    attempts = range(COPIES * len(images))
    sources = [images[attempt % len(images)] for attempt in attempts]
    return np.stack(policy.apply(sources, policy.draw(attempts), attempts=attempts)).astype(np.uint8, copy=False)
