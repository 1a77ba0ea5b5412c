"""Tiny real datasets, drawn into a temporary folder."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import synth
from synth.cli import app as cli
from synth.demo.traffic_lights import TrafficLights, draw_dataset

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the tests are about the processor, whatever the machine has

LONGEST = "readme gan trial quality autoencoder faults mix gan_images".split()
"""Test files that take long. They start first, so that all test processes end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


COLOURS = {"red": (220, 40, 40), "yellow": (230, 200, 40), "green": (40, 190, 80)}


def picture(label: str, index: int, *, size: tuple[int, int] = (24, 36)) -> Image.Image:
    """A noisy disc in the colour of its class; every index another picture."""
    width, height = size
    rng = np.random.default_rng([sum(map(ord, label)), index])
    pixels = rng.normal(90 + 40 * rng.random(), 12, (height, width, 3))
    rows, columns = np.mgrid[:height, :width]
    centre = rng.uniform(0.3, 0.7, 2) * (height, width)
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (min(size) * rng.uniform(0.2, 0.35)) ** 2
    pixels[inside] = np.array(COLOURS.get(label, (120, 120, 200))) + rng.normal(0, 10, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def fill_folder(folder: Path, label: str, n: int, *, suffix: str = ".jpg", first: int = 0) -> None:
    """Write n pictures of a class."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        options = {"quality": 88} if suffix == ".jpg" else {}
        picture(label, i).save(folder / f"{label}-{i:03d}{suffix}", **options)


def make_dataset(root: Path, counts: Mapping[str, Mapping[str, int]], *, suffix: str = ".jpg") -> Path:
    """`root/split/class/...`; the split "" stands for no split folders."""
    for split, by_class in counts.items():
        for number, (label, n) in enumerate(by_class.items()):
            fill_folder(root / split / label, label, n, suffix=suffix, first=1000 * number + 500 * (split == "test"))
    return root


def tree_state(root: Path) -> dict[str, tuple[str, int, int]]:
    """{path: (content hash, mtime, mode)} of a whole folder, to show that nothing in it was touched."""
    state = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            stat = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            state[str(path.relative_to(root))] = digest, stat.st_mtime_ns, stat.st_mode
    return state


def contents(root: Path) -> dict[str, bytes]:
    """{path: bytes} of a whole folder."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture
def lights(tmp_path: Path) -> Path:
    """12 red, 3 yellow and 8 green for training, 2 of each for testing."""
    counts = {"train": {"red": 12, "yellow": 3, "green": 8}, "test": {"red": 2, "yellow": 2, "green": 2}}
    return make_dataset(tmp_path / "lights", counts)


def in_two_processes(target: Callable[[int], object]) -> None:
    """Run target(rank) in two forked processes with the environment of torchrun."""

    def take_part(rank: int) -> None:
        import torch

        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in told.items()}
        torch.set_num_threads(1)  # a forked process hangs if it starts threads of a kind that its parent had
        target(rank)

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=take_part, args=(rank,), daemon=True) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)
    assert [process.exitcode for process in processes] == [0, 0]


def killed_at_the_end_of(stage: str, told: list[tuple[str, float]]) -> Callable[[str, int, int], None]:
    """A progress callback that notes (stage, share done) in `told` and kills the training at the end of a stage."""

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done / total))
        if told[-1] == (stage, 1):
            raise KeyboardInterrupt

    return progress


Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process: run("plan", folder) -> exit status."""

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["synth", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 0
        return 0

    return call


JUDGE_COUNTS = {"train": {"red": 40, "yellow": 20, "green": 30}, "test": {"red": 8, "yellow": 8, "green": 8}}
QUICK = {"classifier.steps": 60, "classifier.batch": 32, "classifier.folds": 3}
QUICK_CODES = {"autoencoder.steps": 25, "autoencoder.batch": 8, "autoencoder.code": 16, "autoencoder.feature_weight": 0}


@dataclass(frozen=True)
class Judged:
    """A dataset, and a reference classifier that was trained on it."""

    data: Path
    bundle: Path


def light(label: str, index: int) -> np.ndarray:
    """A drawn traffic light that is not in the dataset of `judged`: (H, W, 3) uint8."""
    return TrafficLights().draw(label, np.random.default_rng([9, index]))


Shared = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Folders that are made once for all test processes: shared("judge", make) -> its folder, filled by make(folder).

    They are read-only: a test that changes one takes a copy.
    """
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "shared"
    root.mkdir(exist_ok=True)
    states = {}

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        place, made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.once"):  # name.lock is the lock of a training
            if not made.exists():
                make(place)
                made.touch()
        states[place] = tree_state(place)
        return place

    yield folder
    assert all(tree_state(place) == state for place, state in states.items())


@pytest.fixture(scope="session")
def judged(shared: Shared) -> Judged:
    """40 red, 20 yellow and 30 green lights for training, 8 of each for testing, and a judge; read-only, made once."""
    data = shared("lights", lambda folder: draw_dataset(folder, counts=JUDGE_COUNTS))
    return Judged(data, shared("judge", lambda folder: trained("classifier", data, folder, QUICK)))


@pytest.fixture(scope="session")
def codes(judged: Judged, shared: Shared) -> Path:
    """An autoencoder of the lights of `judged`; read-only, made once."""
    return shared("codes", lambda folder: trained("autoencoder", judged.data, folder, QUICK_CODES))


def trained(kind: str, data: Path, out: Path, settings: Mapping[str, object]) -> synth.Bundle:
    return synth.train(kind, synth.open_dataset(data), synth.load_recipe(None, settings), out)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need it are skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: the page is not shown in a browser")
    if CHROMIUM is None:
        pytest.skip("no chromium: the page is not shown in a browser")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
