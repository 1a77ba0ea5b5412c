"""Blur, and the albumentations transforms of a recipe.

Only this file imports albumentations, and only if a recipe names a transform. All transforms of a pipeline share the
random generator of the attempt: albumentations' `set_random_seed` would give each the same seed, so that their draws
would depend on one another.
"""

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
    """Blur with a Gaussian; its standard deviation is in pixels."""
    drawn = params.get("blur")
    if not drawn or drawn["sigma"] <= 0:
        return pixels
    return cast(Pixels, cv2.GaussianBlur(pixels, (0, 0), drawn["sigma"]))


class Transforms:
    """A pipeline of albumentations transforms as a pure function of the attempt."""

    def __init__(self, transforms: Sequence[Mapping[str, Any]], pipeline: str, *, forbidden: frozenset[str]) -> None:
        """Build the pipeline.

        Raises:
            UsageError: an unknown transform or argument, a forbidden transform, or albumentationsx is installed.
        """
        library = _albumentations()
        steps = [_build(library, settings) for settings in transforms]
        steps += [_load(library, pipeline)] if pipeline else []
        for name in _names(steps):
            if name in forbidden:
                raise UsageError(f"augment: {name} is forbidden here, but the recipe's transforms use it")
        self._compose = library.Compose(steps)

    def apply(self, pixels: Pixels, *, seed: int, label: str, attempt: int) -> Pixels:
        """Run the pipeline on one image; the same attempt gives the same pixels.

        Raises:
            GeneratorError: a transform fails on these pixels, or changes their dtype or number of dimensions.
        """
        run = functools.partial(self._run, seed=seed, label=label, attempt=attempt)
        try:
            result = run({"image": pixels})["image"]
        except GeneratorError:
            if pixels.ndim == 3 or pixels.itemsize > 1:
                raise
            # The transform wants three channels. What it does to colours is not kept: grey stays grey.
            result = cv2.cvtColor(run({"image": cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)})["image"], cv2.COLOR_RGB2GRAY)
        if result.dtype != pixels.dtype or result.ndim != pixels.ndim:
            raise GeneratorError(
                f"albumentations gave {result.dtype} {result.shape} for class {label}: expected "
                f"{pixels.dtype} with {pixels.ndim} dimensions; leave out transforms that change the type"
            )
        return np.ascontiguousarray(result)

    def move(self, layer: Pixels, *, seed: int, label: str, attempt: int) -> Pixels:
        """Move transparency, or the colours below it, as `apply` moves pixels. Raises as `apply`."""
        image = np.zeros((*layer.shape[:2], 3), np.uint8)  # the draws do not depend on what it shows
        moved = self._run({"image": image, "mask": layer}, seed=seed, label=label, attempt=attempt)["mask"]
        return np.ascontiguousarray(moved)

    def _run(self, layers: Mapping[str, Any], *, seed: int, label: str, attempt: int) -> Mapping[str, Any]:
        generator = seeds.generator(seed, label, stream=STREAM, attempt=attempt)
        self._compose.set_random_state(generator, random.Random(int(generator.integers(2**63))))
        try:
            return cast(Mapping[str, Any], self._compose(**layers))
        except Exception as error:  # a transform may raise any exception on pixels that it does not support
            first, pixels = str(error).splitlines()[0] if str(error) else type(error).__name__, layers["image"]
            raise GeneratorError(f"albumentations on {pixels.dtype} {pixels.shape} of class {label}: {first}") from None


@functools.cache
def _albumentations() -> Any:
    """Import the library without its check for a newer version on the network."""
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
    """Hide albumentations.pytorch: it takes seconds to import and only makes tensors."""
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
        what = "is not a single transform, see augment.pipeline" if hasattr(library, name) else "does not exist"
        raise UsageError(f'augment.transforms: albumentations "{name}" {what}{did_you_mean(name, known)}')
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # an unknown argument only causes a warning
        try:
            return known[name](**arguments)
        except (UserWarning, ValueError, TypeError) as error:
            taken = inspect.signature(known[name]).parameters
            hints = [did_you_mean(key, taken) for key in arguments if key not in taken]
            raise UsageError(f"augment.transforms: {name}: {_one_line(error)}{''.join(hints)}") from None


def _known(library: Any) -> dict[str, Any]:
    """Return the transforms of the library by name, without the base classes."""
    bases = {library.BasicTransform, library.DualTransform, library.ImageOnlyTransform, library.Transform3D}
    return {
        name: kind
        for name, kind in vars(library).items()
        if isinstance(kind, type) and issubclass(kind, library.BasicTransform) and kind not in bases
    }


def _one_line(error: Exception) -> str:
    # albumentations checks with pydantic, which adds a headline and an address to the message.
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
        except Exception as error:  # a wrong file may make the library raise any exception
            problem = f"{type(error).__name__}: {_one_line(error)}"
            raise UsageError(f"augment.pipeline: not a pipeline that albumentations saved: {problem}") from None


def _names(steps: Sequence[Any]) -> Iterator[str]:
    for step in steps:
        yield type(step).__name__
        yield from _names(getattr(step, "transforms", ()))
