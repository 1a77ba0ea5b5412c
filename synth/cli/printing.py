"""What is in a dataset or an output folder, and what a run did there: tables and lines on standard output."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synth.cli import console

if TYPE_CHECKING:
    from synth.data.balance import Plan
    from synth.data.health import Inspection
    from synth.demo.run import Demo
    from synth.output.audit import Audit
    from synth.output.summary import ClassSummary, Summary
    from synth.pages.inspection import InspectionFiles
    from synth.runs.remake import Remade
    from synth.runs.removal import Undone
    from synth.runs.selection import Selection

SHOWN_FINDINGS, SHOWN_PATHS, SHOWN_REASONS = 3, 4, 3
EARLIER = "made before"
"""Column of the new images of earlier runs."""


def print_inspection(
    inspection: Inspection, synthetic: Mapping[str, int], *, data: Path, written: InspectionFiles | None
) -> None:
    """Print counts, files and findings.

    Args:
        synthetic: {class: images of earlier runs}; they have a column if there are any.
        data: the dataset as the user named it.
        written: the page and the list of the inspection, if they were asked for.
    """
    splits = list(dict.fromkeys(split for counts in inspection.classes.values() for split in counts))
    distinct = "distinct" if len(splits) == 1 else "distinct in train"
    more = {distinct: inspection.distinct, **({"synthetic": synthetic} if sum(synthetic.values()) else {})}
    rows = [
        [label, *(n.get(split, 0) for split in splits), *(counts.get(label, 0) for counts in more.values())]
        for label, n in inspection.classes.items()
    ]
    console.table(["class", *splits, *more], rows)
    files = ", ".join(f"{n} {state}" for state, n in inspection.files.items())
    ratio = f"{inspection.imbalance_ratio:.1f}" if inspection.imbalance_ratio else "none"
    console.say(f"files: {files}; imbalance ratio: {ratio}")
    if inspection.groups:
        n_groups, n_with = inspection.groups["n"], inspection.groups["images"]
        console.say(f"groups: {n_groups}; {n_with} of {inspection.files['used']} images have one")
    _print_left_out(inspection.skipped, ())
    _print_findings(inspection)
    if written is None:
        return
    from synth.data.findings import n_images

    leaving_out = ""
    if written.n_out or written.n_open:
        console.say(f"list: {written.exclude} ({n_images(written.n_out)} left out, {written.n_open} for you to decide)")
        leaving_out = f" --exclude {shlex.quote(str(written.exclude))}"
    console.say(f"page: {written.page}")
    console.say(f"next: synth plan {shlex.quote(str(data))}{leaving_out}")


def _print_findings(inspection: Inspection) -> None:
    shown: dict[str, int] = {}
    for finding in inspection.findings:
        shown[finding.kind] = shown.get(finding.kind, 0) + 1
        if shown[finding.kind] <= SHOWN_FINDINGS:
            console.say(f"{finding.kind}: {finding.message}")
            for path in finding.paths[:SHOWN_PATHS]:
                console.say(f"    {path}")
            if len(finding.paths) > SHOWN_PATHS:
                console.say(f"    ... {len(finding.paths) - SHOWN_PATHS} more")
    for kind, n in shown.items():
        if n > SHOWN_FINDINGS:
            console.say(f"{kind}: {n} findings of this kind; --json lists all, and --out shows them on a page")


def print_weights(weights: Mapping[str, float], form: str) -> None:
    """Print loss weights as a table, or as an argument for `torch` or `keras`."""
    names, rounded = ", ".join(weights), [round(weight, 6) for weight in weights.values()]
    if form == "torch":
        console.say(f"weight=torch.tensor({rounded})  # {names}")
    elif form == "keras":
        console.say(f"class_weight={dict(enumerate(rounded))}  # {names}")
    else:
        console.table(["class", "weight"], [[label, f"{weight:.4g}"] for label, weight in weights.items()])


def print_sheet(path: Path, notes: Sequence[str]) -> None:
    """Print where a contact sheet is, and notes about it."""
    _print_warnings(notes)
    console.say(f"sheet: {path}")


def print_plan(plan: Plan, notes: Sequence[str]) -> None:
    """Print how many new images each class gets, why it does not get more, and notes."""
    from synth.data.findings import few  # it loads NumPy, which the help does without

    counted = ["distinct"] if any(p.distinct is not None for p in plan.classes.values()) else []
    before = [EARLIER] if any(p.existing for p in plan.classes.values()) else []
    rows = [
        [c, p.real, *([p.distinct] if counted else []), *([p.existing] if before else []), p.planned, p.target]
        for c, p in plan.classes.items()
    ]
    console.table(["class", "real", *counted, *before, "new", "target"], rows)
    if limited := [label for label, entry in plan.classes.items() if entry.note]:
        console.say(f"below target: {few(limited, lambda label: plan.classes[label].note)}")
    _print_warnings(notes)


def print_summary(summary: Summary, out: Path, *, next_steps: str = "") -> None:
    """Print what a run made.

    Args:
        next_steps: commands that are useful now.
    """
    from synth.pages.sentences import missing, tell_plan

    classes = summary.to_json()["classes"]
    before = any(c.existing for c in summary.classes.values())
    rows = [
        [label, c.real, *([c.existing] if before else []), c.accepted, c.target, missing(classes, label), *_gated(c)]
        for label, c in summary.classes.items()
    ]
    earlier = [EARLIER] if before else []
    columns = ["class", "real", *earlier, "new", "target", "missing", "passed", "real passed", "rejected"]
    console.table(columns, rows)
    _print_left_out(summary.skipped, summary.refused)
    _print_warnings([*([summary.choices] if summary.choices else []), *summary.warnings])
    console.say(tell_plan(classes).line)
    new = sum(c.accepted for c in summary.classes.values())
    if summary.run:
        console.say(
            f"{new} new images in {out} ({summary.seconds:.1f} s, run {summary.run}); page: {out / 'report.html'}"
        )
        if next_steps:
            console.say(f"next: {next_steps}")


def print_thinning(found: Selection, *, out: Path | None, list_file: Path | None) -> None:
    """Print how many training images of each class stay, and where they are."""
    classes = found.to_json()["classes"]
    rows = [[label, c["real"], c["kept"], c["duplicates"], c["method"] or "-"] for label, c in classes.items()]
    console.table(["class", "real", "kept", "near-duplicates left out", "thinned by"], rows)
    _print_left_out(found.skipped, found.refused)
    _print_warnings(found.warnings)
    if all(c["method"] is None for c in classes.values()):
        console.say("note: no class is larger than the size, so all images stay; for fewer images: --size 2x")
    if list_file:
        console.say(f"{len(found.items)} images listed in {list_file}")
    if out:
        console.say(f"{len(found.items)} images in {out} (run {found.run})")
        folder = shlex.quote(str(out))
        console.say(
            f"next: synth generate {folder} BALANCED, or train on {out} with weights from: synth weights {folder}"
        )


def print_written(written: Summary | Selection, out: Path) -> None:
    """Print what `synth trial --write` made."""
    from synth.output.summary import Summary

    if isinstance(written, Summary):
        print_summary(written, out)
    else:
        print_thinning(written, out=out, list_file=None)


def print_audit(found: Audit) -> None:
    """Print what `synth verify` found."""
    same = not (found.missing or found.changed or found.unknown)
    console.say(f"{found.files} files, {'' if same else 'NOT '}all as the manifest says")
    for word in ("missing", "changed", "unknown"):
        for path in getattr(found, word):
            console.say(f"{word}: {path}")
    if found.unfinished:
        console.say("a run on this folder was interrupted; the same command continues it")


def print_remade(remade: Sequence[Remade]) -> None:
    """Print whether images are the same when they are made again."""
    for image in remade:
        same = "same bytes" if image.same_file else "same pixels" if image.same_pixels else "DIFFERENT"
        console.say(f"{image.id}: {same}")


def print_undone(undone: Undone, out: Path) -> None:
    """Print what `synth undo` removed."""
    folder = "" if out.exists() else f", and the folder {out}, which that run had made"
    console.say(f"removed {undone.removed} files of run {undone.run}{folder}")
    for path in undone.kept:
        console.say(f"kept, because it has changed since the run: {path}")


def print_demo(made: Demo) -> None:
    """Print what the demo made."""
    console.say(f"drawn data:    {made.data}")
    print_summary(made.summary, made.balanced)
    console.say(f"contact sheet: {made.sheet}")
    if made.gan_sheet:
        console.say(f"made by a GAN: {made.gan_sheet}")
    balanced, data = (shlex.quote(str(path)) for path in (made.balanced, made.data))
    console.say(f"next: synth verify {balanced}; synth inspect {data}; then your own folder")


def _print_left_out(skipped: Mapping[str, int], refused: Sequence[tuple[str, str]]) -> None:
    """Print how many files of the input are not in the output, and why."""
    from synth.data.findings import few

    by_reason: dict[str, list[str]] = {}
    for path, reason in refused:
        by_reason.setdefault(re.sub(r"^\S+:\d+: ", "", reason), []).append(path)  # without the line of a table
    for kind, n in skipped.items():
        console.say(f"skipped: {n} x {kind}")
    ordered = sorted(by_reason.items(), key=lambda entry: -len(entry[1]))
    for reason, paths in ordered[:SHOWN_REASONS]:
        console.say(f"refused: {len(paths)} x {reason} ({few(paths)})")
    if rest := sum(len(paths) for _, paths in ordered[SHOWN_REASONS:]):
        console.say(f"refused: {rest} x other reasons; --json lists all")


def _print_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        console.say(f"note: {warning}")


def _gated(entry: ClassSummary) -> list[str]:
    """Return the share of attempts, and of real images, that passed the gates, and the reasons to reject the others."""
    shares = ("" if share is None else f"{share:.0%}" for share in (entry.acceptance, entry.real_acceptance))
    return [*shares, ", ".join(f"{n} {word}" for word, n in entry.rejected.items())]
