"""Real images as the trial's classifier sees them: pixels, or the features of a frozen backbone, each once."""

from __future__ import annotations

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
"""Changed copies of each real image whose features stand for the safe effects of `online`."""


@dataclass(frozen=True)
class LearnerInputs:
    """All real images of a trial, in the order of its items."""

    side: int
    inputs: Images = field(repr=False)
    """(N, S, S, 3)."""
    labels: npt.NDArray[np.intp] = field(repr=False)
    """(N,) class numbers."""
    features: Floats | None = field(default=None, repr=False)
    """(N, 1 + COPIES, F): of each image, then of its changed copies; None where the classifier sees pixels."""
    extraction: FeatureExtractor | None = None


def read_inputs_once(
    items: Sequence[Item],
    classes: Sequence[str],
    recipe: Recipe,
    *,
    work: Path,
    device: str,
    n_workers: int,
    progress: Progress | None,
) -> LearnerInputs:
    """Read all images once; what a backbone says of them is kept in `work`."""
    settings = recipe.classifier
    side = side_of(items, settings)
    inputs = read_inputs(items, Originals(recipe.data), side)
    labels = np.array([classes.index(item.label) for item in items], np.intp)
    if not is_frozen(settings):
        return LearnerInputs(side, inputs, labels)
    extraction = FeatureExtractor(settings.backbone, side, device)
    path = work / "features.npy"
    if not path.exists():
        copies = _copies(inputs, Policy(safe_policy(recipe), "trial", seed=recipe.seed))
        rows = extract_features(extraction, np.concatenate([inputs, copies]), n_workers=n_workers, progress=progress)
        with new_file(path) as file:
            np.save(file, rows.reshape(1 + COPIES, len(inputs), -1).transpose(1, 0, 2))
    return LearnerInputs(side, inputs, labels, np.load(path, allow_pickle=False), extraction)


def _copies(inputs: Images, policy: Policy) -> Images:
    """(COPIES * N, S, S, 3): all images changed once, then all once more."""
    attempts = range(COPIES * len(inputs))
    sources = [inputs[attempt % len(inputs)] for attempt in attempts]
    return np.stack(policy.apply(sources, policy.draw(attempts), attempts=attempts)).astype(np.uint8, copy=False)
