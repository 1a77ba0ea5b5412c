"""The page of a trial: which strategy helps, by how much and how certain, from verdict.json and examples.json alone.

This file chooses facts and puts them in order; words and layout are in trial.html.j2, drawings in charts.py. Whatever
a document lacks is left out or "not known".
"""

import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from synth.errors import OutputError
from synth.pages.commands import DATA, trial_command, trial_steps
from synth.pages.confusion import confusion
from synth.pages.page import VERDICT, page_template, read_json, records, write_page
from synth.pages.thumbnails import Thumbnail, from_base64, on_one_scale, shrunk, thumbnail
from synth.pictures import charts
from synth.pictures.text import at, mapping, number, texts

EXAMPLES = "examples.json"
MACRO = "macro"
PLAIN = "none"
FEW_CLASSES = 12
"""Up to this number, each class has a column; beyond it, only the rarest and the worst have one."""
DRAWN_CLASSES = 3
"""Columns of the forest plot beside macro-F1."""
SHOWN = 6
"""Example images of each class and kind."""
SHOWN_CLASSES = 12
OPEN_CLASSES = 3
"""Classes whose example images are visible; the others are folded."""


@dataclass(frozen=True)
class Arm:
    """One arm after one length of training."""

    name: str
    scores: Mapping[str, Any]
    compared: Mapping[tuple[str, bool], Mapping[str, Any]]
    """{(class, is it macro-F1?): comparison with the control}; empty for the control."""

    @property
    def macro(self) -> Mapping[str, Any]:
        """The comparison in macro-F1; empty if there is none."""
        return self.compared.get((MACRO, True), {})

    def worst(self, labels: Sequence[str], score: str) -> tuple[str, float] | None:
        """Return the class with the lowest value of a score, of the given ones, and the value."""
        return worst_class(self.scores, labels, score)


def write_trial_page(out: Path) -> Path:
    """Write OUT/report.html from OUT/verdict.json and OUT/examples.json.

    Raises:
        OutputError: not a trial, one of the files is damaged, a page of someone else is there, or the folder can't be
            written.
    """
    verdict, examples = read_json(out / VERDICT), read_json(out / EXAMPLES)
    if verdict is None:
        raise OutputError(f"{out}: no {VERDICT}, so not a trial of synth")
    if not mapping(verdict, "arms"):
        raise OutputError(f"{out / VERDICT}: damaged, or synth did not write it: it has no arms")
    return write_page(out, render_trial(verdict, examples))


