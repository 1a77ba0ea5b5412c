"""Measure the speed of interpolation against imbalanced-learn, and through an autoencoder, in one run.

    python scripts/bench/smote.py CIFAR [--rounds 5] [--latent]

CIFAR is a folder of class folders with 32 x 32 JPEG files (cifar10-lt100/train): 50 trucks become 5,000 beside
5,000 airplanes. Every round times, one after the other:

    imbalanced-learn   reads all images, applies SMOTE to the flattened pixels, writes the new images
    ImageSMOTE         the same reading and writing, with `ImageSMOTE`
    generate           `synth generate --method smote` as users run it, on a dataset that was read before: files
                       encoded as their class is, gates, manifest, page

Everything is written below TMPDIR. Use /dev/shm, since the noise of a disk hides the rest. Imports are printed apart.
--latent adds the images a second through an autoencoder's codes on all cores, without what comes before the first one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import numpy as np
from imblearn.over_sampling import SMOTE

import synth
from synth.workers import n_cores

MAJORITY, MINORITY, N_MAJORITY, N_MINORITY = "airplane", "truck", 5000, 50


def copy_part(source: Path, target: Path) -> None:
    for label, n in ((MAJORITY, N_MAJORITY), (MINORITY, N_MINORITY)):
        (target / label).mkdir(parents=True)
        for path in sorted((source / label).iterdir())[:n]:
            shutil.copy(path, target / label)


def read_all(data: Path) -> tuple[np.ndarray, np.ndarray]:
    paths = [path for label in (MAJORITY, MINORITY) for path in sorted((data / label).iterdir())]
    return np.stack([cv2.imread(str(path)) for path in paths]), np.array([path.parent.name for path in paths])


def write(images: np.ndarray, folder: Path) -> None:
    folder.mkdir()
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index:05d}.jpg"), image)


def with_imblearn(data: Path, out: Path) -> None:
    images, labels = read_all(data)
    flat = images.reshape(len(images), -1).astype(np.float32)
    resampled, _ = SMOTE(random_state=0).fit_resample(flat, labels)
    new = resampled[len(images) :].round().clip(0, 255).astype(np.uint8)
    write(new.reshape(-1, *images.shape[1:]), out)


def with_image_smote(data: Path, out: Path) -> None:
    images, labels = read_all(data)
    resampled, _ = synth.ImageSMOTE(random_state=0).fit_resample(images, labels)
    write(resampled[len(images) :], out)


def with_generate(dataset: synth.Dataset, out: Path, n_workers: int, **settings: object) -> None:
    values = {"method": "smote", "cap": 1e9, "output.only_new": True, "target": {MINORITY: N_MAJORITY}, **settings}
    summary = synth.generate(dataset, None, synth.load_recipe(None, values), out, n_workers=n_workers)
    assert not summary.short, summary.classes[MINORITY]


def seconds(call: Callable[[], None]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def import_seconds(module: str) -> float:
    return seconds(lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True) and None)


def latent_rate(dataset: synth.Dataset, root: Path) -> float:
    synth.train("autoencoder", dataset, synth.load_recipe(None, {"autoencoder.steps": 20}), root / "codes")
    bundle, times = str(root / "codes"), []
    for index, n in enumerate((256, 5000)):
        target = {MINORITY: N_MINORITY + n}
        call = lambda i=index, t=target: with_generate(dataset, root / f"l{i}", n_cores(), bundle=bundle, target=t)  # noqa: E731
        times.append(seconds(call))
    return (5000 - 256) / (times[1] - times[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latent", action="store_true")
    options = parser.parse_args()
    rounds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_part(options.data, root / "data")
        dataset = synth.open_dataset(root / "data", n_workers=n_cores())
        for index in range(options.rounds + 1):  # the first is for imports and caches
            calls = {
                "imbalanced-learn": lambda i=index: with_imblearn(root / "data", root / f"a{i}"),
                "ImageSMOTE": lambda i=index: with_image_smote(root / "data", root / f"b{i}"),
                "generate, 1 worker": lambda i=index: with_generate(dataset, root / f"c{i}", 1),
                f"generate, {n_cores()} workers": lambda i=index: with_generate(dataset, root / f"d{i}", n_cores()),
            }
            for name, call in calls.items():
                rounds.setdefault(name, []).append(seconds(call))
        print(f"{N_MINORITY} -> {N_MAJORITY} images of 32 x 32; medians of {options.rounds} rounds")
        base = rounds["imbalanced-learn"][1:]
        for name, times in rounds.items():
            ratio = statistics.median(a / b for a, b in zip(base, times[1:], strict=True))
            print(f"{name:20} {statistics.median(times[1:]):6.2f} s   {ratio:.2f}x as fast as imbalanced-learn")
        for module in ("imblearn.over_sampling", "synth.sampler.image_smote", "synth.runs.generate"):
            print(f"import {module}: {import_seconds(module):.1f} s")
        if options.latent:
            print(f"latent, {n_cores()} workers: {latent_rate(dataset, root):.0f} images/s")


if __name__ == "__main__":
    main()
