"""The writer turns a candidate or an original into a file and a row of the manifest. It runs inside the workers."""

import contextlib
import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.data import encoding
from synth.data.dataset import Dataset
from synth.data.manifest import row_line
from synth.errors import DatasetError, OutputError
from synth.files import naming
from synth.generators.base import method_slug
from synth.records import ENCODED_AS, PARENT_SPLIT, STORED_AS, Candidate, Encoding, Item, Parent, Row, Verdict
from synth.settings.recipe import Output, Recipe

SLUG_LENGTH = 40


class Writer:
    """Writes below one folder. The same candidate gives the same bytes and the same row."""

    def __init__(self, tree: Path, dataset: Dataset, recipe: Recipe, *, run: str) -> None:
        self._tree, self._run, self._dataset = str(tree), run, dataset
        self._seed, self._output = recipe.seed, recipe.output
        self._made: set[str] = set()

    @functools.cached_property
    def _class_forms(self) -> Mapping[str, Encoding | None]:
        """The commonest form of each class's images."""
        return {label: most_common_form(items) for label, items in self._dataset.train.items()}

    def candidates(self, candidates: Sequence[Candidate], verdicts: Sequence[Verdict]) -> bytes:
        """Write the files of accepted candidates, and return the manifest lines of all."""
        files = [
            self._encoded(candidate) if verdict.accepted else None
            for candidate, verdict in zip(candidates, verdicts, strict=True)
        ]
        rows = [self._row(*each) for each in zip(candidates, verdicts, files, strict=True)]
        for row, file in zip(rows, files, strict=True):
            if file is not None and row.path is not None:
                self._write(row.path, file[0])
        return b"".join(map(row_line, rows))

    def _encoded(self, candidate: Candidate) -> tuple[bytes, str]:
        """Return the bytes of the file and the suffix of its name."""
        form = form_of(candidate, self._output, class_form=self._class_forms.get(candidate.label))
        data = candidate.file or encoding.encode(candidate.pixels, form, candidate.alpha)
        return data, encoding.extension(form, candidate.pixels)

    def _row(self, candidate: Candidate, verdict: Verdict, file: tuple[bytes, str] | None) -> Row:
        path, sha256, params = None, None, candidate.params
        form = self._class_forms.get(candidate.label)
        if form is not None and _parents_form(candidate) is None:
            extras = [form.extras] if form.extras else []
            params = {**params, ENCODED_AS: [form.format, form.quality, form.subsampling, *extras]}
        elif any(extras := [_recorded(parent) for parent in candidate.parents]):
            params = {**params, STORED_AS: extras}
        if file is not None:
            name = f"{candidate.attempt:06d}-{candidate.pixels_sha256[:4]}{file[1]}"
            folder = f"{self._dataset.train_folder}{candidate.label}"
            path = f"{folder}/{file_stem(candidate.label, candidate.method)}-{name}"
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
            group=_common_group(candidate),
        )

    def originals(self, items: Sequence[Item], *, in_place: bool = False) -> bytes:
        """Copy or link originals into the tree, unless the run is in place, and return their manifest lines."""
        return b"".join(row_line(self._original(item, in_place=in_place)) for item in items)

    def _original(self, item: Item, *, in_place: bool) -> Row:
        link = self._output.link
        if not in_place:
            self._put_original(item, link)
        return Row(
            id=item.id,
            run=self._run,
            path=item.id if in_place else item.output_path,
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
            group=item.group,
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
            os.unlink(target)  # left by a run that was killed before it wrote the row
        put_link(item, target, link)

    def _write(self, path: str, data: bytes) -> None:
        # There are many small images: plain calls and strings cost half of what a file object and a Path cost.
        target = self._path(path)
        with naming(target):
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            try:
                rest = memoryview(data)
                while rest:  # a disk that is nearly full takes a part, then refuses the rest
                    rest = rest[os.write(file, rest) :]
            finally:
                os.close(file)

    def _path(self, path: str) -> str:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            os.makedirs(f"{self._tree}/{folder}", exist_ok=True)
            self._made.add(folder)
        return f"{self._tree}/{path}"


def put_link(item: Item, target: str | Path, link: str) -> None:
    """Put a hard or symbolic link to an original in the output.

    Raises:
        OutputError: the file system has no such links, or none to the place of the original.
    """
    try:
        os.link(item.path, target) if link == "hard" else os.symlink(os.path.realpath(item.path), target)
    except OSError as error:
        raise OutputError(f"--link {link} of {item.id}: {error.strerror}; use --link copy") from None


def _common_group(candidate: Candidate) -> str | None:
    """Return the group of all parents; None if they have none, or are of different groups."""
    groups = {parent.group if isinstance(parent, Item) else None for parent in candidate.parents}
    return groups.pop() if len(groups) == 1 else None


def form_of(candidate: Candidate, settings: Output, *, class_form: Encoding | None) -> Encoding:
    """Return the encoding of a candidate: that of its parent if made of its pixels, else the commonest in its class."""
    parent = _parents_form(candidate) or class_form
    if candidate.file is not None and parent is not None:
        return parent
    sixteen_bit = candidate.pixels.dtype.itemsize > 1
    return encoding.output_encoding(parent, format=settings.format, quality=settings.quality, sixteen_bit=sixteen_bit)


def _parents_form(candidate: Candidate) -> Encoding | None:
    """Return the form of the first parent; None if the candidate is not made of its parents' own pixels."""
    if not candidate.from_parent_pixels and candidate.file is None:
        return None
    return next((parent.encoding for parent in candidate.parents[:1] if isinstance(parent, Item)), None)


def _recorded(parent: Parent) -> dict[str, Any]:
    """Return what a row records of a parent's file; its profile is in the file itself."""
    extras = parent.encoding.extras if isinstance(parent, Item) else {}
    return {name: True if name == "profile" else value for name, value in extras.items()}


def most_common_form(items: Sequence[Item]) -> Encoding | None:
    """Return the commonest form of a class's images; None for an empty class."""
    forms = Counter(item.encoding for item in items)
    return min(forms, key=lambda form: (-forms[form], str(form))) if forms else None


@functools.cache
def file_stem(label: str, method: str) -> str:
    """Return the start of the names of a class's new files; attempt and hash of the pixels follow.

    So names are short and portable, sort by attempt, and differ for other pixels: yellow-augment-000017-1f3a.jpg.
    """
    return f"{slug(label)}-{slug(method_slug(method))}"


def slug(name: str) -> str:
    """Keep lower-case letters, digits, dots and underscores; other characters become dashes."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.")[:SLUG_LENGTH] or "class"
