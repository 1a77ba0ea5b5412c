"""Find images that show the same picture, in near-linear time and exactly up to a stated bound.

There are two steps. The difference hashes give candidates: pairs within `NEAR_BITS` of 256 bits. Then the pixels
decide: both files are read again and compared as colour thumbnails with normalised brightness and contrast. Both steps
see an image in its common orientation (see `turns`), so they find mirrored and turned pictures too. Only within a
class: a mirrored picture may belong to another class, as with arrows and digits.

Why 20 bits and two steps: among 1484 traffic lights (about 30 x 60 pixels) no pair is within 14 bits and 5 pairs are
within 20, all of the same lamp a moment later. Noise alone flips that many bits: a light saved again as JPEG 75 has a
median distance of 18 bits (26 % are within 10 bits, 58 % within 20). Among 22406 CIFAR-10 images 8 pairs are within 20,
half of them in other colours; different handwritten digits and flat shapes come within 10. Thumbnails separate them:
the median distance of saved, resized or noisy copies is 0.02 to 0.12 standard deviations (0.04 to 0.13 for the pairs of
lights), that of recoloured ones 0.3 and more, and that of most digits and shapes over 0.2.
"""

import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from synth.data import images
from synth.data.levels import kind_of
from synth.data.turns import TURNS
from synth.errors import ImageError
from synth.records import BLANK_STD, Ints, Item
from synth.settings.recipe import Data

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
"""(n, 4): 256 bits each."""
Confirm = Callable[[Indices, Indices], npt.NDArray[np.bool_]]
"""Return (n,) bool: whether images a[i] and b[i] show the same picture."""

NEAR_BITS = 20
N_BANDS = 11
"""A pair within 2 x 11 - 1 = 21 bits differs in at most one bit of at least one band (pigeonhole)."""
WINDOW = 50
"""In a larger bucket each image is compared with its next 50, in order of brightness."""
MAX_REJECTED = 20
"""A hash that is near this many different pictures is not searched any further."""
THUMBNAIL_SIDE = 16
NEARLY_ALL = 0.8
"""A group holds nearly all images of a class from this share on."""
SCENE_MIN = 10
"""Fewer different images that look alike are no scene: they are one picture, and some of its labels are wrong."""
SAME_RMS = 0.2
"""Largest RMS difference of two thumbnails of the same picture, in standard deviations of their levels."""
_BLOCK = 4096
_LEVELS = 24  # one standard deviation of a thumbnail, in int8 levels
_UNREADABLE = -128  # level of the thumbnail of a file that is gone; readable ones have -127..127


@dataclass(frozen=True)
class Pictures:
    """Which of n images show the same picture."""

    numbers: Indices
    """(n,) images of the same picture have the same number."""
    n_cut: int = 0
    """Images for which the search was cut short (see `near_groups`)."""
    one_scene: tuple[str, ...] = ()
    """Classes of which nearly all images look like those of other classes, as from a fixed camera. The labels say that
    they differ, so only those with the same pixels count as the same picture."""


def pictures_of(items: Sequence[Item]) -> Pictures:
    """Group images that show the same picture, directly or through others."""
    numbers, n_cut = _alike(items)
    pixels = groups_by_shared_keys([(item.pixels_sha256,) for item in items])
    in_scene, labels = _in_scenes(items, numbers, pixels), np.array([item.label for item in items], object)
    shares = {label: in_scene[labels == label].mean() for label in dict.fromkeys(labels[in_scene].tolist())}
    classes = sorted(label for label, share in shares.items() if share > NEARLY_ALL)
    if len(classes) < 2:
        return Pictures(numbers, n_cut)
    return Pictures(np.where(in_scene, numbers.max() + 1 + pixels, numbers), n_cut, tuple(classes))


def _in_scenes(items: Sequence[Item], numbers: Indices, pixels: Indices) -> npt.NDArray[np.bool_]:
    """Whether each image is in a group of many different images, of several classes, that look alike: (n,)."""
    found: dict[int, tuple[set[str], set[int], list[int]]] = defaultdict(lambda: (set(), set(), []))
    for place, (item, number, own) in enumerate(zip(items, numbers.tolist(), pixels.tolist(), strict=True)):
        labels, different, places = found[number]
        labels.add(item.label)
        different.add(own)
        places.append(place)
    inside = np.zeros(len(items), bool)
    for labels, different, places in found.values():
        inside[places] = len(labels) > 1 and len(different) >= max(SCENE_MIN, len(places) / 2)
    return inside


def largest_shares(labels: Sequence[str], groups: Indices) -> dict[str, tuple[int, float]]:
    """Return for each class with two images or more its largest group, and the share of its images in it, 0..1."""
    names, own, totals = np.unique(np.array(labels, object), return_inverse=True, return_counts=True)
    pairs, counts = np.unique(np.stack([own, groups]), axis=1, return_counts=True)
    by_size = np.argsort(counts, kind="stable")  # a later entry of a dict replaces an earlier one
    largest = dict(zip(pairs[0, by_size].tolist(), by_size.tolist(), strict=True))
    return {
        str(names[number]): (int(pairs[1, place]), float(counts[place] / totals[number]))
        for number, place in largest.items()
        if totals[number] > 1
    }


