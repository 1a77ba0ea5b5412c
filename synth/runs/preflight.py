"""What stands in an output folder already, and whether a run may write there. Nothing here writes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from synth.data.balance import Plan, check_classes
from synth.data.dataset import Dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError, UsageError
from synth.files import staging_folder
from synth.generators.base import Context, method_slug, needs_parents
from synth.output.staging import RECIPE, REJECTED, REPORT, SUMMARY, is_our_page
from synth.records import PARENT_SPLIT, Item
from synth.settings.recipe import Recipe


@dataclass(frozen=True)
class Existing:
    """What earlier runs left in an output folder."""

    digest: str = ""
    real: Mapping[str, str] = field(default_factory=dict)
    """{id: sha256}."""
    real_counts: Mapping[str, int] = field(default_factory=dict)
    """{class: real training images}."""
    new: Mapping[str, int] = field(default_factory=dict)
    """{class: accepted synthetic images}."""
    synthetic: Collection[str] = ()
    """Paths of all synthetic images."""
    first_attempt: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def read_existing(out: Path, methods: tuple[str, ...] = ()) -> Existing:
    """Read an output folder's manifest; attempts and uses of parents are those of `methods`, together.

    Raises:
        ManifestError: the manifest is damaged.
    """
    path = out / MANIFEST
    if not path.is_file():
        return Existing()
    real, real_counts, new = {}, Counter[str](), Counter[str]()
    first: dict[str, int] = defaultdict(int)
    used: dict[str, Counter[str]] = defaultdict(Counter)
    paths = set[str]()
    slugs = set(map(method_slug, methods))
    for row in read_manifest(path):
        if not row.synthetic:
            real[row.id] = str(row.sha256)
            real_counts[row.label] += row.split == PARENT_SPLIT
            continue
        if row.path is not None:
            new[row.label] += 1
            paths.add(row.path)
        if method_slug(str(row.method)) in slugs:
            first[row.label] = max(first[row.label], int(row.attempt or 0) + 1)
            used[row.label].update(parent["path"] for parent in row.parents[:1])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Existing(digest, real, real_counts, new, paths, dict(first), {c: dict(uses) for c, uses in used.items()})


def check_places(dataset: Dataset, out: Path, recipe: Recipe, *, in_place: bool) -> None:
    """Refuse an output that is, holds or lies inside the input."""
    if in_place and recipe.output.only_new:
        raise UsageError("in place only new images are written anyway: leave out --only-new")
    source, target = Path(os.path.realpath(dataset.root)), Path(os.path.realpath(out))
    if in_place and source != target:
        raise OutputError(f"in place means the input folder itself: {dataset.root}, not {out}")
    if in_place and not dataset.in_class_folders:
        raise OutputError(f"{source}: labels come from a metadata file, which is never changed: give an OUT folder")
    if source == target and not in_place:
        raise OutputError(f"output {out} is the input itself: --in-place adds the new images to it")
    if not in_place and (target.is_relative_to(source) or source.is_relative_to(target)):
        raise OutputError(f"output {out} and input {dataset.root} lie inside one another: choose another folder")


def check_out(out: Path, *, in_place: bool) -> None:
    """Refuse a folder that this package did not make, before anything is written into it."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"output {out} is a file: choose another folder")
    if (out / REPORT).exists() and not is_our_page(out / REPORT):
        raise OutputError(f"{out / REPORT} is in the way, and not of synth: move it away")
    if not out.exists() or (out / MANIFEST).exists():
        return
    if not in_place and any(out.iterdir()):
        raise OutputError(f"output {out} holds files, and no manifest of synth: choose a new or empty folder")
    for name in (RECIPE, SUMMARY, REJECTED):
        if (out / name).exists():
            raise OutputError(f"{out / name} is in the way, and not of synth: move it away")


def check_originals(dataset: Dataset, existing: Existing, out: Path) -> tuple[str, ...]:
    """Refuse an output whose originals are others than the dataset's; give a warning for those that are gone."""
    now = {item.id: item.sha256 for item in dataset.items}
    changed = [id for id, sha256 in existing.real.items() if id in now and now[id] != sha256]
    if changed:
        raise OutputError(
            f"{len(changed)} images changed since {out} was made ({', '.join(changed[:3])}): choose a new OUT"
        )
    gone = [id for id in existing.real if id not in now]
    if existing.real and len(gone) == len(existing.real):
        raise OutputError(f"{out} was made from another dataset: choose a new OUT")
    return (f"{len(gone)} images of {out.name} are no longer in the input; they stay",) if gone else ()


def settle_plan(plan: Plan, existing: Existing, context: Context) -> Plan:
    """The plan for what stands in the output now: what an earlier run made of it is not made again.

    Raises:
        UsageError: a class that the dataset does not have, or that has nothing to start from.
    """
    check_classes(plan.classes, context.train)
    settled = {}
    for label, entry in plan.classes.items():
        made = existing.new.get(label, 0)
        planned = max(entry.existing + entry.planned - made, 0)
        if planned and not context.train[label] and needs_parents(context.recipe.methods):
            raise UsageError(f'class "{label}" has no training image to start from, but the plan asks for {planned}')
        settled[label] = replace(entry, existing=made, planned=planned)
    return Plan(settled)


def check_unmixed(dataset: Dataset, existing: Existing) -> None:
    """Refuse a dataset that was read while another run put its images into the same folder."""
    mixed = [item.id for item in dataset.items if item.id in existing.synthetic]
    if mixed:
        raise OutputError(f"the folder changed while it was read ({mixed[0]} is synthetic): run the same command again")


def leaks(dataset: Dataset) -> tuple[str, ...]:
    """A warning where the very pixels of a training image stand in another split too."""
    held_out = {item.pixels_sha256 for item in dataset.items if item.split != PARENT_SPLIT}
    both = [i.id for i in dataset.items if i.split == PARENT_SPLIT and i.pixels_sha256 in held_out]
    if not both:
        return ()
    return (f"{len(both)} training images stand in another split too ({both[0]}): see synth inspect",)


def learned_held_out(dataset: Dataset, bundle: str) -> tuple[str, ...]:
    """A warning where the method's network learned from images that are of another split here; none without a bundle.

    Raises:
        BundleError: its list of images is damaged.
    """
    if not bundle:
        return ()
    from synth.training.bundle import open_bundle  # torch is imported only where a network is asked

    learned = {origin.sha256 for origin, _ in open_bundle(bundle).origins()}
    both = sum(item.split != PARENT_SPLIT and item.sha256 in learned for item in dataset.items)
    if not both:
        return ()
    return (f"the network in {bundle} learned from {both} images that are held out here: scores on them prove nothing",)


def check_space(dataset: Dataset, plan: Plan, copies: Sequence[Item], out: Path) -> None:
    """Refuse a run that the disk can't hold; what an interrupted run has made already counts as done."""
    needed = sum(os.path.getsize(item.path) for item in copies)
    for label, n_new in plan.new.items():
        sizes = [os.path.getsize(item.path) for item in dataset.train[label]]
        needed += round(n_new * sum(sizes) / len(sizes)) if sizes else 0
    staged = staging_folder(out)
    done = sum(os.path.getsize(f"{folder}/{name}") for folder, _, names in os.walk(staged) for name in names)
    stats = os.statvfs(staged.parent)
    free = stats.f_bavail * stats.f_frsize
    if needed - done > free:
        raise OutputError(f"{out}: about {(needed - done) / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free")
