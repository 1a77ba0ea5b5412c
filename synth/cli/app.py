"""The command line: parse, one library call, print. What it prints with `--json` is what the call returned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synth.cli import console, judge_commands, printing, trial_commands
from synth.cli import data_commands as commands
from synth.cli.data_commands import n_workers_of, recipe_from
from synth.cli.options import (
    Json,
    OutArgument,
    Quiet,
    RecipeFile,
    Seed,
    Set,
    Workers,
)
from synth.errors import SynthError

app = typer.Typer(
    help="Rare-class images that provably help: a class folder in, a balanced class folder out.",
    epilog="Start with: synth inspect DATA, then synth plan DATA, then synth generate DATA OUT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts three times as fast
    context_settings={"help_option_names": ["-h", "--help"]},
)
_DATA_COMMANDS = (commands.inspect, commands.weights, commands.plan, commands.preview, commands.generate)
_JUDGE_COMMANDS = (judge_commands.policy, judge_commands.check, judge_commands.report)
_TRIAL_COMMANDS = (trial_commands.undersample, trial_commands.trial)
for _command in (*_DATA_COMMANDS, *_JUDGE_COMMANDS, *_TRIAL_COMMANDS):
    app.command()(_command)
app.add_typer(judge_commands.train, name="train")


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
    from synth.runs.remake import chosen_ids
    from synth.runs.remake import remake as make_again

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
    from synth.runs.undo import undo as undo_run

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
    from synth.settings.recipe import dump_recipe

    print(dump_recipe(recipe_from(recipe_file, set, {"method": method}), comments=True), end="")


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
    from synth.demo.run import run_demo

    with console.resumable(), console.progress_display(quiet=quiet) as report:
        result = run_demo(out, seed=seed or 0, n_workers=n_workers_of(workers), progress=report)
    if json:
        console.print_json(result.summary.to_json())
        return
    console.say(f"drawn data:    {result.data}")
    printing.print_summary(result.summary, result.balanced, json=False)
    console.say(f"contact sheet: {result.sheet}")
    if result.gan_sheet:
        console.say(f"drawn by a GAN: {result.gan_sheet}")
    console.say(f"next: synth verify {result.balanced}; synth inspect {result.data}; then your own folder")


if __name__ == "__main__":
    main()
