"""What a recipe leaves to the images (`"auto"`): mirrors, quarter turns, and what enters the frame.

The choices become plain settings of the recipe. The same recipe then asks the images no more.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from synth.data.originals import Originals
from synth.effects.policy import mirror_classes
from synth.gates.symmetries import Choice, in_words, sample_of, symmetries_of
from synth.records import CONTROL, Item, Pixels
from synth.settings.augment import Augment, ClassPolicy
from synth.settings.effects import AUTO, SAFE_P
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
    if not (augment.undecided or augment.fill == AUTO):
        return recipe, ""
    choices = _symmetries(recipe, train)
    parts = [f"symmetries of the images: {in_words(choices)}"] if choices else []
    fill = augment.fill
    if fill == AUTO:
        share = plain_share(train, recipe)
        fill = "edge" if share >= MOSTLY else "inside"
        parts += [f"fill edge ({share:.0%} of the images have a border of one colour)"] if fill == "edge" else []
    decided = augment.decided({choice.effect: SAFE_P for choice in choices if choice.on})
    decided = _within_maps(decided, augment, choices, train).model_copy(update={"fill": fill})
    return recipe.model_copy(update={"augment": decided}), "; ".join(parts)


def with_run_choices(recipe: Recipe, train: Mapping[str, Sequence[Item]]) -> tuple[Recipe, str]:
    """Decide as `with_choices`, but leave a recipe as it is if its method changes no image."""
    return (recipe, "") if recipe.methods == (CONTROL,) else with_choices(recipe, train)


def _symmetries(recipe: Recipe, train: Mapping[str, Sequence[Item]]) -> list[Choice]:
    """Return a choice about each symmetry that is open; a label map decides about its flip for the classes in it."""
    augment = recipe.augment
    mapped = [flip for flip in augment.undecided if mirror_classes(augment, flip)]
    asked = [name for name in augment.undecided if name not in {*augment.forbid, *mapped}]
    found = symmetries_of(train, recipe, asked) if asked else []
    for flip in mapped:
        found.append(Choice(flip, True, "label map"))
        others = _outside(augment, flip, train)
        if others:
            (choice,) = symmetries_of(others, recipe, [flip])
            found.append(dataclasses.replace(choice, effect=_of_others(flip)))
    return found


def _outside(augment: Augment, flip: str, train: Mapping[str, Sequence[Item]]) -> dict[str, Sequence[Item]]:
    """Return the classes with images that the label map of a flip does not name."""
    return {label: items for label, items in train.items() if items and label not in mirror_classes(augment, flip)}


def _of_others(flip: str) -> str:
    return f"{flip} of other classes"


def _within_maps(
    decided: Augment, asked: Augment, choices: Sequence[Choice], train: Mapping[str, Sequence[Item]]
) -> Augment:
    """Switch a flip with a label map off for the classes outside the map, unless their images have it."""
    classes = dict(decided.classes)
    for flip in asked.undecided:
        if _of_others(flip) not in [choice.effect for choice in choices if not choice.on]:
            continue
        for label in _outside(asked, flip, train):
            own = classes.get(label, ClassPolicy())
            given = (
                asked.classes.get(label, ClassPolicy()).effects.get(flip, {}).get("p", getattr(asked.effects, flip).p)
            )
            if given == AUTO:
                effects = {**own.effects, flip: {**own.effects.get(flip, {}), "p": 0.0}}
                classes[label] = own.model_copy(update={"effects": effects})
    return decided.model_copy(update={"classes": classes})


def plain_share(train: Mapping[str, Sequence[Item]], recipe: Recipe) -> float:
    """Return the share of training images whose border has one colour (cut-outs, scans, glyphs); 0 without images."""
    originals = Originals(recipe.data)
    plain = [has_plain_border(originals.pixels(item)) for item in sample_of(train)]
    return float(np.mean(plain)) if plain else 0.0


def has_plain_border(pixels: Pixels) -> bool:
    """Whether the outermost pixels have one colour."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    deviation = np.abs(border - np.median(border, axis=0)).max()
    return bool(deviation <= PLAIN_LEVELS * (257 if pixels.itemsize == 2 else 1))
