"""Write an output folder as a whole or not at all.

A run on OUT works in `OUT.incomplete` beside it:

    OUT.incomplete/run.json     which run this is, its phase, and who works on it
    OUT.incomplete/inputs.jsonl the dataset that it reads, to name what changed before it was resumed
    OUT.incomplete/tree/        the images under their final names, and this run's `manifest.jsonl`

The manifest grows chunk by chunk, so a killed run knows what it has. A new OUT appears by one rename of `tree`. In an
existing OUT, the commit first lists the new images in its manifest and then links them into place. A run may be killed
at any moment: no new image is ever taken for a real one, and the next command on OUT finishes the commit, by the same
steps. A file that this package did not write is never replaced.
"""

import ctypes
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.data.manifest import MANIFEST, parse_row, read_manifest, row_line
from synth.errors import ManifestError, OutputError, in_the_way
from synth.files import (
    file_sha256,
    leads_out,
    naming,
    new_file,
    read_state,
    remove_file,
    remove_work,
    replace_file,
    staging_folder,
    write_state,
)
from synth.output.root_files import ROOT_FILES, put_root_file
from synth.records import SWITCHED_OFF, Item, Row

WORK, COMMIT, DONE = "work", "commit", "done"
"""Phases of a run: its images are made, they are moved to OUT, the rest of the working folder is removed."""


