"""generate: plan -> generator -> gates -> writer, chunk by chunk, in any number of processes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.data.balance import Plan, check_classes, make_plan
from synth.data.dataset import Dataset
from synth.errors import UsageError
from synth.files import locked
from synth.gates.panel import open_panel
from synth.generators.base import Context, needs_parents
from synth.generators.registry import open_generator
from synth.output.staging import CARD, RECIPE, REJECTED, SUMMARY, Staging
from synth.output.summary import ClassSummary, Summary, card, is_our_card
from synth.pages.report import refresh_page, write_report
from synth.records import PARENT_SPLIT, Item
from synth.runs.fill import fill
from synth.runs.preflight import (
    Existing,
    check_originals,
    check_out,
    check_places,
    check_space,
    check_unmixed,
    leaks,
    learned_held_out,
    read_existing,
    settle_plan,
)
from synth.runs.rejected import rejected_document
from synth.runs.tasks import Job
from synth.settings.recipe import Recipe, dump_recipe
from synth.versions import versions
from synth.workers import Progress

if TYPE_CHECKING:
    from synth.classifier.judge import Judge


def plan_for(dataset: Dataset, recipe: Recipe, out: str | Path | None = None) -> Plan:
    """The plan that a recipe asks for, given what already stands in the output folder.

    Raises:
        UsageError: an unknown target, class or method.
    """
    check_recipe(recipe, dataset.classes)
    return _plan(dataset, recipe, read_existing(Path(out), recipe.methods) if out else Existing())


def _plan(dataset: Dataset, recipe: Recipe, existing: Existing) -> Plan:
    return make_plan(
        dataset,
        recipe.target,
        recipe.cap,
        classes=recipe.classes,
        existing=existing.new,
        needs_parents=needs_parents(recipe.methods),
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
    out = Path(os.path.realpath(out))
    _check_names(dataset, recipe, out, in_place=in_place)
    planned = _plan(dataset, recipe, read_existing(out, recipe.methods)).new
    open_generator(Context(recipe, dataset.train), labels=tuple(planned))


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
        settled = _settle(dataset, plan, recipe, out)
        if not settled.plan.new and (in_place or (not settled.copies and settled.existing.digest)):
            refresh_page(out)
            summary = _nothing_to_do(dataset, settled, recipe)
        else:
            copied_whole = [] if in_place or recipe.output.link != "copy" else settled.copies
            check_space(dataset, settled.plan, copied_whole, out)
            job = _open_job(dataset, settled, staging, in_place=in_place)
            summary = _run(job, dataset, settled, staging, out=out, n_workers=n_workers, progress=progress)
            write_report(out)
    return dataclasses.replace(summary, seconds=round(time.monotonic() - started, 3))


@dataclass(frozen=True)
class _Settled:
    """A run that fits what stands in the output."""

    existing: Existing
    context: Context
    plan: Plan
    copies: Sequence[Item]
    """Originals to put into the output."""
    warnings: tuple[str, ...]


def _settle(dataset: Dataset, plan: Plan | None, recipe: Recipe, out: Path) -> _Settled:
    existing = read_existing(out, recipe.methods)
    check_unmixed(dataset, existing)
    warnings = (*dataset.warnings, *leaks(dataset), *check_originals(dataset, existing, out))
    context = Context(recipe, dataset.train, existing.first_attempt, existing.used)
    plan = settle_plan(plan or _plan(dataset, recipe, existing), existing, context)
    fresh = [item for item in dataset.items if item.id not in existing.real]
    return _Settled(existing, context, plan, [] if recipe.output.only_new else fresh, warnings)


def _open_job(dataset: Dataset, settled: _Settled, staging: Staging, *, in_place: bool) -> Job:
    """Gates and generator, opened before anything is written, so that a wrong setting leaves nothing behind, and before
    workers are forked, so that they need not open them again.
    """
    plan, recipe = settled.plan, settled.context.recipe
    panel = open_panel(recipe, dataset.train, known=dataset.pixels, labels=tuple(plan.new))
    generator = open_generator(settled.context, labels=tuple(plan.new))
    run = run_id(
        dataset,
        plan,
        recipe,
        settled.existing,
        in_place=in_place,
        method_digest=generator.digest,
        judge=panel.judge,
    )
    return Job(settled.context, run, staging.tree, dataset.train_folder, in_place, panel, generator)


def _run(
    job: Job,
    dataset: Dataset,
    settled: _Settled,
    staging: Staging,
    *,
    out: Path,
    n_workers: int,
    progress: Progress | None,
) -> Summary:
    """Make the images, from where an interrupted run stopped, and put them into their place."""
    plan, recipe, panel = settled.plan, job.context.recipe, job.panel
    remarks = [*learned_held_out(dataset, recipe.bundle), *job.generator.remarks(plan.new)]
    kind = "add" if os.path.lexists(out) else "new"
    staging.begin(job.run, kind=kind, items=dataset.items)
    summaries = _summaries(plan)
    for label in plan.new:
        summaries[label].real_acceptance = panel.real_acceptance(label)
    policy, policy_warnings = _policy_test(dataset, recipe, plan, panel.judge)
    try:
        fill(job, staging, summaries, copies=settled.copies, n_workers=n_workers, progress=progress)
    except UsageError:
        staging.remove()  # such a run can't be resumed, only started otherwise
        raise
    summary = Summary(
        job.run,
        recipe.seed,
        recipe.method,
        summaries,
        dataset.refused,
        None,
        (*settled.warnings, *remarks, *panel.warnings(plan.new), *policy_warnings),
        judge=None if panel.judge is None else panel.judge.to_json(),
        policy=policy,
    )
    root_files = _root_files(summary, recipe, settled.existing, settled.copies, out)
    root_files[REJECTED] = rejected_document(staging.rejected(), job.generator, dataset.train)
    staging.commit(job.run, kind=kind, root_files=root_files)
    return summary


def run_id(
    dataset: Dataset,
    plan: Plan,
    recipe: Recipe,
    existing: Existing,
    *,
    in_place: bool,
    method_digest: str,
    judge: Judge | None,
) -> str:
    """Names a run by all that decides about its bytes, so that only the same run can be resumed."""
    settings = recipe.model_dump(mode="json")
    parts = [versions(), method_digest, dataset.digest, settings, dict(plan.new), existing.digest, in_place]
    parts += [] if judge is None else [judge.digest]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _policy_test(
    dataset: Dataset, recipe: Recipe, plan: Plan, judge: Judge | None
) -> tuple[tuple[Mapping[str, Any], ...] | None, list[str]]:
    """What each effect of the policy does to the judge's view of real images; only `augment` has a policy."""
    if judge is None or "augment" not in recipe.methods:
        return None, []
    from synth.gates.policy_test import probe_effects, warnings_of  # with a judge torch is there already

    tests = probe_effects(dataset.train, recipe, judge, classes=[label for label in plan.new if dataset.train[label]])
    return tuple(test.to_json() for test in tests), warnings_of(tests)


def _summaries(plan: Plan) -> dict[str, ClassSummary]:
    return {c: ClassSummary(p.real, p.existing, p.target, p.planned, note=p.note) for c, p in plan.classes.items()}


def _nothing_to_do(dataset: Dataset, settled: _Settled, recipe: Recipe) -> Summary:
    said = "nothing to do: the planned images are there (for others: synth undo, or another OUT)"
    warnings = (*settled.warnings, said)
    return Summary(None, recipe.seed, recipe.method, _summaries(settled.plan), dataset.refused, None, warnings)


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
