"""Write an output folder as a whole or not at all.

A run on OUT works in `OUT.incomplete` beside it:

    OUT.incomplete/run.json     which run this is, who works on it, and whether it is being committed
    OUT.incomplete/inputs.jsonl the dataset that it reads, to name what changed before it was resumed
    OUT.incomplete/tree/        the images under their final names, and this run's `manifest.jsonl`

The manifest grows chunk by chunk, so a killed run knows what it has. A new OUT appears by one rename of `tree`. In an
existing OUT, the commit first lists the new images in its manifest and then links them into place. A run may be killed
at any moment: no new image is ever taken for a real one, and the next start finishes the commit. A file that this
package did not write is never replaced.
"""

import ctypes
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from synth.data.manifest import MANIFEST, RUN_NAME, parse_row, read_manifest, row_line
from synth.errors import ManifestError, OutputError
from synth.files import file_sha256, new_file, replace_file, staging_folder, this_process
from synth.output.root_files import ROOT_FILES, put_root_file
from synth.records import SWITCHED_OFF, Item, Row


class Staging:
    """The unfinished run of one output folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = staging_folder(out)
        self.tree = self.folder / "tree"
        self.journal = self.tree / MANIFEST
        self._inputs = self.folder / "inputs.jsonl"

    @property
    def state(self) -> Mapping[str, str] | None:
        """{run, phase, kind} of the unfinished run, from `run.json`; None if no run is unfinished.

        Raises:
            OutputError: the folder exists, but this package did not make it.
        """
        if not self.folder.exists():
            return None
        try:
            state = json.loads((self.folder / "run.json").read_text("utf-8"))
            if RUN_NAME.fullmatch(state["run"]):
                return {"run": state["run"], "phase": str(state["phase"]), "kind": str(state["kind"])}
        except FileNotFoundError:
            if {path.name for path in self.folder.iterdir()} <= {".run.json.tmp"}:
                return None  # killed right after the folder was made, or right before it was removed
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise OutputError(f"{self.folder} is in the way, and it is not an unfinished run of synth: move it away")

    def begin(self, run: str, items: Iterable[Item]) -> None:
        """Start a run on a dataset's items, or continue the same run.

        Raises:
            OutputError: another run is unfinished there. The message names what changed in the dataset.
        """
        state = self.state
        if state is not None and state["run"] != run:
            raise OutputError(self._other_run(items))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_state(run, "add" if os.path.lexists(self.out) else "new", phase="work")
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
        with self.journal.open("ab") as file:
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
                (self.tree / row.path).unlink(missing_ok=True)
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
        if state["kind"] != "new":
            self._check_free()
        for name, data in root_files.items():
            replace_file(self.tree / name, data)
        _sync_file_system(self.tree)
        self._write_state(state["run"], state["kind"], phase="commit")
        self.finish_commit()

    def finish_commit(self) -> None:
        """Finish a commit that was begun, if any. It may be killed and repeated at any moment."""
        state = self.state
        if state is None or state["phase"] != "commit":
            return
        if state["kind"] == "new" and self.tree.exists() and not os.path.lexists(self.out):
            os.rename(self.tree, self.out)
        elif self.journal.exists():  # gone if a kill came while the tree was removed
            self._merge(state["run"])
        self.remove()

    def remove(self) -> None:
        """Remove the staging folder, `run.json` last."""
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
                raise OutputError(f"{self.out / row.path}: a link there leads out of the output folder; remove it")
            if row.path is not None and row.method is not None and os.path.lexists(self.out / row.path):
                raise OutputError(f"{self.out / row.path} is in the way: no earlier run wrote it; move it away")

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
                put_root_file(self.out, name, (self.tree / name).read_bytes(), run=run)


def _put(source: Path, target: Path) -> None:
    """Give a staged file its final name. It never replaces another file."""
    if os.path.lexists(target) and not os.path.lexists(source):
        return  # a kill came while the staging folder was removed
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


def _sync_file_system(folder: Path) -> None:
    """Write all images to the disk at once: an fsync for each of many small files takes ten times as long."""
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
