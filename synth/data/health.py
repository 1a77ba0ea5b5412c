"""Inspect a dataset: counts, and findings from the most to the least harmful.

Only the index is read, and the pixels of near duplicates. The thresholds are chosen so that sound data gives no
finding. The kinds have the names of cleanvision if it has one.
"""

import dataclasses
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.data.class_numbers import class_numbers
from synth.data.dataset import Dataset
from synth.data.duplicates import Pictures, distinct_counts, pictures_of
from synth.data.findings import (
    Finding,
    about,
    duplicates,
    few,
    group_by,
    ids_of,
    label_conflicts,
    n_images,
    split_leaks,
)
from synth.data.folds import groups_of
from synth.data.pixel_findings import levels, mode, noted, unkept_modes
from synth.records import PARENT_SPLIT, SPLITS, Floats, Item, ShortRepr

IMBALANCE_MIN = 3.0
FEW = 5
ODD_SIZE = 4.0
"""A side this many times longer or shorter than the median side is odd."""
MIXED_SIZE, MIXED_ASPECT = 4.0, 2.0
"""Sizes are mixed if the 95th percentile of size or of width/height is this many times the 5th."""
APART_MIN, APART_MIN_FEW = 0.5, 0.9
"""A class differs from the others from this share of its images on: with 10 images or more, and with 2 to 9."""
QUALITY_GAP = 5
PADDED_MAX = 0.6
"""A class is padded with copies up to this number of pictures per image."""
TINY = {
    0: "no new image can be made until you add some",
    1: "`augment` works, and `smote` between changed copies of it, but all new images look alike: add images",
    2: "`augment` works, and `smote` with k = n - 1, but there are too few images to train a network for this class",
}
MILD = ("layout", "split_names", "split_from_folder", "file_name_differs", "file_named_like_split", "no_group")
"""Findings of the dataset that tell how it is read; they come last."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_NOT_IN_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$')


@dataclass(frozen=True, repr=False)
class Inspection(ShortRepr):
    """A dataset's counts and findings."""

    classes: Mapping[str, Mapping[str, int]]
    """{class: {split: n}}."""
    distinct: Mapping[str, int]
    """{class: number of different pictures among its training images}."""
    imbalance_ratio: float | None
    """Largest over smallest class, of those with training images; None without training images."""
    files: Mapping[str, int]
    """found = used + skipped + refused."""
    findings: tuple[Finding, ...]
    """The most harmful first."""
    refused: tuple[tuple[str, str], ...]
    """(path, reason)."""
    skipped: Mapping[str, int]
    """{kind of file: count}."""
    groups: Mapping[str, int] | None = None
    """{"n": number of groups, "images": real images that have one}; None without groups."""

    def to_json(self) -> dict[str, Any]:
        """Return the document of `synth inspect --json`."""
        findings = [{"kind": f.kind, "paths": list(f.paths), "message": f.message} for f in self.findings]
        return {
            "classes": {label: dict(counts) for label, counts in self.classes.items()},
            "distinct": dict(self.distinct),
            "imbalance_ratio": self.imbalance_ratio,
            "files": dict(self.files),
            "groups": self.groups,
            "findings": findings,
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
            "skipped": [{"kind": kind, "n": n} for kind, n in self.skipped.items()],
        }


def inspect(dataset: Dataset) -> Inspection:
    """Count a dataset and look for problems that harm training or its evaluation."""
    counts = {label: n for label, n in dataset.train_counts.items() if n}
    ratio = max(counts.values()) / min(counts.values()) if counts else None
    used, skipped, refused = len(dataset.real), sum(dataset.skipped.values()), len(dataset.refused)
    asked = any(item.group for item in dataset.real) or any(found.kind == "no_group" for found in dataset.findings)
    known = Counter(item.group for item in dataset.real if item.group is not None)
    alike = pictures_of(dataset.real)
    pictures = group_by(dataset.real, alike.numbers.tolist()).values()
    distinct = _distinct(dataset, alike)
    findings = (  # the most harmful first
        *(finding for finding in dataset.findings if finding.kind not in MILD),
        *label_conflicts(pictures),
        *split_leaks(pictures),
        *_group_leaks(dataset.real),
        *_small_classes(dataset),
        *class_numbers(dataset),
        *_imbalance(counts, ratio),
        *_few_distinct(counts, distinct),
        *_groups(dataset, alike),
        *_format_differs(dataset),
        *_mixed_modes(dataset),
        *duplicates(pictures, alike.n_cut),
        *levels(dataset.real),
        *_sizes(dataset.real),
        *noted(dataset.real),
        *unkept_modes(dataset.real),
        *_not_portable(dataset),
        *(finding for finding in dataset.findings if finding.kind in MILD),
    )
    return Inspection(
        classes=dataset.counts,
        distinct=distinct,
        imbalance_ratio=ratio,
        files={"found": used + skipped + refused, "used": used, "skipped": skipped, "refused": refused},
        findings=findings,
        refused=dataset.refused,
        skipped=dataset.skipped,
        groups={"n": len(known), "images": known.total()} if asked else None,
    )


