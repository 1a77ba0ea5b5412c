"""The commands around a new dataset: plan, preview, generate, undersample, recipe, demo."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from synth.cli.options import (
    Bundle,
    Cap,
    Classes,
    Common,
    Count,
    Data,
    DryRun,
    Judge,
    Link,
    Method,
    Printing,
    Seed,
    Settings,
    Target,
    Workers,
    n_processes,
    target_of,
)
from synth.cli.printing import print_demo, print_plan, print_sheet, print_summary, print_thinning
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.data.balance import Plan
    from synth.settings.recipe import Recipe


def plan(
    data: Data,
    out: Annotated[Path | None, Argument(metavar="OUT", help="Output folder of an earlier run.")] = None,
    method: Method = None,
    target: Target = None,
    cap: Cap = None,
    count: Count = None,
    classes: Classes = None,
    *,
    common: Common,
) -> int:
    """Show how many new images each class would get.

    Nothing is written. With OUT, the plan counts the new images that are already there.

    Example: synth plan lights --target 2x
    """
    from synth.gates.choices import with_run_choices
    from synth.runs.settle import plan_for

    settings = {"method": method, "target": target_of(target), "cap": cap, "count": count, "classes": classes}
    recipe = common.recipe(settings)
    dataset = common.dataset(data, recipe)
    found = plan_for(dataset, recipe, out or data)
    line = with_run_choices(recipe, dataset.train)[1] if found.new else ""
    _show_plan(found, line, common)
    return common.status(incomplete=bool(dataset.refused))


def _show_plan(plan: Plan, line: str, common: Common) -> None:
    notes = [line] if line else []
    document = {"classes": plan.to_json(), "new": sum(plan.new.values()), "notes": notes}
    common.show(document, lambda: print_plan(plan, notes))


def preview(
    data: Data,
    method: Method = None,
    classes: Classes = None,
    seed: Seed = None,
    n: Annotated[int, Option(min=1, metavar="N", help="Images per row.")] = 8,
    rows: Annotated[
        int, Option(min=1, metavar="N", help="Pairs of rows per class, and strips from parent to parent.")
    ] = 1,
    params: Annotated[bool, Option("--params", help="Write the parameters of each new image below it.")] = False,
    bundle: Bundle = None,
    judge: Judge = None,
    out: Annotated[
        Path | None, Option(help="PNG file for the sheet (default: preview.png, then preview-2.png ...).")
    ] = None,
    *,
    common: Common,
) -> int:
    """Draw a contact sheet of real and new images.

    Real images are above the new ones that are made from them. Without --class, the classes are those that a run would
    fill, the rarest first. Only the sheet is written.

    Example: synth preview lights --class yellow
    """
    from synth.gates.choices import with_run_choices
    from synth.generators.registry import check_method
    from synth.runs.preview import preview as draw_preview
    from synth.runs.preview import save_sheet

    recipe = common.recipe({"method": method, "classes": classes, "seed": seed, "bundle": bundle, "judge": judge})
    dataset = common.dataset(data, recipe, partial(check_method, recipe))
    recipe, line = with_run_choices(recipe, dataset.train)
    sheet = draw_preview(dataset, recipe, n=n, rows=rows, captions=params)
    path = save_sheet(sheet, out, outside=dataset.root)
    notes = [line] if line else []
    common.show({"sheet": str(path), "notes": notes}, lambda: print_sheet(path, notes))
    return common.status(incomplete=bool(dataset.refused))


def generate(
    data: Data,
    out: Annotated[Path | None, Argument(metavar="OUT", help="Output folder.")] = None,
    method: Method = None,
    target: Target = None,
    cap: Cap = None,
    count: Count = None,
    classes: Classes = None,
    seed: Seed = None,
    in_place: Annotated[bool, Option("--in-place", help="Add the new images to DATA itself.")] = False,
    bundle: Bundle = None,
    judge: Judge = None,
    only_new: Annotated[bool, Option("--only-new", help="Write only the new images.")] = False,
    link: Link = None,
    format: Annotated[str | None, Option(help="auto (as the parent), jpeg, png, webp, bmp, tiff or ppm.")] = None,
    dry_run: DryRun = False,
    *,
    common: Common,
) -> int:
    """Fill rare classes with new images.

    OUT gets the images of DATA and the new ones. The same command continues an interrupted run. On a finished OUT it
    makes files again that are gone or changed.

    Example: synth generate lights balanced
    """
    from synth.generators.registry import check_method
    from synth.runs.generate import generate as generate_images
    from synth.runs.settle import dry_run as plan_only

    if (out is None) != in_place:
        raise UsageError("give either an output folder OUT or --in-place")
    recipe = common.recipe(
        {
            "method": method,
            "target": target_of(target),
            "cap": cap,
            "count": count,
            "classes": classes,
            "seed": seed,
            "bundle": bundle,
            "judge": judge,
            "output.only_new": only_new,
            "output.link": link,
            "output.format": format,
        }
    )
    folder = out or data
    dataset = common.dataset(data, recipe, partial(check_method, recipe), summarised=not dry_run)
    if dry_run:
        _show_plan(*plan_only(dataset, recipe, folder, in_place=in_place), common)
        return common.status(incomplete=bool(dataset.refused))
    with common.progress() as report:
        summary = generate_images(
            dataset, None, recipe, folder, in_place=in_place, n_workers=common.n_workers, progress=report
        )
    next_steps = _next_steps(data, folder, recipe, common.as_typed)
    common.show(summary.to_json(), lambda: print_summary(summary, folder, next_steps=next_steps))
    return common.status(incomplete=bool(summary.refused or summary.short))


def _next_steps(data: Path, out: Path, recipe: Recipe, exclude: str) -> str:
    """Return the commands that are useful after a run, as the user names the folders."""
    judge = f" --judge {shlex.quote(recipe.judge)}" if recipe.judge else ""
    source, folder = shlex.quote(str(data)), shlex.quote(str(out))
    check = f"synth check {source} --synthetic {folder}" if recipe.output.only_new else f"synth check {folder}"
    return f"{check}{judge}; synth trial {source} VERDICT{exclude}"


def undersample(
    data: Data,
    out: Annotated[Path | None, Argument(metavar="OUT", help="New folder for the images that stay.")] = None,
    method: Annotated[str | None, Option(help="random (default), cluster, or imblearn:NAME.")] = None,
    size: Annotated[
        str | None,
        Option(help="Thin classes to: 10x the smallest class (default), minority, median, mean, or a number."),
    ] = None,
    judge: Judge = None,
    classes: Classes = None,
    list_file: Annotated[
        Path | None, Option("--list", metavar="FILE", help="Write the paths that stay to FILE, not to a folder.")
    ] = None,
    seed: Seed = None,
    link: Link = None,
    dry_run: DryRun = False,
    *,
    common: Common,
) -> int:
    """Keep fewer images of the large classes.

    OUT gets a copy of the dataset with fewer training images of its large classes. DATA is only read. Near-duplicates
    are left out first. Then the method chooses: random; cluster, which thins only the big clusters of a class (by
    features of the judge, or by pixels); or imblearn:NAME, an undersampler of imbalanced-learn.

    Example: synth undersample lights thinned --size 5x
    """
    from synth.runs.undersample import undersample as thin
    from synth.undersampling.choice import check_settings

    if (out is None) == (list_file is None) and not (dry_run and out is None):
        raise UsageError("give either an output folder OUT or --list FILE, or --dry-run")
    recipe = common.recipe(
        {
            "undersample.method": method,
            "undersample.size": size,
            "judge": judge,
            "classes": classes,
            "seed": seed,
            "output.link": link,
        }
    )
    dataset = common.dataset(data, recipe, partial(check_settings, recipe.undersample), summarised=True)
    with common.progress() as report:
        found = thin(
            dataset, recipe, out, list_file=list_file, dry_run=dry_run, n_workers=common.n_workers, progress=report
        )
    if dry_run:
        out = list_file = None
    places = {"out": out and str(out), "list": list_file and str(list_file)}
    common.show({**found.to_json(), **places}, lambda: print_thinning(found, out=out, list_file=list_file))
    return common.status(incomplete=bool(found.refused))


def recipe(
    method: Annotated[str | None, Argument(metavar="METHOD", help="Method of the recipe.")] = None,
    *,
    settings: Settings,
) -> None:
    """Print all settings with defaults, as TOML.

    A comment says what each setting means.

    Example: synth recipe augment > recipe.toml
    """
    from synth.settings.recipe import dump_recipe

    print(dump_recipe(settings.recipe({"method": method}), comments=True), end="")


def demo(
    out: Annotated[Path, Argument(metavar="OUT", help="Folder for the results.")] = Path("synth-demo"),
    seed: Seed = None,
    workers: Workers = None,
    *,
    printing: Printing,
) -> None:
    """Balance drawn traffic lights, offline.

    Example: synth demo
    """
    from synth.demo.run import run_demo

    with printing.progress() as report:
        made = run_demo(out, seed=seed or 0, n_workers=n_processes(workers), progress=report)
    printing.show(made.summary.to_json(), lambda: print_demo(made))
