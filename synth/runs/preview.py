"""preview: contact sheets of real images and the candidates made from them, before anything is written."""

import io
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from synth.data.dataset import Dataset
from synth.data.originals import Originals
from synth.errors import OutputError, UsageError
from synth.files import write_new
from synth.gates.choices import with_run_choices
from synth.gates.gate_set import GateSet, open_gates
from synth.generators.base import Context, Generator, method_slug, needs_parents
from synth.generators.registry import open_generator
from synth.pages.params_text import PLAIN, param_words
from synth.pictures.sheets import Strip, Tile, contact_sheet, in_lines
from synth.records import EFFECTS, FIRST, SECOND, Candidate, Item, Verdict
from synth.runs.settle import plan_for
from synth.settings.recipe import Recipe

ATTEMPTS_FOR_A_WALK = 4
"""Attempts that are tried for each walk: an attempt with one parent has none."""


def preview(dataset: Dataset, recipe: Recipe, *, n: int = 8, rows: int = 1, captions: bool = False) -> Image.Image:
    """Draw a contact sheet: real images, and below each the candidate made from it.

    The classes are those of the recipe, else those that a run would fill, the rarest first. If the method interpolates
    between two originals, the walks of the first attempts are shown below.

    Args:
        n: images in a row.
        rows: pairs of rows for each class, and walks.
        captions: show the drawn parameters under each candidate. Scores are always shown if there is a judge.

    Raises:
        UsageError: the dataset does not have a class of the recipe, or no class has images to start from.
    """
    labels = _labels(dataset, recipe)
    recipe, _ = with_run_choices(recipe, dataset.train)
    generator = open_generator(Context(recipe, dataset.train), labels=recipe.classes)
    labels = _possible(labels, generator)
    gates = open_gates(recipe, dataset.train, known=dataset.pixels, labels=labels)
    sheet = _Sheet(dataset, recipe, generator, gates, Originals(recipe.data), n, captions)
    return contact_sheet(
        [strip for label in labels for strip in (*sheet.pairs(label, rows), *sheet.walks(label, rows))]
    )


def save_sheet(sheet: Image.Image, path: Path | None = None, *, outside: Path | None = None) -> Path:
    """Save a sheet as PNG, under the first free name of preview.png, preview-2.png, ... if none is given.

    A file that holds this sheet already is left as it is.

    Raises:
        OutputError: the given file holds something else, or would lie in the folder that it must stay `outside` of.
    """
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    numbered = (Path("preview.png" if i == 1 else f"preview-{i}.png") for i in itertools.count(1))
    chosen = path or next(name for name in numbered if not os.path.lexists(name))
    if outside is not None and Path(os.path.realpath(chosen)).is_relative_to(os.path.realpath(outside)):
        raise OutputError(f"{chosen} would lie inside the input: choose another place with --out")
    write_new(chosen, buffer.getvalue())
    return chosen


def _labels(dataset: Dataset, recipe: Recipe) -> Sequence[str]:
    """Return the classes of the recipe, else those that a run would fill, else all; the rarest first."""
    plan = plan_for(dataset, recipe)  # it also checks the names of the recipe
    wanted = [
        label
        for label in recipe.classes or plan.new or dataset.classes
        if dataset.train[label] or not needs_parents(recipe.methods)
    ]
    if not wanted:
        raise UsageError("no class with a training image to start from")
    return sorted(wanted, key=lambda label: (len(dataset.train[label]), label))


