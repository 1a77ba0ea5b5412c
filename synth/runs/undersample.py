"""undersample: a folder with fewer images of the large classes.

The folder is an output like that of `generate`: it has the same manifest and card, so `verify`, `undo` and a further
`generate OUT OUT2` work on it. The input is only read.
"""

import dataclasses
import json
import os
from pathlib import Path

from synth import workers
from synth.data.dataset import Dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import UsageError
from synth.output.card import undersampled_card
from synth.output.root_files import CARD, RECIPE, SUMMARY
from synth.output.staging import Staging
from synth.output.writer import Writer
from synth.runs.held import held
from synth.runs.mend import mend
from synth.runs.preflight import check_empty, check_places, check_space
from synth.runs.selection import Selection, check_list, choose, write_list
from synth.settings.recipe import Recipe, dump_recipe
from synth.workers import Progress

CHUNK = 128


def undersample(
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path | None,
    *,
    list_file: str | Path | None = None,
    dry_run: bool = False,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> Selection:
    """Put the images that stay into a new folder, or their paths into a list. The same call resumes an interrupted run.

    Args:
        recipe: `undersample` holds the settings; `classes` names the classes; the features of `judge` are used;
            `output.link` tells how the files get there.
        out: the folder; None for none.
        list_file: the list, one path per line, relative to the input; None for none.
        dry_run: check everything and choose, but write nothing.

    Raises:
        OutputError: `out` holds files or lies in the input, or the list can't be written; nothing is written then.
        LockedError: another run holds the folder.
        UsageError, BundleError: as `choose`.
    """
    if out is None and list_file is None and not dry_run:
        raise UsageError("undersample needs an output folder, a list file or dry_run")
    if out is not None:
        check_places(dataset, Path(out), recipe, in_place=False)
    if list_file is not None:
        check_list(dataset, Path(list_file))
    if dry_run or out is None:
        if out is not None and Staging(Path(out)).state is None:  # otherwise that run is finished first
            _check_ours(Path(out))
        selection = choose(dataset, recipe, progress=progress)
    else:
        selection = _into_folder(dataset, recipe, Path(os.path.realpath(out)), n_workers=n_workers, progress=progress)
    if list_file is not None and not dry_run:
        write_list(selection, list_file)
    return selection


def _into_folder(
    dataset: Dataset, recipe: Recipe, out: Path, *, n_workers: int, progress: Progress | None
) -> Selection:
    with held(out) as staging:
        _check_ours(out)
        selection = choose(dataset, recipe, progress=progress)
        if _holds(out, selection.run):
            told = mend(out, dataset).messages(out) or (f"nothing to do: {out} holds these images",)
            return dataclasses.replace(selection, warnings=(*told, *selection.warnings))
        check_empty(out)
        check_space(dataset, out, copies=selection.items if recipe.output.link == "copy" else (), new={})
        _write(selection, dataset, recipe, staging, n_workers=n_workers, progress=progress)
    return selection


def _check_ours(out: Path) -> None:
    """Refuse a folder of someone else before the choice, which may take long."""
    if not (out / MANIFEST).is_file():
        check_empty(out)


def _holds(out: Path, run: str) -> bool:
    """Whether the folder holds the images of a run."""
    return (out / MANIFEST).is_file() and any(row.run == run for row in read_manifest(out / MANIFEST))


def _write(
    selection: Selection,
    dataset: Dataset,
    recipe: Recipe,
    staging: Staging,
    *,
    n_workers: int,
    progress: Progress | None,
) -> None:
    staging.begin(selection.run, dataset.real)
    writer = Writer(staging.tree, dataset, recipe, run=selection.run)
    done, total = sum(1 for _ in staging.resume()), len(selection.items)
    chunks = (selection.items[start : start + CHUNK] for start in range(done, total, CHUNK))
    for chunk, lines in workers.run(Writer.originals, writer, chunks, n_workers=n_workers if total > 2 * CHUNK else 1):
        staging.append(lines)
        done += len(chunk)
        if progress:
            progress("originals", done, total)
    summary = selection.summary()
    staging.commit(
        {
            RECIPE: dump_recipe(recipe).encode(),
            SUMMARY: json.dumps(summary, indent=1, allow_nan=False).encode(),
            CARD: undersampled_card(summary).encode(),
        }
    )
