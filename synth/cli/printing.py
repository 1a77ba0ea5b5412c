"""Results as a person reads them: tables and lines on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.cli import console

if TYPE_CHECKING:
    from synth.data.balance import Plan
    from synth.data.health import Inspection
    from synth.gates.policy_test import EffectTest
    from synth.output.audit import Audit
    from synth.output.summary import ClassSummary, Summary
    from synth.quality.check import Quality
    from synth.runs.selection import Selection

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
        [label, c.real, c.existing, c.accepted, c.target, c.short, *_acceptance(c), _words(c.rejected)]
        for label, c in summary.classes.items()
    ]
    columns = ["class", "real", "existing", "new", "target", "short", "passed", "real passed", "rejected"]
    console.table(columns, rows)
    for label, entry in summary.classes.items():
        if entry.note:
            console.say(f"{label}: {entry.note}")
    for warning in summary.warnings:
        console.say(f"note: {warning}")
    new = sum(c.accepted for c in summary.classes.values())
    if summary.run:
        console.say(f"{new} new images in {out} ({summary.seconds:.1f} s, run {summary.run})")


def print_thinning(found: Selection, *, out: Path | None, list_file: Path | None, json: bool) -> None:
    """How many training images of each class stay, and where."""
    document = found.to_json()
    if json:
        places = {"out": out and str(out), "list": list_file and str(list_file)}
        console.print_json({**document, **places})
        return
    rows = [
        [label, c["real"], c["kept"], c["duplicates"], c["method"] or "whole"]
        for label, c in document["classes"].items()
    ]
    console.table(["class", "real", "kept", "near-duplicates out", "thinned by"], rows)
    for warning in found.warnings:
        console.say(f"note: {warning}")
    if all(c["method"] is None for c in document["classes"].values()):
        console.say("note: no class is larger than the size, so all images stay; for fewer: --size 2x")
    if list_file:
        console.say(f"{len(found.items)} images listed in {list_file}")
    if out:
        console.say(f"{len(found.items)} images in {out} (run {found.run})")
        console.say(f"next: synth generate {out} BALANCED; or train on it: synth weights {out}")


def print_scores(scores: Mapping[str, Any]) -> None:
    """Per-class scores of a classifier on images that it did not learn from."""
    names = ("precision", "recall", "f1", "average_precision")
    rows = [
        [label, found["n"], *(_interval(found[name], found["intervals"].get(name)) for name in names)]
        for label, found in scores["classes"].items()
    ]
    console.table(["class", "n", "precision", "recall", "F1", "average precision"], rows)
    for label, found in scores["classes"].items():
        if found["note"]:
            console.say(f"{label}: {found['note']}")
    shown = (("macro-F1", "macro_f1"), ("balanced accuracy", "balanced_accuracy"), ("worst recall", "worst_recall"))
    console.say(", ".join(f"{name} {_number(scores[key])}" for name, key in shown))


def print_reconstruction(found: Mapping[str, Any]) -> None:
    """How well an autoencoder draws its training images again, class by class."""
    rows = [[label, s["n"], _number(s["error"]), _number(s["sharpness"])] for label, s in found["classes"].items()]
    console.table(["class", "n", "error", "sharpness"], rows)


def print_drawn(found: Mapping[str, Any]) -> None:
    """What a GAN draws, class by class, and what is to be thought of it."""
    columns = ("on_class", "sharpness", "diversity", "copies", "kept", "kid")
    rows = [
        [label, s["n"], *(_number(s[name]) for name in columns), s["verdict"]] for label, s in found["classes"].items()
    ]
    console.table(["class", "n", "on class", "sharpness", "diversity", "copies", "kept", "KID", "verdict"], rows)
    for label, entry in found["classes"].items():
        if entry["reasons"]:
            console.say(f"{label}: {'; '.join(entry['reasons'])}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(value: float | None, bounds: Sequence[float] | None) -> str:
    return f"{_number(value)} ({bounds[0]:.2f}-{bounds[1]:.2f})" if bounds else _number(value)


def print_policy(tests: Sequence[EffectTest], *, json: bool) -> None:
    """What each effect does to the judge's view of real images."""
    from synth.gates.policy_test import warnings_of  # with torch behind it, which has been imported by now

    if json:
        console.print_json({"policy": [test.to_json() for test in tests]})
        return
    rows = [
        [t.label, t.effect, t.n, f"{t.before:.0%}", f"{t.after:.0%}", "loses the class" if t.loses else ""]
        for t in tests
    ]
    console.table(["class", "effect", "n", "on class unchanged", "changed", ""], rows)
    for line in warnings_of(tests):
        console.say(line)


def print_quality(quality: Quality, *, json: bool) -> None:
    """Synthetic images beside held-out real ones."""
    document = quality.to_json()
    if json:
        console.print_json(document)
        return
    for label, found in document["classes"].items():
        made = found["synthetic"]
        if not made["n"]:
            continue
        console.say(f"{label}: {made['n']} synthetic images beside {found['real']['n']} held-out real ones")
        rows = [
            [word, entry["verdict"] or "-", _number(entry["score"]), _number(entry["real"]), entry["measure"]]
            for word, entry in found["words"].items()
        ]
        console.table(["", "verdict", "synthetic", "real", "measure"], rows)
    if quality.bad:
        console.say(f"do not use these: {', '.join(quality.bad)}")


def _acceptance(entry: ClassSummary) -> tuple[str, str]:
    """Share of the attempts that passed the gates, and of held-out real images."""
    shares = (entry.acceptance, entry.real_acceptance)
    return tuple("" if share is None else f"{share:.0%}" for share in shares)  # type: ignore[return-value]


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
