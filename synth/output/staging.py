"""Writing a folder whole or not at all.

A run on OUT works in `OUT.incomplete` beside it:

    OUT.incomplete/run.json     which run this is, who works on it, and whether it has been committed
    OUT.incomplete/inputs.jsonl the dataset it reads, so that a change before a resumption can be named
    OUT.incomplete/tree/        the images under their final names, and this run's `manifest.jsonl`

The manifest is appended chunk by chunk, so a killed run knows what it has. A new OUT appears by one rename of `tree`.
Into an existing OUT the commit first lists the new images in its manifest, then links them into place: whatever moment
a kill chooses, no new image is ever taken for a real one, and the next start finishes the commit. Never is a file
replaced that this package did not write.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.data.manifest import MANIFEST, RUN_NAME, parse_row, read_manifest, row_line
from synth.errors import ManifestError, OutputError
from synth.files import new_file, replace_file, staging_folder, this_process
from synth.records import SWITCHED_OFF, Item, Row

CARD, RECIPE, SUMMARY, REJECTED = "README.md", "recipe.toml", "summary.json", "rejected.json"
_PAGE_RUN = re.compile(rb'<meta name="run" content="([0-9a-f]{12})">')
PAGE_MARK = b'<meta name="generator" content="synth">'
REPORT, QUALITY = "report.html", "quality.json"
ROOT_FILES = (CARD, RECIPE, REJECTED, SUMMARY)


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
        """What `run.json` says; None where no run is unfinished.

        Raises:
            OutputError: the folder is there, but not of this package.
        """
        if not self.folder.exists():
            return None
        try:
            state = json.loads((self.folder / "run.json").read_text("utf-8"))
            if RUN_NAME.fullmatch(state["run"]):
                return {"run": state["run"], "phase": str(state["phase"]), "kind": str(state["kind"])}
        except FileNotFoundError:
            if {path.name for path in self.folder.iterdir()} <= {".run.json.tmp"}:
                return None  # killed right after the folder was made, or right before it was taken away
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise OutputError(f"{self.folder} is in the way and no unfinished run of synth: move it away")

    def begin(self, run: str, *, kind: str, items: Iterable[Item]) -> None:
        """Start a run, or take up the same run where it stopped.

        Raises:
            OutputError: the unfinished run there is another one; what changed in the dataset is named.
        """
        state = self.state
        if state is not None and state["run"] != run:
            raise OutputError(self._other_run(items))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_state(run, kind, phase="work")
        if not self._inputs.exists():
            lines = (json.dumps([item.id, item.sha256]) + "\n" for item in items)
            replace_file(self._inputs, "".join(lines).encode())
        self.tree.mkdir(exist_ok=True)
        self.journal.touch()

    def _write_state(self, run: str, kind: str, *, phase: str) -> None:
        state = {"run": run, "kind": kind, "phase": phase, **this_process()}
        replace_file(self.folder / "run.json", json.dumps(state, indent=1).encode())

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
            f"Give the same input and command to resume it, or take it away with: synth undo {self.out}"
        )

    def take_up(self) -> Iterator[Row]:
        """Yield the rows that are safely done, then cut the journal behind the last of them."""
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
        os.truncate(self.journal, good)

    def _done_row(self, line: bytes) -> Row | None:
        if not line.endswith(b"\n"):
            return None
        try:
            row = parse_row(line, self.journal.name)
        except ManifestError:
            return None
        if row.path is None or row.method is None:
            return row
        try:
            data = (self.tree / row.path).read_bytes()
        except OSError:
            return None
        return row if hashlib.sha256(data).hexdigest() == row.sha256 else None

    def rejected(self) -> Iterator[Row]:
        """The rows of rejected candidates."""
        with self.journal.open("rb") as file:
            yield from (parse_row(line, self.journal.name) for line in file if b'"verdict":"rejected"' in line)

    def append(self, lines: bytes) -> None:
        """Add finished rows to the journal."""
        with self.journal.open("ab") as file:
            file.write(lines)

    def withdraw(self, labels: Collection[str]) -> None:
        """Take back the new images of classes whose method was switched off; their rows stay, as rejected.

        The files go first: a kill in between leaves rows without files, which are made and taken back again.
        """
        rows = list(read_manifest(self.journal)) if labels else []
        for row in rows:
            if row.synthetic and row.label in labels and row.path is not None:
                (self.tree / row.path).unlink(missing_ok=True)
        if labels:
            replace_file(self.journal, b"".join(row_line(_withdrawn(row, labels)) for row in rows))

    def commit(self, run: str, *, kind: str, root_files: Mapping[str, bytes]) -> None:
        """Make the run's files part of OUT.

        Raises:
            OutputError: a file of another origin stands where one of ours would go; nothing has been committed then.
        """
        if kind != "new":
            self._check_free()
        for name, data in root_files.items():
            replace_file(self.tree / name, data)
        _sync_file_system(self.tree)
        self._write_state(run, kind, phase="commit")
        self.finish_commit()

    def finish_commit(self) -> None:
        """The commit itself; may be repeated after a kill at any moment."""
        state = self.state
        if state is None or state["phase"] != "commit":
            return
        if state["kind"] == "new" and self.tree.exists() and not os.path.lexists(self.out):
            os.rename(self.tree, self.out)
        elif self.journal.exists():  # gone where a kill came while the tree was taken away
            self._merge(state["run"])
        self.remove()

    def remove(self) -> None:
        """Take the staging folder away, `run.json` last."""
        shutil.rmtree(self.tree, ignore_errors=True)
        for path in (self._inputs, self.folder / ".run.json.tmp", self.folder / "run.json"):
            path.unlink(missing_ok=True)
        if self.folder.exists():
            self.folder.rmdir()

    def _check_free(self) -> None:
        inside = os.path.realpath(self.out)
        for row in read_manifest(self.journal):
            folder = os.path.realpath(self.out / str(row.path or ".")).rpartition("/")[0]
            if row.path is not None and not f"{folder}/".startswith(f"{inside}/"):
                raise OutputError(f"{self.out / row.path}: a link leads out of the output folder there; take it away")
            if row.path is not None and row.method is not None and os.path.lexists(self.out / row.path):
                raise OutputError(f"{self.out / row.path} is in the way: it is not of an earlier run; move it away")

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
                _put(self.tree / row.path, self.out / row.path)
        for name in ROOT_FILES:
            if (self.tree / name).exists():
                _set_aside(self.out, name, run)
                replace_file(self.out / name, (self.tree / name).read_bytes())


def _withdrawn(row: Row, labels: Collection[str]) -> Row:
    if not row.synthetic or row.label not in labels or row.path is None:
        return row
    return row._replace(path=None, sha256=None, verdict="rejected", reasons=(SWITCHED_OFF,))


def _put(source: Path, target: Path) -> None:
    """Give a staged file its final name, without ever replacing another file."""
    if os.path.lexists(target) and not os.path.lexists(source):
        return  # a kill came while the staging folder was taken away
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return  # linked before a kill: the check before the commit found this name free
    except OSError:  # a file system without hard links, or another one
        copy = target.with_name(f".{target.name}.tmp")
        copy.unlink(missing_ok=True)
        shutil.copyfile(source, copy, follow_symlinks=False)
        os.replace(copy, target)


def _set_aside(out: Path, name: str, run: str) -> None:
    """Keep an earlier run's file under that run's own name: recipe.toml -> recipe-<run>.toml."""
    path = out / name
    if name == CARD or not path.exists():
        return
    owner = run_of(out)
    if owner and owner != run and not aside(out, name, owner).exists():
        os.replace(path, aside(out, name, owner))


def aside(out: Path, name: str, run: str) -> Path:
    """The name of an earlier run's recipe or summary."""
    stem, _, suffix = name.partition(".")
    return out / f"{stem}-{run}.{suffix}"


def run_of(out: Path) -> str | None:
    """The run whose summary stands in the folder."""
    try:
        run = json.loads((out / SUMMARY).read_text("utf-8")).get("run")
    except (OSError, ValueError, AttributeError):
        return None
    return run if isinstance(run, str) and RUN_NAME.fullmatch(run) else None


def is_our_page(path: Path) -> bool:
    """Did this package write the page there?"""
    with path.open("rb") as file:
        return PAGE_MARK in file.read(2000)


def page_run(path: Path) -> str | None:
    """The run that our page at that place tells of."""
    try:
        with path.open("rb") as file:
            found = _PAGE_RUN.search(file.read(2000))
    except OSError:
        return None
    return found[1].decode() if found else None


def is_our_quality(path: Path) -> bool:
    """Did this package write the quality.json there?"""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and {"classes", "judge", "bad"} <= set(document)


def _sync_file_system(folder: Path) -> None:
    """Bring all images to the disk at once: an fsync for each of many small files takes ten times as long."""
    if sys.platform != "linux":
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)
