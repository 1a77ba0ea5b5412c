"""The commands around trained networks: train classifier, train autoencoder, train gan, policy, check, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli import console, printing
from synth.cli.data_commands import exit_status, n_workers_of, open_data, recipe_from
from synth.cli.options import (
    BundleArgument,
    Classes,
    DataArgument,
    Device,
    Json,
    JudgeOption,
    Links,
    OutArgument,
    Quiet,
    RecipeFile,
    Seed,
    Set,
    Strict,
    Workers,
)
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.settings.recipe import Recipe

DO_NOT_USE = 4

train = typer.Typer(help="Train a network on a dataset and keep it as a bundle.", no_args_is_help=True)


@train.callback()
def _train() -> None:
    """Train a network on a dataset and keep it as a bundle."""


@train.command()
def classifier(
    data: DataArgument,
    bundle: BundleArgument,
    backbone: Annotated[
        str | None, typer.Option(help="small (default), efficientnet-lite0, or torchvision:NAME.")
    ] = None,
    seed: Seed = None,
    device: Device = "auto",
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Train the reference classifier that judges images; the same command again resumes.

    Example: synth train classifier lights judge
    """
    options = {"classifier.backbone": backbone, "seed": seed, "data.follow_symlinks": follow_symlinks or None}
    refused = _train_network(
        "classifier",
        data,
        bundle,
        recipe=recipe_from(recipe_file, set, options),
        workers=workers,
        device=device,
        json=json,
        quiet=quiet,
        show=lambda scores: printing.print_scores(scores["out_of_fold"]),
        use="--judge",
    )
    exit_status(refused=refused, strict=strict)


