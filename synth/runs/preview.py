"""Contact sheets: real images above the candidates made from them, to be looked at before anything is written."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from synth.data.balance import check_classes
from synth.data.dataset import Dataset
from synth.data.originals import Originals
from synth.errors import OutputError, UsageError
from synth.gates.panel import Panel, open_panel
from synth.generators.base import Context, Generator, Walker, method_slug, needs_parents
from synth.generators.registry import open_generator
from synth.pages.params_text import PLAIN, param_words
from synth.pictures.sheets import Strip, Tile, contact_sheet, in_lines
from synth.records import EFFECTS, FIRST, SECOND, Candidate, Item, Verdict
from synth.settings.recipe import Recipe

ATTEMPTS_FOR_A_WALK = 4
"""An attempt with one parent leads nowhere: so many are looked at for each strip."""


def preview(dataset: Dataset, recipe: Recipe, *, n: int = 8, rows: int = 1, captions: bool = False) -> Image.Image:
    """A contact sheet: for each class, rarest first, real images, and below each the candidate made from it.

    Of a method that goes from one original to another, the way of the first attempts is shown below them.

    Args:
        n: images in a row.
        rows: pairs of rows for a class, and ways.
        captions: the drawn parameters under each candidate; scores stand there with a judge anyway.

    Raises:
        UsageError: a class of the recipe that the dataset does not have, or no class with images to start from.
    """
    labels = _labels(dataset, recipe)
    generator = open_generator(Context(recipe, dataset.train), labels=recipe.classes)
    labels = _possible(labels, generator)
    originals, panel = Originals(recipe.data), open_panel(recipe, dataset.train, known=dataset.pixels, labels=labels)
    strips = []
    for label in labels:
        for row in range(rows):
            candidates = list(generator.make(label, range(row * n, (row + 1) * n)))
            items = _above(candidates, dataset.train[label], first=row * n)
            real = tuple(Tile(originals.pixels(item)) for item in items)
            made = tuple(
                Tile(
                    c.pixels,
                    (*_maker(c, recipe), *_judged(verdict), *(_caption(c) if captions else ())),
                    rejected=not verdict.accepted,
                )
                for c, verdict in zip(candidates, panel.verdicts(candidates), strict=True)
            )
            strips += [Strip(f"{label}: real", real)] if real else []
            strips.append(Strip(f"{label}: {recipe.method}", made))
        if isinstance(generator, Walker):
            strips += _walks(generator, label, n=n, rows=rows, originals=originals, panel=panel)
    return contact_sheet(strips)


def save_sheet(sheet: Image.Image, path: Path | None = None, *, outside: Path | None = None) -> Path:
    """Save a sheet as PNG under a name that is free: preview.png, preview-2.png, ...; a given name must be free.

    Raises:
        OutputError: the given file exists, or would lie in the folder that it must stay `outside` of.
    """
    if path is not None and path.exists():
        raise OutputError(f"{path} exists: choose another name")
    numbered = (Path("preview.png" if i == 1 else f"preview-{i}.png") for i in itertools.count(1))
    chosen = path or next(candidate for candidate in numbered if not candidate.exists())
    if outside is not None and Path(os.path.realpath(chosen)).is_relative_to(os.path.realpath(outside)):
        raise OutputError(f"{chosen} would lie inside the input: choose another place with --out")
    with chosen.open("xb") as file:
        sheet.save(file, "PNG")
    return chosen


def _labels(dataset: Dataset, recipe: Recipe) -> Sequence[str]:
    check_classes(recipe.classes, dataset.classes)
    wanted = [
        label
        for label in recipe.classes or dataset.classes
        if dataset.train[label] or not needs_parents(recipe.methods)
    ]
    if not wanted:
        raise UsageError("no class with a training image to start from")
    return sorted(wanted, key=lambda label: (len(dataset.train[label]), label))


def _possible(labels: Sequence[str], generator: Generator) -> list[str]:
    """The classes that the generator can make images of.

    Raises:
        UsageError: it can't of any.
    """
    refused: dict[str, UsageError] = {}
    for label in labels:
        try:
            generator.check(label)
        except UsageError as error:
            refused[label] = error
    if len(refused) == len(labels):
        raise refused[labels[0]]
    return [label for label in labels if label not in refused]


def _above(candidates: Sequence[Candidate], originals: Sequence[Item], *, first: int) -> list[Item]:
    """The real images that stand above candidates: their first parents, others where those are known by name only."""
    parents = [parent for candidate in candidates for parent in candidate.parents[:1] or (None,)]
    if not any(isinstance(parent, Item) for parent in parents):
        return list(originals[first : first + len(candidates)])
    return [
        parent if isinstance(parent, Item) else originals[(first + i) % len(originals)]
        for i, parent in enumerate(parents)
    ]


def _maker(candidate: Candidate, recipe: Recipe) -> tuple[str, ...]:
    """The generator of a candidate where the recipe names several."""
    return (method_slug(candidate.method),) if len(recipe.methods) > 1 else ()


def _walks(generator: Walker, label: str, *, n: int, rows: int, originals: Originals, panel: Panel) -> list[Strip]:
    """Strips from one original to another; none where a row has no place for both ends and a step."""
    if n < 3:
        return []
    walks = (generator.walk(label, attempt, n=n) for attempt in range(ATTEMPTS_FOR_A_WALK * rows))
    return [_walk(walk, originals, panel) for walk in itertools.islice(filter(None, walks), rows)]


def _walk(walk: Sequence[Candidate], originals: Originals, panel: Panel) -> Strip:
    """One strip. At its ends are the originals themselves, which a decoder may not give back quite the same; where they
    are known by name only, what was drawn stays there.
    """
    label, parents = walk[0].label, walk[0].parents
    ends = {place: parent for place, parent in zip((0, -1), parents, strict=True) if isinstance(parent, Item)}
    shown = list(walk)
    for place, item in ends.items():
        shown[place] = replace(shown[place], pixels=originals.pixels(item))
    verdicts = panel.verdicts(shown)
    tiles = [
        Tile(c.pixels, (f"step {c.params['step']:.2f}", *_judged(verdict)), rejected=not verdict.accepted)
        for c, verdict in zip(shown, verdicts, strict=True)
    ]
    for place in ends:  # that a real image is a copy of itself is not held against it
        tiles[place] = Tile(shown[place].pixels, ("real", *_seen(verdicts[place])))
    names = [parent.id.rpartition("/")[2] for parent in parents]
    return Strip(f"{label}: from {names[0]} to {names[1]}", tuple(tiles))


def _caption(candidate: Candidate) -> tuple[str, ...]:
    """What was drawn: plain values side by side, each effect on a line of its own."""
    groups = param_words(candidate.params)
    sides = [f"{side}: {word}" for group, side in ((FIRST, "1st"), (SECOND, "2nd")) for word in groups.get(group, ())]
    return (*in_lines(groups.get(PLAIN, ())), *groups.get(EFFECTS, ()), *sides) or ("unchanged",)


def _judged(verdict: Verdict) -> tuple[str, ...]:
    """The judge's view of a candidate, and why it would be rejected."""
    return (*_seen(verdict), *(f"rejected: {reason}" for reason in verdict.reasons))


def _seen(verdict: Verdict) -> tuple[str, ...]:
    """The classes that the judge finds most likely; none without a judge."""
    classes = verdict.scores.get("classes", {})
    return tuple(f"{name} {p:.2f}" for name, p in list(classes.items())[:2]) if isinstance(classes, Mapping) else ()
