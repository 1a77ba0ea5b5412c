"""The recipe: every setting of a run, read from and written to TOML. An unknown key is an error with a hint."""

from __future__ import annotations

import math
import re
import reprlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator
from tomlkit.items import Table

from synth.errors import UsageError, did_you_mean
from synth.settings.augment import Augment
from synth.settings.base import Settings, colour_or
from synth.settings.exclusion import read_exclusion
from synth.settings.gates import Classifier, Gate
from synth.settings.oversampling import MIX, Autoencoder, Gan, Method, Mix, Smote
from synth.settings.trial import Trial
from synth.settings.undersampling import Undersample

STORED = "stored"
"""`data.background`: the colours that a file stores below its transparent pixels."""


TARGETS = ("majority", "mean", "median")
"""Targets that are words."""
_NAME_NUMBER = re.compile(r"(?P<name>\S.*?)\s*=\s*(?P<number>\d+)\s*(?:,\s*|$)", re.DOTALL)
_OTHER_NUMBER = re.compile(r"=\s*[-+.]?\d[^=]*,")  # it is in no name: 3.5 in "yellow=3.5,green=4"
Target = int | str | Mapping[str, int]
"""A total of real and new images, a word, a multiple like "2x", or {class: total}."""


class Data(Settings):
    """Reading of the input."""

    max_pixels: int = Field(50_000_000, ge=1, description="an image with more pixels is refused before it is decoded")
    background: Annotated[str, colour_or(STORED)] = Field(
        STORED,
        description='what is below transparent pixels: "stored", the colours in the file, as most readers show them '
        '(new images are transparent too), or a colour like "#ffffff" (new images are opaque)',
    )
    groups: str = Field(
        "", description="regular expression on the path; its first group is the patient, scene or video"
    )
    exclude: Annotated[tuple[str, ...], BeforeValidator(read_exclusion)] = Field(
        (), description="images to leave out: paths below the input, or a text file with one path per line"
    )
    follow_symlinks: bool = Field(False, description="also read symbolic links that lead out of the input folder")

    @field_validator("groups")
    @classmethod
    def _check_regex(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f'"{pattern}" is not a regular expression: {error}') from None
        return pattern


class Output(Settings):
    """Writing of the output."""

    link: Literal["copy", "hard", "sym"] = Field(
        "copy", description="how originals get into the output: copy, hard link or symbolic link"
    )
    only_new: bool = Field(False, description="write only the new images, without the originals")
    format: Literal["auto", "jpeg", "png", "webp", "bmp", "tiff", "ppm"] = Field(
        "auto", description="file format of new images; auto: the format of the parent"
    )
    quality: int | None = Field(None, ge=1, le=100, description="JPEG or WebP quality; default: that of the parent")


def _check_target(target: Target) -> Target:
    if isinstance(target, str):
        check_target(target)
    elif any(total < 0 for total in (target.values() if isinstance(target, Mapping) else [target])):
        raise ValueError("expected a total of at least 0")
    return target


