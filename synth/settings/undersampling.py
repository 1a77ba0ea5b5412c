"""Settings of undersampling: how far the large classes are thinned, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from synth.settings.effects import Settings

AUTO = "auto"


def _as_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _n_clusters(value: int | str) -> int | str:
    if value != AUTO and (isinstance(value, str) or value < 1):
        raise ValueError(f'expected "{AUTO}" or a number from 1 on, got {value!r}')
    return value


class Undersample(Settings):
    """Fewer training images of the large classes (`synth undersample`)."""

    method: str = Field(
        "random",
        description="random; cluster: thins only the big clusters of a class; imblearn:NAME, as imblearn:NearMiss",
    )
    size: Annotated[int | str, BeforeValidator(_as_number)] = Field(
        "10x",
        description='larger classes are thinned to it: "10x" (so many times the smallest class), minority, median, '
        "mean, or a number",
    )
    clusters: Annotated[int | str, AfterValidator(_n_clusters), BeforeValidator(_as_number)] = Field(
        AUTO, description="clusters of a class; auto: about the square root of half its images"
    )
    options: Mapping[str, Any] = Field({}, description="parameters of the imblearn sampler: {version = 3}")
