"""List the files of a folder with class and split, from the folder names or a metadata file."""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.data.manifest import MANIFEST, read_manifest
from synth.data.metadata import METADATA, SPLIT_WORDS, read_metadata
from synth.data.tree import FoundFile, Listing, Walk, bad_name, is_system
from synth.errors import DatasetError, did_you_mean
from synth.records import PARENT_SPLIT
from synth.settings.recipe import Data

EXCLUDED = "excluded"
"""Why the files of the exclude list are skipped."""
LOOKED_THROUGH = 20_000
"""In larger folders no similar name is looked for, which would take long."""
SHOWN = 80
"""Characters of a path in a message."""


def list_files(root: Path, settings: Data) -> Listing:
    """Walk a folder and sort every file.

    Raises:
        DatasetError: not a folder, not readable, or an ambiguous layout.
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
    found = list(Walk(root, listing, follow=settings.follow_symlinks, ours=ours).files())
    metadata = [path for path in found if _is_metadata(path)]
    if metadata:
        read_metadata(root, found, metadata, listing)
    else:
        _from_folders(root, found, listing)
    real = sorted((file for file in listing.files if not ours.get(file.id, False)), key=lambda file: file.id)
    if len(real) < len(listing.files):
        listing.skipped["made by an earlier run"] = len(listing.files) - len(real)
    listing.files = real
    _leave_out(root, settings.exclude, listing)
    return listing


def _leave_out(root: Path, exclude: Sequence[str], listing: Listing) -> None:
    """Count the excluded files as skipped.

    Raises:
        DatasetError: the list has a path that is not an image of the folder.
    """
    if not exclude:
        return
    known = [*(file.id for file in listing.files), *(path for path, _ in listing.refused)]
    same = {unicodedata.normalize("NFC", id): id for id in known}  # an editor may store accents in another form
    same.update((id, id) for id in known)
    excluded = set()
    for path in exclude:
        id = same.get(path) or same.get(unicodedata.normalize("NFC", path.strip()))
        if id is None:
            name = path if len(path) <= SHOWN else f"{path[:SHOWN]}..."
            near = did_you_mean(path, known) if len(known) <= LOOKED_THROUGH else ""
            raise DatasetError(f"the exclude list has {name!r}, which is not an image of {root}{near}")
        excluded.add(id)
    listing.files = [file for file in listing.files if file.id not in excluded]
    listing.refused = [(path, reason) for path, reason in listing.refused if path not in excluded]
    listing.skipped[EXCLUDED] = len(excluded)


def _is_metadata(path: str) -> bool:
    """Whether it is a metadata file at the root or in a split folder."""
    folder, _, name = path.rpartition("/")
    return name in METADATA and (not folder or folder.lower() in SPLIT_WORDS)


def _our_files(root: Path, listing: Listing) -> Mapping[str, bool]:
    """Return {path: whether it is synthetic} from the manifest of an earlier run; empty without one."""
    path = root / MANIFEST
    if not path.is_file():
        return {}
    ours = {}
    for row in read_manifest(path):
        if row.path is not None:
            ours[row.path] = row.synthetic
            listing.synthetic[row.label] += row.synthetic
    return ours


def _from_folders(root: Path, found: list[str], listing: Listing) -> None:
    refused = {path for path, _ in listing.refused}  # a link that is not followed is not a class either
    folders = _class_folders(root, "", refused)
    splits = [name for name in folders if name.lower() in SPLIT_WORDS]
    others = [name for name in folders if name not in splits]
    train = [name for name in splits if SPLIT_WORDS[name.lower()] == PARENT_SPLIT]
    if train and others:
        raise DatasetError(
            f"{root}: split folders ({', '.join(splits)}) beside class folders ({', '.join(others[:3])}): "
            "move the classes into a split, or the splits elsewhere"
        )
    by_split = bool(splits) and not others
    if by_split:
        listing.train_folder = f"{train[0] if train else PARENT_SPLIT}/"
    for base in [f"{name}/" for name in splits] if by_split else [""]:
        listing.classes.update(_class_folders(root, base, refused))
    depth, nested = int(by_split), False
    for path in filter(listing.accepts, found):
        parts = path.split("/")
        if len(parts) <= depth + 1:
            listing.refused.append((path, "lies beside the class folders: move it into one"))
            continue
        nested = nested or len(parts) > depth + 2
        split = SPLIT_WORDS[parts[0].lower()] if by_split else PARENT_SPLIT
        listing.files.append(FoundFile(path, f"{root}/{path}", parts[depth], split, output_path=path))
    listing.warnings = (
        *((f"class named like a split: {', '.join(splits)}",) if splits and others else ()),
        *(("folders inside class folders: their images belong to the outer class",) if nested else ()),
    )


def _class_folders(root: Path, base: str, refused: set[str]) -> list[str]:
    try:
        entries = [entry for entry in os.scandir(root / base) if entry.is_dir() and not is_system(entry.name)]
    except OSError:  # the walk has refused it already
        return []
    names = sorted(entry.name for entry in entries if bad_name(entry.name) is None)
    return [name for name in names if f"{base}{name}" not in refused]
