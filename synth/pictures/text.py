"""Values of a JSON document as text for pages and cards. The document may be damaged or of another version."""

import math
from collections.abc import Mapping
from typing import Any

NOT_KNOWN = "n/a"


def at(document: object, key: str) -> Any:
    """Return one value of a JSON object; None if it is missing."""
    return document.get(key) if isinstance(document, dict) else None


def percent(value: object) -> str:
    """Format a fraction as a percentage; only exact values are 0 % and 100 %."""
    part = number(value)
    if part is None:
        return NOT_KNOWN
    if 0 < part < 0.01 or 0.99 < part < 1:
        return f"{min(max(100 * part, 0.1), 99.9):.1f}\u202f%"
    return f"{100 * part:.0f}\u202f%"


def count(value: object) -> str:
    """Format a count with thin spaces between the thousands."""
    part = number(value)
    return NOT_KNOWN if part is None else f"{part:,.0f}".replace(",", "\u202f")


def texts(values: object) -> tuple[str, ...]:
    """Return the elements of a JSON list as text; empty for any other value."""
    return tuple(map(str, values)) if isinstance(values, list | tuple) else ()


def mapping(document: object, *keys: str) -> Mapping[str, Any]:
    """Return an object inside a JSON document; empty if it is missing or not an object."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def number(value: object) -> float | None:
    """Return a finite number; None for any other value."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def score(value: object) -> str:
    """Format a score with two decimals, and one below 0.1 with two significant digits."""
    part = number(value)
    if part is None:
        return NOT_KNOWN
    return (f"{part:.2f}" if abs(part) >= 0.1 or not part else f"{part:.2g}").replace("-", "\u2212")


def points(value: object, *, sign: str = "-") -> str:
    """Format a fraction in points: 0.984 is 98.4."""
    part = number(value)
    if part is None:
        return "not known"
    return f"{round(100 * part, 1) + 0.0:{sign}.1f}".replace("-", "\u2212")  # + 0.0 turns -0.0 into 0.0


def signed(value: object) -> str:
    """Format a difference in points, with its sign."""
    return points(value, sign="+")


def table_cell(text: str) -> str:
    """Escape a name for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
