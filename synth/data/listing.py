"""List the files of a folder with class, split and group, from the folder names or a metadata file."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synth.data.findings import EXCLUDE_LIST, Finding
from synth.data.groups import group_findings, with_groups
from synth.data.layout import Tree, files_like_splits, nested_findings, read_layout
from synth.data.manifest import MANIFEST, read_manifest
from synth.data.metadata import METADATA, read_metadata
from synth.data.output_paths import OutputPaths
from synth.data.splits import split_of
from synth.data.tree import FoundFile, Listing, Walk, bad_name, is_system
from synth.errors import DatasetError, did_you_mean
from synth.settings.exclusion import excluded_by, same_name
from synth.settings.recipe import Data

EXCLUDED = "excluded"
"""Why the files of the exclude list are skipped."""
LOOKED_THROUGH = 20_000
"""In larger folders no similar name is looked for, which would take long."""
SHOWN = 80
"""Characters of a path in a message."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an earlier run's manifest says of a file."""

    id: str
    """For a real image, its path in the dataset that the output was made from."""
    group: str | None
    synthetic: bool


def list_files(root: Path, settings: Data) -> Listing:
    """Walk a folder and sort every file.

    Raises:
        DatasetError: not a folder, not readable, or an ambiguous layout.
        UsageError: `data.groups` matches no path.
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
    recorded = _recorded(root)
    found = list(Walk(root, listing, follow=settings.follow_symlinks, ours=recorded).files())
    metadata = [path for path in found if _is_metadata(path)]
    if metadata:
        read_metadata(root, found, metadata, listing)
    else:
        _from_folders(root, found, listing)
    if not listing.train_folder:
        listing.findings += files_like_splits({file.id: file.output_path for file in listing.files})
    files = [_as_recorded(file, recorded.get(file.id)) for file in listing.files]
    sources = {path: entry.id for path, entry in recorded.items() if not entry.synthetic}
    real = [file for file in files if not file.synthetic]
    real = _without(settings.exclude, real, listing, before=excluded_by(root) if recorded else ())
    real = with_groups(real, settings.groups, sources)
    if settings.groups or any(file.group for file in real) or listing.has_groups:
        listing.findings += group_findings([file.group for file in real])
    listing.files = sorted([*real, *(file for file in files if file.synthetic)], key=lambda file: file.id)
    return listing


def _without(
    exclude: Sequence[str], files: list[FoundFile], listing: Listing, *, before: Collection[str]
) -> list[FoundFile]:
    """Return the files that are not excluded; count the others as skipped, and tell which paths are not there.

    Args:
        before: paths that the run which made the folder has left out already.

    Raises:
        DatasetError: no path of the list is an image of the folder.
    """
    if not exclude:
        return files
    known = [*(file.id for file in files), *(path for path, _ in listing.refused)]
    same = {same_name(id): id for id in known}
    same.update((id, id) for id in known)
    found = {path: same.get(path) or same.get(same_name(path)) for path in exclude}
    missing, excluded = [path for path, id in found.items() if id is None], set(found.values()) - {None}
    missing = [path for path in missing if same_name(path) not in before]
    if missing:
        first = missing[0] if len(missing[0]) <= SHOWN else f"{missing[0][:SHOWN]}..."
        near = did_you_mean(missing[0], known) if len(known) <= LOOKED_THROUGH else ""
        are = "is" if len(missing) == 1 else "are"
        message = f"{len(missing)} of {len(found)} paths in the exclude list {are} not in the dataset ({first!r}{near})"
        if not excluded:
            raise DatasetError(message)
        listing.findings.append(Finding(EXCLUDE_LIST, (), f"{message}: the others are left out"))
    if not excluded:
        return files
    listing.refused = [(path, reason) for path, reason in listing.refused if path not in excluded]
    listing.skipped[EXCLUDED] = len(excluded)
    return [file for file in files if file.id not in excluded]


def _is_metadata(path: str) -> bool:
    """Whether it is a metadata file at the root or in a split folder."""
    folder, _, name = path.rpartition("/")
    return name in METADATA and (not folder or ("/" not in folder and split_of(folder) is not None))


def _recorded(root: Path) -> Mapping[str, Recorded]:
    """Return {path: what the manifest of an earlier run says of it}; empty without one."""
    path = root / MANIFEST
    if not path.is_file():
        return {}
    rows = read_manifest(path)
    return {row.path: Recorded(row.id, row.group, row.synthetic) for row in rows if row.path is not None}


def _as_recorded(file: FoundFile, entry: Recorded | None) -> FoundFile:
    return replace(file, synthetic=entry.synthetic, group=file.group or entry.group) if entry else file


def _from_folders(root: Path, found: Sequence[str], listing: Listing) -> None:
    refused = {path for path, _ in listing.refused}  # a link that is not followed is not a class either
    images = list(filter(listing.accepts, found))
    inner = {name: _folders(root, f"{name}/", refused) for name in _folders(root, "", refused)}
    layout = read_layout(Tree(root, inner, images))
    listing.train_folder = layout.train_folder
    for place in layout.places:
        listing.classes.update(_folders(root, place, refused))
    places, nested = OutputPaths(), []
    images.sort(
        key=lambda path: (path.count("/"), path)
    )  # those directly in class folders first: they keep their names
    for path in images:
        place = next((place for place in layout.places if path.startswith(place)), "")
        label, _, below = path.removeprefix(place).partition("/")
        if not below or place not in layout.places:
            listing.refused.append((path, "lies beside the class folders: move it into one"))
            continue
        *folders, _ = below.split("/")
        split = layout.places[place]
        output_path = places.flat(f"{place}{label}", below, id=path) if folders else places.keep(path)
        nested += [(path, split, folders)] if folders else []
        listing.files.append(FoundFile(path, f"{root}/{path}", label, split, output_path=output_path))
    listing.findings += [*layout.findings, *nested_findings(nested)]


def _folders(root: Path, base: str, refused: set[str]) -> list[str]:
    try:
        entries = [entry for entry in os.scandir(root / base) if entry.is_dir() and not is_system(entry.name)]
    except OSError:  # the walk has refused it already
        return []
    names = sorted(entry.name for entry in entries if bad_name(entry.name) is None)
    return [name for name in names if f"{base}{name}" not in refused]
