"""What is in a dataset and what is wrong with it: counts, and findings from the most to the least harmful.

Only the index is read, and the pixels of near duplicates. The thresholds are set so that sound data gives no
finding; the words are those of cleanvision where it has one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.data.dataset import Dataset
from synth.data.findings import Finding, duplicate_findings, few, group_by, ids_of, n_images
from synth.records import BLANK_STD, PARENT_SPLIT, SPLITS, Item

IMBALANCE_MIN = 3.0
FEW = 5
DARK_MAX = 0.1
"""Mean plus two standard deviations (0..1) up to which an image is dark; light is the mirror of it."""
ODD_SIZE = 4.0
"""A side this many times longer or shorter than the median side is odd."""
MIXED_SIZE, MIXED_ASPECT = 4.0, 2.0
"""95th over 5th percentile of size and of width/height from which the sizes are mixed."""
APART_MIN, APART_MIN_FEW = 0.5, 0.9
"""Share of a class that is unlike the other classes: with at least 10 images, and with 2 to 9."""
QUALITY_GAP = 5
ORDER = [
    "label_conflict",
    "split_leak",
    "group_leak",
    "class_only_in",
    "tiny_class",
    "single_class",
    "imbalance",
    "mixed_formats_by_class",
    "mixed_modes",
    "exact_duplicates",
    "near_duplicates",
    "search_cut_short",
    "blank",
    "dark",
    "light",
    "odd_size",
    "mixed_sizes",
    "first_frame_only",
    "odd_extension",
    "alpha",
    "not_portable",
    "layout",
]
"""All kinds of findings, the most harmful first."""

TINY = {
    0: "it stays in the list of classes, but nothing can be made for it: add images",
    1: "`augment` works, `smote` on its own changed copies, and all new images will look alike: add images if you can",
    2: "`augment` works, and `smote` with k = n - 1; a network of its own can't be trained",
}
NOTES = (
    ("animated", "first_frame_only", "hold several frames or pages: only the first is used"),
    ("extension", "odd_extension", "have another format's extension: read by content; rename them"),
    ("alpha", "alpha", "are transparent: laid on the colour of data.background; set it if that is wrong"),
)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_NOT_IN_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$')


@dataclass(frozen=True)
class Inspection:
    """A dataset's counts and findings."""

    classes: Mapping[str, Mapping[str, int]]
    """{class: {split: n}}."""
    imbalance_ratio: float | None
    """Largest over smallest class among those with a training image; None where there is none."""
    files: Mapping[str, int]
    """found = used + skipped + refused."""
    findings: tuple[Finding, ...]
    """The most harmful first."""
    refused: tuple[tuple[str, str], ...]
    """(path, reason)."""
    skipped: Mapping[str, int]
    """Kind of file -> how many."""

    def to_json(self) -> dict[str, Any]:
        """The document of `synth inspect --json`."""
        findings = [{"kind": f.kind, "paths": list(f.paths), "message": f.message} for f in self.findings]
        return {
            "classes": {label: dict(counts) for label, counts in self.classes.items()},
            "imbalance_ratio": self.imbalance_ratio,
            "files": dict(self.files),
            "findings": findings,
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
            "skipped": [{"kind": kind, "n": n} for kind, n in self.skipped.items()],
        }


def inspect(dataset: Dataset) -> Inspection:
    """Count a dataset and look for what harms training or its measurement."""
    used, skipped, refused = len(dataset.items), sum(dataset.skipped.values()), len(dataset.refused)
    findings = (
        *duplicate_findings(dataset.items),
        *_group_leaks(dataset.items),
        *_small_classes(dataset),
        *_imbalance(dataset),
        *_format_differs(dataset),
        *_mixed_modes(dataset),
        *_levels(dataset.items),
        *_sizes(dataset.items),
        *_noted(dataset.items),
        *_not_portable(dataset),
        *(Finding("layout", (), warning) for warning in dataset.warnings),
    )
    return Inspection(
        classes=dataset.counts,
        imbalance_ratio=_ratio(dataset),
        files={"found": used + skipped + refused, "used": used, "skipped": skipped, "refused": refused},
        findings=tuple(sorted(findings, key=lambda finding: ORDER.index(finding.kind))),
        refused=dataset.refused,
        skipped=dataset.skipped,
    )


def _group_leaks(items: Sequence[Item]) -> Iterator[Finding]:
    grouped = group_by(items, (item.group for item in items))
    for group, members in grouped.items():
        splits = Counter(item.split for item in members)
        if group is not None and len(splits) > 1:
            counts = ", ".join(f"{splits[split]} in {split}" for split in SPLITS if splits[split])
            message = f"images of group {group} are in several splits ({counts}): keep a group on one side"
            yield Finding("group_leak", ids_of(members), message)


def _small_classes(dataset: Dataset) -> Iterator[Finding]:
    if len(dataset.classes) == 1:
        yield Finding("single_class", (), f"{dataset.classes[0]} is the only class: nothing to balance or tell apart")
    for label, counts in dataset.counts.items():
        n, elsewhere = counts.get(PARENT_SPLIT, 0), [split for split in counts if counts[split]]
        if n == 0 and elsewhere:
            message = f"{label} has images only in {' and '.join(elsewhere)}: none to learn from or to start from"
            yield Finding("class_only_in", (), message)
        elif n <= FEW:
            yield Finding("tiny_class", (), f"{label} has {n_images(n)} to train on: {TINY[min(n, 2)]}")


def _present(dataset: Dataset) -> dict[str, int]:
    return {label: n for label, n in dataset.train_counts.items() if n}


def _ratio(dataset: Dataset) -> float | None:
    counts = _present(dataset).values()
    return max(counts) / min(counts) if counts else None


