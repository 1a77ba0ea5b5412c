"""Which images show the same picture, among many: near-linear in their number, exact up to a stated bound.

Two steps. The difference hashes give candidates: pairs within `NEAR_BITS` of 256 bits. Then the pixels
decide: both files are read once more and compared as thumbnails, in colour, brightness and contrast taken
out.

Why 20 bits, and why two steps: of 1484 traffic lights (about 30 x 60 pixels) no two are within 14 bits and
5 pairs within 20, all of them one lamp a moment later. Noise alone flips that many: a light saved again as
JPEG 75 is 18 bits away in the median (26 % of them within 10 bits, 58 % within 20). Of 22406 CIFAR-10
images 8 pairs are within 20, half of them in other colours; handwritten digits and flat shapes come within
10 though they differ. Thumbnails tell them apart: saved again, resized or noisy copies are in the median
0.02 to 0.12 standard deviations away (the lights' pairs 0.04 to 0.13), recoloured ones 0.3 and more, most
digits and shapes over 0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from synth.data import images
from synth.errors import ImageError
from synth.records import BLANK_STD, Item
from synth.settings.recipe import Data

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
"""(n, 4): 256 bits each."""
Confirm = Callable[[Indices, Indices], npt.NDArray[np.bool_]]
"""Are the images a[i] and b[i] the same picture?"""

NEAR_BITS = 20
N_BANDS = 11
"""A pair within 2 x 11 - 1 = 21 bits differs in at most one bit of at least one band (pigeonhole)."""
WINDOW = 50
"""In a bucket with more images each is compared with its next 50, in order of brightness."""
MAX_TURNED_DOWN = 20
"""An image with a hash near so many images of another look is left out from there on: it says nothing."""
THUMBNAIL_SIDE = 16
SAME_RMS = 0.2
"""Largest difference of two thumbnails, in standard deviations of their levels."""
_BLOCK = 4096
_LEVELS = 24  # one standard deviation of a thumbnail, as int8 holds it


def same_picture(items: Sequence[Item]) -> tuple[Indices, int]:
    """Group images that show the same picture, directly or through others.

    Returns: the group number of each item; for how many images the search was cut short (see `near_groups`).
    """
    _, first, inverse = np.unique([item.pixels_sha256 for item in items], return_index=True, return_inverse=True)
    unique = [items[i] for i in first.tolist()]
    group_of = np.arange(len(unique), dtype=np.int64)
    # In order of brightness: the neighbours that a cut bucket still compares are the likely ones.
    chosen = sorted(
        (n for n, item in enumerate(unique) if item.std > BLANK_STD),
        key=lambda n: (unique[n].mean, unique[n].pixels_sha256),
    )
    if len(chosen) < 2:
        return group_of[inverse], 0
    candidates = [unique[n] for n in chosen]
    hashes = np.frombuffer(b"".join(item.dhash for item in candidates), np.uint64).reshape(-1, 4)
    near, n_cut = near_groups(hashes, _Thumbnails([item.path for item in candidates]))
    group_of[chosen] = len(unique) + near
    return group_of[inverse], n_cut


def near_groups(hashes: Hashes, confirm: Confirm) -> tuple[Indices, int]:
    """Connected groups of hashes within `NEAR_BITS` of each other that `confirm` agrees to.

    Returns: the group number of each hash, and for how many the search was cut short (none where no
    bucket holds more than `WINDOW` and no hash is turned down `MAX_TURNED_DOWN` times).
    """
    n = len(hashes)
    groups, cut = np.arange(n), np.zeros(n, bool)
    refusals = _Refusals(n)
    for bucket, order in _buckets(hashes):
        kept = ~refusals.given_up[order]
        bucket, order = bucket[kept], order[kept]
        active = _in_mixed_buckets(bucket, groups[order])
        turned_down = []
        for step in range(1, WINDOW + 1):
            active = _same_bucket(bucket, active, step)
            if not active.size:
                break
            a, b = refusals.without(*_close(hashes, groups, order[active], b=order[active + step]))
            agreed = confirm(a, b)
            groups = _merge(groups, a[agreed], b[agreed])
            turned_down.append((a[~agreed], b[~agreed]))
        refusals.add(turned_down)
        left = _same_bucket(bucket, active, WINDOW + 1)
        cut[order[left[groups[order[left]] != groups[order[left + WINDOW + 1]]]]] = True
    return groups, int((cut | refusals.given_up).sum())


class _Refusals:
    """The pairs that were turned down: none is asked twice, and a hash like too many others is given up."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._codes = np.empty(0, np.int64)
        self._times = np.zeros(n, np.int64)
        self.given_up = np.zeros(n, bool)

    def without(self, a: Indices, b: Indices) -> tuple[Indices, Indices]:
        """The pairs that are still to be asked."""
        fresh = ~(self.given_up[a] | self.given_up[b])
        if self._codes.size:
            codes = a * self._n + b
            place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
            fresh &= self._codes[place] != codes
        return a[fresh], b[fresh]

    def add(self, pairs: Sequence[tuple[Indices, Indices]]) -> None:
        """Note pairs that were turned down, each for the first time."""
        if any(a.size for a, _ in pairs):
            a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
            self._codes = np.union1d(self._codes, a * self._n + b)
            self._times += np.bincount(np.concatenate([a, b]), minlength=self._n)
            self.given_up = self._times >= MAX_TURNED_DOWN


