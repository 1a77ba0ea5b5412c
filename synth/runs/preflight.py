"""Checks before a run writes: some refuse the run, some warn. Nothing here writes."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from synth.data.balance import check_classes
from synth.data.class_numbers import class_numbers
from synth.data.dataset import Dataset
from synth.data.findings import few, n_images
from synth.data.manifest import MANIFEST
from synth.data.tree import is_system
from synth.errors import OutputError, UsageError, in_the_way
from synth.files import staging_folder
from synth.output.root_files import RECIPE, REJECTED, SUMMARY
from synth.pages.page import check_page
from synth.records import PARENT_SPLIT, Item
from synth.runs.existing import Existing
from synth.settings.exclusion import excluded_by, same_name
from synth.settings.recipe import Recipe


def check_recipe(recipe: Recipe, classes: Collection[str]) -> None:
    """Refuse a recipe that names a class that the dataset does not have.

    Raises:
        UsageError: with the nearest known class.
    """
    pairs = [pair for mapped in recipe.augment.label_map.values() for pair in mapped.items()]
    totals = recipe.target if isinstance(recipe.target, Mapping) else {}
    check_classes(
        [*totals, *recipe.classes, *recipe.augment.classes, *(label for pair in pairs for label in pair)], classes
    )


def check_places(dataset: Dataset, out: Path, recipe: Recipe, *, in_place: bool, hint: str = "") -> None:
    """Refuse an output that is, holds or lies inside the input.

    Args:
        hint: what else to do if it is the input.
    """
    if in_place and recipe.output.only_new:
        raise UsageError("--in-place writes only new images anyway: leave out --only-new")
    source, target = Path(os.path.realpath(dataset.root)), Path(os.path.realpath(out))
    if in_place and source != target:
        raise OutputError(f"--in-place writes to the input folder itself, {dataset.root}, not to {out}")
    if in_place and not dataset.in_class_folders:
        raise OutputError(f"{source}: labels come from a metadata file, which is never changed: give an OUT folder")
    if source == target and not in_place:
        raise OutputError(f"output {out} is the input itself: choose another folder{hint}")
    if not in_place and (target.is_relative_to(source) or source.is_relative_to(target)):
        raise OutputError(f"output {out} and input {dataset.root} lie inside one another: choose another folder")


def check_output(out: Path, *, in_place: bool) -> None:
    """Refuse a folder that this package did not make."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"output {out} is a file: choose another folder")
    check_page(out)
    if not out.exists() or (out / MANIFEST).exists():
        return
    if not in_place and _holds_files(out):
        raise OutputError(f"output {out} holds files, but no manifest of synth: choose a new or empty folder")
    for name in (RECIPE, SUMMARY, REJECTED):
        if (out / name).exists():
            raise in_the_way(out / name)


def check_empty(out: Path) -> None:
    """Refuse an output that is not a new or empty folder."""
    if os.path.lexists(out) and not out.is_dir():
        raise OutputError(f"output {out} is a file: choose a new folder")
    if out.is_dir() and _holds_files(out):
        raise OutputError(f"output {out} holds files, and nothing is overwritten: choose a new or empty folder")


def _holds_files(folder: Path) -> bool:
    """Whether a folder holds anything that does not belong to an operating system or an editor."""
    return not all(is_system(path.name) for path in folder.iterdir())


def check_originals(dataset: Dataset, existing: Existing, out: Path) -> tuple[str, ...]:
    """Refuse an output that was made from other images, and return warnings about originals missing in the input.

    Raises:
        OutputError: images have changed, it is another dataset, or another run wrote there in the meantime.
    """
    mixed = [item.id for item in dataset.real if item.id in existing.synthetic]
    if mixed:
        raise OutputError(f"the folder changed while it was read ({mixed[0]} is synthetic): run the same command again")
    now = {item.id: item.sha256 for item in dataset.real}
    changed = [id for id, sha256 in existing.real.items() if id in now and now[id] != sha256]
    if changed:
        raise OutputError(f"{n_images(len(changed))} changed since {out} was made ({few(changed)}): choose a new OUT")
    gone = [id for id in existing.real if id not in now]
    if existing.real and len(gone) == len(existing.real):
        raise OutputError(f"{out} was made from another dataset: choose a new OUT")
    _check_left_out(now.keys() - existing.real.keys(), out)
    what = "1 image of {0} is" if len(gone) == 1 else f"{len(gone)} images of {{0}} are"
    return (f"{what.format(out.name)} no longer in the input, or excluded now; they stay",) if gone else ()


def _check_left_out(fresh: Collection[str], out: Path) -> None:
    """Refuse to add images that an earlier run of this output left out by its exclude list.

    Args:
        fresh: ids of the images of the dataset that the output does not have.
    """
    excluded = excluded_by(out) if (out / MANIFEST).is_file() else frozenset()
    left_out = sorted(id for id in fresh if same_name(id) in excluded)
    if left_out:
        some = f"{n_images(len(left_out))} of the input ({few(left_out)})"
        raise OutputError(f"{out} was made without {some}: give the same --exclude again, or choose a new OUT")


def check_space(dataset: Dataset, out: Path, *, copies: Sequence[Item], new: Mapping[str, int]) -> None:
    """Refuse a run that the disk can't hold. Files that an interrupted run has made need no more space.

    Args:
        copies: originals to copy.
        new: {class: new images}, estimated at the mean file size of the class.
    """
    needed = sum(os.path.getsize(item.path) for item in copies)
    for label, n_new in new.items():
        sizes = [os.path.getsize(item.path) for item in dataset.train[label]]
        needed += round(n_new * sum(sizes) / len(sizes)) if sizes else 0
    staged = staging_folder(out)
    done = sum(os.path.getsize(f"{folder}/{name}") for folder, _, names in os.walk(staged) for name in names)
    stats = os.statvfs(staged.parent)
    free = stats.f_bavail * stats.f_frsize
    if needed - done > free:
        raise OutputError(f"{out}: about {(needed - done) / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free")


def dataset_warnings(dataset: Dataset) -> tuple[str, ...]:
    """Return what a run should say of its dataset: how it was read, class numbers that differ, leaks."""
    numbers = [finding.message for finding in class_numbers(dataset) if finding.kind == "class_numbers"]
    return (*dataset.warnings, *numbers, *_leak_warnings(dataset))


def _leak_warnings(dataset: Dataset) -> tuple[str, ...]:
    """Return a warning if training images are in another split too, pixel for pixel."""
    held_out = {item.pixels_sha256 for item in dataset.real if item.split != PARENT_SPLIT}
    both = [i.id for i in dataset.real if i.split == PARENT_SPLIT and i.pixels_sha256 in held_out]
    if not both:
        return ()
    what = "1 training image is" if len(both) == 1 else f"{len(both)} training images are"
    more = "synth inspect shows them, and those that are nearly the same"
    return (f"{what} in another split too, with the same pixels ({both[0]}): {more}",)


def bundle_warnings(dataset: Dataset, bundle: str) -> tuple[str, ...]:
    """Return a warning if the method's network was trained on images of another split of this dataset.

    Raises:
        BundleError: its list of images is damaged.
    """
    if not bundle:
        return ()
    from synth.training.bundle import open_bundle  # imports torch, which a run without a network does not need

    learned = {origin.sha256 for origin, _ in open_bundle(bundle).origins()}
    both = sum(item.split != PARENT_SPLIT and item.sha256 in learned for item in dataset.real)
    if not both:
        return ()
    return (f"the network in {bundle} learned from {both} images that are held out here: scores on them prove nothing",)
