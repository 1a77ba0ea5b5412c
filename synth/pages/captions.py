"""Captions of the report's pictures: what a picture is, what it was made from and how, and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.errors import short_name
from synth.pages.params_text import param_words
from synth.pages.thumbnails import Thumbnail
from synth.pictures.text import mapping, number, score, texts
from synth.records import FIRST, SECOND, Row

SHOWN_PARAMS = 6
"""Parameters of a group."""
SCORES = ("classifier", "classes", "nearest", "copy", "size", "grain", "contrast")
"""Scores in the order in which they are shown."""
ONLY_FOR = {"size": "size", "grain": "noise", "contrast": "blank"}
"""{score: reason}: scores that are shown only if they are the reason, or if there is no other score."""


@dataclass(frozen=True)
class Picture:
    """One picture of a page with its caption."""

    id: str
    title: str
    alt: str
    thumbnail: Thumbnail | None
    """None if there is no file to show."""
    label: str = ""
    """Class of a real image."""
    method: str = ""
    made_from: tuple[str, ...] = ()
    """Names of its parents' files."""
    step: float | None = None
    """Its place between its first parent (0) and its second (1); None if it has none."""
    params: str = ""
    scores: tuple[tuple[str, str], ...] = ()
    """(word, value)."""
    reasons: tuple[str, ...] = ()


def file_name(id: str) -> str:
    """Return the name of the file of an image."""
    return id.rpartition("/")[2]


def real(id: str, label: str, thumbnail: Thumbnail | None) -> Picture:
    """Return the picture of a real image."""
    return Picture(id, file_name(id), f"Real training image {file_name(id)} of {label}", thumbnail, label=label)


def accepted(row: Row, thumbnail: Thumbnail | None) -> Picture:
    """Return the picture of a new image."""
    names = _parent_names(row)
    made_from = f", made from {' and '.join(names[:2])}" if names else ""
    alt = f"Accepted synthetic image of {row.label}, attempt {row.attempt}, by {row.method}{made_from}"
    picture = Picture(row.id, f"#{row.attempt}", alt, thumbnail, scores=_scores(row.label, row.scores))
    return _with_making(picture, row)


def rejected(label: str, entry: Mapping[str, Any], row: Row | None, *, thumbnail: Thumbnail | None) -> Picture:
    """Return the picture of a rejected candidate, from its entry in `rejected.json` and its row of the manifest."""
    reasons, id = texts(entry.get("reasons")), str(entry["id"])
    title = f"#{row.attempt}" if row else short_name(id)
    alt = f"Rejected candidate for {label}, {title}: {', '.join(reasons) or 'no reason given'}"
    scores = _scores(label, mapping(entry, "scores"), reasons)
    picture = Picture(id, title, alt, thumbnail, scores=scores, reasons=reasons)
    return _with_making(picture, row) if row else picture


def _with_making(picture: Picture, row: Row) -> Picture:
    """Add how a picture was made."""
    step, method = number(row.params.get("step")), str(row.method)
    return replace(picture, method=method, made_from=_parent_names(row), step=step, params=_params(row.params))


def _parent_names(row: Row) -> tuple[str, ...]:
    return tuple(file_name(str(parent["path"])) for parent in row.parents)


def _params(params: Mapping[str, Any]) -> str:
    """Return the main parameters in short: `pixel, k 5, step 0.41; flip horizontal, rotate 4.2°`."""
    parts = []
    for group, words in param_words(params).items():
        more = f" and {len(words) - SHOWN_PARAMS} more" if len(words) > SHOWN_PARAMS else ""
        parts.append((f"{group}: " if group in (FIRST, SECOND) else "") + ", ".join(words[:SHOWN_PARAMS]) + more)
    return "; ".join(parts) or "unchanged"


def _scores(label: str, scores: Mapping[str, Any], reasons: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    words = {key: score(value) for key, value in scores.items() if number(value) is not None}
    classes = {str(name): number(value) or 0 for name, value in mapping(scores, "classes").items()}
    top = max(classes, key=lambda name: classes[name], default=label)
    if top != label:
        words["classes"] = top
    order = [word for word in (*SCORES, *words) if word in words]
    main = [word for word in order if word not in ONLY_FOR or ONLY_FOR[word] in reasons]
    return tuple((word, words[word]) for word in dict.fromkeys(main or order))
