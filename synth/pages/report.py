"""report: one self-contained page that tells what happened in an output folder, from what stands in it alone.

The same folder gives the same bytes: no clock, no name of a machine, no path outside the folder.
"""

from __future__ import annotations

import functools
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError
from synth.files import replace_file
from synth.measures.words import PARTLY, YES
from synth.output.root_files import QUALITY, RECIPE, REJECTED, REPORT, SUMMARY, is_our_page, page_run, run_of
from synth.pages.album import SHOWN, Album, Sheets, Shots, read_rejected
from synth.pages.confusion import confusion
from synth.pictures.text import at, count, mapping, number, points, score, share, short, signed, texts
from synth.records import PARENT_SPLIT, SWITCHED_OFF, Row

if TYPE_CHECKING:
    import jinja2

VERDICT = "verdict.json"
SHEETS = 10
"""Classes with pictures: those that got new images first, then the rarest."""


@dataclass
class Tally:
    """What one method did for one class, over all runs of the folder."""

    attempted: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float | None:
        """Share that passed the gates, also where the method was switched off afterwards."""
        passed = self.accepted + self.reasons[SWITCHED_OFF]
        return passed / self.attempted if self.attempted else None


@dataclass
class ClassFacts:
    """What the folder says of one class."""

    label: str
    real: int = 0
    """Real training images in the folder."""
    held_out: int = 0
    new: int = 0
    """Synthetic images in the folder, of all runs."""
    methods: dict[str, Tally] = field(default_factory=dict)
    shots: Shots = field(default_factory=Shots)
    entry: Mapping[str, Any] = field(default_factory=dict)
    """Its part of the summary; empty for a class of earlier runs alone."""
    sheets: Sheets | None = None

    def count(self, key: str) -> int:
        """A count of the summary; 0 where it has none."""
        return int(number(self.entry.get(key)) or 0)

    @property
    def switched_off(self) -> bool:
        """Did too few images of the method pass?"""
        return self.entry.get("switched_off") is True

    @property
    def main_reason(self) -> str:
        """The commonest reason of the last run against a candidate; empty where there is none."""
        counts = {word: number(n) or 0 for word, n in mapping(self.entry, "rejected").items()}
        counts.pop(SWITCHED_OFF, None)
        return max(counts, key=lambda word: counts[word], default="")

    @property
    def before(self) -> int:
        """Training images before the last run."""
        return self.after - self.count("accepted")

    @property
    def originals(self) -> int:
        """Real training images, also where the folder holds the new ones alone."""
        return max(self.count("real"), self.real)

    @property
    def after(self) -> int:
        """Training images now."""
        return self.originals + self.new


@dataclass
class Folder:
    """All that the page is made of."""

    summary: Mapping[str, Any]
    recipe: str
    quality: Mapping[str, Any] | None
    verdict: Mapping[str, Any] | None
    classes: dict[str, ClassFacts] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    runs: dict[str, None] = field(default_factory=dict)
    example: str = ""
    """Id of a synthetic image."""


def write_report(out: str | Path, *, without: str | None = None) -> Path:
    """Write OUT/report.html from the manifest, the summary, the recipe, the images and what checks left there.

    Args:
        without: a run that is about to be taken out.

    Raises:
        OutputError: no output of this package, one of its files is damaged, or the folder can't be written.
        ManifestError: the manifest is damaged or hostile.
    """
    out = Path(out)
    folder = _read(out, without)
    make_way(out)
    order = sorted(folder.classes.values(), key=lambda facts: (not facts.new + facts.count("planned"), facts.originals))
    _add_sheets(out, folder, order)
    return write_page(out, _render(folder, order))


def write_page(out: Path, page: str) -> Path:
    """Write OUT/report.html.

    Raises:
        OutputError: the folder can't be written.
    """
    try:
        replace_file(out / REPORT, page.encode("utf-8", "replace"))
    except OSError as error:
        raise OutputError(f"can't write {out / REPORT}: {error.strerror}") from None
    return out / REPORT


def make_way(out: Path) -> None:
    """Refuse to write over a page of someone else.

    Raises:
        OutputError: it stands there.
    """
    if (out / REPORT).exists() and not is_our_page(out / REPORT):
        raise OutputError(f"{out / REPORT} is in the way, and not of synth: move it away")


def refresh_page(out: Path) -> None:
    """Write the page where it is missing or tells of another run: a kill may come between the images and the page."""
    run = run_of(out)
    if run is not None and page_run(out / REPORT) != run:
        write_report(out)


