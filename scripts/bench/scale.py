"""Measure the time of `inspect` over the number of files, the memory of `generate`, and the start-up.

    python scripts/bench/scale.py

The script prints ratios within one run: `synth inspect` of 100,000 small files against 10,000; the peak memory of the
largest process that makes 2,000 images from 60 photographs of 640 x 480; `synth --help` against a bare import of its
two libraries. It needs about 1 GB in the temporary folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sources import make_sources

from synth.data.encoding import encode
from synth.records import Encoding

FORM = Encoding("jpeg", "RGB", 85, "420")
SYNTH = (sys.executable, "-m", "synth")


def make_files(folder: Path, n: int) -> None:
    """n different 16 x 16 pictures in three classes."""
    rng = np.random.default_rng(0)
    for label in ("a", "b", "c"):
        (folder / label).mkdir(parents=True)
    for i in range(n):
        coarse = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        (folder / "abc"[i % 3] / f"{i:06d}.jpg").write_bytes(encode(coarse.repeat(4, 0).repeat(4, 1), FORM))


def seconds_of(*command: str) -> float:
    """Wall-clock seconds of a command."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def inspect_ratio(root: Path, rounds: int) -> None:
    """100,000 files against 10,000."""
    for n in (10_000, 100_000):
        make_files(root / str(n), n)
    times = [[seconds_of(*SYNTH, "inspect", str(root / str(n))) for n in (10_000, 100_000)] for _ in range(rounds)]
    few, many = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(b / a for a, b in times)
    print(f"inspect: 10,000 files {few:.1f} s, 100,000 files {many:.1f} s, ratio {ratio:.1f}")


def peak_memory(root: Path, n_images: int) -> None:
    """Largest resident set of the command's processes, in MB."""
    data = make_sources(root / "sources")["L"]
    for workers in ("1", "2"):
        options = ("--target", str(n_images), "--cap", "1e9", "--only-new", "--workers", workers, "--quiet")
        process = subprocess.Popen((*SYNTH, "generate", str(data), str(root / f"out-{workers}"), *options))
        peak = 0
        while process.poll() is None:
            peak = max([peak, *map(resident_kb, family(process.pid))])
            time.sleep(0.05)
        print(f"generate, {n_images} images of 640 x 480, {workers} workers: peak {peak / 1024:.0f} MB in one process")


def family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *map(int, children)]


def resident_kb(pid: int) -> int:
    """High-water mark of a process's resident set, as the kernel counts it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def start_up(rounds: int) -> None:
    """`synth --help` against importing typer and rich."""
    command = str(Path(sys.executable).with_name("synth"))
    times = [
        (seconds_of(command, "--help"), seconds_of(sys.executable, "-c", "import typer, rich")) for _ in range(rounds)
    ]
    print(f"synth --help: {statistics.median(a / b for a, b in times):.2f} times `import typer, rich`")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=2_000)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    start_up(9)
    with tempfile.TemporaryDirectory() as folder:
        peak_memory(Path(folder), options.images)
    with tempfile.TemporaryDirectory() as folder:
        inspect_ratio(Path(folder), options.rounds)


if __name__ == "__main__":
    main()
