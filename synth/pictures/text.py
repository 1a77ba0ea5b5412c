"""Values of a JSON document of any version, perhaps damaged, as text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_KNOWN = "n/a"
SHOWN_WORD = 60


def at(document: object, key: str) -> Any:
    """One value of a JSON document; None where it is missing."""
    return document.get(key) if isinstance(document, dict) else None


def share(value: object) -> str:
    """A fraction as a percentage; 100 % and 0 % only where it is exactly that."""
    part = number(value)
    if part is None:
        return NOT_KNOWN
    if 0 < part < 0.01 or 0.99 < part < 1:
        return f"{min(max(100 * part, 0.1), 99.9):.1f}\u202f%"
    return f"{100 * part:.0f}\u202f%"


def count(value: object) -> str:
    """A count with thin spaces between the thousands."""
    part = number(value)
    return NOT_KNOWN if part is None else f"{part:,.0f}".replace(",", "\u202f")


def texts(values: object) -> tuple[str, ...]:
    """The words of a JSON list; none where it is something else."""
    return tuple(map(str, values)) if isinstance(values, list | tuple) else ()


def short(text: str, length: int = SHOWN_WORD) -> str:
    """A long word, cut in its middle."""
    half = length // 2 - 1
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def mapping(document: object, *keys: str) -> Mapping[str, Any]:
    """A part of a JSON document; empty where it is missing, null or something else."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def number(value: object) -> float | None:
    """A finite number, or None."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def score(value: object) -> str:
    """A score in two digits, a small one in its first digits."""
    part = number(value)
    if part is None:
        return NOT_KNOWN
    return (f"{part:.2f}" if abs(part) >= 0.1 or not part else f"{part:.2g}").replace("-", "\u2212")


def points(value: object) -> str:
    """A fraction in points: 0.984 is 98.4."""
    part = number(value)
    return "not known" if part is None else f"{_rounded(part):.1f}".replace("-", "\u2212")


def signed(value: object) -> str:
    """A difference in points, with its sign."""
    part = number(value)
    return "not known" if part is None else f"{_rounded(part):+.1f}".replace("-", "\u2212")


def _rounded(part: float) -> float:
    return round(100 * part, 1) + 0.0  # no "-0.0"


def cell(text: str) -> str:
    """A name inside a table, whatever signs it has."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
