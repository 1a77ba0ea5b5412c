"""The base class of all settings, and the types of values that several settings share."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Settings(BaseModel):
    """Base class of all settings: immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
