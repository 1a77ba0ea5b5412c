"""Parameters of an image as short texts: `step 0.41`, `flip horizontal`, `rotate 4.2°`."""

from collections.abc import Mapping
from typing import Any

from synth.errors import short_name
from synth.records import CODES_OF, EFFECTS, ENCODED_AS, FIRST, SECOND, STORED_AS

PLAIN = "plain"
UNITS = {"degrees": "°", "kelvin": " K", "sigma": " px"}
NAMELESS = ("space",)
"""Parameters that are shown by their value alone."""
FOR_REMAKING = ("rows", "size", "mode")
"""Parameters of a GAN's image that tell a person nothing."""


def param_words(params: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return {group: texts of its parameters}, without empty groups.

    Groups: `plain` values, `effects` on the image, and effects on its `first` or its `second` parent alone.
    """
    groups: dict[str, list[str]] = {PLAIN: [], EFFECTS: [], FIRST: [], SECOND: []}
    left_out = (ENCODED_AS, STORED_AS, *(FOR_REMAKING if CODES_OF in params else ()))
    for name, values in params.items():
        if name in (EFFECTS, FIRST, SECOND) and isinstance(values, Mapping):
            groups[name] += [_words(effect, drawn) for effect, drawn in values.items()]
        elif name not in left_out:
            groups[EFFECTS if isinstance(values, Mapping) else PLAIN].append(_words(name, values))
    return {group: tuple(words) for group, words in groups.items() if words}


def _value(value: object) -> str:
    """Return a short value: two decimals, one digit of small fractions, a typographic minus."""
    if not isinstance(value, float):
        return str(value).replace("-", "\u2212") if isinstance(value, int) else str(value)
    digits = f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:.1g}"
    return digits.replace("-", "\u2212")


def _words(name: str, values: object) -> str:
    pairs = values.items() if isinstance(values, Mapping) else [("", values)]
    parts = [f"{_value(value)}{UNITS.get(key, '')}" for key, value in pairs]
    return short_name(" ".join(parts if name in NAMELESS else [name.replace("_", " "), *parts]))
