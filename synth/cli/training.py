"""The commands that train a network: train classifier, train autoencoder, train gan."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from synth.cli import console
from synth.cli.options import Common, Judge, Training
from synth.cli.score_printing import print_drawn, print_reconstruction, print_scores

if TYPE_CHECKING:
    from synth.training.bundle import Bundle

RESULTS = {
    "classifier": ("out_of_fold", print_scores, "--judge"),
    "autoencoder": ("reconstruction", print_reconstruction, "--method smote --bundle"),
    "gan": ("drawn", print_drawn, "--method gan --bundle"),
}
"""{network: (key of its scores, what prints them, options of synth generate that use the bundle)}."""


def classifier(
    training: Training,
    backbone: Annotated[str | None, Option(help="small (default), efficientnet-lite0, or torchvision:NAME.")] = None,
    *,
    common: Common,
) -> int:
    """Train the reference classifier that judges images.

    The same command continues an interrupted training.

    Example: synth train classifier lights judge
    """
    return _train("classifier", training, {"classifier.backbone": backbone}, common)


def autoencoder(training: Training, common: Common) -> int:
    """Train an autoencoder for the method smote.

    smote then interpolates between the codes of two images. The same command continues an interrupted training.

    Example: synth train autoencoder lights codes
    """
    return _train("autoencoder", training, {}, common)


def gan(
    training: Training,
    autoencoder: Annotated[
        str | None, Option(metavar="BUNDLE", help="Autoencoder to start from (default: one is trained first).")
    ] = None,
    judge: Judge = None,
    tensorboard: Annotated[
        Path | None, Option(help="Folder for TensorBoard files (needs the extra tensorboard).")
    ] = None,
    *,
    common: Common,
) -> int:
    """Train a GAN for images of rare classes.

    A few steps are timed first, to say how long the training takes. The GAN starts from an autoencoder, and a judge
    measures its images during training. If you have these networks, name them with --autoencoder and --judge.

    During training, BUNDLE.incomplete/looks holds sheets of new images under real ones, with measurements. The state
    with the best images is kept. BUNDLE then holds the weights, README.md (numbers and a verdict for each class),
    samples.png, borrowing.png (one code drawn as every class), walks.png, training.png (one code at different times of
    the training), curves.png, measures.png, stats.jsonl and looks.jsonl.

    The settings are in the tables [gan] and [autoencoder] of a recipe; models/recipes/ has examples.

    The same command continues an interrupted training. For several processes or GPUs:
    torchrun --nproc-per-node 2 scripts/train_gan.py lights lamps

    Example: synth train gan lights lamps --judge judge
    """
    from synth.training.bundle import AUTOENCODER, GAN, open_bundle

    def check() -> None:
        if autoencoder:
            open_bundle(autoencoder, AUTOENCODER, GAN)

    options = {"bundle": autoencoder, "judge": judge}
    return _train("gan", training, options, common, check, tensorboard=tensorboard)


def _train(
    what: str,
    training: Training,
    options: Mapping[str, object],
    common: Common,
    *checks: Callable[[], object],
    tensorboard: Path | None = None,
) -> int:
    recipe = common.recipe({**options, "seed": training.seed})
    dataset = common.dataset(training.data, recipe, *checks)
    from synth.runs.speed import stages_of, whole_progress  # torch is imported once the data could be read
    from synth.runs.train import train
    from synth.workers import duration

    items = [item for found in dataset.train.values() for item in found]
    stages = {}
    if not common.quiet and items and not training.bundle.exists():
        stages = stages_of(what, items, recipe, n_workers=common.n_workers, device=training.device)
        console.note(f"training takes about {duration(sum(stages.values()))}, and longer if other programs run")
    with common.progress() as report:
        bundle = train(
            what,
            dataset,
            recipe,
            training.bundle,
            n_workers=common.n_workers,
            device=training.device,
            progress=whole_progress(report, what, stages) if report else None,
            tensorboard=tensorboard,
        )
    if os.environ.get("RANK", "0") == "0":  # torchrun starts several processes; only the first one prints
        common.show(
            {**bundle.scores, "seconds": bundle.seconds}, lambda: _print_bundle(what, training, bundle, common.as_typed)
        )
    return common.status(incomplete=bool(dataset.refused))


def _print_bundle(what: str, training: Training, bundle: Bundle, as_typed: str) -> None:
    key, print_result, use = RESULTS[what]
    print_result(bundle.scores[key])
    for name, reason in bundle.info["stopped"].items():
        console.say(f"{name} stopped early: {reason}")
    for warning in bundle.info.get("warnings", ()):
        console.say(f"note: {warning}")
    n_images = bundle.scores["n_images_seen"]
    took = "nothing to do: it is complete" if bundle.seconds is None else f"{bundle.seconds:.0f} s"
    console.say(f"bundle: {training.bundle} ({took}, {n_images} images seen)")
    data, bundle_path = (shlex.quote(str(path)) for path in (training.data, training.bundle))
    console.say(f"next: synth generate {data} OUT {use} {bundle_path}{as_typed}")
