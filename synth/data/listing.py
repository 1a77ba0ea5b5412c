"""Which files lie in a folder and what each is meant to be: class and split, from folders or a metadata file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from synth.data.manifest import MANIFEST, read_manifest
from synth.data.metadata import METADATA, SPLIT_WORDS, read_metadata
from synth.data.tree import FoundFile, Listing, Walk, bad_name, is_image, is_system
from synth.errors import DatasetError
from synth.records import PARENT_SPLIT
from synth.settings.recipe import Data


def list_files(root: Path, settings: Data) -> Listing:
    """Walk a folder and give every file a state.

    Raises:
        DatasetError: not a folder, can't be read, or a layout that can't be told apart.
    """
    if not root.exists():
        raise DatasetError(f"{root}: no such folder")
    if not root.is_dir():
        raise DatasetError(f"{root}: expected a folder of class folders, got a file")
    try:
        os.listdir(root)
    except PermissionError:
        raise DatasetError(f"{root}: no permission to read this folder") from None
    listing = Listing()
    ours = _our_files(root, listing)
    walk = Walk(root, listing, follow=settings.follow_symlinks, ours=ours, seen={os.path.realpath(root)})
    found = list(walk.files())
    metadata = [path for path in found if _is_metadata(path)]
    if metadata:
        read_metadata(root, found, metadata, listing)
    else:
        _from_folders(root, found, listing)
    _leave_out_synthetic(listing, ours)
    listing.files.sort(key=lambda file: file.id)
    return listing


def _is_metadata(path: str) -> bool:
    """At the root or in a split folder; elsewhere such a file is none of ours."""
    folder, _, name = path.rpartition("/")
    return name in METADATA and (not folder or folder.lower() in SPLIT_WORDS)


def _our_files(root: Path, listing: Listing) -> Mapping[str, bool]:
    """{path: is synthetic} of an earlier run's manifest; empty without one."""
    path = root / MANIFEST
    if not path.is_file():
        return {}
    ours = {}
    for row in read_manifest(path):
        if row.path is not None:
            ours[row.path] = row.synthetic
            listing.synthetic[row.label] += row.synthetic
    return ours


def _leave_out_synthetic(listing: Listing, ours: Mapping[str, bool]) -> None:
    kept = [file for file in listing.files if not ours.get(file.id, False)]
    if len(kept) < len(listing.files):
        listing.skipped["made by an earlier run"] = len(listing.files) - len(kept)
    listing.files[:] = kept


def _from_folders(root: Path, found: list[str], listing: Listing) -> None:
    turned_down = {path for path, _ in listing.refused}  # a link that isn't followed is no class either
    folders = _class_folders(root, "", turned_down)
    splits = [name for name in folders if name.lower() in SPLIT_WORDS]
    others = [name for name in folders if name.lower() not in SPLIT_WORDS]
    if any(SPLIT_WORDS[name.lower()] == PARENT_SPLIT for name in splits) and others:
        raise DatasetError(
            f"{root}: split folders ({', '.join(splits)}) beside class folders ({', '.join(others[:3])}): "
            "move the classes into a split, or the splits elsewhere"
        )
    by_split = bool(splits) and not others
    if by_split:
        train = [name for name in splits if SPLIT_WORDS[name.lower()] == PARENT_SPLIT]
        listing.train_folder = f"{train[0] if train else PARENT_SPLIT}/"
    depth = 1 if by_split else 0
    for base in [f"{name}/" for name in splits] if by_split else [""]:
        listing.classes.update(_class_folders(root, base, turned_down))
    nested = False
    for path in found:
        if not is_image(path, listing):
            continue
        parts = path.split("/")
        if len(parts) <= depth + 1:
            listing.refused.append((path, "lies beside the class folders: move it into one"))
            continue
        nested = nested or len(parts) > depth + 2
        split = SPLIT_WORDS[parts[0].lower()] if by_split else PARENT_SPLIT
        listing.files.append(FoundFile(path, f"{root}/{path}", parts[depth], split, output_path=path))
    listing.warnings = (
        *((f"class named like a split: {', '.join(splits)}",) if splits and others else ()),
        *(("folders inside class folders: their images count for the outer class",) if nested else ()),
    )


def _class_folders(root: Path, base: str, turned_down: set[str]) -> list[str]:
    try:
        entries = [entry for entry in os.scandir(root / base) if entry.is_dir() and not is_system(entry.name)]
    except OSError:  # the walk has refused it with the reason
        return []
    names = sorted(entry.name for entry in entries if bad_name(entry.name) is None)
    return [name for name in names if f"{base}{name}" not in turned_down]