def render_trial(verdict: Mapping[str, Any], examples: Mapping[str, Any] | None) -> str:
    """Return the page; the same documents give the same page."""
    document = {**verdict, **{role: _word(verdict.get(role)) for role in ("advised", "control")}}
    classes, telling, arms = _classes(document), telling_classes(document), _arms(document)
    others = [budget for budget in records(document.get("budgets")) if budget.get("steps") != document.get("steps")]
    named, duel = {arm.name: arm for arm in arms}, _duel(document, arms)
    headline, rest = _headline(str(document.get("advice") or ""), classes, [arm.name for arm in arms])
    data, asked = _word(document.get("data")), texts(mapping(document, "design").get("asked"))
    control, advised = document["control"] or "none", document["advised"]
    again = functools.partial(trial_command, data or DATA, arms=asked or tuple(named), control=control)
    return page_template("trial.html.j2").render(
        verdict=document,
        headline=headline,
        rest=rest,
        arms=arms,
        named=named,
        duel=duel,
        before=PLAIN if PLAIN in named else next((arm.name for arm in duel if arm.name != document["advised"]), None),
        classes=classes,
        wide=len(classes) > FEW_CLASSES,
        turned=[f"|{label}" for label in classes],
        telling=telling,
        rarest=next(iter(telling), None),
        columns=_columns(arms, telling),
        dataset=PurePath(data or "").name,
        command=again("../again"),
        next=trial_steps(data or DATA, advised, again) if advised else [],
        budgets=[{"steps": budget.get("steps"), "arms": _arms(budget)} for budget in others],
        refusals=records(document.get("do_not_use")),
        stops=records(document.get("stopped")),
        doses=records(document.get("doses")),
        detectable={label: _detectable(arms, label) for label in classes},
        pictures=_pictures(examples or {}, classes),
        open_classes=OPEN_CLASSES,
        examples=examples or {},
        design={k: v for k, v in mapping(document, "design").items() if k != "classes" and v is not None},
        confusion=confusion,
        curve=_curve,
        difference=charts.difference,
        axis=charts.axis,
        interval=charts.interval_of,
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def worst_class(scores: Mapping[str, Any], labels: Sequence[str], score: str) -> tuple[str, float] | None:
    """Return the class with the lowest value of a score, of the given ones, and the value; None if none is known."""
    known = [(label, number(at(mapping(scores, "classes", label), score))) for label in labels]
    return min(((label, value) for label, value in known if value is not None), key=lambda pair: pair[1], default=None)


def telling_classes(verdict: Mapping[str, Any]) -> list[str]:
    """Return the classes with at least two images, the rarest first: one image shows nothing about a class."""
    return [label for label in _classes(verdict) if _has_two(verdict, label)]


def _has_two(verdict: Mapping[str, Any], label: str) -> bool:
    entry = mapping(verdict, "design", "classes", label)
    sizes = [number(entry.get(part)) for part in ("train", "held_out")]
    return None in sizes or sum(size or 0.0 for size in sizes) > 1.5  # means over splits, rounded


def _classes(verdict: Mapping[str, Any]) -> list[str]:
    """Return all classes, the one with the fewest training images first."""
    sizes = {label: number(at(entry, "train")) for label, entry in mapping(verdict, "design", "classes").items()}
    for scores in mapping(verdict, "arms").values():
        for label in mapping(scores, "classes"):
            if sizes.get(label) is None:
                sizes[label] = number(mapping(scores, "images", label).get("real"))
    return sorted(sizes, key=lambda label: float("inf") if sizes[label] is None else float(sizes[label] or 0))


def _arms(document: Mapping[str, Any]) -> list[Arm]:
    """Return the arms of a verdict or of one of its budgets, highest macro-F1 first."""
    compared: dict[str, dict[tuple[str, bool], Mapping[str, Any]]] = {}
    for entry in records(document.get("comparisons")):
        key = str(entry.get("class")), entry.get("macro") is True
        compared.setdefault(str(entry.get("arm")), {})[key] = {**entry, "verdict": _word(entry.get("verdict"))}
    arms = [Arm(name, mapping(document, "arms", name), compared.get(name, {})) for name in mapping(document, "arms")]
    return sorted(arms, key=lambda arm: -(number(arm.scores.get("macro_f1")) or 0.0))


def _headline(advice: str, classes: Sequence[str], arms: Sequence[str]) -> tuple[str, str]:
    """Return the first sentence of an advice, and the others."""
    masked = advice
    for name in (*classes, *arms):
        if ". " in name:
            masked = masked.replace(name, "x" * len(name))
    end = masked.find(". ") + 1
    return (advice[:end], advice[end:].strip()) if end else (advice, "")


def _duel(verdict: Mapping[str, Any], arms: Sequence[Arm]) -> list[Arm]:
    """Return the advised arm and the control; if they are one, also `none` or else the best of the others."""
    named = {arm.name: arm for arm in arms}
    chosen = [named[name] for name in dict.fromkeys((verdict["advised"], verdict["control"])) if name in named]
    if len(chosen) == 1:
        others = [arm for arm in arms if arm is not chosen[0]]
        chosen += [arm for arm in others if arm.name == PLAIN] or others[:1]
    return chosen


def _columns(arms: Sequence[Arm], classes: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the columns of the forest plot: macro-F1 and the rarest classes, if anything was compared in them."""
    columns: list[Mapping[str, Any]] = []
    for key in ((MACRO, True), *((label, False) for label in classes[:DRAWN_CLASSES])):
        if found := [arm.compared[key] for arm in arms if key in arm.compared]:
            deltas, spans = ([at(entry, name) for entry in found] for name in ("delta_f1", "interval"))
            name = "macro-F1" if key[1] else f"F1 of {key[0]}"
            columns.append({"key": key, "name": name, "scale": charts.scale_of(deltas, spans)})
    return columns


def _detectable(arms: Sequence[Arm], label: str) -> float | None:
    """Return the smallest difference in a class's F1 that the trial can usually detect: the median over arms."""
    found = (number(at(arm.compared.get((label, False)), "detectable")) for arm in arms)
    known = [value for value in found if value is not None]
    return statistics.median(known) if known else None


def _curve(curve: Mapping[str, Any]) -> str | None:
    """Return the drawing of a dose curve; None without any known difference."""
    points = [
        (str(at(point, "dose")), at(point, "delta_f1"), at(point, "interval"))
        for point in records(curve.get("points"))
        if number(point.get("delta_f1")) is not None
    ]
    name, enough = str(curve.get("arm") or "a generator"), str(curve.get("smallest_within_noise"))
    title = f"Difference in macro-F1 over the doses of {name}"
    return charts.dose_curve(points, enough=enough, title=title) if points else None


def _thumbnail(entry: Mapping[str, Any]) -> Thumbnail | None:
    """Return the picture of an example; older trials call it "png"."""
    pixels = on_one_scale([shrunk(from_base64(entry.get("thumbnail") or entry.get("png")))])
    return thumbnail(pixels[0])


def _pictures(examples: Mapping[str, Any], classes: Sequence[str]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return {class: {"gained": examples, "lost": examples}}, the rarest class first; only entries with a picture."""
    given = mapping(examples, "classes")
    order = [label for label in classes if label in given] + sorted(given.keys() - set(classes))
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for label in order:
        kinds = {kind: records(at(given[label], kind))[:SHOWN] for kind in ("gained", "lost")}
        shown: dict[str, list[Mapping[str, Any]]] = {
            kind: [{**entry, "thumbnail": picture} for entry in entries if (picture := _thumbnail(entry))]
            for kind, entries in kinds.items()
        }
        if any(shown.values()):
            found[label] = shown
    return dict(list(found.items())[:SHOWN_CLASSES])
