"""generate: plan -> generator -> gates -> writer, chunk by chunk, in any number of processes.

`settle` checks everything and opens what is needed, `fill` makes the images, `staging` moves them to the output.
"""

import dataclasses
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.data.balance import Plan
from synth.data.dataset import Dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import UsageError
from synth.files import path_from
from synth.output.card import filled_card
from synth.output.root_files import CARD, RECIPE, REJECTED, SUMMARY, is_our_card
from synth.output.staging import Staging
from synth.output.summary import ClassSummary, Summary
from synth.pages.report import refresh_page, write_report
from synth.records import PARENT_SPLIT
from synth.runs.fill import fill
from synth.runs.held import held
from synth.runs.mend import mend
from synth.runs.preflight import bundle_warnings, check_output, check_space
from synth.runs.rejected import rejected_document
from synth.runs.settle import SettledRun, check_run, settle
from synth.settings.recipe import Recipe, dump_recipe
from synth.workers import Progress


def generate(
    dataset: Dataset,
    plan: Plan | None,
    recipe: Recipe,
    out: str | Path,
    *,
    in_place: bool = False,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> Summary:
    """Fill classes with new images: `out` holds the dataset's images and the new ones.

    The same call resumes an interrupted run, and tops up a complete one. Files of the output that are gone or changed
    are made again.

    Args:
        plan: from `make_plan`; None: what the recipe asks for.
        in_place: `out` is the dataset's own folder, and the new images are added there.

    Raises:
        OutputError: the folder is not ours, or an unfinished run there does not fit; nothing is written then.
        LockedError: another run holds the folder.
        UsageError: an unknown class, target or method. BundleError: the judge, or the network of the method.
        GeneratorError: the generator failed. DatasetError: an image changed meanwhile. The same call resumes.
    """
    started = time.monotonic()
    out = Path(os.path.realpath(out))
    check_run(dataset, recipe, out, in_place=in_place)
    with held(out) as staging:
        check_output(out, in_place=in_place)
        run = settle(dataset, plan, recipe, out, in_place=in_place)
        mended = mend(out, dataset)
        if run.is_done:
            refresh_page(out)
            warnings = (*run.warnings, *([] if mended.lost else [_done(out, mended=bool(mended))]))
            summary = dataclasses.replace(_summary(run, out, None, lost=mended.short), warnings=warnings)
        else:
            summary = _make(run, staging, lost=mended.short, n_workers=n_workers, progress=progress)
            write_report(out)
    told = (*mended.messages(out), *summary.warnings)
    return dataclasses.replace(
        summary, warnings=told, choices=run.choices, seconds=round(time.monotonic() - started, 3)
    )


def _done(out: Path, *, mended: bool) -> str:
    """Return why a run makes no image: earlier ones did, perhaps with other seeds."""
    rows = read_manifest(out / MANIFEST) if (out / MANIFEST).is_file() else []
    seeds = sorted({row.seed for row in rows if row.synthetic and row.path and row.seed is not None})
    seed = f", made with seed {' and '.join(map(str, seeds))}" if seeds else ""
    begin = "" if mended else "nothing to do: "
    return f"{begin}the planned images are there{seed} (for others: synth undo, another OUT, or a larger --target)"


def _make(
    run: SettledRun, staging: Staging, *, lost: Mapping[str, int], n_workers: int, progress: Progress | None
) -> Summary:
    """Make the images, from where an interrupted run stopped, and move them to the output."""
    judge = None if run.gates.judge is None else run.gates.judge.to_json()
    # The id opens generator and gates: a wrong setting leaves nothing behind.
    summary = dataclasses.replace(_summary(run, staging.out, run.id, lost=lost), judge=judge)
    copied = run.copies if run.recipe.output.link == "copy" and not run.in_place else ()
    check_space(run.dataset, staging.out, copies=copied, new=run.plan.new)
    remarks = [*bundle_warnings(run.dataset, run.recipe.bundle), *run.generator.remarks(run.plan.new)]
    staging.begin(run.id, run.dataset.real)
    for label in run.plan.new:
        entry = summary.classes[label]
        entry.real_passed, entry.real_n = run.gates.real_passed(label)
        entry.not_judged = run.gates.not_judged(label)
    policy, policy_warnings = _policy_test(run)
    try:
        fill(run, staging, summary.classes, n_workers=n_workers, progress=progress)
    except UsageError:
        staging.remove()  # such a run can't be resumed, only started with other settings
        raise
    warnings = (*run.warnings, *remarks, *run.gates.warnings(run.plan.new), *policy_warnings, *summary.uneven())
    summary = dataclasses.replace(summary, warnings=warnings, policy=policy)
    root_files = _root_files(summary, run, staging.out)
    root_files[REJECTED] = rejected_document(staging.rejected(), run.generator, run.dataset.train)
    staging.commit(root_files)
    return summary


def _summary(run: SettledRun, out: Path, id: str | None, *, lost: Mapping[str, int]) -> Summary:
    """Return the summary of a run before any image is made.

    Args:
        lost: {class: new images of earlier runs whose files can't be made again}.
    """
    recipe, classes = run.recipe, {label: ClassSummary(**vars(entry)) for label, entry in run.plan.classes.items()}
    for label in classes.keys() & lost.keys():
        classes[label].lose(lost[label])
    given = {"data": str(run.dataset.root), "judge": recipe.judge, "bundle": recipe.bundle}
    paths = {name: path_from(out, path) if os.path.exists(path) else path for name, path in given.items() if path}
    left_out = run.dataset.refused, run.dataset.skipped
    return Summary(id, recipe.seed, recipe.method, classes, *left_out, None, paths)


def _policy_test(run: SettledRun) -> tuple[Sequence[Mapping[str, Any]] | None, list[str]]:
    """Test what each effect of the policy does to the judge's predictions; only `augment` has a policy."""
    judge, train = run.gates.judge, run.dataset.train
    if judge is None or "augment" not in run.recipe.methods:
        return None, []
    from synth.gates.policy_test import probe_effects, warnings_of  # imports torch, which the judge has imported

    tests = probe_effects(train, run.recipe, judge, classes=[label for label in run.plan.new if train[label]])
    return [test.to_json() for test in tests], warnings_of(tests)


def _root_files(summary: Summary, run: SettledRun, out: Path) -> dict[str, bytes]:
    copied = Counter(item.label for item in run.copies if item.split == PARENT_SPLIT)
    real = Counter(run.existing.real_counts) + copied
    totals = {
        label: (real[label], run.existing.new.get(label, 0) + entry.accepted)
        for label, entry in summary.classes.items()
    }
    document = summary.to_json()
    files = {
        RECIPE: dump_recipe(run.recipe).encode(),
        SUMMARY: json.dumps(document, indent=1, allow_nan=False).encode(),
    }
    card = out / CARD
    if not card.exists() or is_our_card(card):
        files[CARD] = filled_card(document, totals).encode()
    return files
