"""Settings of augmentation: the effects, albumentations transforms, and the exceptions of single classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from synth.errors import did_you_mean
from synth.settings.base import Settings, colour_or
from synth.settings.effects import AUTO, Effects


def _check_forbidden(names: tuple[str, ...]) -> tuple[str, ...]:
    # Effects are snake_case and albumentations transforms CamelCase. Only effects are checked here.
    for name in names:
        if name not in Effects.model_fields and not name[:1].isupper():
            raise ValueError(f'forbid: unknown effect "{name}"{did_you_mean(name, Effects.model_fields)}')
    return names


def _read_pipeline(value: str) -> str:
    if not value or value.lstrip().startswith("{"):
        return value
    path = Path(value)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"pipeline {value}: {error}") from None
    if path.suffix not in (".yaml", ".yml"):
        return json.dumps(json.loads(text))
    import yaml  # only a YAML pipeline needs it

    try:
        return json.dumps(yaml.safe_load(text))
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(f"pipeline {value}: {' '.join(str(error).split())}") from None


Forbidden = Annotated[tuple[str, ...], AfterValidator(_check_forbidden)]


class ClassPolicy(Settings):
    """Exceptions for one class."""

    effects: Mapping[str, Mapping[str, Any]] = Field({}, description="settings that differ from augment.effects")
    forbid: Forbidden = Field((), description="effects and transforms that must never touch this class")
    transforms: tuple[Mapping[str, Any], ...] | None = Field(None, description="replaces augment.transforms")


class Augment(Settings):
    """Effects that change an image (augmentation)."""

    interpolation: Literal["auto", "linear", "cubic", "lanczos"] = Field(
        "auto", description="interpolation between pixels; auto: cubic, and linear from 256 x 256 pixels"
    )
    fill: Annotated[str, colour_or(AUTO, "inside", "reflect", "edge")] = Field(
        AUTO,
        description='what enters the frame: "inside" (nothing: enlarged enough), "edge", "reflect" or a colour; '
        "auto: edge if the images have borders of one colour, else inside",
    )
    zoom_max: float = Field(
        1.15, ge=1, le=4, description='largest zoom that "inside" adds; warps that need more are weakened'
    )
    forbid: Forbidden = Field((), description="effects and albumentations transforms that must never run")
    transforms: tuple[Mapping[str, Any], ...] = Field(
        (), description="albumentations transforms by name: [{name = 'GaussNoise', p = 0.3}]; for OneOf: pipeline"
    )
    pipeline: Annotated[str, AfterValidator(_read_pipeline)] = Field(
        "", description="a saved albumentations pipeline: JSON, or the path of a .json or .yaml file"
    )
    label_map: Mapping[Literal["flip_horizontal", "flip_vertical"], Mapping[str, str]] = Field(
        {}, description='classes that a flip turns into each other: {flip_horizontal = {left = "right"}}'
    )
    effects: Effects = Effects()
    classes: Mapping[str, ClassPolicy] = Field({}, description="exceptions by class")

    @field_validator("label_map")
    @classmethod
    def _check_label_map(cls, maps: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
        for flip, pairs in maps.items():
            both_ways = {*pairs.items(), *((mirrored, label) for label, mirrored in pairs.items())}
            if len(dict(both_ways)) < len(both_ways):
                raise ValueError(f"{flip}: one class is the mirror of two classes in {dict(pairs)}")
        return maps

    @model_validator(mode="after")
    def _check_classes(self) -> Augment:
        for label in self.classes:
            self.effects_for(label)
        return self

    def _exceptions(self, label: str) -> ClassPolicy:
        return self.classes.get(label, ClassPolicy())

    def effects_for(self, label: str) -> Effects:
        """Return the effects of one class, with its exceptions; `p = "auto"` there means: as for all classes."""
        exceptions = self._exceptions(label).effects
        if not exceptions:
            return self.effects.decided({})
        merged = self.effects.model_dump()
        for name, keys in exceptions.items():
            if name not in merged:
                raise ValueError(f'classes.{label}.effects: unknown effect "{name}"{did_you_mean(name, merged)}')
            own = {key: value for key, value in keys.items() if (key, value) != ("p", AUTO)}
            merged[name] = {**merged[name], **own}
        return Effects.model_validate(merged).decided({})

    def forbidden_for(self, label: str) -> frozenset[str]:
        """Return the effects and transforms that must never touch this class."""
        return frozenset((*self.forbid, *self._exceptions(label).forbid))

    def transforms_for(self, label: str) -> tuple[Mapping[str, Any], ...]:
        """Return the albumentations transforms of this class."""
        own = self._exceptions(label).transforms
        return self.transforms if own is None else own
