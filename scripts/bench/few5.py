"""Measure whether new images help a classifier that has seen five yellow lights.

    python scripts/bench/few5.py TRAFFIC_LIGHTS [--splits 5] [--few 5] [--arms repetition,pixel,...] [--online on,off]
        [--keep FOLDER]

TRAFFIC_LIGHTS is a folder with {train,test}/{red,yellow,green}. Each split draws 452 red, 5 yellow and 268 green
training images, and tests on the rest. Each arm fills yellow to 268 from the training images alone; autoencoder, GAN,
judge and neighbours use nothing else either. Then the network of the reference classifier trains with class-balanced
batches, with or without the safe effects online. Every arm has the same number of steps and the same seeds. The first
arm, without new images, is the control. Arms with a GAN train one for each split, which takes minutes. With --keep,
the data and networks of each split stay in that folder, and the next call uses them.

The script prints yellow F1 in percent, and the paired difference to the control over the splits.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np

import synth
from synth import workers
from synth.classifier.ensemble import ClassifierTask, Member, load_member, train_member
from synth.data.images import read
from synth.data.network_input import network_input
from synth.settings.augment import Augment
from synth.settings.effects import Effects
from synth.settings.gates import Classifier
from synth.settings.recipe import Data
from synth.training.batches import TrainingSet
from synth.training.bundle import open_bundle

SIDE, STEPS, FILLED = 32, 200, 268
COUNTS = {"red": 452, "yellow": 5, "green": 268}
LATENT, PIXEL = {"method": "smote", "bundle": "autoencoder"}, {"method": "smote"}
GAN = {"method": "gan", "bundle": "gan"}
OFF = {"smote.augment": "off", "gate.distance.copies": "off"}  # between 5 bare images most lie too near to one of them
ARMS = {
    "repetition": None,
    "augment": {"method": "augment"},
    "pixel": PIXEL,
    "pixel together": PIXEL | {"smote.augment": "together"},
    "pixel off": PIXEL | OFF,
    "latent": LATENT,
    "latent together": LATENT | {"smote.augment": "together"},
    "latent off": LATENT | OFF,
    "latent linear": LATENT | {"smote.path": "linear"},
    "latent, no residual": LATENT | {"smote.residual": False},
    "gan": GAN,
    "gan own codes": GAN | {"gan.codes": "own"},
    "gan bare": GAN | {"gan.augment": False},
    "smote by gan": GAN | {"method": "smote"},
}


def split(source: Path, target: Path, number: int, counts: dict[str, int]) -> None:
    """Copy all images into target/train and target/test."""
    rng = np.random.default_rng([100, number])
    for label, n in counts.items():
        paths = sorted(source.glob(f"*/{label}/*"))
        chosen = set(rng.permutation(len(paths))[:n].tolist())
        for index, path in enumerate(paths):
            folder = target / ("train" if index in chosen else "test") / label
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / f"{path.parts[-3]}-{path.name}")


def inputs_of(paths: Sequence[Path]) -> list[np.ndarray]:
    settings = Data()
    images = [read(path, settings)[1] for path in paths]
    return [network_input(image.pixels, SIDE) for image in images]


def score(task: ClassifierTask, member: int) -> float:
    """Yellow F1 on the images that were left out."""
    train_member(task, member)
    held_out = task.held_out(task.members[member])
    predicted = load_member(task.work / task.members[member].name).held_out.argmax(1)
    yellow, said = task.data.labels[held_out] == 1, predicted == 1
    return float(2 * (yellow & said).sum() / max(yellow.sum() + said.sum(), 1))


def task_of(data: Path, new: Path | None, work: Path, inits: int, *, online: bool) -> ClassifierTask:
    """Training images in fold 1, new ones too; test images in fold 0, which no network sees."""
    pictures: list[np.ndarray] = []
    labels, folds = [], []
    places = [(data / "train", 1), (data / "test", 0), *([(new / "train", 1)] if new else [])]
    for folder, fold in places:
        for number, label in enumerate(COUNTS):
            found = inputs_of(sorted((folder / label).glob("*")))
            pictures += found
            labels += [number] * len(found)
            folds += [fold] * len(found)
    members = tuple(Member(f"init-{i}", 0) for i in range(inits))
    settings = Classifier(steps=STEPS)
    policy = Augment() if online else Augment(forbid=tuple(Effects.model_fields))
    data = TrainingSet(tuple(COUNTS), np.stack(pictures), np.array(labels))
    return ClassifierTask(settings, policy, 0, data, np.array(folds), members, work, "cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--few", type=int, default=5)
    parser.add_argument("--inits", type=int, default=2)
    parser.add_argument("--arms", default=",".join(name.replace(",", ";") for name in ARMS if "gan" not in name))
    parser.add_argument("--keep", type=Path, help="folder for data and networks")
    parser.add_argument("--online", default="on", help="on, off, or both: on,off")
    options = parser.parse_args()
    arms = [name.replace(";", ",") for name in options.arms.split(",")]
    ways = options.online.split(",")
    found: dict[tuple[str, str], list[float]] = {(way, name): [] for way in ways for name in arms}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.splits):
            root = Path(folder) / str(number)
            kept = options.keep / str(number) if options.keep else root
            if not (kept / "data").exists():
                split(options.data, kept / "data", number, COUNTS | {"yellow": options.few})
            dataset = synth.open_dataset(kept / "data")
            for what in sorted({(ARMS[name] or {}).get("bundle", "") for name in arms} - {""}):
                begin = time.perf_counter()
                if not (kept / what).exists():
                    synth.train(what, dataset, synth.Recipe(), kept / what, n_workers=workers.n_cores())
                print(f"split {number}: {what} {time.perf_counter() - begin:.0f} s", flush=True)
                if what == "gan":
                    print(f"  yellow: {open_bundle(kept / what).info['verdicts']['yellow']}", flush=True)
            for name in arms:
                new = None
                if ARMS[name]:
                    new = root / f"new-{arms.index(name)}"
                    settings = dict(ARMS[name] or {})
                    settings |= {"bundle": str(kept / str(settings["bundle"]))} if "bundle" in settings else {}
                    settings |= {"target": {"yellow": FILLED}, "cap": 1e9, "output.only_new": True}
                    made = synth.generate(dataset, None, synth.load_recipe(None, settings), new).classes["yellow"]
                    assert made.accepted == FILLED - options.few, (name, made)
                for way in ways:
                    work = root / f"work-{arms.index(name)}-{way}"
                    task = task_of(kept / "data", new, work, options.inits, online=way == "on")
                    n_workers = min(options.inits, workers.n_cores())
                    runs = workers.run(score, task, range(options.inits), n_workers=n_workers)
                    found[way, name].append(100 * statistics.mean(f1 for _, f1 in runs))
                    difference = found[way, name][-1] - found[way, arms[0]][-1]
                    print(f"  {name:24} online {way:3} {found[way, name][-1]:5.1f}  {difference:+5.1f}", flush=True)
    print(f"yellow F1 over {options.splits} splits; paired difference to {arms[0]}: mean, lowest, highest")
    for (way, name), values in found.items():
        differences = [value - control for value, control in zip(values, found[way, arms[0]], strict=True)]
        spread = f"{statistics.mean(differences):+5.1f}  {min(differences):+5.1f}  {max(differences):+5.1f}"
        print(f"{name:24} online {way:3} {statistics.mean(values):5.1f} +- {statistics.pstdev(values):3.1f}   {spread}")


if __name__ == "__main__":
    main()
