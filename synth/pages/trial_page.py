"""The page of a trial: which strategy helps, by how much and how sure, from verdict.json and examples.json alone.

Facts are chosen and put in order here, words and looks are in trial.html.j2, drawings in charts.py. What a document
lacks is left out or "not known": it may be of another version.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import OutputError
from synth.pages.confusion import Confusion, confusion
from synth.pages.report import VERDICT, make_way, page_template, read_json, write_page
from synth.pictures import charts
from synth.pictures.text import at, mapping, number, texts

EXAMPLES = "examples.json"
MACRO = "macro"
PLAIN = "none"
FEW_CLASSES = 12
"""So many classes have a column each; of more, the rarest and the worst are shown."""
DRAWN_CLASSES = 3
"""Columns of the forest plot beside macro-F1."""
SHOWN = 6
"""Example images of each class and kind."""
SHOWN_CLASSES = 12
OPEN_CLASSES = 3
"""So many have their example images in sight; the others are folded away."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Column:
    """One column of the forest plot."""

    label: str
    macro: bool
    scale: charts.Scale

    @property
    def name(self) -> str:
        """As its head says it."""
        return "macro-F1" if self.macro else f"F1 of {self.label}"


@dataclass(frozen=True)
class Arm:
    """One arm after the deciding budget."""

    name: str
    scores: Mapping[str, Any]
    compared: Mapping[tuple[str, bool], Mapping[str, Any]]
    """{(class, is it macro-F1?): comparison with the control}; empty for the control."""

    @property
    def macro(self) -> Mapping[str, Any]:
        """The comparison in macro-F1; empty where there is none."""
        return self.compared.get((MACRO, True), {})

    @property
    def worst(self) -> tuple[str, float] | None:
        """The class with the lowest F1."""
        known = [(label, number(at(entry, "f1"))) for label, entry in mapping(self.scores, "classes").items()]
        return min(((label, f1) for label, f1 in known if f1 is not None), key=lambda pair: pair[1], default=None)


def write_trial_page(out: Path) -> Path:
    """Write OUT/report.html from OUT/verdict.json and OUT/examples.json.

    Raises:
        OutputError: no trial, one of the files is damaged or foreign, or the folder can't be written.
    """
    verdict, examples = read_json(out / VERDICT), read_json(out / EXAMPLES)
    if verdict is None:
        raise OutputError(f"{out}: no {VERDICT}, so not a trial of synth")
    if not mapping(verdict, "arms"):
        raise OutputError(f"{out / VERDICT}: damaged, or not of synth: it has no arms")
    make_way(out)
    return write_page(out, render_trial(verdict, examples))


def render_trial(verdict: Mapping[str, Any], examples: Mapping[str, Any] | None) -> str:
    """The page as text; the same documents give the same page."""
    document = {**verdict, **{role: _word(verdict.get(role)) for role in ("advised", "control")}}
    classes = _classes(document)
    arms = _arms(document)
    duel = _duel(document, arms)
    headline, rest = _headline(str(document.get("advice") or ""), classes, [arm.name for arm in arms])
    return page_template("trial.html.j2").render(
        verdict=document,
        headline=headline,
        rest=rest,
        arms=arms,
        named={arm.name: arm for arm in arms},
        duel=duel,
        before=_before(document.get("advised"), duel, arms),
        classes=classes,
        wide=len(classes) > FEW_CLASSES,
        columns=_columns(arms, classes),
        budgets=_other_budgets(document),
        refusals=_records(document.get("do_not_use")),
        stops=_records(document.get("stopped")),
        doses=_records(document.get("doses")),
        detectable={label: _detectable(arms, label) for label in classes},
        pictures=_pictures(examples or {}, classes),
        open_classes=OPEN_CLASSES,
        examples=examples or {},
        design=_settings(mapping(document, "design")),
        confused=_confused,
        curve=_curve,
        records=_records,
        difference=charts.difference,
        axis=charts.axis,
        interval=charts.interval_of,
        at=at,
        mapping=mapping,
        texts=texts,
    )


def _classes(verdict: Mapping[str, Any]) -> list[str]:
    """All classes, the rarest in training first."""
    designed = mapping(verdict, "design", "classes")
    sizes = {label: number(at(entry, "train")) for label, entry in designed.items()}
    for scores in mapping(verdict, "arms").values():
        for label in mapping(scores, "classes"):
            n = number(mapping(scores, "images", label).get("real"))
            sizes[label] = n if sizes.get(label) is None else sizes[label]
    return sorted(sizes, key=lambda label: float("inf") if sizes[label] is None else float(sizes[label] or 0))


def _arms(verdict: Mapping[str, Any]) -> list[Arm]:
    """The arms, highest macro-F1 first."""
    compared = _compared(verdict)
    arms = [Arm(name, mapping(verdict, "arms", name), compared.get(name, {})) for name in mapping(verdict, "arms")]
    return sorted(arms, key=lambda arm: -(number(arm.scores.get("macro_f1")) or 0.0))


