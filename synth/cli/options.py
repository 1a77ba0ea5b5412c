"""The options of the command line that mean the same in every command."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class WeightFormat(StrEnum):
    """How weights are printed."""

    table = "table"
    torch = "torch"
    keras = "keras"
    json = "json"


class Scheme(StrEnum):
    """How weights follow from counts."""

    inverse = "inverse"
    balanced = "balanced"
    effective = "effective"
    sqrt = "sqrt"


class Counts(StrEnum):
    """Which images count."""

    filled = "filled"
    real = "real"


class Link(StrEnum):
    """How originals get into the output."""

    copy = "copy"
    hard = "hard"
    sym = "sym"


DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", readable=False, help="Folder of class folders, or of train/val/test.")
]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", readable=False, help="Output folder of an earlier run.")]
BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder for the trained network.")]
JudgeOption = Annotated[
    str | None, typer.Option("--judge", help="Bundle of a reference classifier; see synth train classifier.")
]
BundleOption = Annotated[
    str | None,
    typer.Option("--bundle", help="Trained network for the method; see synth train autoencoder, synth train gan."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Method = Annotated[
    str | None, typer.Option(help="augment, smote, gan, mix, duplicate, or package.module:Name of your own.")
]
Target = Annotated[
    str | None, typer.Option(help='Total per class: majority, mean, median, a number, "2x", yellow=350,green=500.')
]
Cap = Annotated[float | None, typer.Option(help="At most this many new images per real one (default 10).")]
Classes = Annotated[list[str] | None, typer.Option("--class", help="Only this class gets images (repeatable).")]
Seed = Annotated[int | None, typer.Option(help="Run seed: the same seed gives the same images (default 0).")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="Settings from a TOML file; see synth recipe.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="One setting: augment.effects.hue.p=0.2 (repeatable).")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes (default: all cores).")]
Links = Annotated[bool, typer.Option("--follow-symlinks", help="Read links that lead out of DATA.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Strict = Annotated[bool, typer.Option("--strict", help="A refused input or a short class is a failure (status 1).")]
