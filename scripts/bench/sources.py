"""Source images for the benchmarks: small, medium and large, as dataset folders with one rare class.

Real datasets are used if they are beside the checkout, else drawn images of the same sizes.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import cv2
import numpy as np

from synth.data.encoding import encode
from synth.demo.traffic_lights import TrafficLights
from synth.records import Encoding

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FORM = Encoding("jpeg", "RGB", 95, "420")


def make_sources(root: Path) -> dict[str, Path]:
    """{"S": 50 images of 32 x 32, "M": 35 traffic lights, "L": 60 photographs of 640 x 480}, each class `rare`."""
    folders = {name: root / name / "rare" for name in "SML"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    _real_or_drawn(folders["S"], "cifar10-lt100.tar.gz", "/train/truck/", n=50, size=(32, 32))
    _real_or_drawn(folders["M"], "traffic-lights.tar.gz", "/train/yellow/", n=35, size=None)
    for i in range(60):
        (folders["L"] / f"{i:03d}.jpg").write_bytes(encode(photograph(i), FORM))
    return {name: folder.parent for name, folder in folders.items()}


def _real_or_drawn(folder: Path, archive: str, inside: str, *, n: int, size: tuple[int, int] | None) -> None:
    if (SHARED / archive).exists():
        with tarfile.open(SHARED / archive) as tar:
            members = [m for m in tar.getmembers() if inside in f"/{m.name}" and m.name.endswith(".jpg")][:n]
            for i, member in enumerate(members):
                file = tar.extractfile(member)
                (folder / f"{i:03d}.jpg").write_bytes(file.read() if file else b"")
        return
    for i in range(n):
        pixels = TrafficLights().draw("yellow", np.random.default_rng(i))
        pixels = cv2.resize(pixels, size) if size else pixels
        (folder / f"{i:03d}.jpg").write_bytes(encode(pixels, FORM))


def photograph(seed: int, *, width: int = 640, height: int = 480) -> np.ndarray:
    """A picture with detail at all scales, as photographs have: noise of many octaves, and lights in front."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3), np.float32)
    for octave in range(8):
        cells = rng.normal(0, 90 / 1.7**octave, (3 * 2**octave, 4 * 2**octave, 3)).astype(np.float32)
        pixels += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    image = (pixels + 120).clip(0, 255).astype(np.uint8)
    for _ in range(4):
        light = cv2.resize(TrafficLights().draw("red", rng), None, fx=2, fy=2)
        top, left = rng.integers(0, height - light.shape[0]), rng.integers(0, width - light.shape[1])
        image[top : top + light.shape[0], left : left + light.shape[1]] = light
    return image
