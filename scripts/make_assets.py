"""Rebuild assets/: the drawn dataset of traffic lights, and the pictures of the README and the guide.

    python scripts/make_assets.py

The dataset holds drawings with seed 0, no photographs: 300 training images (168 red, 9 yellow, 123 green) and 54 test
images (28, 6, 20), as assets/demo-lights/{train,test}/{red,yellow,green}/NNN.jpg. The script first deletes the old
images. It stops before that if the folder holds anything else.

    preview.png   synth preview assets/demo-lights --n 10 --seed 5 --set augment.effects.flip_horizontal.p=0: a mirrored
                  arrow is another signal; with seed 5 every image shown gets some effect
    smote.png     the same with --class yellow --method smote --bundle, and an autoencoder trained here (about a minute)
    gan.png       the same with --class yellow --method gan, and the bundle in models/demo (scripts/train_shelf.py)
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from PIL import Image

from synth import Recipe, load_recipe, open_dataset, preview, train
from synth.demo.traffic_lights import LABELS, SPLITS, draw_dataset

DEMO_LIGHTS = Path(__file__).resolve().parent.parent / "assets" / "demo-lights"
GAN = DEMO_LIGHTS.parents[1] / "models/demo/gan"
OURS = re.compile(rf"({'|'.join(SPLITS)})/({'|'.join(LABELS)})/\d{{3}}\.jpg")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    clear(DEMO_LIGHTS)
    draw_dataset(DEMO_LIGHTS, seed=0)
    sizes = [path.stat().st_size for path in DEMO_LIGHTS.rglob("*.jpg")]
    dataset = open_dataset(DEMO_LIGHTS)
    unmirrored = load_recipe(None, {"seed": 5, "augment.effects.flip_horizontal.p": 0})
    save(preview(dataset, unmirrored, n=10), "preview.png")
    with tempfile.TemporaryDirectory() as folder:
        bundle = str(Path(folder) / "codes")
        train("autoencoder", dataset, Recipe(), bundle)
        recipe = Recipe(method="smote", bundle=bundle, classes=("yellow",))
        save(preview(dataset, recipe, n=10), "smote.png")
    save(preview(dataset, Recipe(method="gan", bundle=str(GAN), classes=("yellow",)), n=10, rows=2), "gan.png")
    print(f"{DEMO_LIGHTS}: {len(sizes)} images, {sum(sizes) / 1e6:.2f} MB")


def save(sheet: Image.Image, name: str) -> None:
    sheet.quantize(128).save(DEMO_LIGHTS.parent / name, optimize=True)


def clear(folder: Path) -> None:
    """Delete the images that an earlier run wrote, and the folders that this empties."""
    inside = sorted(folder.rglob("*"), reverse=True)  # what is in a folder comes before the folder
    files = [path for path in inside if path.is_symlink() or not path.is_dir()]
    foreign = [path for path in files if not OURS.fullmatch(path.relative_to(folder).as_posix())]
    if foreign:
        raise SystemExit(f"expected only images drawn by this script, got {foreign[0]}; move it away first")
    for path in files:
        path.unlink()
    for path in inside:
        if path.is_dir():
            path.rmdir()


if __name__ == "__main__":
    main()
