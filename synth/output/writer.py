"""One candidate or one original -> a file in the tree and a row of the manifest. Runs inside the workers."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from synth.data import encoding
from synth.errors import DatasetError, OutputError
from synth.generators.base import method_slug
from synth.records import ENCODED_AS, PARENT_SPLIT, Candidate, Encoding, Item, Row, Verdict
from synth.settings.recipe import Output, Recipe

SLUG_LENGTH = 40


class Writer:
    """Writes below one folder; the same candidate gives the same bytes and the same row."""

    def __init__(self, tree: Path, recipe: Recipe, *, run: str, train_folder: str) -> None:
        self._tree, self._run, self._train_folder = str(tree), run, train_folder
        self._seed, self._output = recipe.seed, recipe.output
        self._made: set[str] = set()

    def candidates(
        self, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], *, class_form: Encoding | None
    ) -> list[Row]:
        """Write the accepted candidates' files, and give all their rows; a rejected one has a row only."""
        files = [
            self._encoded(candidate, class_form=class_form) if verdict.accepted else None
            for candidate, verdict in zip(candidates, verdicts, strict=True)
        ]
        rows = [self._row(*each, class_form=class_form) for each in zip(candidates, verdicts, files, strict=True)]
        for row, file in zip(rows, files, strict=True):
            if file is not None and row.path is not None:
                self._write(row.path, file[0])
        return rows

    def _encoded(self, candidate: Candidate, *, class_form: Encoding | None) -> tuple[bytes, str]:
        """(the file's bytes, its name's ending)."""
        form = form_of(candidate, self._output, class_form=class_form)
        return candidate.file or encoding.encode(candidate.pixels, form), encoding.extension(form, candidate.pixels)

    def _row(
        self,
        candidate: Candidate,
        verdict: Verdict,
        file: tuple[bytes, str] | None,
        *,
        class_form: Encoding | None,
    ) -> Row:
        path, sha256, params = None, None, candidate.params
        if class_form is not None and _parents_form(candidate) is None:
            params = {**params, ENCODED_AS: [class_form.format, class_form.quality, class_form.subsampling]}
        if file is not None:
            name = f"{candidate.attempt:06d}-{candidate.pixels_sha256[:4]}{file[1]}"
            path = f"{self._train_folder}{candidate.label}/{file_stem(candidate.label, candidate.method)}-{name}"
            sha256 = hashlib.sha256(file[0]).hexdigest()
        return Row(
            id=f"{candidate.label}/{method_slug(candidate.method)}/{candidate.attempt:06d}",
            run=self._run,
            path=path,
            label=candidate.label,
            split=PARENT_SPLIT,
            synthetic=True,
            method=candidate.method,
            attempt=candidate.attempt,
            seed=self._seed,
            parents=tuple([{"path": parent.id, "sha256": parent.sha256} for parent in candidate.parents]),
            params=params,
            scores=verdict.scores,
            verdict="accepted" if verdict.accepted else "rejected",
            reasons=verdict.reasons,
            sha256=sha256,
            pixels_sha256=candidate.pixels_sha256,
            width=candidate.pixels.shape[1],
            height=candidate.pixels.shape[0],
        )

    def original(self, item: Item, *, in_place: bool) -> Row:
        """Put an original into the tree as the recipe says (in place it stands there already), and give its row."""
        link = self._output.link
        if not in_place:
            self._put_original(item, link)
        return Row(
            id=item.id,
            run=self._run,
            path=item.output_path,
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
            self._write(item.output_path, data)
            return
        target = self._path(item.output_path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)  # left by a run that was killed before it noted the file
        try:
            os.link(item.path, target) if link == "hard" else os.symlink(os.path.realpath(item.path), target)
        except OSError as error:
            raise OutputError(f"--link {link} of {item.id}: {error.strerror}; use --link copy") from None

    def _write(self, path: str, data: bytes) -> None:
        # Small images are many: plain calls and strings cost half of what a file object and a Path do.
        file = os.open(self._path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            rest = memoryview(data)
            while rest:  # a disk that is nearly full takes a part, and refuses the rest at the next call
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)

    def _path(self, path: str) -> str:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            os.makedirs(f"{self._tree}/{folder}", exist_ok=True)
            self._made.add(folder)
        return f"{self._tree}/{path}"


def form_of(candidate: Candidate, settings: Output, *, class_form: Encoding | None) -> Encoding:
    """How a candidate is encoded: as the parent whose own pixels it is made of, else as its class mostly is."""
    parent = _parents_form(candidate) or class_form
    if candidate.file is not None and parent is not None:
        return parent
    sixteen_bit = candidate.pixels.dtype.itemsize > 1
    return encoding.output_encoding(parent, format=settings.format, quality=settings.quality, sixteen_bit=sixteen_bit)


def _parents_form(candidate: Candidate) -> Encoding | None:
    """The form of its first parent; None for what is not made of its parents' own pixels."""
    if not candidate.from_parent_pixels and candidate.file is None:
        return None
    return next((parent.encoding for parent in candidate.parents[:1] if isinstance(parent, Item)), None)


def most_common_form(items: Sequence[Item]) -> Encoding | None:
    """The form that most images of a class have; None for an empty class."""
    forms = Counter(item.encoding for item in items)
    return min(forms, key=lambda form: (-forms[form], str(form))) if forms else None


@functools.cache
def file_stem(label: str, method: str) -> str:
    """What the names of a class's new files begin with; attempt and hash of the pixels follow.

    So a name is short, portable, in order of attempts, and another for other pixels: yellow-augment-000017-1f3a.jpg.
    """
    return f"{slug(label)}-{slug(method_slug(method))}"


def slug(name: str) -> str:
    """Lower-case letters, digits, dots and underscores; the rest becomes one dash."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.")[:SLUG_LENGTH] or "class"
