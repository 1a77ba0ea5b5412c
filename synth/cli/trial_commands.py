"""The commands around strategies: undersample, and trial, which compares them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli import console, printing
from synth.cli.data_commands import exit_status, n_workers_of, open_data, recipe_from, target_from
from synth.cli.options import (
    Cap,
    DataArgument,
    Device,
    Json,
    JudgeOption,
    Link,
    Links,
    Quiet,
    RecipeFile,
    Seed,
    Set,
    Strict,
    Target,
    Workers,
)
from synth.cli.trial_printing import print_verdict
from synth.errors import UsageError

DO_NOT_USE = 4


def undersample(
    data: DataArgument,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="New folder for the images that stay.")] = None,
    method: Annotated[str | None, typer.Option(help="random (default), cluster, or imblearn:NAME.")] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help='Larger classes are thinned to it: "10x" the smallest (default), minority, median, mean, 500.'
        ),
    ] = None,
    judge: JudgeOption = None,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class is thinned (repeatable).")
    ] = None,
    list_file: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Write the paths that stay, one a line; no folder.")
    ] = None,
    seed: Seed = None,
    link: Annotated[Link | None, typer.Option(help="Images: copy, hard link or sym link.")] = None,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would stay; writes nothing.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Thin the large classes: fewer of their training images in OUT, all else whole; DATA is only read.

    Near-duplicates go first, then what the method chooses: random; cluster, which thins only the big clusters of a
    class (by the judge's features, or by pixels); or an undersampler of imbalanced-learn.

    Example: synth undersample lights thinned --size 5x
    """
    if (out is None) == (list_file is None) and not (dry_run and out is None):
        raise UsageError("give either an output folder OUT or --list FILE, or --dry-run")
    recipe = recipe_from(
        recipe_file,
        set,
        {
            "undersample.method": method,
            "undersample.size": size,
            "judge": judge,
            "classes": classes,
            "seed": seed,
            "output.link": link and link.value,
            "data.follow_symlinks": follow_symlinks or None,
        },
    )
    from synth.runs import selection
    from synth.runs import undersample as thinned
    from synth.undersampling.choice import check_settings

    check_settings(recipe.undersample)
    with console.resumable():
        dataset = open_data(data, recipe, workers, quiet=quiet)
        if out:
            thinned.check_out(dataset, recipe, out)
        if list_file:
            selection.check_list(dataset, list_file)
        with console.progress_display(quiet=quiet) as report:
            if out and not dry_run:
                found = thinned.undersample(dataset, recipe, out, n_workers=n_workers_of(workers), progress=report)
            else:
                found = selection.choose(dataset, recipe, progress=report)
    if list_file and not dry_run:
        selection.write_list(found, list_file)
    printing.print_thinning(found, out=None if dry_run else out, list_file=None if dry_run else list_file, json=json)
    exit_status(refused=bool(found.refused), strict=strict)


def trial(
    data: DataArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", readable=False, help="Folder for the verdict.")],
    arms: Annotated[
        list[str] | None,
        typer.Option(help="Strategies to compare, with commas between them, parts joined by + (default: common ones)."),
    ] = None,
    control: Annotated[str | None, typer.Option(help="What they are compared with (default duplicate+online).")] = None,
    splits: Annotated[int | None, typer.Option(help="Divisions of the training images (default 5).")] = None,
    seeds: Annotated[int | None, typer.Option(help="Classifiers per arm and split (default 1).")] = None,
    keep: Annotated[str | None, typer.Option(help="As if there were so many to learn from: yellow=5.")] = None,
    dose: Annotated[str | None, typer.Option(help="Numbers of new images to try: 1x,2x,5x,10x,majority.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Search within this time, many arms first, the best in full: 10m.")
    ] = None,
    write: Annotated[Path | None, typer.Option(help="Folder for the dataset that the advised strategy gives.")] = None,
    target: Target = None,
    cap: Cap = None,
    seed: Seed = None,
    device: Device = "auto",
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Status 4 where new images should not be used; 1 for a refused input.")
    ] = False,
) -> None:
    """Find out which strategy helps, by how much, and what should not be used.

    The training images are split again and again. In each split every network, generator and gate learns from the
    split's own part; every arm trains the same classifier, with the same seeds and number of steps, and is asked about
    the real images held out. Differences are paired by split. OUT gets verdict.json and report.html.

    An arm is one or several of: none, weights[:SCHEME], logit-adjust, focal, duplicate (classes drawn evenly),
    undersample:random, undersample:cluster, online (safe effects while the classifier learns), and augment, smote,
    gan, mix or package.module:Name (new images as files; smote@2x for a number of them).

    Killed, the same command goes on.

    Example: synth trial lights verdict --arms none,duplicate+online,smote+duplicate+online
    """
    from synth.trials.search import parse_duration
    from synth.trials.trial import trial as run_trial

    if write and write.exists():
        raise UsageError(f"--write expects a new folder, but {write} exists")
    options = {
        "trial.control": control,
        "trial.splits": splits,
        "trial.seeds": seeds,
        "trial.keep": target_from(keep),
        "trial.doses": _listed([dose] if dose else []),
        "target": target_from(target),
        "cap": cap,
        "seed": seed,
        "data.follow_symlinks": follow_symlinks or None,
    }
    recipe = recipe_from(recipe_file, set, options)
    seconds = parse_duration(budget) if budget else None
    dataset = open_data(data, recipe, workers, quiet=quiet)
    n_workers = n_workers_of(workers)
    with console.resumable(), console.progress_display(quiet=quiet) as report:
        verdict = run_trial(
            dataset,
            _listed(arms or []),
            recipe,
            out,
            seconds=seconds,
            n_workers=n_workers,
            device=device,
            progress=report,
            say=None if quiet else console.note,
        )
    document = verdict.to_json()
    if json:
        console.print_json(document)
    else:
        print_verdict(verdict)
        console.say(f"verdict: {out / 'report.html'} ({document['seconds']:.0f} s)")
    if write:
        from synth.output.summary import Summary
        from synth.trials.advised import write_advised

        with console.resumable(), console.progress_display(quiet=quiet) as report:
            made = write_advised(
                dataset, verdict.advised, recipe, write, n_workers=n_workers, device=device, progress=report
            )
        if not json:
            if isinstance(made, Summary):
                printing.print_summary(made, write, json=False)
            else:
                printing.print_thinning(made, out=write, list_file=None, json=False)
    elif not json:
        console.say(f"next: the same command in full, with --write BALANCED, makes the dataset of {verdict.advised}")
    if strict and document["do_not_use"]:
        raise typer.Exit(DO_NOT_USE)
    exit_status(refused=bool(dataset.refused), strict=strict)


def _listed(words: list[str]) -> list[str]:
    """Words with commas between them, one by one."""
    return [part.strip() for word in words for part in word.split(",") if part.strip()]
