"""report: one self-contained page about an output folder, from the files in it alone.

The same folder gives the same bytes: the page holds no time and no machine name, and paths as seen from the folder.
A date would make the pages of two equal runs differ.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from synth.output.root_files import REPORT, page_run, run_of
from synth.pages.album import Sheet, make_sheets
from synth.pages.commands import RunCommands, words
from synth.pages.confusion import confusion
from synth.pages.folder import ClassFacts, Folder, read_folder
from synth.pages.page import page_template, records, write_page
from synth.pages.sentences import REASONS, missing, tell_plan, tell_quality, verdict_word
from synth.pictures.text import at, mapping, number, texts

OPEN_CLASSES = 2
"""Classes whose pictures are visible; the others are folded."""


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


def _render(folder: Folder, order: Sequence[ClassFacts], sheets: Mapping[str, Sheet]) -> str:
    summary, judge = folder.summary, mapping(folder.summary, "judge")
    scores, quality = mapping(judge, "scores", "out_of_fold"), mapping(folder.quality, "classes")
    policy = [test for test in records(summary.get("policy")) if {"effect", "class"} <= test.keys()]
    paths = {name: path for name, path in mapping(summary, "paths").items() if isinstance(path, str)}
    plan, method = tell_plan(mapping(summary, "classes")), str(summary.get("method") or "augment")
    commands = RunCommands(paths, method, has_recipe=bool(folder.recipe), only_new=not folder.places)
    made = [facts for facts in order if facts.count("accepted")]
    sizes = {facts.label: facts.originals for facts in order}
    return page_template("report.html.j2").render(
        summary=summary,
        dataset=PurePath(paths.get("data", "")).name,
        classes=order,
        sheets=sheets,
        open_classes=OPEN_CLASSES,
        places=folder.places,
        made=made,
        totals={key: sum(facts.count(key) for facts in order) for key in ("planned", "attempted", "accepted")},
        plan=plan,
        passing=_passing(made),
        reason_words=REASONS,
        missing=functools.partial(missing, mapping(summary, "classes")),
        top=max([1, *(max(facts.after, facts.count("target")) for facts in order)]),
        runs=list(folder.runs),
        example=folder.example,
        judge=judge,
        judge_name=PurePath(str(judge.get("path") or "")).name,
        scores=scores,
        confusion=confusion(scores),
        policy=_by_class(policy),
        effects=list(dict.fromkeys(str(test["effect"]) for test in policy)),
        lost_classes=any(test.get("loses") is True for test in policy),
        # One image says nothing about a class: the table has it, the summary not.
        losing=[test for test in policy if test.get("loses") is True and sizes.get(str(test["class"])) != 1],
        quality={label: entry for label, entry in quality.items() if number(mapping(entry, "synthetic").get("n"))},
        checked=tell_quality(folder.quality),
        verdict_word=verdict_word,
        verdict=folder.verdict,
        comparisons=records(at(folder.verdict, "comparisons")),
        warnings=texts(summary.get("warnings")),
        refused=records(summary.get("refused")),
        skipped=records(summary.get("skipped")),
        recipe=folder.recipe,
        paths=paths,
        commands=commands,
        words=words,
        next=commands.steps(
            judged=bool(judge),
            short=plan.good is False,
            checked=folder.quality is not None,
            tried=folder.verdict is not None,
        ),
    )


def _by_class(policy: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return {class: {effect: its test}}, the classes that lose most first."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for test in policy:
        found.setdefault(str(test["class"]), {})[str(test["effect"])] = test
    n_lost = {label: sum(test.get("loses") is True for test in tests.values()) for label, tests in found.items()}
    return dict(sorted(found.items(), key=lambda pair: -n_lost[pair[0]]))


def _passing(made: Sequence[ClassFacts]) -> float | None:
    """Return the share of real images that pass the tests, over the classes with new images; None if not known."""
    known = [(number(facts.entry.get("real_acceptance")), facts.originals) for facts in made]
    shares = [(share, n) for share, n in known if share is not None and n > 1]
    return sum(share * n for share, n in shares) / sum(n for _, n in shares) if shares else None