def one_of_each(items: Sequence[Item]) -> list[int]:
    """Return the places of the first image of each picture."""
    places: list[int] = np.sort(np.unique(pictures_of(items).numbers, return_index=True)[1]).tolist()
    return places


def distinct_counts(items: Sequence[Item], numbers: Indices | None = None) -> Counter[str]:
    """Return {class: number of different pictures}. Args: numbers: of the pictures; None: they are found."""
    numbers = pictures_of(items).numbers if numbers is None else numbers
    return Counter(label for label, _ in {(i.label, n) for i, n in zip(items, numbers.tolist(), strict=True)})


def _alike(items: Sequence[Item]) -> tuple[Indices, int]:
    """Return (n,) numbers of groups of images that look alike, and the number for which the search was cut short."""
    _, first, inverse = np.unique([item.pixels_sha256 for item in items], return_index=True, return_inverse=True)
    unique = [items[i] for i in first.tolist()]
    group_of = np.arange(len(unique), dtype=np.int64)
    # In order of brightness, so that a cut bucket still compares the most likely pairs.
    chosen = sorted(
        (n for n, item in enumerate(unique) if item.std > BLANK_STD),
        key=lambda n: (unique[n].mean, unique[n].pixels_sha256),
    )
    if len(chosen) < 2:
        return group_of[inverse], 0
    candidates = [unique[n] for n in chosen]
    views = [(place, turn) for place, item in enumerate(candidates) for turn in item.turns]
    owners = np.array([place for place, _ in views], np.int64)
    hashes = np.frombuffer(b"".join(item.dhash for item in candidates), np.uint64).reshape(-1, 4)
    near, n_cut = near_groups(hashes, _same_views(candidates, views), owners)
    firsts = np.unique(owners, return_index=True)[1]
    group_of[chosen] = len(unique) + near[firsts]
    return group_of[inverse], n_cut


def near_groups(hashes: Hashes, confirm: Confirm, groups: Indices | None = None) -> tuple[Indices, int]:
    """Group hashes that are within `NEAR_BITS` of each other and that `confirm` agrees to, directly or through others.

    Args:
        groups: (n,) groups to start from: hashes of the same image share one. None: each is its own.

    Returns: (n,) group numbers; the number of hashes for which the search was cut short (0 if no bucket holds more than
    `WINDOW` hashes and no hash is rejected `MAX_REJECTED` times).
    """
    n = len(hashes)
    groups, cut = np.arange(n) if groups is None else groups, np.zeros(n, bool)
    rejected = _Rejected(n)
    for bucket, order in _buckets(hashes):
        kept = ~rejected.given_up[order]
        bucket, order = bucket[kept], order[kept]
        active = _in_mixed_buckets(bucket, groups[order])
        different = []
        for step in range(1, WINDOW + 1):
            active = _same_bucket(bucket, active, step)
            if not active.size:
                break
            a, b = rejected.without(*_close(hashes, groups, order[active], b=order[active + step]))
            agreed = confirm(a, b)
            groups = linked(n, groups[a[agreed]], groups[b[agreed]])[groups] if agreed.any() else groups
            different.append((a[~agreed], b[~agreed]))
        rejected.add(different)
        left = _same_bucket(bucket, active, WINDOW + 1)
        cut[order[left[groups[order[left]] != groups[order[left + WINDOW + 1]]]]] = True
    return groups, int((cut | rejected.given_up).sum())


def linked(n: int, a: Ints, b: Ints) -> Indices:
    """Return (n,) numbers of the connected components of n nodes with the edges a[i] - b[i], in order of the nodes."""
    graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def groups_by_shared_keys(keys: Sequence[Iterable[Hashable]]) -> Indices:
    """Return (n,) group numbers from 0: two elements that share a key, directly or through others, are one group."""
    node_of = {key: len(keys) + i for i, key in enumerate(dict.fromkeys(itertools.chain.from_iterable(keys)))}
    edges = np.array([(i, node_of[key]) for i, own in enumerate(keys) for key in own], np.int64).reshape(-1, 2)
    return linked(len(keys) + len(node_of), *edges.T)[: len(keys)]


