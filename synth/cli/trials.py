"""The command that compares strategies: trial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from synth.cli import console
from synth.cli.options import Cap, Common, Data, Device, Seed, Target, target_of
from synth.cli.printing import print_written
from synth.cli.score_printing import print_verdict

if TYPE_CHECKING:
    from synth.settings.recipe import Recipe


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how."""

    arms: Annotated[
        list[str] | None,
        Option(metavar="ARM,ARM", help="Arms to compare, separated by commas (default: a list of common ones)."),
    ] = None
    control: Annotated[
        str | None, Option(metavar="ARM", help="Arm that the others are compared with (default: duplicate+online).")
    ] = None
    splits: Annotated[int | None, Option(metavar="N", help="Splits of the training images (default: 5).")] = None
    seeds: Annotated[int | None, Option(metavar="N", help="Classifiers per arm and split (default: 1).")] = None
    keep: Annotated[
        list[str] | None, Option(metavar="CLASS=N", help="Learn from fewer images of a class, for example yellow=5.")
    ] = None
    dose: Annotated[
        str | None, Option(metavar="TARGET,TARGET", help="Targets to try for new images, for example 1x,2x,5x.")
    ] = None
    budget: Annotated[
        str | None, Option(metavar="TIME", help="Search for the best arms within this time, for example 10m.")
    ] = None
    target: Target = None
    cap: Cap = None
    seed: Seed = None

    @property
    def names(self) -> list[str]:
        """The arms."""
        return [name for text in self.arms or () for name in _listed(text)]

    def recipe(self, common: Common) -> Recipe:
        """Return the recipe of the trial."""
        return common.recipe(
            {
                "trial.control": self.control,
                "trial.splits": self.splits,
                "trial.seeds": self.seeds,
                "trial.keep": target_of(self.keep, "--keep"),
                "trial.doses": _listed(self.dose),
                "target": target_of(self.target),
                "cap": self.cap,
                "seed": self.seed,
            }
        )


def trial(
    data: Data,
    out: Annotated[Path, Argument(metavar="OUT", readable=False, help="New folder for the verdict.")],
    comparison: Comparison,
    write: Annotated[Path | None, Option(metavar="OUT", help="New folder for the dataset of the advised arm.")] = None,
    device: Device = "auto",
    *,
    common: Common,
) -> int:
    """Measure which strategy helps.

    Strategies against class imbalance are compared on real images. The training images are split several times. In each
    split, all networks, generators and gates learn only from the training part. Every arm trains the same classifier,
    with the same seeds and the same number of steps, and is tested on the held-out part. Differences are paired by
    split. OUT gets verdict.json and report.html.

    An arm is one of these parts, or several joined by +: none; weights[:SCHEME]; logit-adjust; focal; duplicate (draws
    classes evenly); undersample:random; undersample:cluster; online (safe effects during training); and augment, smote,
    gan, mix or package.module:Name (new images as files; smote@2x sets their number).

    The same command continues an interrupted trial.

    Example: synth trial lights verdict --arms none,augment,augment+duplicate+online
    """
    from synth.runs.preflight import check_output
    from synth.trials.advised import write_advised
    from synth.trials.search import parse_duration
    from synth.trials.trial import arms_of
    from synth.trials.trial import trial as run_trial

    if write:
        check_output(write, in_place=False)
    recipe, names = comparison.recipe(common), comparison.names
    seconds = parse_duration(comparison.budget) if comparison.budget else None
    dataset = common.dataset(data, recipe, partial(arms_of, names, recipe))
    with common.progress() as report:
        verdict = run_trial(
            dataset,
            names,
            recipe,
            out,
            seconds=seconds,
            n_workers=common.n_workers,
            device=device,
            progress=report,
            say=None if common.quiet else console.note,
        )
    document = verdict.to_json()
    common.show(document, lambda: print_verdict(verdict, out, next_step=write is None))
    if write:
        with common.progress() as report:
            written = write_advised(
                dataset, verdict.advised, recipe, write, n_workers=common.n_workers, device=device, progress=report
            )
        if not common.json:  # standard output holds one document
            print_written(written, write)
    return common.status(incomplete=bool(dataset.refused), do_not_use=bool(document["do_not_use"]))


def _listed(text: str | None) -> list[str]:
    """Return the parts between commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
