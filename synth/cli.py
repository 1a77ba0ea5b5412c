"""The command line: parse, one library call, print. What it prints with `--json` is what the call returned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth import console, printing
from synth.errors import SynthError, UsageError
from synth.options import (
    Cap,
    Classes,
    Counts,
    DataArgument,
    Json,
    Link,
    Links,
    Method,
    OutArgument,
    Quiet,
    RecipeFile,
    Scheme,
    Seed,
    Set,
    Strict,
    Target,
    WeightFormat,
    Workers,
)

if TYPE_CHECKING:
    from synth.data.dataset import Dataset
    from synth.recipe import Recipe

REFUSED = 3

app = typer.Typer(
    help="Rare-class images that provably help: a class folder in, a balanced class folder out.",
    epilog="Start with: synth inspect DATA, then synth plan DATA, then synth generate DATA OUT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts three times as fast
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the console command; every error of ours is one line."""
    try:
        app()
    except SynthError as error:
        _fail(error.args[0] if error.args else error, error.exit_status)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 1)


def _fail(message: object, status: int) -> None:
    console.note(f"synth: {message}")
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as version_of

        console.say(version_of("synth-images"))
        raise typer.Exit


def _recipe(recipe_file: Path | None, assignments: list[str] | None, **options: Any) -> Recipe:
    from synth.recipe import load_recipe

    given = {key.replace("__", "."): value for key, value in options.items() if value not in (None, [])}
    return load_recipe(recipe_file, given, assignments=assignments or ())


def _target(text: str | None) -> int | str | dict[str, int] | None:
    from synth.recipe import parse_target

    return None if text is None else parse_target(text)


def _open(data: Path, recipe: Recipe, workers: int | None, *, quiet: bool) -> Dataset:
    from synth.data.dataset import open_dataset

    with console.progress_display(quiet=quiet) as report:
        read = (lambda done, total: report("reading", done, total)) if report else None
        dataset = open_dataset(data, recipe.data, n_workers=_n_workers(workers), progress=read)
    for path, reason in dataset.refused[:20]:
        console.note(f"refused {path}: {reason}")
    if len(dataset.refused) > 20:
        console.note(f"... and {len(dataset.refused) - 20} more refused; synth inspect lists them")
    return dataset


def _n_workers(workers: int | None) -> int:
    from synth.workers import n_cores

    return workers or n_cores()


def _exit(*, refused: bool, strict: bool) -> None:
    if refused:
        raise typer.Exit(1 if strict else REFUSED)


