"""undersample: a folder with fewer images of the large classes, or a list of the images that stay.

The folder is an output like that of `generate`: the same manifest, staging and card, so that `verify`, `undo` and a
further `generate OUT OUT2` work on it. The input is only read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth import workers
from synth.data.balance import Plan
from synth.data.dataset import Dataset
from synth.data.manifest import row_line
from synth.errors import OutputError, UsageError
from synth.files import locked, replace_file
from synth.output.staging import CARD, RECIPE, SUMMARY, Staging, run_of
from synth.output.summary import CARD_MARK
from synth.output.writer import Writer
from synth.pictures.text import table_cell
from synth.records import PARENT_SPLIT, Item
from synth.runs.preflight import check_places, check_space, leak_warnings
from synth.settings.recipe import Recipe, dump_recipe
from synth.undersampling.choice import METHODS, Thinned, features_of, thin
from synth.versions import versions
from synth.workers import Progress

CHUNK = 128


@dataclass(frozen=True)
class Thinning:
    """What `undersample` kept."""

    method: str
    seed: int
    classes: Mapping[str, Thinned]
    """Of the training split."""
    items: tuple[Item, ...]
    """All that stay, with those of other splits, sorted by id."""
    refused: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    run: str

    def to_json(self) -> dict[str, Any]:
        """The document of `--json`."""
        return {
            "run": self.run,
            "seed": self.seed,
            "method": f"undersample:{self.method}",
            "classes": self._classes(),
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
            "warnings": list(self.warnings),
            "versions": versions(),
        }

    def _classes(self) -> dict[str, dict[str, Any]]:
        return {
            label: {
                "real": found.real,
                "kept": len(found.kept),
                "wanted": found.wanted,
                "duplicates": found.duplicates,
                "method": None if found.whole else self.method,
            }
            for label, found in self.classes.items()
        }

    def summary(self) -> dict[str, Any]:
        """The document of `summary.json`: `classes` say what lies in the folder, as every summary does."""
        inside = {
            label: {
                "real": len(found.kept),
                "note": "" if found.whole else f"thinned from {found.real} real images by {self.method}",
            }
            for label, found in self.classes.items()
        }
        return {**self.to_json(), "classes": inside, "thinned": self._classes()}


def choose(dataset: Dataset, recipe: Recipe, *, progress: Progress | None = None) -> Thinning:
    """Which images stay; writes nothing.

    Raises:
        UsageError, BundleError: as `thin` and `features_of`.
    """
    settings = recipe.undersample
    features = None if settings.method == METHODS[0] else features_of(recipe, progress=progress)
    classes = thin(
        dataset.train, settings, seed=recipe.seed, classes=recipe.classes, features=features, progress=progress
    )
    kept = {item.id for found in classes.values() for item in found.kept}
    items = tuple(item for item in dataset.items if item.split != PARENT_SPLIT or item.id in kept)
    warnings = (*dataset.warnings, *leak_warnings(dataset))
    run = _run_id(dataset, recipe, items)
    return Thinning(settings.method, recipe.seed, classes, items, dataset.refused, warnings, run)


def _run_id(dataset: Dataset, recipe: Recipe, items: Sequence[Item]) -> str:
    parts = [versions(), dataset.digest, recipe.model_dump(mode="json"), [item.id for item in items]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def undersample(
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path | None,
    *,
    list_file: str | Path | None = None,
    dry_run: bool = False,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> Thinning:
    """Put the images that stay into a new folder, or their paths into a list.

    The same call again resumes an interrupted run.

    Args:
        recipe: `undersample` says how; `classes` which; `judge` by whose features; `output.link` how files get there.
        out: the folder; None makes none.
        list_file: the list: one path a line, below the input; None writes none.
        dry_run: check everything and choose, but write nothing.

    Raises:
        OutputError: `out` holds files or lies in the input, or the list can't be written.
        LockedError: another run holds the folder.
        UsageError, BundleError: as `choose`.
    """
    if out is not None:
        check_out(dataset, recipe, Path(out))
    if list_file is not None:
        check_list(dataset, Path(list_file))
    if dry_run or out is None:
        thinning = choose(dataset, recipe, progress=progress)
    else:
        thinning = _into_folder(dataset, recipe, Path(os.path.realpath(out)), n_workers=n_workers, progress=progress)
    if list_file is not None and not dry_run:
        write_list(thinning, list_file)
    return thinning


def _into_folder(dataset: Dataset, recipe: Recipe, out: Path, *, n_workers: int, progress: Progress | None) -> Thinning:
    with locked(out):
        staging = Staging(out)
        interrupted = staging.state
        staging.finish_commit()
        thinning = choose(dataset, recipe, progress=progress)
        if interrupted and interrupted["run"] == thinning.run == run_of(out):
            return thinning  # killed in the very last step
        _check_empty(out)
        check_space(dataset, Plan({}), thinning.items if recipe.output.link == "copy" else (), out)
        _write(thinning, dataset, recipe, staging, n_workers=n_workers, progress=progress)
    return thinning


def check_out(dataset: Dataset, recipe: Recipe, out: Path) -> None:
    """Refuse a folder that nothing may be written into.

    Raises:
        OutputError: it holds files, or is the input or in it.
    """
    if os.path.realpath(out) == os.path.realpath(dataset.root):
        raise OutputError(f"output {out} is the input itself, which is only read: choose a new folder")
    check_places(dataset, out, recipe, in_place=False)
    if Staging(out).state is None:  # else that run is finished first
        _check_empty(out)


def _check_empty(out: Path) -> None:
    if os.path.lexists(out) and not out.is_dir():
        raise OutputError(f"output {out} is a file: choose a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise OutputError(f"output {out} holds files, and nothing is written over: choose a new or empty folder")


def _write(
    thinning: Thinning,
    dataset: Dataset,
    recipe: Recipe,
    staging: Staging,
    *,
    n_workers: int,
    progress: Progress | None,
) -> None:
    kind = "add" if staging.out.exists() else "new"
    staging.begin(thinning.run, kind=kind, items=dataset.items)
    writer = Writer(staging.tree, recipe, run=thinning.run, train_folder=dataset.train_folder)
    done, total = sum(1 for _ in staging.take_up()), len(thinning.items)
    chunks = (thinning.items[start : start + CHUNK] for start in range(done, total, CHUNK))
    for chunk, lines in workers.run(_copy, writer, chunks, n_workers=n_workers if total > 2 * CHUNK else 1):
        staging.append(lines)
        done += len(chunk)
        if progress:
            progress("originals", done, total)
    summary = thinning.summary()
    root_files = {
        RECIPE: dump_recipe(recipe).encode(),
        SUMMARY: json.dumps(summary, indent=1, allow_nan=False).encode(),
        CARD: _card(thinning, summary).encode(),
    }
    staging.commit(thinning.run, kind=kind, root_files=root_files)


def _copy(writer: Writer, items: Sequence[Item]) -> bytes:
    return b"".join(row_line(writer.original(item, in_place=False)) for item in items)


def check_list(dataset: Dataset, path: Path) -> None:
    """Refuse a place where no list may be written.

    Raises:
        OutputError: a file is there, or the place lies in the input or in no folder.
    """
    if os.path.lexists(path):
        raise OutputError(f"{path} exists: choose another name for the list")
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(dataset.root)):
        raise OutputError(f"{path} would lie inside the input: choose another place for the list")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: no folder {path.parent} for the list")


def write_list(thinning: Thinning, path: str | Path) -> None:
    """Write the paths of all that stay, below the input and one a line.

    Raises:
        OutputError: the place can't be written. UsageError: a name with a line break.
    """
    odd = next((item.id for item in thinning.items if "\n" in item.id or "\r" in item.id), None)
    if odd is not None:
        raise UsageError(f"{odd!r} has a line break in its name, so no list can hold it: give an output folder")
    try:
        replace_file(Path(path), "".join(f"{item.id}\n" for item in thinning.items).encode())
    except OSError as error:
        raise OutputError(f"can't write the list {path}: {error.strerror}") from None


def _card(thinning: Thinning, summary: Mapping[str, Any]) -> str:
    rows = [
        f"| {table_cell(label)} | {found.real} | {len(found.kept)} | {found.duplicates} | "
        f"{'' if found.whole else table_cell(thinning.method)} |"
        for label, found in thinning.classes.items()
    ]
    return "\n".join(
        [
            CARD_MARK,
            "# Image dataset with fewer images of its large classes",
            "",
            "Real images alone. Training split:",
            "",
            "| class | before | kept | near-duplicates left out | thinned by |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"* Run `{thinning.run}`, `{table_cell(summary['method'])}`, seed {thinning.seed}, "
            f"synth {summary['versions']['synth']}.",
            "* Other splits are whole. No image was changed, and the dataset that they come from was only read.",
            "* `manifest.jsonl` has one line per image, `recipe.toml` every setting. `synth verify` checks all files;",
            "  `synth generate THIS OUT` fills the rare classes.",
            "",
        ]
    )
