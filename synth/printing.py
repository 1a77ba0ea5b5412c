"""Results as a person reads them: tables and lines on standard output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from synth import console

if TYPE_CHECKING:
    from synth.data.balance import Plan
    from synth.data.health import Inspection
    from synth.output.audit import Audit
    from synth.output.summary import Summary

SHOWN_FINDINGS, SHOWN_PATHS = 3, 4


def print_inspection(inspection: Inspection, synthetic: Mapping[str, int]) -> None:
    """Counts, files and findings; beside the real images those that earlier runs put there, if any."""
    splits = list(dict.fromkeys(split for counts in inspection.classes.values() for split in counts))
    made = sum(synthetic.values()) > 0
    rows = [
        [label, *(n.get(split, 0) for split in splits), *([synthetic.get(label, 0)] if made else [])]
        for label, n in inspection.classes.items()
    ]
    console.table(["class", *splits, *(["synthetic"] if made else [])], rows)
    files = ", ".join(f"{n} {state}" for state, n in inspection.files.items())
    ratio = f"{inspection.imbalance_ratio:.1f}" if inspection.imbalance_ratio else "none"
    console.say(f"files: {files}; imbalance ratio: {ratio}")
    for kind, n in inspection.skipped.items():
        console.say(f"skipped: {n} x {kind}")
    _print_findings(inspection)


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
            console.say(f"{kind}: {n} findings of this kind; --json lists all")


def print_plan(settled: Plan, *, json: bool) -> None:
    """How many new images each class gets, and why not more."""
    if json:
        console.print_json({"classes": settled.to_json(), "new": sum(settled.new.values())})
        return
    rows = [[c, p.real, p.existing, p.planned, p.target] for c, p in settled.classes.items()]
    console.table(["class", "real", "existing", "new", "target"], rows)
    for label, entry in settled.classes.items():
        if entry.note:
            console.say(f"{label}: {entry.note}")


def print_summary(summary: Summary, out: Path, *, json: bool) -> None:
    """What a run did."""
    if json:
        console.print_json(summary.to_json())
        return
    rows = [
        [label, c.real, c.existing, c.accepted, c.target, c.short, _words(c.rejected)]
        for label, c in summary.classes.items()
    ]
    console.table(["class", "real", "existing", "new", "target", "short", "rejected"], rows)
    for label, entry in summary.classes.items():
        if entry.note:
            console.say(f"{label}: {entry.note}")
    for warning in summary.warnings:
        console.say(f"note: {warning}")
    new = sum(c.accepted for c in summary.classes.values())
    if summary.run:
        console.say(f"{new} new images in {out} ({summary.seconds:.1f} s, run {summary.run})")


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {word}" for word, n in counts.items())


def print_audit(found: Audit) -> None:
    """What `verify` found."""
    console.say(f"{found.rows} rows, {found.files} files: {'all good' if found.good else 'NOT good'}")
    for word in ("missing", "changed", "unknown"):
        for path in getattr(found, word):
            console.say(f"{word}: {path}")
    if found.unfinished:
        console.say("a run on this folder was interrupted: the same command again finishes it")