def _imbalance(dataset: Dataset) -> Iterator[Finding]:
    ratio, counts = _ratio(dataset), _present(dataset)
    if ratio is not None and ratio >= IMBALANCE_MIN:
        most, least = (max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label]))
        yield Finding(
            "imbalance",
            (),
            f"{most} has {counts[most]} training images, {least} {counts[least]} ({ratio:.1f} to 1): "
            "`synth plan` says how many new ones would even that out",
        )


def _format_differs(dataset: Dataset) -> Iterator[Finding]:
    """Classes whose file format, or else JPEG quality, is not that of the others."""
    formats = _unlike_others(dataset, [item.encoding.format for item in dataset.items])
    quality = {} if formats else _unlike_others(dataset, _qualities(dataset.items))
    if apart := formats or quality:
        which = "; ".join(f"{label} mostly {own}, the others {others}" for label, (own, others) in apart.items())
        harm = "a classifier can learn that instead of the picture; store all classes alike"
        yield Finding("mixed_formats_by_class", (), f"classes differ in their files ({which}): {harm}")


def _qualities(items: Sequence[Item]) -> list[str]:
    """The range of JPEG quality that each file is in; ranges are told apart by gaps of `QUALITY_GAP`."""
    values = np.unique([item.encoding.quality or 0 for item in items])
    lowest = values[np.diff(values, prepend=-QUALITY_GAP) >= QUALITY_GAP]
    own = np.searchsorted(lowest, [item.encoding.quality or 0 for item in items], side="right") - 1
    return [f"of quality {low} or a little more" for low in lowest[own].tolist()]


def _unlike_others(dataset: Dataset, words: Sequence[str]) -> dict[str, tuple[str, str]]:
    """{class: (its word, the others' word)} where the two distributions of words lie far apart."""
    tallies: dict[str, Counter[str]] = {label: Counter() for label in dataset.classes}
    for item, word in zip(dataset.items, words, strict=True):
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


def _mode(item: Item) -> str:
    return ("16-bit " if item.sixteen_bit else "") + ("grey" if item.grey else "colour")


def _mixed_modes(dataset: Dataset) -> Iterator[Finding]:
    modes = [_mode(item) for item in dataset.items]
    tally = Counter(modes).most_common()
    if len(tally) < 2:
        return
    apart = _unlike_others(dataset, modes)
    by_class = "; ".join(f"{label} is mostly {own}, the others {others}" for label, (own, others) in apart.items())
    harm = f" ({by_class}): a classifier can learn that instead of the picture" if apart else ""
    minority = ids_of(item for item, mode in zip(dataset.items, modes, strict=True) if mode != tally[0][0])
    counts = ", ".join(f"{n} {mode}" for mode, n in tally)
    yield Finding("mixed_modes", minority, f"{counts} images in one dataset{harm}; convert all to one kind")


def _levels(items: Sequence[Item]) -> Iterator[Finding]:
    blank = [item for item in items if item.std <= BLANK_STD]
    rest = [item for item in items if item.std > BLANK_STD]
    dark = [item for item in rest if item.mean + 2 * item.std <= DARK_MAX]
    light = [item for item in rest if item.mean - 2 * item.std >= 1 - DARK_MAX]
    if blank:
        yield Finding(
            "blank", ids_of(blank), f"{n_images(len(blank))} of one level all over: remove if they show nothing"
        )
    for kind, found in (("dark", dark), ("light", light)):
        if 0 < len(found) < len(items) / 2:  # where most are, it is the nature of the data
            yield Finding(
                kind, ids_of(found), f"{n_images(len(found))} nearly all {kind}: look whether the class shows"
            )


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
            f"sizes differ much: 9 in 10 are between {small:.0f} and {large:.0f} pixels (root of the area), "
            f"width/height between {tall:.2f} and {wide:.2f}; networks see one size: crop or sort them first"
        )
        yield Finding("mixed_sizes", (), message)
    elif odd:
        width, height = np.median(sides, axis=0)
        message = f"{n_images(len(odd))} with a side {ODD_SIZE:.0f} times off the median {width:.0f}x{height:.0f}"
        yield Finding("odd_size", ids_of(odd), f"{message}: look whether they belong here")


def _nine_in_ten(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """5th and 95th percentile, inwards: a single odd one among few has no say."""
    return float(np.percentile(values, 5, method="higher")), float(np.percentile(values, 95, method="lower"))


def _noted(items: Sequence[Item]) -> Iterator[Finding]:
    for note, kind, message in NOTES:
        found = [item for item in items if note in item.notes]
        if found:
            yield Finding(kind, ids_of(found), f"{n_images(len(found))}: {message}")


def _not_portable(dataset: Dataset) -> Iterator[Finding]:
    advice = "other systems can't keep them (Windows, macOS, archives): rename before you pass the data on"
    classes = sorted(_clashing(dataset.classes) | {label for label in dataset.classes if _bad(label)})
    if classes:
        yield Finding("not_portable", (), f"class names {few(map(repr, classes))}: {advice}")
    ids = [item.id for item in dataset.items]
    names = sorted(_clashing(ids) | {id for id in ids if _bad(id.rpartition("/")[2])})
    if names:
        yield Finding("not_portable", tuple(names), f"{n_images(len(names))} with names like {names[0]!r}: {advice}")


def _clashing(paths: Iterable[str]) -> set[str]:
    """Paths that differ from another one of the same folder only in case or in Unicode normal form."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        alike[folder, unicodedata.normalize("NFC", name).casefold()].append(path)
    return {path for group in alike.values() if len(group) > 1 for path in group}


def _bad(name: str) -> bool:
    return bool(_RESERVED.fullmatch(name) or _NOT_IN_WINDOWS.search(name))
