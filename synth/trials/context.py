"""The stage of a trial: images, splits and what is made of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from synth.records import Item
from synth.settings.recipe import Recipe
from synth.trials.images import LearnerInputs
from synth.trials.split_data import SplitData
from synth.trials.splits import Split


@dataclass(frozen=True)
class TrialContext:
    """All that any run needs; each worker is given it once."""

    recipe: Recipe
    classes: tuple[str, ...]
    items: tuple[Item, ...] = field(repr=False)
    material: LearnerInputs = field(repr=False)
    splits: tuple[Split, ...] = field(repr=False)
    parts: tuple[SplitData, ...] = field(repr=False)
    """Of each split."""
    work: Path
    device: str
