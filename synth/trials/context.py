"""The stage of a trial: images, splits and what is made of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from synth.records import Item
from synth.settings.recipe import Recipe
from synth.trials.images import Material
from synth.trials.split_data import Part
from synth.trials.splits import Split


@dataclass(frozen=True)
class Stage:
    """All that any run needs; each worker is given it once."""

    recipe: Recipe
    classes: tuple[str, ...]
    items: tuple[Item, ...] = field(repr=False)
    material: Material = field(repr=False)
    splits: tuple[Split, ...] = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    """Of each split."""
    work: Path
    device: str