class _Rejected:
    """The pairs that are not the same picture. No pair is compared twice; a hash near too many others is given up."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._codes = np.empty(0, np.int64)
        self._times = np.zeros(n, np.int64)
        self.given_up = np.zeros(n, bool)

    def without(self, a: Indices, b: Indices) -> tuple[Indices, Indices]:
        """Return the pairs that are still to compare."""
        fresh = ~(self.given_up[a] | self.given_up[b])
        if self._codes.size:
            codes = a * self._n + b
            place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
            fresh &= self._codes[place] != codes
        return a[fresh], b[fresh]

    def add(self, pairs: Sequence[tuple[Indices, Indices]]) -> None:
        """Record new pairs of different pictures."""
        if any(a.size for a, _ in pairs):
            a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
            self._codes = np.union1d(self._codes, a * self._n + b)
            self._times += np.bincount(np.concatenate([a, b]), minlength=self._n)
            self.given_up = self._times >= MAX_REJECTED


def _buckets(hashes: Hashes) -> Iterator[tuple[Indices, Indices]]:
    """Yield for each band, and each bit left out of it, (bucket, index) of all hashes, sorted by both."""
    bits = np.unpackbits(hashes.view(np.uint8), axis=1)
    # Sorted by information, so that each band holds bits that differ between hashes.
    ranked = np.argsort(np.abs(bits.mean(axis=0) - 0.5), kind="stable")
    index = np.arange(len(hashes), dtype=np.int64)
    for band in range(N_BANDS):
        own = bits[:, ranked[band::N_BANDS]].astype(np.int64)
        weights = 1 << np.arange(own.shape[1], dtype=np.int64)
        band_value = own @ weights
        for weight in weights:
            keys = np.sort(((band_value & ~weight) << 32) | index)
            yield keys >> 32, keys & 0xFFFFFFFF


def _in_mixed_buckets(bucket: Indices, groups: Indices) -> Indices:
    """Return the places in buckets that hold more than one group; the others have nothing left to join."""
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    mixed = np.minimum.reduceat(groups, starts) != np.maximum.reduceat(groups, starts)
    sizes = np.diff(starts, append=len(bucket))
    return np.flatnonzero(np.repeat(mixed, sizes))


def _same_bucket(bucket: Indices, active: Indices, step: int) -> Indices:
    """Return the places whose bucket also holds the place `step` further on."""
    active = active[: np.searchsorted(active, len(bucket) - step)]
    kept: Indices = active[bucket[active] == bucket[active + step]]
    return kept


def _close(hashes: Hashes, groups: Indices, a: Indices, *, b: Indices) -> tuple[Indices, Indices]:
    """Return the pairs of different groups within `NEAR_BITS`, with the smaller index first."""
    apart = groups[a] != groups[b]
    a, b = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
    near = np.bitwise_count(hashes[a] ^ hashes[b]).sum(axis=1) <= NEAR_BITS
    return a[near], b[near]


def _same_views(items: Sequence[Item], views: Sequence[tuple[int, int]]) -> Confirm:
    """Return a function that compares views, (place of an item, turn), as thumbnails.

    It reads each file once, and only when it needs it. Different turns agree only within a class.
    """
    turns = np.array([turn for _, turn in views])
    numbers = {label: number for number, label in enumerate(dict.fromkeys(item.label for item in items))}
    labels = np.array([numbers[items[place].label] for place, _ in views])
    small = functools.cache(lambda place: _thumbnail(items[place]))

    def thumbnail(view: int) -> npt.NDArray[np.int8]:
        place, turn = views[view]
        return TURNS[turn](small(place)).ravel()

    def same(a: Indices, b: Indices) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(a), bool)
        allowed = np.flatnonzero((turns[a] == turns[b]) | (labels[a] == labels[b]))
        for start in range(0, len(allowed), _BLOCK):
            block = allowed[start : start + _BLOCK]
            one, other = (np.stack([thumbnail(view) for view in side[block].tolist()]) for side in (a, b))
            difference = one.astype(np.int16) - other
            rms = np.sqrt(np.square(difference, dtype=np.float32).mean(axis=1)) / _LEVELS
            readable = (one[:, 0] != _UNREADABLE) & (other[:, 0] != _UNREADABLE)
            found[block] = (rms <= SAME_RMS) & readable
        return found

    return same


def _thumbnail(item: Item) -> npt.NDArray[np.int8]:
    """Return (16, 16, 3) levels of mean 0 and standard deviation `_LEVELS`, independent of brightness and contrast."""
    form = item.encoding
    try:
        # The size was checked when the file was indexed; the background is the same for all files.
        settings, levels = Data(max_pixels=images.MAX_SIDE**2), {kind_of(form.mode): form.levels}
        decoded = images.decode(Path(item.path).read_bytes(), settings, levels=levels)
    except (ImageError, OSError):  # changed or deleted since then
        return np.full((THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3), _UNREADABLE, np.int8)
    small = cv2.resize(images.to_uint8(decoded.pixels), (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    levels_u8 = np.repeat(small[:, :, None], 3, axis=2) if small.ndim == 2 else small
    scaled = (levels_u8 - levels_u8.mean()) * (_LEVELS / max(float(levels_u8.std()), 1e-3))
    thumbnail: npt.NDArray[np.int8] = np.clip(np.round(scaled), -127, 127).astype(np.int8)
    return thumbnail