class Staging:
    """The unfinished run of one output folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = staging_folder(out)
        self.tree = self.folder / "tree"
        self.journal = self.tree / MANIFEST
        self._inputs = self.folder / "inputs.jsonl"

    @property
    def state(self) -> Mapping[str, Any] | None:
        """{run, phase} of the unfinished run, from `run.json`; None if no run is unfinished.

        Raises:
            OutputError: the folder exists, but this package did not make it.
        """
        return read_state(self.folder)

    def begin(self, run: str, items: Iterable[Item]) -> None:
        """Start a run on a dataset's items, or continue the same run.

        Raises:
            OutputError: another run is unfinished there. The message names what changed in the dataset.
        """
        state = self.state
        if state is not None and state["run"] != run:
            raise OutputError(self._other_run(items))
        write_state(self.folder, run, phase=WORK)
        if not self._inputs.exists():
            lines = (json.dumps([item.id, item.sha256]) + "\n" for item in items)
            replace_file(self._inputs, "".join(lines).encode())
        with naming(self.journal):
            self.tree.mkdir(exist_ok=True)
            self.journal.touch()

    def _other_run(self, items: Iterable[Item]) -> str:
        lines = self._inputs.read_text("utf-8").splitlines() if self._inputs.exists() else []
        before, now = dict(map(json.loads, lines)), {item.id: item.sha256 for item in items}
        changes = (
            [f"new: {id}" for id in sorted(now.keys() - before.keys())]
            + [f"gone: {id}" for id in sorted(before.keys() - now.keys())]
            + [f"changed: {id}" for id in sorted(now.keys() & before.keys()) if now[id] != before[id]]
        )
        why = f"{len(changes)} input images differ ({'; '.join(changes[:3])})" if changes else "other settings"
        return (
            f"{self.folder} holds an unfinished run that does not fit: {why}. "
            f"Give the same input and command to resume it, or remove it with: synth undo {self.out}"
        )

    def resume(self) -> Iterator[Row]:
        """Yield the rows that are complete, with their files, then cut the journal behind the last of them."""
        if not self.journal.exists():
            return
        good = 0
        with self.journal.open("rb") as file:
            for line in file:
                row = self._done_row(line)
                if row is None:
                    break
                good += len(line)
                yield row
        with naming(self.journal):
            os.truncate(self.journal, good)

    def _done_row(self, line: bytes) -> Row | None:
        """Read a row; None if the line is cut off, or its file is missing or incomplete."""
        if not line.endswith(b"\n"):
            return None
        try:
            row = parse_row(line, self.journal.name)
        except ManifestError:
            return None
        has_file = row.path is not None and row.method is not None
        return None if has_file and file_sha256(self.tree / str(row.path)) != row.sha256 else row

    def rejected(self) -> Iterator[Row]:
        """Yield the rows of rejected candidates."""
        with self.journal.open("rb") as file:
            yield from (parse_row(line, self.journal.name) for line in file if b'"verdict":"rejected"' in line)

    def append(self, lines: bytes) -> None:
        """Add finished rows to the journal."""
        with naming(self.journal), self.journal.open("ab") as file:
            file.write(lines)

    def withdraw(self, labels: Collection[str]) -> None:
        """Remove the new images of classes whose method was switched off. Their rows stay, as rejected.

        The files go first: a kill in between leaves rows without files, which are made and removed again.
        """
        if not labels:
            return
        lines = []
        for row in read_manifest(self.journal):
            if row.synthetic and row.label in labels and row.path is not None:
                remove_file(self.tree / row.path)
                row = row._replace(path=None, sha256=None, verdict="rejected", reasons=(SWITCHED_OFF,))
            lines.append(row_line(row))
        replace_file(self.journal, b"".join(lines))

    def commit(self, root_files: Mapping[str, bytes]) -> None:
        """Move the run's files and these root files, {name: data}, to OUT.

        Raises:
            OutputError: a foreign file has the name of one of ours; nothing is committed then.
        """
        state = self.state
        assert state is not None
        if os.path.lexists(self.out):
            self._check_free()
        for name, data in root_files.items():
            replace_file(self.tree / name, data)
        _sync_file_system(self.tree)
        write_state(self.folder, state["run"], phase=COMMIT)
        self.recover()

    def recover(self) -> None:
        """Finish a commit that was begun, and remove what is left of a run that is over. It may be repeated."""
        state = self.state
        if state is not None and state.get("phase") == COMMIT:
            if self.tree.exists() and not os.path.lexists(self.out):
                with naming(self.out):
                    os.rename(self.tree, self.out)
            elif self.journal.exists():
                self._merge(state["run"])
            write_state(self.folder, state["run"], phase=DONE)
            state = self.state
        if state is None or state.get("phase") == DONE:
            self.remove()

    def remove(self) -> None:
        """Remove the staging folder."""
        remove_work(self.folder)

    def _check_free(self) -> None:
        for row in read_manifest(self.journal):
            if row.path is not None and leads_out(self.out, row.path):
                raise OutputError(f"{self.out / row.path}: a link there leads out of the output folder; remove it")
            if row.path is not None and row.method is not None and os.path.lexists(self.out / row.path):
                raise in_the_way(self.out / row.path)

    def _merge(self, run: str) -> None:
        target = self.out / MANIFEST
        known = {row.id for row in read_manifest(target)} if target.exists() else set()
        with new_file(target) as file:
            if target.exists():
                with target.open("rb") as old:
                    shutil.copyfileobj(old, file)
            file.writelines(row_line(row) for row in read_manifest(self.journal) if row.id not in known)
        for row in read_manifest(self.journal):
            if row.path is not None and row.method is not None:
                _put(self.tree / row.path, self.out / row.path, sha256=row.sha256)
        for name in ROOT_FILES:
            if (self.tree / name).exists():
                put_root_file(self.out, name, (self.tree / name).read_bytes(), run=run)


def _put(source: Path, target: Path, *, sha256: str | None) -> None:
    """Give a staged file its final name. It never replaces another file.

    Raises:
        OutputError: a foreign file has this name.
    """
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:  # linked before a kill, or made by someone else since the check before the commit
            if file_sha256(target) != sha256:
                raise in_the_way(target) from None
        except OSError:  # a file system without hard links, or another one
            if os.path.lexists(target) and file_sha256(target) != sha256:
                raise in_the_way(target) from None
            copy = target.with_name(f".{target.name}.tmp")
            copy.unlink(missing_ok=True)
            shutil.copyfile(source, copy, follow_symlinks=False)
            os.replace(copy, target)


def _sync_file_system(folder: Path) -> None:
    """Write all images to the disk at once: an fsync for each of many small files takes ten times as long."""
    if sys.platform != "linux":
        os.sync()
        return
    with naming(folder):
        handle = os.open(folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(handle):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(handle)