def _group_leaks(items: Sequence[Item]) -> Iterator[Finding]:
    grouped = group_by(items, (item.group for item in items))
    for group, members in grouped.items():
        splits = Counter(item.split for item in members)
        if group is not None and len(splits) > 1:
            counts = ", ".join(f"{splits[split]} in {split}" for split in SPLITS if splits[split])
            message = f"images of group {group} are in several splits ({counts}): keep each group in one split"
            yield Finding("group_leak", ids_of(members), message)


def _small_classes(dataset: Dataset) -> Iterator[Finding]:
    tiny = []
    for label, counts in dataset.counts.items():
        n, elsewhere = counts.get(PARENT_SPLIT, 0), [split for split in counts if counts[split]]
        if n == 0 and elsewhere:
            message = f"{label} has images only in {' and '.join(elsewhere)}, and no training images: move or add some"
            yield Finding("class_only_in", (), message)
        elif n <= FEW:
            tiny.append(Finding("tiny_class", (), f"{label} has {n_images(n)} for training: {TINY[min(n, 2)]}"))
    yield from tiny
    if len(dataset.classes) == 1:
        yield Finding("single_class", (), f"{dataset.classes[0]} is the only class: there is nothing to balance")


def _imbalance(counts: Mapping[str, int], ratio: float | None) -> Iterator[Finding]:
    if ratio is not None and ratio >= IMBALANCE_MIN:
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        shown = f"{most} has {counts[most]} training images and {least} has {counts[least]} ({ratio:.1f} to 1)"
        yield Finding("imbalance", (), f"{shown}: `synth plan` shows how many new images would balance them")


def _distinct(dataset: Dataset, alike: Pictures) -> dict[str, int]:
    """Return {class: number of different pictures among its training images}."""
    train = [n for n, item in enumerate(dataset.real) if item.split == PARENT_SPLIT]
    found = distinct_counts([dataset.real[n] for n in train], alike.numbers[train])
    return {label: found[label] for label in dataset.classes}


def _few_distinct(counts: Mapping[str, int], distinct: Mapping[str, int]) -> Iterator[Finding]:
    """Yield a finding if many images of a class are copies, so that it has far fewer pictures than files."""
    padded = [label for label, n in counts.items() if distinct[label] <= n * PADDED_MAX]
    if padded:
        which = few(
            padded, lambda label: f"{n_images(counts[label])} of {distinct[label]} picture{'s' * (distinct[label] > 1)}"
        )
        message = (
            f"copies make classes look larger than they are: {which}; `synth plan --count distinct` counts pictures"
        )
        yield Finding("few_distinct", (), message)


def _groups(dataset: Dataset, alike: Pictures) -> Iterator[Finding]:
    """Yield a finding for each reason why training images can't be split by group."""
    train = [n for n, item in enumerate(dataset.real) if item.split == PARENT_SPLIT]
    own = dataclasses.replace(alike, numbers=alike.numbers[train])
    for warning in groups_of([dataset.real[n] for n in train], own).warnings:
        yield Finding("not_by_group", (), warning)


