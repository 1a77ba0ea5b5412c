"""What a recipe leaves to the images (`"auto"`): mirrors, quarter turns, movements, and what enters the frame.

The choices become plain settings of the recipe. The same recipe then asks the images no more.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from synth.data.originals import Originals
from synth.gates.frames import movements_of
from synth.gates.symmetries import Choice, in_words, sample_of, symmetries_of
from synth.records import CONTROL, Item, Pixels
from synth.settings.augment import Augment, ClassPolicy
from synth.settings.effects import AUTO, MOVEMENTS, SAFE_P, SYMMETRIES
from synth.settings.recipe import Recipe

PLAIN_LEVELS = 16
"""Largest deviation of a plain border from its median, in levels of 255."""
MOSTLY = 0.95
"""Share of the images that must have a plain border."""


def with_choices(recipe: Recipe, train: Mapping[str, Sequence[Item]]) -> tuple[Recipe, str]:
    """Decide what a recipe leaves to the images.

    Args:
        train: {class: its real training images}.

    Returns: the recipe without "auto", and one line for a person; empty if there is nothing to say.
    """
    augment = recipe.augment
    if not (augment.effects.undecided or augment.fill == AUTO):
        return recipe, ""
    originals, items = Originals(recipe.data), sample_of(train)
    symmetries, parts, fill = _symmetries(augment, items, originals), list[str](), augment.fill
    if symmetries:
        parts.append(f"symmetries of the images: {in_words(symmetries)}")
    if fill == AUTO:
        share = plain_share(items, originals)
        fill = "edge" if share >= MOSTLY else "inside"
        parts += [f"fill edge ({share:.0%} of the images have a border of one colour)"] if fill == "edge" else []
        augment = augment.model_copy(update={"fill": fill})
    movements = movements_of(items, originals, augment, _asked(augment, MOVEMENTS))
    if fixed := [choice for choice in movements if not choice.on]:
        parts.append(f"the images have a fixed frame: {in_words(fixed)}")
    effects = augment.effects.decided({c.effect: SAFE_P if c.on else 0.0 for c in (*symmetries, *movements)})
    decided = augment.model_copy(update={"effects": effects, "classes": _only_mapped(augment, train)})
    return recipe.model_copy(update={"augment": decided}), "; ".join(parts)


def with_run_choices(recipe: Recipe, train: Mapping[str, Sequence[Item]]) -> tuple[Recipe, str]:
    """Decide as `with_choices`, but leave a recipe as it is if its method changes no image."""
    return (recipe, "") if recipe.methods == (CONTROL,) else with_choices(recipe, train)


def _symmetries(augment: Augment, items: Sequence[Item], originals: Originals) -> list[Choice]:
    """Return a choice about each symmetry that is open; a label map decides about its flip."""
    mapped = _mapped(augment)
    found = symmetries_of(items, originals, [name for name in _asked(augment, SYMMETRIES) if name not in mapped])
    return [*(Choice(flip, True, f"{', '.join(sorted(labels))}: label map") for flip, labels in mapped.items()), *found]


def _mapped(augment: Augment) -> dict[str, set[str]]:
    """Return {flip that is still to be chosen: the classes that its label map names}."""
    maps = {flip: {*pairs, *pairs.values()} for flip, pairs in augment.label_map.items() if pairs}
    return {flip: labels for flip, labels in maps.items() if flip in _asked(augment, SYMMETRIES)}


def _only_mapped(augment: Augment, labels: Iterable[str]) -> dict[str, ClassPolicy]:
    """Return the exceptions by class. A chosen flip with a label map is off for the classes that the map leaves out."""
    classes = dict(augment.classes)
    for flip, mapped in _mapped(augment).items():
        for label in labels:
            own = classes.get(label, ClassPolicy())
            if label not in mapped and "p" not in own.effects.get(flip, {}):
                effects = {**own.effects, flip: {**own.effects.get(flip, {}), "p": 0.0}}
                classes[label] = own.model_copy(update={"effects": effects})
    return classes


def _asked(augment: Augment, names: Sequence[str]) -> list[str]:
    """Return the effects among `names` that are still to be chosen, and not forbidden."""
    return [name for name in names if name in augment.effects.undecided and name not in augment.forbid]


def plain_share(items: Sequence[Item], originals: Originals) -> float:
    """Return the share of images whose border has one colour (cut-outs, scans, glyphs); 0 without images."""
    plain = [has_plain_border(originals.pixels(item)) for item in items]
    return float(np.mean(plain)) if plain else 0.0


def has_plain_border(pixels: Pixels) -> bool:
    """Whether the outermost pixels have one colour."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    deviation = np.abs(border - np.median(border, axis=0)).max()
    return bool(deviation <= PLAIN_LEVELS * (257 if pixels.itemsize == 2 else 1))
