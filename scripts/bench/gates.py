"""Measure what the gates cost: the speed of augmentation with a judge, as a share of the speed without.

    python scripts/bench/gates.py [--rounds 5] [--n 3000]

The dataset is drawn: lights of 32 x 32 pixels, 50 yellow ones among 200 red and 150 green. Every round generates the
same number of yellow images without and with the judge, on one core, into fresh folders. A ratio is taken within a
round. The start of a run (opening the judge, its pass rates, the policy test) is shown apart, since it does not grow
with the number of images.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import numpy as np

import synth
from synth.data.encoding import encode
from synth.demo.traffic_lights import TrafficLights
from synth.records import Encoding
from synth.settings.recipe import load_recipe

FORM = Encoding("jpeg", "RGB", 95, "420")
COUNTS = {"red": 200, "green": 150, "yellow": 50}


def draw(root: Path) -> synth.Dataset:
    for label, n in COUNTS.items():
        (root / label).mkdir(parents=True)
        for i in range(n):
            pixels = TrafficLights().draw(label, np.random.default_rng([i, len(label)]))
            (root / label / f"{i:03d}.jpg").write_bytes(encode(cv2.resize(pixels, (32, 32)), FORM))
    return synth.open_dataset(root)


def seconds(dataset: synth.Dataset, root: Path, *, n: int, judge: str) -> float:
    settings = {"target": {"yellow": COUNTS["yellow"] + n}, "cap": 1e9, "output.only_new": True, "judge": judge}
    begin = time.perf_counter()
    summary = synth.generate(dataset, None, load_recipe(None, settings), Path(tempfile.mkdtemp(dir=root)) / "out")
    assert summary.classes["yellow"].accepted == n
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n", type=int, default=3000)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        dataset = draw(root / "data")
        judge = str(root / "judge")
        synth.train("classifier", dataset, load_recipe(None, {"classifier.steps": 150}), judge)
        few = 64
        seconds(dataset, root, n=few, judge=judge)  # imports and caches
        rounds = []
        for _ in range(options.rounds):
            start = {name: seconds(dataset, root, n=few, judge=name) for name in ("", judge)}
            whole = {name: seconds(dataset, root, n=options.n, judge=name) for name in ("", judge)}
            rounds.append([whole[""], whole[judge], whole[""] - start[""], whole[judge] - start[judge], start[judge]])
    ratio = statistics.median(ungated / gated for _, _, ungated, gated, _ in rounds)
    with_start = statistics.median(ungated / gated for ungated, gated, *_ in rounds)
    rate = statistics.median((options.n - few) / gated for _, _, _, gated, _ in rounds)
    print(f"{options.rounds} rounds of {options.n} images of 32 x 32, one core")
    bare = statistics.median((options.n - few) / ungated for _, _, ungated, *_ in rounds)
    print(f"gated augmentation runs at {ratio:.2f} of the ungated speed ({rate:.0f} of {bare:.0f} images/s)")
    print(f"with what comes before the first image ({rounds[-1][4]:.1f} s): {with_start:.2f}")


if __name__ == "__main__":
    main()