@app.command()
def inspect(
    data: DataArgument,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Count classes and splits, and find what is wrong with the data.

    Example: synth inspect lights
    """
    from synth.data.health import inspect as inspect_dataset

    recipe = _recipe(recipe_file, set, data__follow_symlinks=follow_symlinks or None)
    dataset = _open(data, recipe, workers, quiet=quiet)
    inspection = inspect_dataset(dataset)
    if json:
        console.print_json(inspection.to_json())
    else:
        printing.print_inspection(inspection, dataset.synthetic)
    _exit(refused=bool(inspection.refused), strict=strict)


@app.command()
def weights(
    data: DataArgument,
    scheme: Annotated[Scheme, typer.Option(help="How weights follow from counts.")] = Scheme.inverse,
    format: Annotated[WeightFormat, typer.Option(help="What is printed.")] = WeightFormat.table,
    counts: Annotated[Counts, typer.Option(help="With or without the images of earlier runs.")] = Counts.filled,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Loss weights per class, for the real counts or those of a filled folder.

    Example: synth weights lights
    """
    from synth.data.balance import class_weights

    recipe = _recipe(recipe_file, set, data__follow_symlinks=follow_symlinks or None)
    dataset = _open(data, recipe, workers, quiet=quiet)
    found = class_weights(dataset, scheme.value, filled=counts is Counts.filled)
    if json or format is WeightFormat.json:
        console.print_json({"scheme": scheme.value, "counts": counts.value, "classes": found})
    elif format is WeightFormat.torch:
        console.say(f"weight=torch.tensor({[round(w, 6) for w in found.values()]})  # {', '.join(found)}")
    elif format is WeightFormat.keras:
        console.say(f"class_weight={ {i: round(w, 6) for i, w in enumerate(found.values())} }  # {', '.join(found)}")
    else:
        console.table(["class", "weight"], [[label, f"{weight:.4g}"] for label, weight in found.items()])
    _exit(refused=bool(dataset.refused), strict=strict)


@app.command()
def plan(
    data: DataArgument,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Output folder to top up.")] = None,
    method: Method = None,
    target: Target = None,
    cap: Cap = None,
    classes: Classes = None,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Show how many new images each class would get; writes nothing.

    Example: synth plan lights --target 2x
    """
    from synth.pipeline import plan_for

    links = follow_symlinks or None
    recipe = _recipe(
        recipe_file,
        set,
        method=method,
        target=_target(target),
        cap=cap,
        classes=classes,
        data__follow_symlinks=links,
    )
    dataset = _open(data, recipe, workers, quiet=quiet)
    printing.print_plan(plan_for(dataset, recipe, out or data), json=json)
    _exit(refused=bool(dataset.refused), strict=strict)


@app.command()
def preview(
    data: DataArgument,
    method: Method = None,
    classes: Classes = None,
    seed: Seed = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Images in a row.")] = 8,
    rows: Annotated[int, typer.Option(min=1, help="Pairs of rows for each class.")] = 1,
    params: Annotated[bool, typer.Option("--params", help="Write the drawn parameters under each image.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the sheet goes (default preview.png, then -2, ...).")] = None,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Draw a sheet: real images above what would be made from them.

    Example: synth preview lights --class yellow
    """
    from synth.output.preview import preview as draw_preview
    from synth.output.preview import save_sheet

    links = follow_symlinks or None
    recipe = _recipe(recipe_file, set, method=method, classes=classes, seed=seed, data__follow_symlinks=links)
    dataset = _open(data, recipe, workers, quiet=quiet)
    sheet = draw_preview(dataset, recipe, n=n, rows=rows, captions=params)
    path = save_sheet(sheet, out, outside=dataset.root)
    console.print_json({"sheet": str(path)}) if json else console.say(f"sheet: {path}")
    _exit(refused=bool(dataset.refused), strict=strict)


@app.command()
def generate(
    data: DataArgument,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Output folder.")] = None,
    method: Method = None,
    target: Target = None,
    cap: Cap = None,
    classes: Classes = None,
    seed: Seed = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Add the new images to DATA itself.")] = False,
    only_new: Annotated[bool, typer.Option("--only-new", help="Write the new images alone.")] = False,
    link: Annotated[Link | None, typer.Option(help="Originals: copy, hard link or sym link.")] = None,
    format: Annotated[str | None, typer.Option(help="auto (as the parent), jpeg, png, webp, bmp, tiff, ppm.")] = None,
    recipe_file: RecipeFile = None,
    set: Set = None,
    follow_symlinks: Links = False,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Fill the rare classes: DATA's images and the new ones in OUT.

    Example: synth generate lights balanced
    """
    from synth.pipeline import check_run, plan_for
    from synth.pipeline import generate as generate_images

    if (out is None) != in_place:
        raise UsageError("give either an output folder OUT or --in-place")
    recipe = _recipe(
        recipe_file,
        set,
        method=method,
        target=_target(target),
        cap=cap,
        classes=classes,
        seed=seed,
        output__only_new=only_new or None,
        output__link=link and link.value,
        output__format=format,
        data__follow_symlinks=follow_symlinks or None,
    )
    folder = out or data
    with console.resumable():
        dataset = _open(data, recipe, workers, quiet=quiet)
        if dry_run:
            check_run(dataset, recipe, folder, in_place=in_place)
            printing.print_plan(plan_for(dataset, recipe, folder), json=json)
            _exit(refused=bool(dataset.refused), strict=strict)
            return
        with console.progress_display(quiet=quiet) as report:
            summary = generate_images(
                dataset, None, recipe, folder, in_place=in_place, n_workers=_n_workers(workers), progress=report
            )
    printing.print_summary(summary, folder, json=json)
    _exit(refused=bool(summary.refused or summary.short), strict=strict)


@app.command()
def verify(
    out: OutArgument,
    remake: Annotated[list[str] | None, typer.Option(help="Make this id again and compare; a number: so many.")] = None,
    data: Annotated[Path | None, typer.Option(help="The input, where OUT holds the new images alone.")] = None,
    seed: Annotated[int, typer.Option(help="Which ones a number draws.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check every file against the manifest, or make images again.

    Example: synth verify balanced --remake 20
    """
    if remake:
        _verify_remade(out, remake, data, seed, json=json)
        return
    from synth.output.audit import verify as audit

    found = audit(out)
    if json:
        console.print_json(found.to_json())
    else:
        printing.print_audit(found)
    if not found.good:
        raise typer.Exit(1)


def _verify_remade(out: Path, ids: list[str], data: Path | None, seed: int, *, json: bool) -> None:
    from synth.remaking import chosen_ids
    from synth.remaking import remake as make_again

    remade = make_again(out, chosen_ids(out, ids, seed=seed), data=data)
    rows = [{"id": r.id, "same_pixels": r.same_pixels, "same_file": r.same_file} for r in remade]
    if json:
        console.print_json({"remade": rows})
    else:
        for row in rows:
            same = "same bytes" if row["same_file"] else "same pixels" if row["same_pixels"] else "DIFFERENT"
            console.say(f"{row['id']}: {same}")
    if not all(r.same_file for r in remade):
        raise typer.Exit(1)


@app.command()
def undo(
    out: OutArgument,
    run: Annotated[str | None, typer.Option(help="The run to take out (default: the last).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take out exactly the files of one run.

    Example: synth undo balanced
    """
    from synth.output.removal import undo as undo_run

    undone = undo_run(out, run)
    if json:
        console.print_json({"run": undone.run, "removed": undone.removed, "kept": list(undone.kept)})
        return
    console.say(f"took out {undone.removed} files of run {undone.run}")
    for path in undone.kept:
        console.say(f"kept, because it was changed since: {path}")


@app.command()
def recipe(
    method: Annotated[str | None, typer.Argument(metavar="METHOD", help="For this method.")] = None,
    recipe_file: RecipeFile = None,
    set: Set = None,
) -> None:
    """Print all settings with defaults and meaning, as TOML.

    Example: synth recipe augment > recipe.toml
    """
    from synth.recipe import dump_recipe

    print(dump_recipe(_recipe(recipe_file, set, method=method), comments=True), end="")


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results.")] = Path("synth-demo"),
    seed: Seed = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The main job on drawn traffic lights, end to end, offline.

    Example: synth demo
    """
    from synth.demo import run_demo

    with console.resumable(), console.progress_display(quiet=quiet) as report:
        result = run_demo(out, seed=seed or 0, n_workers=_n_workers(workers), progress=report)
    if json:
        console.print_json(result.summary.to_json())
        return
    console.say(f"drawn data:    {result.data}")
    printing.print_summary(result.summary, result.balanced, json=False)
    console.say(f"contact sheet: {result.sheet}")
    console.say(f"next: synth verify {result.balanced}; synth inspect {result.data}; then your own folder")


if __name__ == "__main__":
    main()
