"""What is neither matrix nor table: blur, and every albumentations transform by its own name.

The only file that imports albumentations, and it does so only where a recipe names a transform. Draws come
from the attempt's own generator, shared by all transforms of a pipeline: albumentations' `set_random_seed`
would give each the same seed and so tie their draws to one another.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import inspect
import json
import os
import random
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import cv2
import numpy as np

from synth import seeds
from synth.effects.parameters import Params
from synth.errors import GeneratorError, UsageError, did_you_mean
from synth.records import Pixels

STREAM = "albumentations"


def blur(pixels: Pixels, params: Params) -> Pixels:
    """Gaussian blur of the drawn standard deviation, in pixels."""
    drawn = params.get("blur")
    if not drawn or drawn["sigma"] <= 0:
        return pixels
    return cast(Pixels, cv2.GaussianBlur(pixels, (0, 0), drawn["sigma"]))


class Transforms:
    """A pipeline of albumentations transforms as a pure function of the attempt."""

    def __init__(self, transforms: Sequence[Mapping[str, Any]], pipeline: str, *, forbidden: frozenset[str]) -> None:
        """Build the pipeline.

        Raises:
            UsageError: an unknown transform or argument, a forbidden transform, albumentationsx in its place.
        """
        library = _albumentations()
        steps = [_build(library, settings) for settings in transforms]
        steps += [_load(library, pipeline)] if pipeline else []
        for name in _names(steps):
            if name in forbidden:
                raise UsageError(f"augment: {name} is forbidden here, but the recipe's transforms use it")
        self._compose = library.Compose(steps)

    def apply(self, pixels: Pixels, *, seed: int, label: str, attempt: int) -> Pixels:
        """Run the pipeline on one image; the same attempt draws the same.

        Raises:
            GeneratorError: a transform that can't take these pixels, or gives back another kind.
        """
        generator = seeds.generator(seed, label, stream=STREAM, attempt=attempt)
        self._compose.set_random_state(generator, random.Random(int(generator.integers(2**63))))
        try:
            result = self._compose(image=pixels)["image"]
        except Exception as error:  # a transform may raise anything on pixels that it was not made for
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise GeneratorError(f"albumentations on {pixels.dtype} {pixels.shape} of class {label}: {first}") from None
        if result.dtype != pixels.dtype or result.ndim != pixels.ndim:
            raise GeneratorError(
                f"albumentations gave {result.dtype} {result.shape} for class {label}: expected "
                f"{pixels.dtype} with {pixels.ndim} dimensions; leave out transforms that change the type"
            )
        return np.ascontiguousarray(result)


@functools.cache
def _albumentations() -> Any:
    """The library, without its look at the network for a newer version."""
    if next(iter(importlib.metadata.distributions(name="albumentationsx")), None):
        raise UsageError(
            "albumentationsx overwrites albumentations: uninstall both, then install albumentations==2.0.8"
        )
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    with _without_torch():
        import albumentations
    return albumentations


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    """Hide albumentations' optional torch part: it takes seconds to import and only makes tensors."""
    name = "albumentations.pytorch"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _build(library: Any, settings: Mapping[str, Any]) -> Any:
    name = str(settings.get("name", ""))
    arguments = {key: _tuples(value) for key, value in settings.items() if key != "name"}
    known = _known(library)
    if name not in known:
        what = "is no single transform, see augment.pipeline" if hasattr(library, name) else "does not exist"
        raise UsageError(f'augment.transforms: albumentations "{name}" {what}{did_you_mean(name, known)}')
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a misspelt argument only warns there
        try:
            return known[name](**arguments)
        except (UserWarning, ValueError, TypeError) as error:
            taken = inspect.signature(known[name]).parameters
            hints = [did_you_mean(key, taken) for key in arguments if key not in taken]
            raise UsageError(f"augment.transforms: {name}: {_one_line(error)}{''.join(hints)}") from None


def _known(library: Any) -> dict[str, Any]:
    """The library's transforms by name; its unfinished base classes name no targets or do nothing."""
    bases = {library.BasicTransform, library.DualTransform, library.ImageOnlyTransform, library.Transform3D}
    return {
        name: kind
        for name, kind in vars(library).items()
        if isinstance(kind, type) and issubclass(kind, library.BasicTransform) and kind not in bases
    }


def _one_line(error: Exception) -> str:
    # albumentations' checks are pydantic's, which frame the message with a headline and an address.
    noise = ("validation error", "For further information")
    lines = [line.split(" [type=")[0] for line in str(error).splitlines() if not any(part in line for part in noise)]
    return " ".join(" ".join(lines).split()) or type(error).__name__


def _tuples(value: Any) -> Any:
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list | tuple) else value


def _load(library: Any, pipeline: str) -> Any:
    with _without_torch(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            return library.from_dict(json.loads(pipeline))
        except Exception as error:  # whatever a foreign file makes the library raise is a wrong setting
            problem = f"{type(error).__name__}: {_one_line(error)}"
            raise UsageError(f"augment.pipeline: not a pipeline that albumentations saved: {problem}") from None


def _names(steps: Sequence[Any]) -> Iterator[str]:
    for step in steps:
        yield type(step).__name__
        yield from _names(getattr(step, "transforms", ()))
