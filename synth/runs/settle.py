"""A request becomes a settled run: checked against the dataset and the output folder, with its plan and its id.

Everything that can refuse a run is here and in `preflight`. A settled run does not change any more.
"""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.data.balance import Plan, check_classes, make_plan
from synth.data.dataset import Dataset
from synth.errors import UsageError
from synth.gates.choices import with_run_choices
from synth.gates.gate_set import GateSet, open_gates
from synth.generators.base import Context, Generator, needs_parents
from synth.generators.registry import open_generator
from synth.records import Item
from synth.runs.existing import Existing, read_existing
from synth.runs.preflight import check_originals, check_output, check_places, check_recipe, dataset_warnings
from synth.settings.recipe import Recipe
from synth.versions import versions


@dataclass(frozen=True)
class SettledRun:
    """A run that passed all checks. `id` opens generator and gates, so that workers inherit them."""

    dataset: Dataset
    recipe: Recipe
    plan: Plan
    existing: Existing
    copies: Sequence[Item]
    """Originals to put into the output."""
    in_place: bool
    warnings: tuple[str, ...]
    choices: str = ""
    """What was chosen from the images, as one line."""

    @functools.cached_property
    def gates(self) -> GateSet:
        """The gates, with the judge that the recipe names."""
        return open_gates(self.recipe, self.dataset.train, known=self.dataset.pixels, labels=tuple(self.plan.new))

    @functools.cached_property
    def generator(self) -> Generator:
        """The generator that the recipe names."""
        context = Context(self.recipe, self.dataset.train, self.existing.first_attempt, self.existing.used)
        return open_generator(context, labels=tuple(self.plan.new))

    @functools.cached_property
    def id(self) -> str:
        """The name of the run; only a run that gives the same bytes has the same."""
        parts: list[object] = [versions(), self.generator.digest, self.dataset.digest]
        parts += [self.recipe.model_dump(mode="json"), dict(self.plan.new), self.existing.digest, self.in_place]
        return run_id([*parts, *([self.gates.judge.digest] if self.gates.judge else [])])

    @property
    def is_done(self) -> bool:
        """Whether the output already holds everything that the run would make."""
        return not self.plan.new and (self.in_place or (not self.copies and self.existing.digest != ""))


def plan_for(dataset: Dataset, recipe: Recipe, out: str | Path | None = None) -> Plan:
    """Return the plan that a recipe asks for, given what is already in the output folder.

    Raises:
        UsageError: an unknown target, class or method.
    """
    check_recipe(recipe, dataset.classes)
    return _plan(dataset, recipe, read_existing(Path(out), recipe.methods) if out else Existing())


def check_run(dataset: Dataset, recipe: Recipe, out: Path, *, in_place: bool) -> None:
    """Check what can be checked before the output is locked: places and unknown classes.

    Raises:
        OutputError, UsageError: as `generate`.
    """
    check_places(dataset, out, recipe, in_place=in_place, hint=", or add to it with --in-place")
    check_recipe(recipe, dataset.classes)


def dry_run(dataset: Dataset, recipe: Recipe, out: str | Path, *, in_place: bool = False) -> tuple[Plan, str]:
    """Do all checks of `generate`, those of its networks included; write nothing.

    Returns: the plan, and what was chosen from the images, as one line; empty if there is nothing to say.

    Raises:
        OutputError, UsageError, BundleError: as `generate`.
    """
    out = Path(os.path.realpath(out))
    check_run(dataset, recipe, out, in_place=in_place)
    check_output(out, in_place=in_place)
    run = settle(dataset, None, recipe, out, in_place=in_place)
    if not run.is_done:
        _ = run.id  # opens generator and gates, and so checks them
    return run.plan, run.choices


def settle(dataset: Dataset, plan: Plan | None, recipe: Recipe, out: Path, *, in_place: bool) -> SettledRun:
    """Settle a run that `check_run` let pass; writes nothing.

    Args:
        plan: from `make_plan`; None: what the recipe asks for.
        out: without symbolic links.
        in_place: `out` is the dataset's own folder.

    Raises:
        OutputError, UsageError, ManifestError: as `generate`.
    """
    existing = read_existing(out, recipe.methods)
    warnings = (*dataset_warnings(dataset), *check_originals(dataset, existing, out))
    settled = _plan(dataset, recipe, existing) if plan is None else _remaining(plan, dataset, recipe, existing)
    choices = ""
    if settled.new:
        recipe, choices = with_run_choices(recipe, dataset.train)
    fresh = () if recipe.output.only_new else [item for item in dataset.real if item.id not in existing.real]
    return SettledRun(dataset, recipe, settled, existing, fresh, in_place, warnings, choices)


def _plan(dataset: Dataset, recipe: Recipe, existing: Existing) -> Plan:
    return make_plan(
        dataset,
        recipe.target,
        recipe.cap,
        count=recipe.count,
        classes=recipe.classes,
        existing=existing.new,
        needs_parents=needs_parents(recipe.methods),
    )


def _remaining(plan: Plan, dataset: Dataset, recipe: Recipe, existing: Existing) -> Plan:
    """Return the part of a given plan that earlier runs have not made.

    Raises:
        UsageError: the dataset does not have a class, or no image to start from.
    """
    check_classes(plan.classes, dataset.train)
    remaining = {}
    for label, entry in plan.classes.items():
        made = existing.new.get(label, 0)
        planned = max(entry.existing + entry.planned - made, 0)
        if planned and not dataset.train[label] and needs_parents(recipe.methods):
            raise UsageError(f'class "{label}" has no training image to start from, but the plan asks for {planned}')
        remaining[label] = dataclasses.replace(entry, existing=made, planned=planned)
    return Plan(remaining)


def run_id(parts: Sequence[object]) -> str:
    """Return the id of a run: a hash of everything that decides about its bytes, so that only the same run resumes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