def _read(out: Path, without: str | None) -> Folder:
    if not out.is_dir():
        raise OutputError(f"{out}: no such folder")
    summary = read_json(out / SUMMARY)
    for name, there in ((MANIFEST, (out / MANIFEST).is_file()), (SUMMARY, summary is not None)):
        if not there:
            raise OutputError(f"{out}: no {name}, so not a complete output of synth")
    recipe = (out / RECIPE).read_text("utf-8", "replace") if (out / RECIPE).is_file() else ""
    folder = Folder(summary or {}, recipe, read_json(out / QUALITY), read_json(out / VERDICT))
    for label, entry in mapping(folder.summary, "classes").items():
        folder.classes[label] = ClassFacts(label, entry=entry if isinstance(entry, dict) else {})
    for label, entries in read_rejected(read_json(out / REJECTED) or {}).items():
        shots = folder.classes.setdefault(label, ClassFacts(label)).shots
        shots.rejected = {id: (entry, None) for id, entry in entries.items()}
    for row in read_manifest(out / MANIFEST):
        if row.run != without or row.method is None:
            _take_in(folder, row)
    return folder


def read_json(path: Path) -> Mapping[str, Any] | None:
    """A document of a folder; None where it has none.

    Raises:
        OutputError: it is there, but not JSON, or no document.
    """
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise OutputError(f"{path}: damaged, or not of synth")
    return document


def _take_in(folder: Folder, row: Row) -> None:
    facts = folder.classes.setdefault(row.label, ClassFacts(row.label))
    if row.synthetic:
        folder.runs[row.run] = None
        _take_in_attempt(folder, facts, row)
    elif row.split != PARENT_SPLIT:
        facts.held_out += 1
    else:
        facts.real += 1
        folder.places[row.id] = str(row.path)
        facts.shots.real.add(row)


def _take_in_attempt(folder: Folder, facts: ClassFacts, row: Row) -> None:
    tally = facts.methods.setdefault(str(row.method), Tally())
    tally.attempted += 1
    tally.reasons.update(map(str, row.reasons))
    if row.id in facts.shots.rejected:
        facts.shots.rejected[row.id] = facts.shots.rejected[row.id][0], row
    if row.path is not None:
        tally.accepted += 1
        facts.new += 1
        facts.shots.accepted.add(row)
        folder.example = folder.example or row.id


def _add_sheets(out: Path, folder: Folder, order: Sequence[ClassFacts]) -> None:
    album = Album(out, folder.places)
    for index, facts in enumerate(order[:SHEETS]):
        if not album.full:
            n_real = SHOWN if facts.new or facts.shots.rejected else SHOWN // 2
            facts.sheets = album.sheets(facts.label, facts.shots, number=index, n_real=n_real)


@functools.cache
def page_template(name: str) -> jinja2.Template:
    """One of the templates beside this file."""
    import jinja2  # not needed by the commands that write no page

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=share, score=score, count=count, number=number, sh=shlex.quote, short=short)
    environment.filters.update(points=points, signed=signed)
    return environment.get_template(name)


def _render(folder: Folder, order: Sequence[ClassFacts]) -> str:
    judge = mapping(folder.summary, "judge")
    scores = mapping(judge, "scores", "out_of_fold")
    return page_template("report.html.j2").render(
        summary=folder.summary,
        classes=order,
        made=[facts for facts in order if facts.count("accepted")],
        totals={key: sum(facts.count(key) for facts in order) for key in ("planned", "attempted", "accepted")},
        fell_short=[facts for facts in order if facts.count("short") > 0],
        top=max([1, *(max(facts.after, facts.count("target")) for facts in order)]),
        runs=list(folder.runs),
        example=folder.example,
        judge=judge,
        judge_name=PurePath(str(judge.get("path") or "")).name,
        scores=scores,
        confusion=confusion(scores),
        policy=_policy(folder.summary),
        quality=_checked(folder.quality),
        bad=texts((folder.quality or {}).get("bad")),
        verdict=folder.verdict,
        comparisons=_records((folder.verdict or {}).get("comparisons")),
        warnings=texts(folder.summary.get("warnings")),
        refused=_records(folder.summary.get("refused")),
        recipe=folder.recipe,
        at=at,
        share=share,
        score=score,
        compare=compare,
        mapping=mapping,
    )


def _checked(quality: Mapping[str, Any] | None) -> dict[str, Any]:
    """The classes of `quality.json` that have synthetic images."""
    classes = mapping(quality, "classes")
    return {label: entry for label, entry in classes.items() if number(mapping(entry, "synthetic").get("n"))}


def _policy(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The policy test, effects that change a class first."""
    tests = [test for test in _records(summary.get("policy")) if {"effect", "class"} <= test.keys()]
    return sorted(tests, key=lambda test: test.get("loses") is not True)


def _records(values: object) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def compare(word: object) -> str | None:
    """yes, partly or no: what `check` said of a word, or what its score says beside that of real images."""
    verdict, part, real = at(word, "verdict"), number(at(word, "score")), number(at(word, "real"))
    if verdict in ("yes", "partly", "no") or part is None or not real:
        return verdict if isinstance(verdict, str) else None
    return "yes" if part >= YES * real else "partly" if part >= PARTLY * real else "no"
