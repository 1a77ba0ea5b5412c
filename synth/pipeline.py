"""generate: plan -> generator -> gates -> writer, chunk by chunk, in any number of processes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth import workers
from synth.data.balance import Plan, check_classes, make_plan
from synth.data.dataset import Dataset
from synth.errors import UsageError
from synth.files import locked
from synth.generators.base import Context, needs_parents
from synth.generators.own import code_digest
from synth.generators.registry import open_generator
from synth.output.preflight import (
    Existing,
    check_originals,
    check_out,
    check_places,
    check_space,
    check_unmixed,
    leaks,
    read_existing,
    settle_plan,
)
from synth.output.staging import CARD, RECIPE, SUMMARY, Staging
from synth.output.summary import ClassSummary, Summary, card, is_our_card, versions
from synth.recipe import Recipe, dump_recipe
from synth.records import PARENT_SPLIT, Item
from synth.rounds import UNIT, attempts_left, cut_into_tasks, task_size
from synth.tasks import Copy, Job, work

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, images done, images in all)."""


def plan_for(dataset: Dataset, recipe: Recipe, out: str | Path | None = None) -> Plan:
    """The plan that a recipe asks for, given what already stands in the output folder.

    Raises:
        UsageError: an unknown target, class or method.
    """
    check_recipe(recipe, dataset.classes)
    return _plan(dataset, recipe, read_existing(Path(out), recipe.method) if out else Existing())


def _plan(dataset: Dataset, recipe: Recipe, existing: Existing) -> Plan:
    return make_plan(
        dataset,
        recipe.target,
        recipe.cap,
        classes=recipe.classes,
        existing=existing.new,
        needs_parents=needs_parents(recipe.method),
    )


def check_recipe(recipe: Recipe, classes: Sequence[str]) -> None:
    """Refuse a recipe that names classes which the dataset does not have.

    Raises:
        UsageError: with the nearest known class.
    """
    pairs = [pair for mapped in recipe.augment.label_map.values() for pair in mapped.items()]
    check_classes([*recipe.classes, *recipe.augment.classes, *(label for pair in pairs for label in pair)], classes)


def check_run(dataset: Dataset, recipe: Recipe, out: str | Path, *, in_place: bool = False) -> None:
    """Refuse what `generate` would refuse before it writes: places, classes, method, transforms.

    Raises:
        OutputError, UsageError: as `generate`.
    """
    _check_names(dataset, recipe, Path(os.path.realpath(out)), in_place=in_place)
    open_generator(Context(recipe, dataset.train))


def _check_names(dataset: Dataset, recipe: Recipe, out: Path, *, in_place: bool) -> None:
    check_places(dataset, out, recipe, in_place=in_place)
    check_out(out, in_place=in_place)
    check_recipe(recipe, dataset.classes)


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
    """Fill classes with new images: the dataset's images plus the new ones in `out`.

    The same call again resumes a run that was interrupted, and tops up one that is complete.

    Args:
        plan: from `make_plan`; None takes what the recipe asks for.
        in_place: `out` is the dataset's own folder: the new images are added there.

    Raises:
        OutputError: the folder is not ours, or an unfinished run there does not fit; nothing has been written then.
        LockedError: another run holds the folder.
        GeneratorError: the generator failed; the same call resumes.
    """
    started = time.monotonic()
    out = Path(os.path.realpath(out))
    _check_names(dataset, recipe, out, in_place=in_place)
    with locked(out):
        staging = Staging(out)
        staging.finish_commit()
        existing = read_existing(out, recipe.method)
        check_unmixed(dataset, existing)
        warnings = (*dataset.warnings, *leaks(dataset), *check_originals(dataset, existing, out))
        context = Context(recipe, dataset.train, existing.first_attempt, existing.used)
        plan = settle_plan(plan or _plan(dataset, recipe, existing), existing, context)
        fresh = [item for item in dataset.items if item.id not in existing.real]
        copies = [] if recipe.output.only_new else fresh
        if not plan.new and (in_place or (not copies and existing.digest)):
            return _nothing_to_do(dataset, plan, recipe, warnings, time.monotonic() - started)
        copied_whole = [] if in_place or recipe.output.link != "copy" else copies
        check_space(dataset, plan, copied_whole, out)
        run = run_id(dataset, plan, recipe, existing, in_place=in_place)
        job = Job(context, run, staging.tree, dataset.train_folder, in_place)
        # Built before anything is written, so that a wrong method or transform leaves nothing behind, and before the
        # workers are forked, so that they need not build it again.
        _ = job.generator
        kind = "add" if os.path.lexists(out) else "new"
        staging.begin(run, kind=kind, items=dataset.items)
        summaries = _summaries(plan)
        try:
            _run(job, staging, summaries, copies=copies, tries=recipe.tries, n_workers=n_workers, progress=progress)
        except UsageError:
            staging.remove()  # such a run can't be resumed, only started otherwise
            raise
        summary = Summary(run, recipe.seed, recipe.method, summaries, dataset.refused, None, warnings)
        root_files = _root_files(summary, recipe, existing, copies, out)
        staging.commit(run, kind=kind, root_files=root_files)
    return dataclasses.replace(summary, seconds=round(time.monotonic() - started, 3))


