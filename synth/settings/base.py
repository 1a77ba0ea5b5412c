"""The base class of all settings, and the types of values that several settings share."""

import re
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from synth.records import short_repr


class Settings(BaseModel):
    """Base class of all settings: immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __repr__(self) -> str:
        fields = type(self).model_fields
        return short_repr(self, {name: value for name, value in self if value != fields[name].default})

    __str__ = __repr__


def exact_product(factor: float, n: int) -> Fraction:
    """Return the product with a finite factor as it is written in decimals: 1.15 * 100 is 115, not 114.99999."""
    return Fraction(str(factor)) * n


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def within(low: float, high: float) -> AfterValidator:
    """Return a validator of a range: both ends lie within these bounds."""

    def check(value: tuple[float, float]) -> tuple[float, float]:
        if not (low <= value[0] <= value[1] <= high):
            raise ValueError(f"expected low <= high within {low:g}..{high:g}, got {list(value)}")
        return value

    return AfterValidator(check)


def colour_or(*words: str) -> AfterValidator:
    """Return a validator of a hexadecimal colour; these words are valid too."""

    def check(value: str) -> str:
        if value in words or re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            return value.lower()
        raise ValueError(f'expected {" or ".join([*words, "a colour like"])} "#ffffff", got "{value}"')

    return AfterValidator(check)


Pair = Annotated[tuple[float, float], BeforeValidator(_pair)]
"""A range (low, high); a single number stands for both ends."""
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    Field(description="number format of the training; auto: bfloat16 on a GPU that supports it"),
]
