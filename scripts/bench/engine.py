"""Measure how fast new images are written, as ratios within one run.

    python scripts/bench/engine.py [--rounds 5] [--cores 1] [--policy default] [--interpolation auto]

Each engine makes the same number of new files from the same sources, which are decoded once:

    limit           decode + encode + write, nothing else, on one core (decodes each time)
    synth           `synth.generate` with manifest, hashes, staging and commit
    synth, bare     the same candidates, gated, encoded and written, without manifest, hashes and staging
    compose         the same policy as separate albumentations transforms, same codec, plain writes
    compose, fused  one Affine for all geometry: fewer independent draws, and one interpolation as in synth
    synth x 2       `synth.generate` with two workers (needs --cores 2)

Policies: `default` is that of the package (mirror, scale, rotation, shift, brightness, contrast, blur, each with
probability .5). `strong` applies rotation, shear, brightness, contrast, saturation and hue to every image, and mirrors
half of them.

Every round runs each engine once. A ratio is taken within a round; the script prints the median over the rounds. Each
run gets a fresh folder. The folders are deleted at the end, because deleting in between slows the file system down.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812  (its documentation uses this name)
import cv2
import numpy as np
import simplejpeg
from sources import make_sources

import synth
from synth.effects.geometry import INTERPOLATIONS, LARGE_SIDE
from synth.gates.gate_set import open_gates
from synth.generators.augment import AugmentGenerator
from synth.generators.base import Context
from synth.records import Item
from synth.runs.fill import batches
from synth.settings.recipe import Recipe, load_recipe

N_IMAGES = {"S": 4000, "M": 3000, "L": 300}
STRONG = {
    **{f"{name}.p": 0 for name in ("scale", "shift", "blur")},
    **{f"{name}.p": 1 for name in ("rotate", "shear", "brightness", "contrast", "saturation", "hue")},
    **{f"{name}.factor": (0.8, 1.2) for name in ("brightness", "contrast", "saturation")},
    "rotate.degrees": (-15, 15),
}


@dataclass(frozen=True)
class Bench:
    """One dataset and policy, and the engines that make `n` images of it."""

    dataset: synth.Dataset
    n: int
    policy: str
    interpolation: str

    @property
    def items(self) -> Sequence[Item]:
        """The originals."""
        return self.dataset.train["rare"]

    @property
    def recipe(self) -> Recipe:
        """Our settings of the policy."""
        effects = {f"augment.effects.{key}": value for key, value in STRONG.items()} if self.policy == "strong" else {}
        common = {"target": len(self.items) + self.n, "cap": 1e9, "output.only_new": True}
        return load_recipe(None, {**effects, **common, "augment.interpolation": self.interpolation})

    def limit(self, out: Path) -> None:
        """Decode, encode, write."""
        for i in range(self.n):
            item = self.items[i % len(self.items)]
            _write(out, i, _encoded(simplejpeg.decode_jpeg(Path(item.path).read_bytes()), item))

    def synth(self, out: Path, *, n_workers: int = 1) -> None:
        """The whole of `synth.generate`."""
        summary = synth.generate(self.dataset, None, self.recipe, out / "out", n_workers=n_workers)
        assert summary.classes["rare"].accepted == self.n

    def two_workers(self, out: Path) -> None:
        """The same with two processes."""
        self.synth(out, n_workers=2)

    def bare(self, out: Path) -> None:
        """Our engine without anything that makes its output trustworthy."""
        generator = AugmentGenerator(Context(self.recipe, self.dataset.train))
        gates = open_gates(self.recipe, self.dataset.train)
        for batch in batches(generator.make("rare", range(self.n))):
            assert all(verdict.accepted for verdict in gates.verdicts(batch))
            files = [_encoded(candidate.pixels, candidate.parents[0]) for candidate in batch]
            for candidate, data in zip(batch, files, strict=True):
                _write(out, candidate.attempt, data)

    def compose(self, out: Path) -> None:
        """albumentations, effect by effect."""
        warp = self._warp()
        if self.policy == "strong":
            geometry = [A.Rotate(limit=15, p=1, **warp), A.Affine(shear={"x": (-10, 10), "y": 0}, p=1, **warp)]
        else:
            geometry = [
                A.Affine(scale=(0.85, 1.15), p=0.5, **warp),
                A.Affine(rotate=(-10, 10), p=0.5, **warp),
                A.Affine(translate_percent=(-0.08, 0.08), p=0.5, **warp),
            ]
        self._run(out, [A.HorizontalFlip(p=0.5), *geometry, *self._colour()])

    def compose_fused(self, out: Path) -> None:
        """albumentations with one Affine."""
        warp = self._warp()
        if self.policy == "strong":
            geometry = A.Affine(rotate=(-15, 15), shear={"x": (-10, 10), "y": 0}, p=1, **warp)
        else:  # as often as at least one of three effects with probability .5 fires
            shares = {"scale": (0.85, 1.15), "rotate": (-10, 10), "translate_percent": (-0.08, 0.08)}
            geometry = A.Affine(**shares, p=0.875, **warp)
        self._run(out, [A.HorizontalFlip(p=0.5), geometry, *self._colour()])

    def _warp(self) -> dict[str, int]:
        large = min(self.items[0].width, self.items[0].height) >= LARGE_SIDE
        chosen = ("linear" if large else "cubic") if self.interpolation == "auto" else self.interpolation
        return {"interpolation": INTERPOLATIONS[chosen], "border_mode": cv2.BORDER_REFLECT_101}

    def _colour(self) -> list[Any]:
        if self.policy == "strong":
            return [A.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.05, 0.05), p=1)]
        return [
            A.ColorJitter((0.75, 1.25), (1, 1), (1, 1), (0, 0), p=0.5),
            A.ColorJitter((1, 1), (0.75, 1.25), (1, 1), (0, 0), p=0.5),
            A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 0.8), p=0.5),
        ]

    def _run(self, out: Path, transforms: list[Any]) -> None:
        pipeline = A.Compose(transforms, seed=0)
        sources = [simplejpeg.decode_jpeg(Path(item.path).read_bytes()) for item in self.items]
        for i in range(self.n):
            pixels = pipeline(image=sources[i % len(sources)])["image"]
            _write(out, i, _encoded(pixels, self.items[i % len(sources)]))


def _encoded(pixels: np.ndarray, item: Item) -> bytes:
    pixels = np.ascontiguousarray(pixels)
    return bytes(
        simplejpeg.encode_jpeg(pixels, quality=item.encoding.quality, colorsubsampling=item.encoding.subsampling)
    )


def _write(out: Path, i: int, data: bytes) -> None:
    with open(f"{out}/{i:06d}.jpg", "wb") as file:
        file.write(data)


def measure(bench: Bench, root: Path, *, rounds: int, cores: int) -> dict[str, list[float]]:
    """Seconds of each engine in each round; a first short round warms up and does not count."""
    engines: dict[str, str] = {
        "limit": "limit",
        "synth": "synth",
        "synth, bare": "bare",
        "compose": "compose",
        "compose, fused": "compose_fused",
        **({"synth x 2": "two_workers"} if cores > 1 else {}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for round_number in range(rounds + 1):
        runs = bench if round_number else replace(bench, n=64)
        for name, method in engines.items():
            out = Path(tempfile.mkdtemp(dir=root))
            begin = time.perf_counter()
            getattr(runs, method)(out)
            if round_number:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median over the rounds of a / b."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--sets", default="SML")
    parser.add_argument("--policy", choices=("default", "strong"), default="default")
    parser.add_argument("--interpolation", choices=("auto", "linear", "cubic"), default="auto")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as folder:
        sources = make_sources(Path(folder))
        for name in options.sets:
            dataset = synth.open_dataset(sources[name])
            bench = Bench(dataset, N_IMAGES[name], options.policy, options.interpolation)
            seconds = measure(bench, Path(folder), rounds=options.rounds, cores=options.cores)
            _print(name, seconds, bench.n)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, all engines together: {peak:.0f} MB")


def _print(name: str, seconds: dict[str, list[float]], n: int) -> None:
    print(f"\n{name}: {n} images, {len(seconds['limit'])} rounds")
    print(f"{'engine':<16}{'images/s':>10}{'of limit':>10}{'x compose':>11}")
    for engine, times in seconds.items():
        rate = n / statistics.median(times)
        of_limit, against = ratio(seconds["limit"], times), ratio(seconds["compose"], times)
        print(f"{engine:<16}{rate:>10.0f}{of_limit:>10.2f}{against:>11.2f}")
    trust = ratio(seconds["synth"], seconds["synth, bare"]) - 1
    print(f"manifest, hashes, staging and commit add {100 * trust:.0f} %")
    if "synth x 2" in seconds:
        print(f"two workers are {ratio(seconds['synth'], seconds['synth x 2']):.2f} times one")


if __name__ == "__main__":
    main()
