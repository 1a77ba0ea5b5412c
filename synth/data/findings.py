"""A finding, and those about images that show the same picture: conflicts of labels, leaks, duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from synth.data.duplicates import same_picture
from synth.records import SPLITS, Item

Key = TypeVar("Key", bound=Hashable)
Pictures = Mapping[int, Sequence[Item]]
"""Images that show the same picture, by group number."""

SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    kind: str
    paths: tuple[str, ...]
    """Ids of the items; empty where the finding is about a class or the whole."""
    message: str


def duplicate_findings(items: Sequence[Item]) -> Iterator[Finding]:
    """label_conflict, split_leak, exact_duplicates and near_duplicates: one finding per group of images."""
    groups, n_cut = same_picture(items)
    pictures = group_by(items, groups.tolist())
    yield from _label_conflicts(pictures)
    yield from _split_leaks(pictures)
    yield from _duplicates(pictures)
    if n_cut:
        message = f"{n_images(n_cut)} look in outline like too many others: not all their pairs were compared"
        yield Finding("search_cut_short", (), message)


def _label_conflicts(pictures: Pictures) -> Iterator[Finding]:
    for items in pictures.values():
        labels = sorted({item.label for item in items})
        if len(labels) > 1:
            same = _same_pixels(items, [item.label for item in items])
            look = "the same pixels lie" if same else "images that look nearly the same lie"
            advice = "keep them in the right class" if same else "look at them: is one of the labels wrong?"
            yield Finding("label_conflict", ids_of(items), f"{look} in {' and '.join(labels)}: {advice}")


def _split_leaks(pictures: Pictures) -> Iterator[Finding]:
    for items in pictures.values():
        splits = [split for split in SPLITS if any(item.split == split for item in items)]
        if len(splits) > 1:
            nearly = "" if _same_pixels(items, [item.split for item in items]) else "nearly "
            where, out = " and ".join(splits), [item for item in items if item.split != splits[-1]]
            message = f"{nearly}the same image is in {where}, so scores there are too good"
            advice = f"keep it in {splits[-1]}, remove {few(ids_of(out))}"
            yield Finding("split_leak", ids_of(items), f"{message}: {advice}")


def _same_pixels(items: Sequence[Item], sides: Sequence[str]) -> bool:
    """Do the very same pixels lie on two sides?"""
    pixels = {item.pixels_sha256 for item in items}
    return len({(item.pixels_sha256, side) for item, side in zip(items, sides, strict=True)}) > len(pixels)


def _duplicates(pictures: Pictures) -> Iterator[Finding]:
    near = []
    for items in pictures.values():
        for alike in group_by(items, ((item.label, item.split) for item in items)).values():
            same = group_by(alike, (item.pixels_sha256 for item in alike))
            for copies in same.values():
                if len(copies) > 1:
                    message = f"the same pixels {len(copies)} times: they count for more than others; keep one"
                    yield Finding("exact_duplicates", ids_of(copies), message)
            if len(same) > 1:
                near.append(ids_of(copies[0] for copies in same.values()))
    for paths in near:
        message = f"{len(paths)} images look nearly the same: keep them on one side of any split"
        yield Finding("near_duplicates", paths, message)


def group_by(items: Iterable[Item], keys: Iterable[Key]) -> dict[Key, list[Item]]:
    """{key: the items with that key}."""
    groups: dict[Key, list[Item]] = defaultdict(list)
    for item, key in zip(items, keys, strict=True):
        groups[key].append(item)
    return groups


def ids_of(items: Iterable[Item]) -> tuple[str, ...]:
    """Their ids, sorted."""
    return tuple(sorted(item.id for item in items))


def few(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def n_images(n: int) -> str:
    """The number in words fit for a sentence."""
    return "1 image" if n == 1 else f"{n} images"
