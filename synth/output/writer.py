"""One candidate or one original -> a file in the tree and a row of the manifest. Runs inside the workers."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from synth.data import encoding, images
from synth.errors import DatasetError, OutputError
from synth.generators.base import method_slug
from synth.recipe import Output, Recipe
from synth.records import PARENT_SPLIT, Candidate, Form, Item, Row, Verdict

SLUG_LENGTH = 40


class Writer:
    """Writes below one folder; the same candidate gives the same bytes and the same row."""

    def __init__(self, tree: Path, recipe: Recipe, *, run: str, train_folder: str) -> None:
        self._tree, self._recipe, self._run, self._train_folder = tree, recipe, run, train_folder
        self._made: set[str] = set()

    def candidate(self, candidate: Candidate, verdict: Verdict, *, class_form: Form | None) -> Row:
        """Write an accepted candidate's file, and give its row; a rejected one has a row only."""
        pixels_sha256 = images.pixels_sha256(candidate.pixels)
        path, sha256, params = None, None, candidate.params
        if not candidate.parents and class_form is not None:
            params = {**params, "file": [class_form.format, class_form.quality, class_form.subsampling]}
        if verdict.accepted:
            form = form_of(candidate, self._recipe.output, class_form=class_form)
            data = candidate.file or encoding.encode(candidate.pixels, form)
            name = file_name(candidate, pixels_sha256, encoding.extension(form, candidate.pixels))
            path = f"{self._train_folder}{candidate.label}/{name}"
            sha256 = hashlib.sha256(data).hexdigest()
            self._write(path, data)
        return Row(
            id=f"{candidate.label}/{method_slug(candidate.method)}/{candidate.attempt:06d}",
            run=self._run,
            path=path,
            label=candidate.label,
            split=PARENT_SPLIT,
            synthetic=True,
            method=candidate.method,
            attempt=candidate.attempt,
            seed=self._recipe.seed,
            parents=tuple({"path": parent.id, "sha256": parent.sha256} for parent in candidate.parents),
            params=params,
            scores=verdict.scores,
            verdict="accepted" if verdict.accepted else "rejected",
            reasons=verdict.reasons,
            sha256=sha256,
            pixels_sha256=pixels_sha256,
            width=candidate.pixels.shape[1],
            height=candidate.pixels.shape[0],
        )

    def original(self, item: Item, *, in_place: bool) -> Row:
        """Put an original into the tree as the recipe says (in place it stands there already), and give its row."""
        link = self._recipe.output.link
        if not in_place:
            self._put_original(item, link)
        return Row(
            id=item.id,
            run=self._run,
            path=item.place,
            label=item.label,
            split=item.split,
            synthetic=False,
            method=None if in_place else link,
            attempt=None,
            seed=None,
            parents=(),
            params={},
            scores={},
            verdict="accepted",
            reasons=(),
            sha256=item.sha256,
            pixels_sha256=item.pixels_sha256,
            width=item.width,
            height=item.height,
        )

    def _put_original(self, item: Item, link: str) -> None:
        data = Path(item.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise DatasetError(f"{item.id} changed while the run went on: run the same command again")
        if link == "copy":
            self._write(item.place, data)
            return
        target = self._path(item.place)
        with contextlib.suppress(FileNotFoundError):
            target.unlink()  # left by a run that was killed before it noted the file
        try:
            os.link(item.path, target) if link == "hard" else os.symlink(os.path.realpath(item.path), target)
        except OSError as error:
            raise OutputError(f"--link {link} of {item.id}: {error.strerror}; use --link copy") from None

    def _write(self, path: str, data: bytes) -> None:
        with open(self._path(path), "wb") as file:
            file.write(data)

    def _path(self, path: str) -> Path:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            (self._tree / folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        return self._tree / path


def form_of(candidate: Candidate, settings: Output, *, class_form: Form | None) -> Form:
    """How a candidate is encoded: as its copy, as its parent, else as its class mostly is."""
    parent = candidate.parents[0].form if candidate.parents else class_form
    if candidate.file is not None and parent is not None:
        return parent
    wide = candidate.pixels.dtype.itemsize > 1
    return encoding.output_form(parent, format=settings.format, quality=settings.quality, wide=wide)


def most_common_form(items: Sequence[Item]) -> Form | None:
    """The form that most images of a class have; None for an empty class."""
    forms = Counter(item.form for item in items)
    return min(forms, key=lambda form: (-forms[form], str(form))) if forms else None


def file_name(candidate: Candidate, pixels_sha256: str, suffix: str) -> str:
    """Short, portable, in order of attempts, and different for different pixels: yellow-augment-000017-1f3a.jpg."""
    words = (slug(candidate.label), slug(method_slug(candidate.method)), f"{candidate.attempt:06d}", pixels_sha256[:4])
    return "-".join(words) + suffix


def slug(name: str) -> str:
    """Lower-case letters, digits, dots and underscores; the rest becomes one dash."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.")[:SLUG_LENGTH] or "class"