class Recipe(Settings):
    """Every setting of a run; the output keeps it as `recipe.toml`."""

    seed: int = Field(0, ge=0, le=2**63 - 1, description="run seed; the same seed gives the same images")
    method: Method = Field(
        "augment", description="augment, smote, gan, mix, duplicate, or your own package.module:Name"
    )
    target: Annotated[Target, AfterValidator(_check_target)] = Field(
        "majority",
        description='total of real and new images per class: majority, mean, median, a number, "2x" or a table',
    )
    cap: float = Field(10.0, ge=0, description="largest number of new images per real image of a class")
    count: Literal["images", "distinct"] = Field(
        "images", description="what target and cap count; distinct: real images of the same picture count once"
    )
    tries: int = Field(
        10, ge=1, description="largest number of attempts per planned image, and per image that an original gives"
    )
    classes: tuple[str, ...] = Field((), description="only these classes get new images; empty: all")
    bundle: str = Field("", description="folder of the trained network that the method uses; empty: none")
    judge: str = Field("", description="folder of the reference classifier; empty: none")
    data: Data = Data()
    augment: Augment = Augment()
    smote: Smote = Smote()
    autoencoder: Autoencoder = Autoencoder()
    gan: Gan = Gan()
    mix: Mix = Mix()
    gate: Gate = Gate()
    classifier: Classifier = Classifier()
    undersample: Undersample = Undersample()
    trial: Trial = Trial()
    output: Output = Output()

    def __init__(self, **settings: Any) -> None:
        """Take settings by name.

        Raises:
            UsageError: an unknown setting (with the nearest known one), or a value out of range.
        """
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise UsageError(_one_line(error)) from None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that make the images; for a mix, those that it contains."""
        return tuple(self.mix.parts) if self.method == MIX else (self.method,)


def load_recipe(
    path: str | Path | None = None, overrides: Mapping[str, Any] | None = None, *, assignments: Sequence[str] = ()
) -> Recipe:
    """Read a recipe: defaults, then the TOML file, then `overrides` by dotted key, then `key=value` assignments.

    Raises:
        UsageError: a file that is not TOML, an unknown key (with the nearest known one), a value out of range.
    """
    tree = _read_toml(Path(path)) if path is not None else {}
    for key, value in (overrides or {}).items():
        _assign(tree, key, value)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f'--set expects key=value, got "{assignment}"')
        _assign(tree, key.strip(), _toml_value(text.strip()))
    return Recipe(**tree)


def dump_recipe(recipe: Recipe, *, comments: bool = False) -> str:
    """Return the recipe as TOML with every setting; `comments` adds a description to each."""
    document = tomlkit.document()
    _fill_table(document, recipe, comments)
    return tomlkit.dumps(document)


def _fill_table(table: Table | tomlkit.TOMLDocument, settings: Settings, comments: bool) -> None:
    fields = type(settings).model_fields
    values = {name: getattr(settings, name) for name in fields}
    for name, value in values.items():
        if not isinstance(value, Settings) and value is not None:
            if comments and fields[name].description:
                table.add(tomlkit.comment(str(fields[name].description)))
            table.add(name, _plain(value))
    for name, value in values.items():
        if isinstance(value, Settings):
            child = tomlkit.table()
            if comments and type(value).__doc__:
                child.comment(str(type(value).__doc__).splitlines()[0])
            _fill_table(child, value, comments)
            table.add(name, child)


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return _plain(value.model_dump(exclude_defaults=True))
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({key: _plain(inner) for key, inner in value.items() if inner is not None})
        return table
    if not isinstance(value, tuple | list):
        return value
    if all(isinstance(inner, str) for inner in value):  # a long list is parsed in a second, but appended to in minutes
        return tomlkit.array(f"[{', '.join(tomlkit.string(inner).as_string() for inner in value)}]")
    return [_plain(inner) for inner in value]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"recipe {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe {path} is not TOML: {error}") from None


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assign(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise UsageError(f'"{dotted}": "{name}" is a value, not a table')
    tree[last] = value


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return f'recipe: unknown key "{".".join(where)}"{did_you_mean(where[-1], _siblings(where[:-1]))}'
    text = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    shown = "" if first["type"] == "value_error" else f", got {reprlib.repr(first['input'])}"
    return f"recipe: {'.'.join(where)}: {text}{shown}"


def _siblings(where: Sequence[str]) -> list[str]:
    model: Any = Recipe
    for name in where:
        model = getattr(getattr(model, "model_fields", {}).get(name), "annotation", None)
    return list(getattr(model, "model_fields", ()))


def parse_target(text: str, option: str = "--target") -> int | str | dict[str, int]:
    """Parse a target from the command line: a word, a number, `2x`, or `yellow=350,green=500`.

    A name may hold commas and equals signs: it ends at an equals sign before a number that ends the part. A
    name such as "a=1, b" needs a recipe file.

    Args:
        option: the name that a message gives the text.

    Raises:
        UsageError: a part that is not NAME=NUMBER.
    """
    if "=" not in text:
        return int(text) if text.isdecimal() else text
    counts, rest = dict[str, int](), text.strip()
    while rest:
        part = _NAME_NUMBER.match(rest)
        name = part["name"] if part else rest
        if not part or _OTHER_NUMBER.search(name):
            raise UsageError(f'{option} expects NAME=NUMBER, got "{name.split(",")[0]}"')
        if name in counts:
            raise UsageError(f'{option} names "{name}" twice')
        counts[name] = int(part["number"])
        rest = rest[part.end() :]
    return counts


def check_target(word: str) -> None:
    """Check that a target is a known word or a multiple.

    Raises:
        UsageError: with the words that are known.
    """
    if word not in TARGETS and multiple_of(word) is None:
        expected = f'{", ".join(TARGETS)}, a number, "2x" or NAME=NUMBER,...{did_you_mean(word, TARGETS)}'
        raise UsageError(f'unknown target "{word}": expected {expected}')


def multiple_of(word: str) -> float | None:
    """Return 2.0 for "2x", and None for a word that is not a multiple."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x", word)
    factor = float(match[1]) if match else None
    return factor if factor is None or math.isfinite(factor) else None
