"""The commands that read an input folder: inspect, weights, plan, preview, generate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli import console, printing
from synth.cli.options import (
    BundleOption,
    Cap,
    Classes,
    Counts,
    DataArgument,
    Json,
    JudgeOption,
    Link,
    Links,
    Method,
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
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.data.dataset import Dataset
    from synth.settings.recipe import Recipe

REFUSED = 3


def recipe_from(
    recipe_file: Path | None, assignments: list[str] | None, options: Mapping[str, object] | None = None
) -> Recipe:
    """The recipe of a command: the file, then the options that were given, then each --set."""
    from synth.settings.recipe import load_recipe

    given = {key: value for key, value in (options or {}).items() if value not in (None, [])}
    return load_recipe(recipe_file, given, assignments=assignments or ())


def target_from(text: str | None) -> int | str | dict[str, int] | None:
    """The target as typed."""
    from synth.settings.recipe import parse_target

    return None if text is None else parse_target(text)


def open_data(data: Path, recipe: Recipe, workers: int | None, *, quiet: bool) -> Dataset:
    """Read the input with progress, and name what is refused."""
    from synth.data.dataset import open_dataset

    with console.progress_display(quiet=quiet) as report:
        read = (lambda done, total: report("reading", done, total)) if report else None
        dataset = open_dataset(data, recipe.data, n_workers=n_workers_of(workers), progress=read)
    for path, reason in dataset.refused[:20]:
        console.note(f"refused {path}: {reason}")
    if len(dataset.refused) > 20:
        console.note(f"... and {len(dataset.refused) - 20} more refused; synth inspect lists them")
    return dataset


def n_workers_of(workers: int | None) -> int:
    """As many processes as asked for, or as there are cores."""
    from synth.workers import n_cores

    return workers or n_cores()


def exit_status(*, refused: bool, strict: bool) -> None:
    """Leave with the status that says: done, but not everything could be used."""
    if refused:
        raise typer.Exit(1 if strict else REFUSED)


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

    recipe = recipe_from(recipe_file, set, {"data.follow_symlinks": follow_symlinks or None})
    dataset = open_data(data, recipe, workers, quiet=quiet)
    inspection = inspect_dataset(dataset)
    if json:
        console.print_json(inspection.to_json())
    else:
        printing.print_inspection(inspection, dataset.synthetic)
    exit_status(refused=bool(inspection.refused), strict=strict)


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

    recipe = recipe_from(recipe_file, set, {"data.follow_symlinks": follow_symlinks or None})
    dataset = open_data(data, recipe, workers, quiet=quiet)
    found = class_weights(dataset, scheme.value, filled=counts is Counts.filled)
    if json or format is WeightFormat.json:
        console.print_json({"scheme": scheme.value, "counts": counts.value, "classes": found})
    elif format is WeightFormat.torch:
        console.say(f"weight=torch.tensor({[round(w, 6) for w in found.values()]})  # {', '.join(found)}")
    elif format is WeightFormat.keras:
        console.say(f"class_weight={ {i: round(w, 6) for i, w in enumerate(found.values())} }  # {', '.join(found)}")
    else:
        console.table(["class", "weight"], [[label, f"{weight:.4g}"] for label, weight in found.items()])
    exit_status(refused=bool(dataset.refused), strict=strict)


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
    from synth.runs.settle import plan_for

    links = follow_symlinks or None
    recipe = recipe_from(
        recipe_file,
        set,
        {
            "method": method,
            "target": target_from(target),
            "cap": cap,
            "classes": classes,
            "data.follow_symlinks": links,
        },
    )
    dataset = open_data(data, recipe, workers, quiet=quiet)
    printing.print_plan(plan_for(dataset, recipe, out or data), json=json)
    exit_status(refused=bool(dataset.refused), strict=strict)


def preview(
    data: DataArgument,
    method: Method = None,
    classes: Classes = None,
    seed: Seed = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Images in a row.")] = 8,
    rows: Annotated[int, typer.Option(min=1, help="Pairs of rows for each class, and ways between parents.")] = 1,
    params: Annotated[bool, typer.Option("--params", help="Write the drawn parameters under each image.")] = False,
    bundle: BundleOption = None,
    judge: JudgeOption = None,
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
    from synth.runs.preview import preview as draw_preview
    from synth.runs.preview import save_sheet

    links = follow_symlinks or None
    recipe = recipe_from(
        recipe_file,
        set,
        {
            "method": method,
            "classes": classes,
            "seed": seed,
            "bundle": bundle,
            "judge": judge,
            "data.follow_symlinks": links,
        },
    )
    dataset = open_data(data, recipe, workers, quiet=quiet)
    sheet = draw_preview(dataset, recipe, n=n, rows=rows, captions=params)
    path = save_sheet(sheet, out, outside=dataset.root)
    console.print_json({"sheet": str(path)}) if json else console.say(f"sheet: {path}")
    exit_status(refused=bool(dataset.refused), strict=strict)


def generate(
    data: DataArgument,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Output folder.")] = None,
    method: Method = None,
    target: Target = None,
    cap: Cap = None,
    classes: Classes = None,
    seed: Seed = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Add the new images to DATA itself.")] = False,
    bundle: BundleOption = None,
    judge: JudgeOption = None,
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
    from synth.runs.generate import generate as generate_images
    from synth.runs.settle import settle

    if (out is None) != in_place:
        raise UsageError("give either an output folder OUT or --in-place")
    recipe = recipe_from(
        recipe_file,
        set,
        {
            "method": method,
            "target": target_from(target),
            "cap": cap,
            "classes": classes,
            "seed": seed,
            "bundle": bundle,
            "judge": judge,
            "output.only_new": only_new or None,
            "output.link": link and link.value,
            "output.format": format,
            "data.follow_symlinks": follow_symlinks or None,
        },
    )
    folder = out or data
    with console.resumable():
        dataset = open_data(data, recipe, workers, quiet=quiet)
        if dry_run:
            printing.print_plan(settle(dataset, None, recipe, folder, in_place=in_place).plan, json=json)
            exit_status(refused=bool(dataset.refused), strict=strict)
            return
        with console.progress_display(quiet=quiet) as report:
            summary = generate_images(
                dataset, None, recipe, folder, in_place=in_place, n_workers=n_workers_of(workers), progress=report
            )
    printing.print_summary(summary, folder, json=json)
    exit_status(refused=bool(summary.refused or summary.short), strict=strict)
