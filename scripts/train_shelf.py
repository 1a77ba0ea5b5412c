#!/usr/bin/env python3
"""Train the demo bundles models/demo/judge and models/demo/gan again, on drawn lights.

    scripts/train_shelf.py [--only judge]

It takes about ten minutes on one core. A new bundle replaces the old one when it is complete. The script prints its
scores and its size. Afterwards `synth demo` shows what the GAN draws.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import synth
from synth.cli import console
from synth.demo.traffic_lights import draw_dataset

ROOT = Path(__file__).parents[1]
SHELF = Path("models/demo")
MAX_BYTES = 3_000_000
BUNDLES = {"judge": "classifier", "gan": "gan"}
"""Folder and kind, in the order in which they are trained."""


def train(name: str, data: Path, *, judge: Path) -> Path:
    """Train one bundle next to the one that it will replace."""
    out = SHELF / f"{name}.new"
    given = {"judge": str(judge)} if name == "gan" else {}
    recipe = synth.load_recipe(f"models/recipes/demo-{name}.toml", given)
    with console.progress_display(quiet=False) as progress:
        synth.train(BUNDLES[name], synth.open_dataset(data), recipe, out, progress=progress)
    return out


def size_of(bundle: Path) -> int:
    return sum(path.stat().st_size for path in bundle.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(BUNDLES))
    chosen = parser.parse_args().only
    os.chdir(ROOT)  # a bundle's recipe names its judge: as a relative path, which is valid on any machine
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "lights"
        draw_dataset(data)
        for name in [chosen] if chosen else BUNDLES:
            out = train(name, data, judge=SHELF / "judge")
            if size_of(out) > MAX_BYTES:
                sys.exit(f"{out} weighs {size_of(out)} bytes, more than {MAX_BYTES}: it is left there")
            shutil.rmtree(SHELF / name, ignore_errors=True)
            out.rename(SHELF / name)
            print((SHELF / name / "README.md").read_text())
            print(f"{SHELF / name}: {size_of(SHELF / name) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
