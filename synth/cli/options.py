"""The options that commands share, each written once: alone, or in a group.

A group is a dataclass. A command that takes one has all of its options; see `command`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from synth.cli import console

if TYPE_CHECKING:
    from synth.data.dataset import Dataset
    from synth.settings.recipe import Recipe

FAILED, INCOMPLETE, DO_NOT_USE = 1, 3, 4
"""Exit statuses; 0 is done."""
SHOWN_REFUSALS = 20

Data = Annotated[
    Path, Argument(metavar="DATA", readable=False, help="Folder of class folders, or of train, val and test folders.")
]
Out = Annotated[Path, Argument(metavar="OUT", readable=False, help="Output folder of an earlier run.")]

Method = Annotated[
    str | None, Option(metavar="METHOD", help="augment (default), smote, gan, mix, duplicate, or package.module:Name.")
]
Target = Annotated[
    list[str] | None,
    Option(
        metavar="TARGET",
        help="Real plus new images per class: majority (default), mean, median, 350, 2x, or yellow=350,green=500.",
    ),
]
Cap = Annotated[float | None, Option(metavar="N", help="At most N new images per real image (default: 10).")]
Count = Annotated[
    Literal["images", "distinct"] | None,
    Option(help="What target and cap count: images (default), or distinct pictures, so that copies count once."),
]
Classes = Annotated[list[str] | None, Option("--class", metavar="NAME", help="Only this class (repeatable).")]
Seed = Annotated[int | None, Option(metavar="N", help="Random seed: the same seed gives the same result (default: 0).")]
Judge = Annotated[str | None, Option(metavar="BUNDLE", help="Reference classifier, see synth train classifier.")]
Bundle = Annotated[
    str | None,
    Option(metavar="BUNDLE", help="Network for the method, see synth train autoencoder and synth train gan."),
]
Link = Annotated[
    Literal["copy", "hard", "sym"] | None, Option(help="Real images: copy (default), hard link or symbolic link.")
]
Device = Annotated[str, Option(metavar="DEVICE", help="Where networks run: auto, cpu, cuda or mps.")]
DryRun = Annotated[bool, Option("--dry-run", help="Show the plan and write nothing.")]
RecipeFile = Annotated[
    Path | None, Option("--recipe", metavar="FILE", help="TOML file with settings; see synth recipe.")
]
Assignments = Annotated[
    list[str] | None,
    Option("--set", metavar="KEY=VALUE", help="One setting, for example augment.effects.hue.p=0.2 (repeatable)."),
]
Links = Annotated[bool, Option("--follow-symlinks", help="Also read links that lead out of DATA.")]
Exclude = Annotated[
    Path | None,
    Option(metavar="FILE", help="Leave out the images that FILE lists, one path per line; see synth inspect --out."),
]
Workers = Annotated[int | None, Option(metavar="N", min=1, help="Number of processes (default: one per core).")]
Json = Annotated[bool, Option("--json", help="Print one JSON document on standard output.")]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Show no progress.")]
Strict = Annotated[
    bool,
    Option(
        "--strict",
        help="Exit with 1 if an image was refused or a class fell short, with 4 if images should not be used.",
    ),
]


@dataclass(frozen=True)
class Printing:
    """What is printed."""

    json: Json = False
    quiet: Quiet = False

    def progress(self) -> AbstractContextManager[console.Report | None]:
        """Return the progress display, for a `with` statement."""
        return console.progress_display(quiet=self.quiet)

    def show(self, document: Mapping[str, Any], print_text: Callable[[], None]) -> None:
        """Print the result, as JSON or as text."""
        if self.json:
            console.print_json(document)
        else:
            print_text()


@dataclass(frozen=True)
class Settings:
    """Where the settings come from."""

    recipe_file: RecipeFile = None
    assignments: Assignments = None

    def recipe(self, options: Mapping[str, object]) -> Recipe:
        """Return the recipe: the file, then `options`, then each --set.

        Args:
            options: {setting: value}; None, False or [] if the option was not given.
        """
        from synth.settings.recipe import load_recipe

        given = {setting: v for setting, v in options.items() if not (v is None or v is False or v == [])}
        return load_recipe(self.recipe_file, given, assignments=self.assignments or ())


@dataclass(frozen=True)
class Common(Printing, Settings):
    """What every command on an input folder takes."""

    follow_symlinks: Links = False
    exclude: Exclude = None
    workers: Workers = None
    strict: Strict = False

    def recipe(self, options: Mapping[str, object]) -> Recipe:
        """Return the recipe, with the options of this group."""
        exclude = None if self.exclude is None else str(self.exclude)
        return super().recipe({**options, "data.follow_symlinks": self.follow_symlinks, "data.exclude": exclude})

    @property
    def as_typed(self) -> str:
        """The options that say which images of DATA count, for the next command; empty without any."""
        exclude = [] if self.exclude is None else ["--exclude", str(self.exclude)]
        words = [*exclude, *(["--follow-symlinks"] if self.follow_symlinks else [])]
        return "".join(f" {shlex.quote(word)}" for word in words)

    def dataset(self, data: Path, recipe: Recipe, *checks: Callable[[], object], summarised: bool = False) -> Dataset:
        """Read DATA. Show progress, and print which images are refused.

        The judge and the classes that the recipe names are checked first, because reading may take long.

        Args:
            checks: called then too; what they raise ends the command.
            summarised: the text that the command prints at its end tells which images are refused.
        """
        from synth.data.dataset import open_dataset, refusal
        from synth.data.findings import EXCLUDE_LIST
        from synth.runs.preflight import check_recipe
        from synth.training.bundle import CLASSIFIER, open_bundle

        def check(classes: Collection[str]) -> None:
            for further in checks:
                further()
            if recipe.judge:
                open_bundle(recipe.judge, CLASSIFIER)
            check_recipe(recipe, classes)

        with self.progress() as report:
            read = (lambda done, total: report("reading", done, total)) if report else None
            dataset = open_dataset(data, recipe.data, check_classes=check, n_workers=self.n_workers, progress=read)
        if summarised and not self.json:
            return dataset
        for finding in dataset.findings:
            if finding.kind == EXCLUDE_LIST:
                console.note(f"note: {finding.message}")
        for path, reason in dataset.refused[:SHOWN_REFUSALS]:
            console.note(f"refused {refusal(path, reason)}")
        if len(dataset.refused) > SHOWN_REFUSALS:
            console.note(f"... and {len(dataset.refused) - SHOWN_REFUSALS} more refused; synth inspect lists them")
        return dataset

    @property
    def n_workers(self) -> int:
        """Number of processes."""
        return n_processes(self.workers)

    def status(self, *, incomplete: bool, do_not_use: bool = False) -> int:
        """Return the exit status of a finished command.

        Args:
            incomplete: an image was refused, or a class got fewer images than planned.
            do_not_use: some synthetic images should not be used.
        """
        if do_not_use and self.strict:
            return DO_NOT_USE
        return (FAILED if self.strict else INCOMPLETE) if incomplete else 0


@dataclass(frozen=True)
class Training:
    """What every training takes."""

    data: Data
    bundle: Annotated[Path, Argument(metavar="BUNDLE", help="Folder for the trained network.")]
    seed: Seed = None
    device: Device = "auto"


def n_processes(workers: int | None) -> int:
    """Return `workers`, or the number of cores."""
    from synth.workers import n_cores

    return workers or n_cores()


def target_of(texts: Sequence[str] | None, option: str = "--target") -> int | str | dict[str, int] | None:
    """Return a target as the recipe holds it: `350`, `2x`, or `{"yellow": 350}` for `yellow=350`.

    Of options that are given several times, the last one counts; but those of single classes count together.
    """
    from synth.settings.recipe import parse_target

    if not texts:
        return None
    return parse_target(",".join(texts) if all("=" in text for text in texts) else texts[-1], option)