@train.command()
def autoencoder(
    data: DataArgument,
    bundle: BundleArgument,
    seed: Seed = None,
    device: Device = "auto",
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Train the autoencoder through which smote interpolates between images; the same command again resumes.

    Example: synth train autoencoder lights codes
    """
    options = {"seed": seed, "data.follow_symlinks": follow_symlinks or None}
    refused = _train_network(
        "autoencoder",
        data,
        bundle,
        recipe=recipe_from(recipe_file, set, options),
        workers=workers,
        device=device,
        json=json,
        quiet=quiet,
        show=lambda scores: printing.print_reconstruction(scores["reconstruction"]),
        use="--method smote --bundle",
    )
    exit_status(refused=refused, strict=strict)


@train.command()
def gan(
    data: DataArgument,
    bundle: BundleArgument,
    autoencoder: Annotated[
        str | None, typer.Option(help="Bundle of an autoencoder to begin with; without, one is trained first.")
    ] = None,
    judge: JudgeOption = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard's files (extra: tensorboard).")
    ] = None,
    seed: Seed = None,
    device: Device = "auto",
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Train a small conditional GAN that draws images of the rare classes; the same command again resumes.

    Takes about ten minutes at 32 x 32 pixels on one core. First come an autoencoder of all classes (a minute), as which
    the GAN begins, and a judge (half a minute), by which its images are measured while it trains. Name them with
    --autoencoder and --judge if you have them.

    While it trains, BUNDLE.incomplete/looks holds sheets of the rare classes, drawn under real ones, with what was
    measured on them. Of these states the best is taken. BUNDLE then holds the weights, README.md (a card with the
    numbers and a verdict for each class), samples.png, borrowing.png (one code drawn as every class), walks.png,
    training.png (one code over the training), curves.png, measures.png, stats.jsonl and looks.jsonl.

    The settings stand under [gan] and [autoencoder] of a recipe: synth recipe; models/recipes/ has some that were
    tried.

    Several processes, or graphics cards: torchrun --nproc-per-node 2 scripts/train_gan.py lights lamps

    Example: synth train gan lights lamps --judge judge
    """
    options = {
        "bundle": autoencoder,
        "judge": judge,
        "seed": seed,
        "data.follow_symlinks": follow_symlinks or None,
    }
    refused = _train_network(
        "gan",
        data,
        bundle,
        recipe=recipe_from(recipe_file, set, options),
        workers=workers,
        device=device,
        json=json,
        quiet=quiet,
        show=lambda scores: printing.print_drawn(scores["drawn"]),
        use="--method gan --bundle",
        tensorboard=tensorboard,
    )
    exit_status(refused=refused, strict=strict)


def _train_network(
    what: str,
    data: Path,
    bundle: Path,
    *,
    recipe: Recipe,
    workers: int | None,
    device: str,
    json: bool,
    quiet: bool,
    show: Callable[[Mapping[str, Any]], None],
    use: str,
    tensorboard: Path | None = None,
) -> bool:
    """Train, and print how it went; was any image refused?

    Args:
        show: prints the scores.
        use: options of `synth generate` that work with the bundle.
    """
    with console.resumable():
        dataset = open_data(data, recipe, workers, quiet=quiet)
        from synth.runs.train import train as train_network

        with console.progress_display(quiet=quiet) as report:
            trained = train_network(
                what,
                dataset,
                recipe,
                bundle,
                n_workers=n_workers_of(workers),
                device=device,
                progress=report,
                tensorboard=tensorboard,
            )
    if os.environ.get("RANK", "0") != "0":
        return bool(dataset.refused)  # of the processes that torchrun started, one speaks
    if json:
        console.print_json(trained.scores)
    else:
        show(trained.scores)
        for name, why in trained.info["stopped"].items():
            console.say(f"{name} stopped early: {why}")
        console.say(
            f"bundle: {bundle} ({trained.scores['seconds']:.0f} s, {trained.scores['n_images_seen']} images seen)"
        )
        console.say(f"next: synth generate {data} OUT {use} {bundle}")
    return bool(dataset.refused)


def policy(
    data: DataArgument,
    judge: JudgeOption = None,
    every: Annotated[bool, typer.Option("--all", help="All effects there are, not only the recipe's.")] = False,
    classes: Classes = None,
    seed: Seed = None,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Test what each effect does to a judge's view of real images, and name those that lose the class.

    Example: synth policy lights --judge judge --all
    """
    links = follow_symlinks or None
    recipe = recipe_from(
        recipe_file, set, {"judge": judge, "classes": classes, "seed": seed, "data.follow_symlinks": links}
    )
    if not recipe.judge:
        raise UsageError("a policy test needs a judge: synth train classifier DATA BUNDLE, then --judge BUNDLE")
    dataset = open_data(data, recipe, workers, quiet=quiet)
    from synth.classifier.judge import open_judge
    from synth.gates.policy_test import probe_effects

    tests = probe_effects(dataset.train, recipe, open_judge(recipe.judge), classes=recipe.classes, every=every)
    printing.print_policy(tests, json=json)
    lost = any(test.loses for test in tests)
    if lost and strict:
        raise typer.Exit(DO_NOT_USE)
    exit_status(refused=bool(dataset.refused), strict=strict)


def check(
    out: OutArgument,
    synthetic: Annotated[
        Path | None, typer.Option(help="Class folders of images made elsewhere; OUT is the data.")
    ] = None,
    judge: JudgeOption = None,
    seed: Seed = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Compare synthetic images with held-out real ones, class by class.

    Example: synth check balanced --judge judge
    """
    from synth.quality.check import check as check_quality

    with console.progress_display(quiet=quiet) as report:
        quality = check_quality(
            out, synthetic=synthetic, judge=judge, seed=seed or 0, n_workers=n_workers_of(workers), progress=report
        )
    printing.print_quality(quality, json=json)
    if quality.bad and strict:
        raise typer.Exit(DO_NOT_USE)


def report(out: OutArgument, quiet: Quiet = False) -> None:
    """Write the page of an output folder, or of a trial, again.

    Example: synth report balanced
    """
    from synth.data.manifest import MANIFEST
    from synth.pages.page import VERDICT
    from synth.pages.report import write_report
    from synth.pages.trial_page import write_trial_page

    is_trial = not (out / MANIFEST).exists() and (out / VERDICT).is_file()
    console.say(f"page: {write_trial_page(out) if is_trial else write_report(out)}")