def run_id(dataset: Dataset, plan: Plan, recipe: Recipe, existing: Existing, *, in_place: bool) -> str:
    """Names a run by all that decides about its bytes, so that only the same run can be resumed."""
    code = "" if needs_parents(recipe.method) else code_digest(recipe.method)
    settings = recipe.model_dump(mode="json")
    parts = [versions(), code, dataset.digest, settings, dict(plan.new), existing.digest, in_place]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _run(
    job: Job,
    staging: Staging,
    summaries: Mapping[str, ClassSummary],
    *,
    copies: Sequence[Item],
    tries: int,
    n_workers: int,
    progress: Progress | None,
) -> None:
    verdicts: dict[str, list[bool]] = {label: [] for label in sorted(summaries)}
    copied = 0
    for row in staging.take_up():
        copied += not row.synthetic
        if row.synthetic:
            _count(summaries, verdicts, row.label, row.reasons)
    report = _Reporter(progress, len(copies), copied, summaries)
    report.show()
    planned = {label: entry.planned for label, entry in summaries.items()}
    while True:
        attempts = attempts_left(planned, verdicts, first=job.context.first_attempt, tries=tries)
        n_missing = len(copies) - copied + sum(map(len, attempts.values()))
        if not n_missing:
            return
        n = n_workers if n_missing > 2 * UNIT else 1  # starting workers costs more than a few units
        tasks = cut_into_tasks(copies[copied:], attempts, size=task_size(n_missing, n))
        for task, done in workers.run(work, job, tasks, n_workers=n):
            staging.append(done.lines)
            if isinstance(task, Copy):
                copied += len(task.items)
                report.copied = copied
            for reasons in done.verdicts:
                _count(summaries, verdicts, task.label, reasons)  # type: ignore[union-attr]
            report.show()


def _count(
    summaries: Mapping[str, ClassSummary], verdicts: Mapping[str, list[bool]], label: str, reasons: tuple[str, ...]
) -> None:
    summaries[label].count(accepted=not reasons, reasons=reasons)
    verdicts[label].append(not reasons)


@dataclass
class _Reporter:
    """Counts what is done, for a progress display."""

    progress: Progress | None
    to_copy: int
    copied: int
    summaries: Mapping[str, ClassSummary]

    def show(self) -> None:
        """Say where the run is."""
        if self.progress is None:
            return
        made = sum(entry.accepted for entry in self.summaries.values())
        planned = sum(entry.planned for entry in self.summaries.values())
        what = "originals" if self.copied < self.to_copy else "images"
        self.progress(what, self.copied + made, self.to_copy + planned)


def _summaries(plan: Plan) -> dict[str, ClassSummary]:
    return {c: ClassSummary(p.real, p.existing, p.target, p.planned, note=p.note) for c, p in plan.classes.items()}


def _nothing_to_do(dataset: Dataset, plan: Plan, recipe: Recipe, warnings: Sequence[str], seconds: float) -> Summary:
    return Summary(
        None,
        recipe.seed,
        recipe.method,
        _summaries(plan),
        dataset.refused,
        round(seconds, 3),
        (*warnings, "nothing to do: the planned images are there (for others: synth undo, or another OUT)"),
    )


def _root_files(
    summary: Summary, recipe: Recipe, existing: Existing, copies: Iterable[Item], out: Path
) -> dict[str, bytes]:
    real = Counter(existing.real_counts) + Counter(item.label for item in copies if item.split == PARENT_SPLIT)
    totals = {
        label: (real[label], existing.new.get(label, 0) + entry.accepted) for label, entry in summary.classes.items()
    }
    document = summary.to_json()
    files = {RECIPE: dump_recipe(recipe).encode(), SUMMARY: json.dumps(document, indent=1, allow_nan=False).encode()}
    readme = out / CARD
    if not readme.exists() or is_our_card(readme):
        files[CARD] = card(document, totals).encode()
    return files
