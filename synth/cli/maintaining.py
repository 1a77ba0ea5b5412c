"""The commands for an output folder: report, verify, undo."""

from pathlib import Path
from typing import Annotated

from typer import Option

from synth.cli import console
from synth.cli.options import FAILED, Out, Printing
from synth.cli.printing import print_audit, print_remade, print_undone


def report(out: Out, printing: Printing) -> None:
    """Write the page of an output folder again.

    It also writes the page of a trial.

    Example: synth report balanced
    """
    from synth.data.manifest import MANIFEST
    from synth.pages.page import VERDICT
    from synth.pages.report import write_report
    from synth.pages.trial_page import write_trial_page

    is_trial = not (out / MANIFEST).exists() and (out / VERDICT).is_file()
    with printing.progress() as progress:
        if progress:
            progress("page", 0, 1)
        page = write_trial_page(out) if is_trial else write_report(out)
    printing.show({"page": str(page)}, lambda: console.say(f"page: {page}"))


def verify(
    out: Out,
    remake: Annotated[
        list[str] | None,
        Option(
            metavar="ID", help="Make this image again and compare it; with a number, that many images (repeatable)."
        ),
    ] = None,
    data: Annotated[Path | None, Option(help="Input folder, if OUT holds only new images.")] = None,
    seed: Annotated[int, Option(metavar="N", help="Random seed for --remake with a number.")] = 0,
    *,
    printing: Printing,
) -> int:
    """Check an output folder against its manifest.

    With --remake, images are made again from their rows of the manifest, and compared. The files at the root of OUT,
    such as recipe.toml, are not watched.

    Example: synth verify balanced --remake 20
    """
    if remake:
        return _remake(out, remake, data, seed, printing)
    from synth.output.audit import verify as audit

    with printing.progress() as progress:
        found = audit(out, progress=progress)
    printing.show(found.to_json(), lambda: print_audit(found))
    return 0 if found.good else FAILED


def _remake(out: Path, words: list[str], data: Path | None, seed: int, printing: Printing) -> int:
    from synth.runs.remake import chosen_ids, remake

    remade = remake(out, chosen_ids(out, words, seed=seed), data=data)
    rows = [{"id": r.id, "same_pixels": r.same_pixels, "same_file": r.same_file} for r in remade]
    printing.show({"remade": rows}, lambda: print_remade(remade))
    return 0 if all(r.same_file for r in remade) else FAILED


def undo(
    out: Out,
    run: Annotated[str | None, Option(metavar="RUN", help="Run to remove (default: the last one).")] = None,
    *,
    printing: Printing,
) -> None:
    """Remove the files of one run, and no others.

    The same command finishes an undo that was interrupted.

    Example: synth undo balanced
    """
    from synth.runs.undo import undo as undo_run

    with printing.progress() as progress:
        undone = undo_run(out, run, progress=progress)
    document = {"run": undone.run, "removed": undone.removed, "kept": list(undone.kept)}
    printing.show(document, lambda: print_undone(undone, out))
