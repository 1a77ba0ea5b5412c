"""Files of an output that are gone or changed are made again, each from its row of the manifest.

A run reads every real image of its input, so it hashes every file of its output too: sizes and times would miss a
changed file, and a copied folder has new times. A changed file is never lost: it moves to `OUT.changed`.
"""

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.data.dataset import Dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import SynthError
from synth.files import file_sha256, leads_out, naming, replace_file
from synth.output.card import card_of
from synth.output.root_files import CARD, RECIPE, REJECTED, SUMMARY, run_of
from synth.output.writer import put_link
from synth.records import Item, Row
from synth.runs.rejected import rejected_document
from synth.runs.remake import Remaker

SHOWN = 3
"""Files that a message names."""


@dataclass
class Mended:
    """The files of an output that were gone or changed."""

    gone: list[str] = field(default_factory=list)
    """They are made again."""
    changed: list[str] = field(default_factory=list)
    """They are made again; what was there is in `OUT.changed`."""
    lost: list[str] = field(default_factory=list)
    """They can't be made again, with the reason. A changed file stays."""
    short: Counter[str] = field(default_factory=Counter)
    """{class: new images among the lost}."""

    def __bool__(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.gone or self.changed or self.lost)

    def messages(self, out: Path) -> tuple[str, ...]:
        """Return what a person should know, one line for each kind."""
        told = (
            (self.gone, "gone and made again", ""),
            (self.changed, "changed and made again", f"; what was there is now in {changed_folder(out)}"),
            (self.lost, "gone or changed, and can't be made again", ""),
        )
        return tuple(f"{_counted(files)} {what} ({_named(files)}){more}" for files, what, more in told if files)


def mend(out: Path, dataset: Dataset) -> Mended:
    """Make the files of an output again that are gone or changed.

    Args:
        dataset: the input that the output was made from.

    Raises:
        OutputError: a file can't be written. ManifestError: the manifest is damaged.
    """
    mended = Mended()
    if not (out / MANIFEST).is_file():
        return mended
    # An original that a run found in its place has no method: it belongs to the owner of the folder.
    ours = (row for row in read_manifest(out / MANIFEST) if row.path is not None and row.method is not None)
    wrong = [row for row in ours if file_sha256(out / str(row.path)) != row.sha256]
    items = {item.id: item for item in dataset.real} if wrong else {}
    remaker = Remaker(out, dataset.root) if wrong else None
    for row in wrong:
        path = str(row.path)
        try:
            if leads_out(out, path):
                raise SynthError("a link there leads out of the output folder")
            data = _original(row, items) if remaker is None or not row.synthetic else _synthetic(row, remaker)
        except SynthError as error:
            mended.lost.append(f"{path}: {error}")
            if row.synthetic:
                mended.short[row.label] += 1
            continue
        was_there = os.path.lexists(out / path)
        if was_there:
            _set_aside(out, path)
        _put(row, items, data, out / path)
        (mended.changed if was_there else mended.gone).append(path)
    _mend_root_files(out, dataset, mended)
    return mended


def _mend_root_files(out: Path, dataset: Dataset, mended: Mended) -> None:
    """Write the card and the pictures of rejected candidates again; only its run can write a recipe or a summary."""
    mended.lost += [f"{name}: only its run can write it" for name in (RECIPE, SUMMARY) if not (out / name).exists()]
    missing = [name for name in (CARD, REJECTED) if not os.path.lexists(out / name)]
    for name in missing:
        data = card_of(out) if name == CARD else _rejected(out, dataset)
        if data is not None:
            replace_file(out / name, data)
            mended.gone.append(name)


def _rejected(out: Path, dataset: Dataset) -> bytes | None:
    """Return the pictures of the candidates that the last run rejected; None if there are none to make."""
    run, rows = run_of(out), read_manifest(out / MANIFEST)
    rejected = [row for row in rows if row.run == run and row.verdict == "rejected"]
    if not rejected:
        return None
    try:
        return rejected_document(rejected, Remaker(out, dataset.root).generator(str(run)), dataset.train)
    except (SynthError, KeyError):  # its recipe, or a parent, is gone
        return None


def changed_folder(out: Path) -> Path:
    """Return the folder beside OUT that changed files move to."""
    return out.with_name(f"{out.name}.changed")


def _original(row: Row, items: Mapping[str, Item]) -> bytes:
    item = items.get(row.id)
    if item is None or item.sha256 != row.sha256:
        raise SynthError("the input has no such image")
    return Path(item.path).read_bytes()


def _synthetic(row: Row, remaker: Remaker) -> bytes:
    made = remaker.remake(row)
    if not made.same_file:
        raise SynthError("it would be another image now: settings or libraries have changed")
    return made.data


def _set_aside(out: Path, path: str) -> None:
    """Move a changed file to the first free name in the folder of such files."""
    target, number = changed_folder(out) / path, 2
    while os.path.lexists(target):
        target = changed_folder(out) / f"{path}.{number}"
        number += 1
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(out / path, target)


def _put(row: Row, items: Mapping[str, Item], data: bytes, target: Path) -> None:
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if row.method in ("hard", "sym"):
        put_link(items[row.id], target, str(row.method))
    else:
        replace_file(target, data)


def _counted(files: Sequence[str]) -> str:
    return "1 file was" if len(files) == 1 else f"{len(files)} files were"


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return f"{', '.join(files[:SHOWN])}{more}"