def _compared(document: Mapping[str, Any]) -> dict[str, dict[tuple[str, bool], Mapping[str, Any]]]:
    found: dict[str, dict[tuple[str, bool], Mapping[str, Any]]] = {}
    for entry in _records(document.get("comparisons")):
        key = str(entry.get("class")), entry.get("macro") is True
        found.setdefault(str(entry.get("arm")), {})[key] = {**entry, "verdict": _word(entry.get("verdict"))}
    return found


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _headline(advice: str, classes: Sequence[str], arms: Sequence[str]) -> tuple[str, str]:
    """The first sentence of an advice, and the others."""
    masked = advice
    for name in (*classes, *arms):
        if ". " in name:
            masked = masked.replace(name, "x" * len(name))
    end = masked.find(". ") + 1
    return (advice[:end], advice[end:].strip()) if end else (advice, "")


def _duel(verdict: Mapping[str, Any], arms: Sequence[Arm]) -> list[Arm]:
    """The advised arm and the control; where they are one, it and `none` or the best of the others."""
    named = {arm.name: arm for arm in arms}
    chosen = [named[name] for name in dict.fromkeys(_roles(verdict)) if name in named]
    if len(chosen) == 1:
        others = [arm for arm in arms if arm is not chosen[0]]
        chosen += [arm for arm in others if arm.name == PLAIN] or others[:1]
    return chosen


def _roles(verdict: Mapping[str, Any]) -> list[str]:
    return [str(verdict[role]) for role in ("advised", "control") if isinstance(verdict.get(role), str)]


def _before(advised: object, duel: Sequence[Arm], arms: Sequence[Arm]) -> str | None:
    """The arm whose confusions stand beside the advised one's: `none`, else the other one of the duel."""
    names = [arm.name for arm in arms if arm.name == PLAIN] + [arm.name for arm in duel if arm.name != advised]
    return names[0] if names else None


def _columns(arms: Sequence[Arm], classes: Sequence[str]) -> list[Column]:
    """macro-F1 and the rarest classes, as far as anything was compared."""
    columns = []
    for label, macro in ((MACRO, True), *((label, False) for label in classes[:DRAWN_CLASSES])):
        found = [arm.compared[label, macro] for arm in arms if (label, macro) in arm.compared]
        if found:
            deltas, spans = [at(entry, "delta_f1") for entry in found], [at(entry, "interval") for entry in found]
            columns.append(Column(label, macro, charts.scale_of(deltas, spans)))
    return columns


def _other_budgets(verdict: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that do not decide: {"steps", "arms": [Arm]}."""
    others = [budget for budget in _records(verdict.get("budgets")) if budget.get("steps") != verdict.get("steps")]
    return [{"steps": budget.get("steps"), "arms": _arms(budget)} for budget in others]


def _detectable(arms: Sequence[Arm], label: str) -> float | None:
    """The difference in a class's F1 that is usually seen: the median over arms."""
    found = (number(at(arm.compared.get((label, False)), "detectable")) for arm in arms)
    known = sorted(value for value in found if value is not None)
    middle = len(known) // 2
    return (known[middle] + known[~middle]) / 2 if known else None


def _confused(scores: object) -> Confusion | None:
    """The confusions of an arm, or of the own test images."""
    labels = at(scores, "labels") or list(mapping(scores, "classes"))
    return confusion({"labels": labels, "confusion": _as_lists(at(scores, "confusion"))})


def _as_lists(rows: object) -> object:
    """The matrix, also where it did not go through JSON."""
    if not isinstance(rows, list | tuple):
        return None
    return [list(row) if isinstance(row, list | tuple) else row for row in rows]


def _curve(curve: Mapping[str, Any]) -> str | None:
    points = [(str(at(point, "dose")), at(point, "delta_f1"), at(point, "interval")) for point in curve_points(curve)]
    name, enough = str(curve.get("arm") or "a generator"), str(curve.get("smallest_within_noise"))
    title = f"Difference in macro-F1 over the doses of {name}"
    return charts.dose_curve(points, enough=enough, title=title) if points else None


def curve_points(curve: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The doses of a curve that have a difference."""
    return [point for point in _records(curve.get("points")) if number(point.get("delta_f1")) is not None]


def _pictures(examples: Mapping[str, Any], classes: Sequence[str]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """{class: {"gained": [E], "lost": [E]}}, the rarest class first, as far as they are pictures."""
    given = mapping(examples, "classes")
    order = [label for label in classes if label in given] + sorted(given.keys() - set(classes))
    found = {label: {kind: list(_shown(at(given[label], kind))) for kind in ("gained", "lost")} for label in order}
    return dict([(label, kinds) for label, kinds in found.items() if any(kinds.values())][:SHOWN_CLASSES])


def _shown(entries: object) -> Iterator[Mapping[str, Any]]:
    for entry in _records(entries)[:SHOWN]:
        try:
            good = base64.b64decode(str(entry.get("png")), validate=True).startswith(PNG)
        except ValueError:
            good = False
        if good:
            yield entry


def _settings(design: Mapping[str, Any]) -> dict[str, str]:
    """The design in words, without what has a table of its own."""
    return {name: _said(value) for name, value in design.items() if name != "classes" and value is not None}


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _records(values: object) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list | tuple) else []
