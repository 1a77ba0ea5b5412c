"""report: one self-contained page about an output folder, from the files in it alone.

The same folder gives the same bytes: the page holds no time, no machine name and no path outside the folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from synth.output.root_files import REPORT, page_run, run_of
from synth.pages.album import Sheets, make_sheets
from synth.pages.confusion import confusion
from synth.pages.folder import ClassFacts, Folder, read_folder
from synth.pages.page import page_template, records, write_page
from synth.pictures.text import at, mapping, number, texts


def write_report(out: str | Path, *, without: str | None = None) -> Path:
    """Write OUT/report.html from the manifest, the summary, the recipe, the images, and the results of checks.

    Args:
        without: a run that is about to be removed.

    Raises:
        OutputError: not an output of this package, one of its files is damaged, a page of someone else is there, or
            the folder can't be written.
        ManifestError: the manifest is damaged or hostile.
    """
    out = Path(out)
    folder = read_folder(out, without=without)
    # Classes with new images first, then the rarest.
    order = sorted(folder.classes.values(), key=lambda facts: (not facts.new + facts.count("planned"), facts.originals))
    return write_page(out, _render(folder, order, make_sheets(out, folder, order)))


def refresh_page(out: Path) -> None:
    """Write the page if it is missing or about another run: a kill may come between the images and the page."""
    run = run_of(out)
    if run is not None and page_run(out / REPORT) != run:
        write_report(out)


def _render(folder: Folder, order: Sequence[ClassFacts], sheets: Mapping[str, Sheets]) -> str:
    summary, judge = folder.summary, mapping(folder.summary, "judge")
    scores = mapping(judge, "scores", "out_of_fold")
    quality = mapping(folder.quality, "classes")
    policy = [test for test in records(summary.get("policy")) if {"effect", "class"} <= test.keys()]
    return page_template("report.html.j2").render(
        summary=summary,
        classes=order,
        sheets=sheets,
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
        policy=sorted(policy, key=lambda test: test.get("loses") is not True),
        quality={label: entry for label, entry in quality.items() if number(mapping(entry, "synthetic").get("n"))},
        bad=texts(at(folder.quality, "bad")),
        verdict=folder.verdict,
        comparisons=records(at(folder.verdict, "comparisons")),
        warnings=texts(summary.get("warnings")),
        refused=records(summary.get("refused")),
        skipped=records(summary.get("skipped")),
        recipe=folder.recipe,
    )
