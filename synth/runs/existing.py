"""What earlier runs left in an output folder."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synth.data.manifest import MANIFEST, read_manifest
from synth.files import file_sha256
from synth.generators.base import method_slug, needs_parents
from synth.records import CONTROL, PARENT_SPLIT


@dataclass(frozen=True)
class Existing:
    """The manifest of an output folder in numbers; empty for a new folder."""

    digest: str = ""
    """SHA-256 of the manifest."""
    real: Mapping[str, str] = field(default_factory=dict)
    """{id: sha256}."""
    real_counts: Mapping[str, int] = field(default_factory=dict)
    """{class: real training images}."""
    new: Mapping[str, int] = field(default_factory=dict)
    """{class: accepted synthetic images}."""
    synthetic: Collection[str] = ()
    """Paths of all synthetic images."""
    first_attempt: Mapping[str, int] = field(default_factory=dict)
    """{class: the first attempt number that no earlier run used}."""
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """{class: hashes of the pixels and files of its synthetic images, those of `duplicate` left out}."""
    used: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """{class: {image id: new images that start from it}}; those of a GAN start from none."""


def read_existing(out: Path, methods: tuple[str, ...] = ()) -> Existing:
    """Read an output folder's manifest.

    Args:
        methods: `first_attempt` and `used` count the attempts of these methods only.

    Raises:
        ManifestError: the manifest is damaged.
    """
    path = out / MANIFEST
    if not path.is_file():
        return Existing()
    real, real_counts, new, paths = {}, Counter[str](), Counter[str](), set[str]()
    first: dict[str, int] = defaultdict(int)
    hashes: dict[str, set[str]] = defaultdict(set)
    used: dict[str, Counter[str]] = defaultdict(Counter)
    slugs = set(map(method_slug, methods))
    for row in read_manifest(path):
        if not row.synthetic:
            real[row.id] = str(row.sha256)
            real_counts[row.label] += row.split == PARENT_SPLIT
            continue
        if row.path is not None:
            new[row.label] += 1
            paths.add(row.path)
            hashes[row.label] |= set() if row.method == CONTROL else {row.pixels_sha256, str(row.sha256)}
        if method_slug(str(row.method)) in slugs:
            first[row.label] = max(first[row.label], int(row.attempt or 0) + 1)
            if row.path is not None and needs_parents((str(row.method),)):
                used[row.label].update(parent["path"] for parent in row.parents[:1])
    seen = {label: frozenset(found) for label, found in hashes.items()}
    return Existing(file_sha256(path) or "", real, real_counts, new, paths, first, seen, used)
