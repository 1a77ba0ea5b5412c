"""remake: make images again from their rows of the manifest, and compare them with their files."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synth.data import encoding
from synth.data.dataset import read_item
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError
from synth.generators.base import Context, Generator
from synth.generators.registry import open_generator
from synth.output.root_files import RECIPE, archived, run_of
from synth.output.writer import form_of
from synth.records import ENCODED_AS, STORED_AS, Encoding, Item, Row, ShortRepr
from synth.settings.recipe import Recipe, load_recipe


@dataclass(frozen=True, repr=False)
class Remade(ShortRepr):
    """One image made again."""

    id: str
    same_pixels: bool
    same_file: bool
    data: bytes
    """The file, made again."""


def remake(out: str | Path, ids: str | Sequence[str], *, data: str | Path | None = None) -> list[Remade]:
    """Make images again from their manifest rows and compare them with the hashes in the rows.

    Args:
        ids: id or path of a synthetic row, or several.
        data: the input folder, for an output that holds only new images.

    Raises:
        OutputError: no such synthetic image, or a parent is missing or changed.
    """
    out = Path(out)
    if not (out / MANIFEST).is_file():
        raise OutputError(f"{out}: no {MANIFEST}, so not an output of synth")
    wanted = {ids} if isinstance(ids, str) else set(ids)
    rows = [
        row
        for row in read_manifest(out / MANIFEST)
        if row.synthetic and row.path is not None and (row.id in wanted or row.path in wanted)
    ]
    missing = wanted - {row.id for row in rows} - {str(row.path) for row in rows}
    if missing:
        raise OutputError(f"{out}: no synthetic image {sorted(missing)[0]!r} in the manifest")
    remaker = Remaker(out, data)
    return [remaker.remake(row) for row in rows]


def synthetic_ids(out: str | Path) -> list[str]:
    """Return the ids of all synthetic images of an output folder."""
    return [row.id for row in read_manifest(Path(out) / MANIFEST) if row.synthetic and row.path is not None]


def chosen_ids(out: str | Path, words: Sequence[str], *, seed: int = 0) -> list[str]:
    """Return the ids that a user typed; a number means that many ids, drawn at random."""
    ids = []
    for word in words:
        known = synthetic_ids(out) if word.isdecimal() else []
        ids += random.Random(seed).sample(known, min(int(word), len(known))) if word.isdecimal() else [word]
    return ids


class Remaker:
    """Makes images of an output again, with the recipe and the generator of the run of each."""

    def __init__(self, out: Path, data: str | Path | None) -> None:
        """Args: data: the input folder, for parents that the output does not hold."""
        self._out, self._data, self._latest = out, data, run_of(out)
        rows = read_manifest(out / MANIFEST)
        self._places = {row.id: out / str(row.path) for row in rows if not row.synthetic}
        self._opened: dict[str, tuple[Recipe, Generator]] = {}

    def remake(self, row: Row) -> Remade:
        """Make the image of a row again.

        Raises:
            OutputError: a parent is missing or changed. UsageError, BundleError: its generator can't be opened.
        """
        recipe, generator = self._open(row.run)
        stored = dict(zip((parent["path"] for parent in row.parents), row.params.get(STORED_AS, ()), strict=False))

        def find(parent: Mapping[str, str]) -> Item:
            item = self._parent(parent, recipe)
            return replace(item, encoding=item.encoding.with_extras(stored.get(parent["path"], {})))

        candidate = generator.remake_row(row, find)
        form = form_of(candidate, recipe.output, class_form=_class_form(row))
        file = candidate.file or encoding.encode(candidate.pixels, form, candidate.alpha)
        return Remade(
            row.id,
            same_pixels=candidate.pixels_sha256 == row.pixels_sha256,
            same_file=hashlib.sha256(file).hexdigest() == row.sha256,
            data=file,
        )

    def generator(self, run: str) -> Generator:
        """Open the generator of a run."""
        return self._open(run)[1]

    def _open(self, run: str) -> tuple[Recipe, Generator]:
        if run not in self._opened:
            latest = run == self._latest
            recipe = load_recipe(self._out / RECIPE if latest else archived(self._out, RECIPE, run))
            self._opened[run] = recipe, open_generator(Context(recipe, {}))
        return self._opened[run]

    def _parent(self, parent: Mapping[str, str], recipe: Recipe) -> Item:
        """Open a parent in the output or in the input folder, whichever has it unchanged."""
        id = parent["path"]
        for path in (self._places.get(id), Path(self._data) / id if self._data else None):
            item = read_item(id, path, recipe.data) if path else None
            if isinstance(item, Item) and item.sha256 == parent["sha256"]:
                return item
        hint = "" if self._data else " (name the input folder with --data)"
        raise OutputError(f"parent {id} is not there with the hash that the manifest gives{hint}")


def _class_form(row: Row) -> Encoding | None:
    """Return the recorded encoding of an image that is not made from its parents' own pixels."""
    if not (recorded := row.params.get(ENCODED_AS)):
        return None
    extras = recorded[3] if len(recorded) > 3 else {}
    return Encoding(recorded[0], "", *recorded[1:3]).with_extras(extras)
