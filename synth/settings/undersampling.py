"""Settings of undersampling."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from synth.settings.base import Settings

AUTO = "auto"


def _as_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _check_clusters(value: int | str) -> int | str:
    if value != AUTO and (isinstance(value, str) or value < 1):
        raise ValueError(f'expected "{AUTO}" or a number of at least 1, got {value!r}')
    return value


class Undersample(Settings):
    """Removal of training images from the large classes (`synth undersample`)."""

    method: str = Field(
        "random",
        description="random; cluster: from the large clusters of a class only; imblearn:NAME (imblearn:NearMiss)",
    )
    size: Annotated[int | str, BeforeValidator(_as_number)] = Field(
        "10x",
        description='largest size of a class: "10x" (ten times the smallest class), minority, median, mean or a number',
    )
    clusters: Annotated[int | str, AfterValidator(_check_clusters), BeforeValidator(_as_number)] = Field(
        AUTO, description="number of clusters in a class; auto: about the square root of half its images"
    )
    options: Mapping[str, Any] = Field({}, description="parameters of the imblearn sampler: {version = 3}")
