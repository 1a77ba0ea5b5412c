"""Findings about images that show the same picture: conflicting labels, leaks and duplicates."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from synth.errors import short_name
from synth.records import SPLITS, Item, ShortRepr

Key = TypeVar("Key", bound=Hashable)
Pictures = Iterable[Sequence[Item]]
"""Groups of images that show the same picture."""

SHOWN = 3
"""Names in a message."""
EXCLUDE_LIST = "exclude_list"
DETAILS = "(a detail such as a needle may differ)"
"""What a comparison of small copies does not see."""


@dataclass(frozen=True, repr=False)
class Finding(ShortRepr):
    """One problem of a dataset, and what to do about it."""

    kind: str
    paths: tuple[str, ...]
    """Ids of the items; empty if the finding is about a class or the whole dataset."""
    message: str


def label_conflicts(pictures: Pictures) -> Iterator[Finding]:
    """Yield a finding for each picture that is in several classes."""
    for items in pictures:
        labels = sorted({item.label for item in items})
        if len(labels) > 1:
            same = _same_pixels(items, [item.label for item in items])
            found = "the same pixels" if same else "images that look nearly the same"
            advice = "keep them in the right class" if same else "check whether a label is wrong"
            yield Finding("label_conflict", ids_of(items), f"{found} are in {' and '.join(labels)}: {advice}")


def split_leaks(pictures: Pictures) -> Iterator[Finding]:
    """Yield a finding for each picture that is in several splits."""
    for items in pictures:
        splits = [split for split in SPLITS if any(item.split == split for item in items)]
        if len(splits) > 1:
            same = _same_pixels(items, [item.split for item in items])
            where, out = " and ".join(splits), [item for item in items if item.split != splits[-1]]
            found = f"images in {where} look nearly the same {DETAILS}; if they are"
            found = f"the same image is in {where}, so" if same else f"{found},"
            advice = f"keep it in {splits[-1]}, remove {few(ids_of(out))}"
            message = f"{found} scores on {splits[-1]} are too high: {advice}"
            yield Finding("split_leak", ids_of(items), message)


def _same_pixels(items: Sequence[Item], sides: Sequence[str]) -> bool:
    """Whether the same pixels are on two sides."""
    pixels = {item.pixels_sha256 for item in items}
    return len({(item.pixels_sha256, side) for item, side in zip(items, sides, strict=True)}) > len(pixels)


def duplicates(pictures: Pictures, n_cut: int) -> Iterator[Finding]:
    """Yield exact_duplicates, then near_duplicates, one for each class and split; `n_cut` images were not compared."""
    near = []
    for items in pictures:
        for alike in group_by(items, ((item.label, item.split) for item in items)).values():
            same = group_by(alike, (item.pixels_sha256 for item in alike))
            for copies in same.values():
                if len(copies) > 1:
                    message = f"the same pixels {len(copies)} times: they get too much weight; keep one copy"
                    yield Finding("exact_duplicates", ids_of(copies), message)
            if len(same) > 1:
                near.append(ids_of(copies[0] for copies in same.values()))
    for paths in near:
        message = f"{len(paths)} images look nearly the same {DETAILS}: if they are, keep them in the same split"
        yield Finding("near_duplicates", paths, message)
    if n_cut:
        message = f"the search for duplicates is incomplete: {n_images(n_cut)} with the outline of too many others"
        yield Finding("search_cut_short", (), message)


def about(kind: str, items: Sequence[Item], message: str) -> Iterator[Finding]:
    """Yield a finding about these images, if there are any; the message follows their number."""
    if items:
        yield Finding(kind, ids_of(items), f"{n_images(len(items))} {message}")


def group_by(items: Iterable[Item], keys: Iterable[Key]) -> dict[Key, list[Item]]:
    """Return {key: the items with that key}."""
    groups: dict[Key, list[Item]] = defaultdict(list)
    for item, key in zip(items, keys, strict=True):
        groups[key].append(item)
    return groups


def ids_of(items: Iterable[Item]) -> tuple[str, ...]:
    """Return the sorted ids of items."""
    return tuple(sorted(item.id for item in items))


def few(names: Iterable[str], tell: Callable[[str], str] | None = None) -> str:
    """Return the first names, and how many more there are. The middle of a long name is left out.

    Args:
        tell: what to say of a name, in brackets behind it; it is never shortened.
    """
    listed = list(names)
    told = [short_name(name) + (f" ({tell(name)})" if tell else "") for name in listed[:SHOWN]]
    return ", ".join(told) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")


def n_images(n: int) -> str:
    """Return "1 image" or "2 images"."""
    return "1 image" if n == 1 else f"{n} images"