def _possible(labels: Sequence[str], generator: Generator) -> list[str]:
    """Return the classes that the generator can make images of.

    Raises:
        UsageError: it can't make images of any.
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


@dataclass(frozen=True)
class _Sheet:
    """Draws the strips of a sheet."""

    dataset: Dataset
    recipe: Recipe
    generator: Generator
    gates: GateSet
    originals: Originals
    n: int
    captions: bool

    def pairs(self, label: str, rows: int) -> list[Strip]:
        """Return rows of real images, each with the row of candidates below it."""
        strips = []
        for first in range(0, rows * self.n, self.n):
            candidates = _by_parent(self.generator.make(label, range(first, first + self.n)))
            above = self._above(candidates, label, first)
            # A parent is shown once, above the first of its children.
            shown = [None if i and above[i - 1].id == item.id else item for i, item in enumerate(above)]
            real = [Tile(self.originals.pixels(item) if item else None) for item in shown]
            made = [
                Tile(c.pixels, self._caption(c, verdict), rejected=not verdict.accepted)
                for c, verdict in zip(candidates, self.gates.verdicts(candidates), strict=True)
            ]
            strips += [Strip(f"{label}: real", tuple(real))] if real else []
            strips.append(Strip(f"{label}: {self.recipe.method}", tuple(made)))
        return strips

    def _above(self, candidates: Sequence[Candidate], label: str, first: int) -> list[Item]:
        """Return the real images above candidates: first parents, or others if the parents have no files."""
        items = self.dataset.train[label]
        parents = [parent for candidate in candidates for parent in candidate.parents[:1] or (None,)]
        if not any(isinstance(parent, Item) for parent in parents):
            return list(items[first : first + len(candidates)])
        return [
            parent if isinstance(parent, Item) else items[(first + i) % len(items)] for i, parent in enumerate(parents)
        ]

    def _caption(self, candidate: Candidate, verdict: Verdict) -> tuple[str, ...]:
        maker = (method_slug(candidate.method),) if len(self.recipe.methods) > 1 else ()
        return (*maker, *_judged(verdict), *(_drawn(candidate) if self.captions else ()))

    def walks(self, label: str, rows: int) -> list[Strip]:
        """Return strips from one original to another; none if a row has no space for both ends and a step."""
        attempts = range(ATTEMPTS_FOR_A_WALK * rows if self.n >= 3 else 0)
        walks = (self.generator.walk(label, attempt, n=self.n) for attempt in attempts)
        return [self._walk(walk) for walk in itertools.islice(filter(None, walks), rows)]

    def _walk(self, walk: Sequence[Candidate]) -> Strip:
        """Return one strip. Its ends are the originals themselves, if they have files: a decoder may change them."""
        ends = {place: item for place, item in zip((0, -1), walk[0].parents, strict=True) if isinstance(item, Item)}
        shown = list(walk)
        for place, item in ends.items():
            shown[place] = replace(shown[place], pixels=self.originals.pixels(item))
        verdicts = self.gates.verdicts(shown)
        tiles = [
            Tile(c.pixels, (f"step {c.params['step']:.2f}", *_judged(verdict)), rejected=not verdict.accepted)
            for c, verdict in zip(shown, verdicts, strict=True)
        ]
        for place in ends:  # a real image is not rejected as a copy of itself
            tiles[place] = Tile(shown[place].pixels, ("real", *_likeliest(verdicts[place])))
        names = [parent.id.rpartition("/")[2] for parent in walk[0].parents]
        return Strip(f"{walk[0].label}: from {names[0]} to {names[1]}", tuple(tiles))


def _by_parent(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates with the children of one parent side by side."""
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(tuple(parent.id for parent in candidate.parents[:1]), []).append(candidate)
    return [candidate for group in groups.values() for candidate in group]


def _drawn(candidate: Candidate) -> tuple[str, ...]:
    """Return the drawn parameters: plain values side by side, each effect on a line of its own."""
    groups = param_words(candidate.params)
    sides = [f"{side}: {word}" for group, side in ((FIRST, "1st"), (SECOND, "2nd")) for word in groups.get(group, ())]
    return (*in_lines(groups.get(PLAIN, ())), *groups.get(EFFECTS, ()), *sides) or ("unchanged",)


def _judged(verdict: Verdict) -> tuple[str, ...]:
    """Return the likeliest classes of a candidate, and the reasons to reject it."""
    return (*_likeliest(verdict), *(f"rejected: {reason}" for reason in verdict.reasons))


def _likeliest(verdict: Verdict) -> tuple[str, ...]:
    """Return the two classes that the judge finds likeliest; none without a judge."""
    classes = verdict.scores.get("classes", {})
    return tuple(f"{name} {p:.2f}" for name, p in list(classes.items())[:2]) if isinstance(classes, Mapping) else ()