def _buckets(hashes: Hashes) -> Iterator[tuple[Indices, Indices]]:
    """For each band and each bit left out of it: (bucket, index) of all hashes, sorted by both."""
    bits = np.unpackbits(hashes.view(np.uint8), axis=1)
    # Dealt out from the most to the least telling bit: no band holds only bits that are the same in all.
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
    """Places in buckets that hold more than one group: in all others there is nothing left to join."""
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    mixed = np.minimum.reduceat(groups, starts) != np.maximum.reduceat(groups, starts)
    sizes = np.diff(starts, append=len(bucket))
    return np.flatnonzero(np.repeat(mixed, sizes))


def _same_bucket(bucket: Indices, active: Indices, step: int) -> Indices:
    """Those places whose bucket still holds the place `step` further on."""
    active = active[: np.searchsorted(active, len(bucket) - step)]
    kept: Indices = active[bucket[active] == bucket[active + step]]
    return kept


def _close(hashes: Hashes, groups: Indices, a: Indices, *, b: Indices) -> tuple[Indices, Indices]:
    """The pairs of two groups that are within `NEAR_BITS`; the smaller index first."""
    apart = groups[a] != groups[b]
    a, b = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
    near = np.bitwise_count(hashes[a] ^ hashes[b]).sum(axis=1) <= NEAR_BITS
    return a[near], b[near]


def _merge(groups: Indices, a: Indices, b: Indices) -> Indices:
    if not a.size:
        return groups
    n = len(groups)
    edges = coo_array((np.ones(len(a), bool), (groups[a], groups[b])), shape=(n, n))
    joined: Indices = connected_components(edges, directed=False)[1].astype(np.int64)
    return joined[groups]


class _Thumbnails:
    """Compares images as thumbnails; each file is read once, and only if its hash has a neighbour."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._row: dict[int, int] = {}
        self._n_rows = 1
        # Row 0 stands for files that can't be read any more.
        self._pixels = np.zeros((64, THUMBNAIL_SIDE**2 * 3), np.int8)

    def __call__(self, a: Indices, b: Indices) -> npt.NDArray[np.bool_]:
        same = np.zeros(len(a), bool)
        for start in range(0, len(a), _BLOCK):
            block = slice(start, start + _BLOCK)
            rows_a, rows_b = self._rows(a[block]), self._rows(b[block])
            difference = self._pixels[rows_a].astype(np.int16) - self._pixels[rows_b]
            rms = np.sqrt(np.square(difference, dtype=np.float32).mean(axis=1)) / _LEVELS
            same[block] = (rms <= SAME_RMS) & (rows_a > 0) & (rows_b > 0)
        return same

    def _rows(self, indices: Indices) -> Indices:
        rows = (self._row[i] if i in self._row else self._read(i) for i in indices.tolist())
        return np.fromiter(rows, np.int64, len(indices))

    def _read(self, index: int) -> int:
        thumbnail = _thumbnail(self._paths[index])
        self._row[index] = 0 if thumbnail is None else self._n_rows
        if thumbnail is not None:
            if self._n_rows == len(self._pixels):
                self._pixels = np.concatenate([self._pixels, np.zeros_like(self._pixels)])
            self._pixels[self._n_rows] = thumbnail
            self._n_rows += 1
        return self._row[index]


def _thumbnail(path: str) -> npt.NDArray[np.int8] | None:
    """(768,): mean 0 and standard deviation `_LEVELS`, so that brightness and contrast have no say."""
    try:
        # The size was checked when the file was indexed; any background will do, it is the same for all.
        decoded = images.decode(Path(path).read_bytes(), Data(max_pixels=images.MAX_SIDE**2))
    except (ImageError, OSError):  # changed or gone since then
        return None
    small = cv2.resize(images.to_uint8(decoded.pixels), (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    levels = np.repeat(small[:, :, None], 3, axis=2) if small.ndim == 2 else small
    scaled = (levels - levels.mean()) * (_LEVELS / max(float(levels.std()), 1e-3))
    thumbnail: npt.NDArray[np.int8] = np.clip(np.round(scaled), -127, 127).astype(np.int8).ravel()
    return thumbnail
