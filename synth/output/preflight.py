"""What stands in an output folder already, and whether a run may write there. Nothing here writes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.data.balance import Plan
from synth.data.dataset import Dataset
from synth.errors import OutputError, UsageError
from synth.generators.base import method_slug
from synth.manifest import MANIFEST, read_manifest
from synth.output.staging import RECIPE, SUMMARY
from synth.records import PARENT_SPLIT, Item


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
    first_attempt: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def read_existing(out: Path, method: str = "") -> Existing:
    """Read an output folder's manifest; attempts and uses of parents are those of `method`.

    Raises:
        ManifestError: the manifest is damaged.
    """
    path = out / MANIFEST
    if not path.is_file():
        return Existing()
    real, real_counts, new = {}, Counter[str](), Counter[str]()
    first: dict[str, int] = defaultdict(int)
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for row in read_manifest(path):
        if not row.synthetic:
            real[row.id] = str(row.sha256)
            real_counts[row.label] += row.split == PARENT_SPLIT
            continue
        new[row.label] += row.path is not None
        if method_slug(str(row.method)) == method_slug(method):
            first[row.label] = max(first[row.label], int(row.attempt or 0) + 1)
            used[row.label].update(parent["path"] for parent in row.parents)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Existing(digest, real, real_counts, new, dict(first), {label: dict(uses) for label, uses in used.items()})


def check_places(dataset: Dataset, out: Path, *, in_place: bool) -> None:
    """Refuse an output that is, holds or lies inside the input."""
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
    if not out.exists() or (out / MANIFEST).exists():
        return
    if not in_place and any(out.iterdir()):
        raise OutputError(f"output {out} holds files, and no manifest of synth: choose a new or empty folder")
    for name in (RECIPE, SUMMARY):
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


def check_plan(plan: Plan, existing: Existing) -> None:
    """Refuse a plan that was made for another state of the output."""
    for label, entry in plan.classes.items():
        if entry.existing != existing.new.get(label, 0):
            raise UsageError(
                f"the plan counts {entry.existing} new images of {label}, the output has "
                f"{existing.new.get(label, 0)}: make it with plan_for(dataset, recipe, out)"
            )


def check_space(dataset: Dataset, plan: Plan, copies: Sequence[Item], out: Path) -> None:
    """Refuse a run that the disk can't hold."""
    needed = sum(os.path.getsize(item.path) for item in copies)
    for label, n_new in plan.new.items():
        sizes = [os.path.getsize(item.path) for item in dataset.train[label]]
        needed += round(n_new * sum(sizes) / len(sizes)) if sizes else 0
    stats = os.statvfs(out.parent if not out.exists() else out)
    free = stats.f_bavail * stats.f_frsize
    if needed > free:
        raise OutputError(f"{out}: about {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free")
