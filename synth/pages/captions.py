"""The report's words about a picture: what it is, what it was made from and how, what was measured on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.pages.params_text import param_words
from synth.pages.thumbnails import Thumbnail
from synth.pictures.text import mapping, number, score, shortened, texts
from synth.records import FIRST, SECOND, Row

SHOWN_PARAMS = 6
"""Parameters of a group."""
SCORES = ("classifier", "classes", "nearest", "copy", "size", "grain", "contrast")
"""Scores in the order in which they are shown."""
ONLY_FOR = {"size": "size", "grain": "noise", "contrast": "blank"}
"""Scores that are shown only where they are the reason, or where there is no other: {score: reason}."""


@dataclass(frozen=True)
class Parent:
    """An original that a picture was made from."""

    id: str
    name: str
    anchor: str = ""
    """Of its own picture on the page; empty where it has none."""
    thumbnail: Thumbnail | None = None


@dataclass(frozen=True)
class Picture:
    """One picture of a sheet with its caption."""

    id: str
    title: str
    anchor: str = ""
    alt: str = ""
    thumbnail: Thumbnail | None = None
    """None where there is no file to show."""
    method: str = ""
    parents: tuple[Parent, ...] = ()
    step: float | None = None
    """How far it lies from its first parent to its second, 0..1; None where it does not."""
    params: str = ""
    scores: tuple[tuple[str, str], ...] = ()
    """(word, value)."""
    reasons: tuple[str, ...] = ()

    @property
    def between(self) -> bool:
        """Does it lie between two originals, both of which can be shown beside it?"""
        return len(self.parents) == 2 and all(parent.thumbnail for parent in self.parents)


Names = Mapping[str, tuple[str, str]]
"""{id of a real image on the page: (its name there, its anchor)}."""


def real(id: str, label: str, names: Names) -> Picture:
    """Caption of a real image."""
    name, anchor = names[id]
    return Picture(id, name, anchor, f"Real training image {name} of {label}")


def accepted(row: Row, names: Names) -> Picture:
    """Caption of a new image."""
    parents = _parents(row, names)
    made_from = f", made from {' and '.join(parent.name for parent in parents)}" if parents else ""
    return Picture(
        row.id,
        f"#{row.attempt}",
        alt=f"Accepted synthetic image of {row.label}, attempt {row.attempt}, by {row.method}{made_from}",
        method=str(row.method),
        parents=parents,
        step=number(row.params.get("step")),
        params=_params(row.params),
        scores=_scores(row.label, row.scores),
    )


def rejected(label: str, entry: Mapping[str, Any], row: Row | None, names: Names) -> Picture:
    """Caption of a rejected candidate: its entry of `rejected.json`, and its row of the manifest."""
    reasons = texts(entry.get("reasons"))
    id = str(entry["id"])
    title = f"#{row.attempt}" if row else shortened(id)
    return Picture(
        id,
        title,
        alt=f"Rejected candidate for {label}, {title}: {', '.join(reasons) or 'no reason given'}",
        method=str(row.method) if row else "",
        parents=_parents(row, names) if row else (),
        step=number(row.params.get("step")) if row else None,
        params=_params(row.params) if row else "",
        scores=_scores(label, mapping(entry, "scores"), reasons),
        reasons=reasons,
    )


def _parents(row: Row, names: Names) -> tuple[Parent, ...]:
    ids = [str(parent["path"]) for parent in row.parents]
    return tuple(Parent(id, *names.get(id, (shortened(id.rpartition("/")[2]), ""))) for id in ids)


def _params(params: Mapping[str, Any]) -> str:
    """Main parameters in short: `pixel, k 5, step 0.41; flip horizontal, rotate 4.2°`."""
    groups = param_words(params).items()
    words = [f"{group}: {_some(found)}" if group in (FIRST, SECOND) else _some(found) for group, found in groups]
    return "; ".join(words) or "unchanged"


def _some(words: Sequence[str]) -> str:
    more = len(words) - SHOWN_PARAMS
    return ", ".join(words[:SHOWN_PARAMS]) + (f" and {more} more" if more > 0 else "")


def _scores(label: str, scores: Mapping[str, Any], reasons: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    words = {key: score(value) for key, value in scores.items() if number(value) is not None}
    classes = {str(name): number(value) or 0 for name, value in mapping(scores, "classes").items()}
    top = max(classes, key=lambda name: classes[name], default=label)
    if top != label:
        words["classes"] = shortened(top)
    order = [word for word in (*SCORES, *words) if word in words]
    main = [word for word in order if word not in ONLY_FOR or ONLY_FOR[word] in reasons]
    return tuple((word, words[word]) for word in dict.fromkeys(main or order))