def _format_differs(dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding if a class differs from the others in its file format, or else in its JPEG quality."""
    formats = _unlike_others(dataset, [item.encoding.format for item in dataset.real])
    quality = {} if formats else _unlike_others(dataset, _qualities(dataset.real))
    if apart := formats or quality:
        which = "; ".join(f"{label} mostly {own}, the others {others}" for label, (own, others) in apart.items())
        harm = "a classifier can learn the files instead of the content; store all classes in the same way"
        yield Finding("mixed_formats_by_class", (), f"classes differ in their files ({which}): {harm}")


def _qualities(items: Sequence[Item]) -> list[str]:
    """Return the range of JPEG quality of each file; gaps of `QUALITY_GAP` separate the ranges."""
    values = np.unique([item.encoding.quality or 0 for item in items])
    lowest = values[np.diff(values, prepend=-QUALITY_GAP) >= QUALITY_GAP]
    own = np.searchsorted(lowest, [item.encoding.quality or 0 for item in items], side="right") - 1
    return [f"of quality {low} or slightly more" for low in lowest[own].tolist()]


def _unlike_others(dataset: Dataset, words: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return {class: (its word, the others' word)} of classes whose distribution of words differs from the others."""
    tallies: dict[str, Counter[str]] = {label: Counter() for label in dataset.classes}
    for item, word in zip(dataset.real, words, strict=True):
        tallies[item.label][word] += 1
    total = sum(tallies.values(), Counter[str]())
    found = {}
    for label, own in tallies.items():
        others, n = total - own, own.total()
        if n < 2 or others.total() < 2:
            continue
        apart = sum(abs(own[word] / n - others[word] / others.total()) for word in total) / 2
        if apart >= (APART_MIN if n >= 10 else APART_MIN_FEW):
            found[label] = (own.most_common(1)[0][0], others.most_common(1)[0][0])
    return found


def _mixed_modes(dataset: Dataset) -> Iterator[Finding]:
    modes = [mode(item) for item in dataset.real]
    tally = Counter(modes).most_common()
    if len(tally) < 2:
        return
    apart = _unlike_others(dataset, modes)
    by_class = "; ".join(f"{label} is mostly {own}, the others {others}" for label, (own, others) in apart.items())
    harm = f" ({by_class}): a classifier can learn the mode instead of the content" if apart else ""
    minority = ids_of(item for item, mode in zip(dataset.real, modes, strict=True) if mode != tally[0][0])
    counts = ", ".join(f"{n} {mode}" for mode, n in tally)
    yield Finding("mixed_modes", minority, f"{counts} images in one dataset{harm}; convert all to one mode")


def _sizes(items: Sequence[Item]) -> Iterator[Finding]:
    if not items:
        return
    sides = np.array([(item.width, item.height) for item in items], float)  # (n, 2)
    times = sides / np.median(sides, axis=0)
    odd = [items[i] for i in np.flatnonzero((np.maximum(times, 1 / times) > ODD_SIZE).any(axis=1)).tolist()]
    size, aspect = np.sqrt(sides.prod(axis=1)), sides[:, 0] / sides[:, 1]
    (small, large), (tall, wide) = _nine_in_ten(size), _nine_in_ten(aspect)
    if large / small >= MIXED_SIZE or wide / tall >= MIXED_ASPECT:
        message = (
            f"sizes differ a lot: for 9 in 10 images the root of the area is {small:.0f} to {large:.0f} pixels and "
            f"width/height is {tall:.2f} to {wide:.2f}; networks use one size: crop or sort the images first"
        )
        yield Finding("mixed_sizes", (), message)
    else:
        width, height = np.median(sides, axis=0)
        off = f"with a side over {ODD_SIZE:.0f} times longer or shorter than the median {width:.0f}x{height:.0f}"
        yield from about("odd_size", odd, f"{off}: check for mistakes")


def _nine_in_ten(values: Floats) -> tuple[float, float]:
    """Return the 5th and 95th percentile, rounded inwards, so that one odd image among few has no effect."""
    return float(np.percentile(values, 5, method="higher")), float(np.percentile(values, 95, method="lower"))


def _not_portable(dataset: Dataset) -> Iterator[Finding]:
    advice = "some systems can't store this (Windows, macOS, archives): rename before you share the data"
    classes = sorted(_clashing(dataset.classes) | {label for label in dataset.classes if _bad(label)})
    if classes:
        yield Finding("not_portable", (), f"class names {few(map(repr, classes))}: {advice}")
    ids = [item.id for item in dataset.real]
    names = sorted(_clashing(ids) | {id for id in ids if _bad(id.rpartition("/")[2])})
    if names:
        yield Finding("not_portable", tuple(names), f"{n_images(len(names))} with a name like {names[0]!r}: {advice}")


def _clashing(paths: Iterable[str]) -> set[str]:
    """Return the paths that differ from another path of the same folder only in case or Unicode normal form."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        alike[folder, unicodedata.normalize("NFC", name).casefold()].append(path)
    return {path for group in alike.values() if len(group) > 1 for path in group}


def _bad(name: str) -> bool:
    return bool(_RESERVED.fullmatch(name) or _NOT_IN_WINDOWS.search(name))
