"""`package.module:Name`: a custom generator, for example a simulator. It needs one method:

    class Name:
        def draw(self, label: str, rng: np.random.Generator) -> np.ndarray: ...

`draw` returns uint8 pixels (H, W) or (H, W, 3), or uint16 (H, W). The pixels must depend on the class and `rng` alone,
so that the same attempt gives the same image. It may return a pair (pixels, parameters); the manifest keeps the
parameters.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth import seeds
from synth.errors import GeneratorError, UsageError
from synth.files import file_sha256
from synth.generators.base import Context, Generator, opaque_remarks
from synth.records import ENCODED_AS, STORED_AS, Candidate, Item, Pixels

_checked_already: dict[str, Any] = {}
EXPECTED = "uint8 (H, W) or (H, W, 3), or uint16 (H, W)"


class CustomGenerator(Generator):
    """Makes candidates with a user's class, and checks what it returns."""

    def __init__(self, context: Context) -> None:
        self._method = context.recipe.method
        self._seed, self._train = context.recipe.seed, context.train
        self._custom = _checked_already.pop(self._method, None) or load_custom(self._method)
        self.digest = code_digest(type(self._custom))

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield one drawn image for each attempt."""
        return (self.remake(label, attempt, parents=(), params={}) for attempt in attempts)

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Return False: drawn images have no parents."""
        return False

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """Return a line for each class whose originals are transparent."""
        return opaque_remarks(self._train, labels)

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Draw the attempt from its seed."""
        rng = seeds.generator(self._seed, label, stream=self._method, attempt=attempt)
        where = f"{self._method}, attempt {attempt} of class {label}"
        try:
            result = self._custom.draw(label, rng)
        except Exception as error:  # the user's code may raise anything
            raise GeneratorError(f"{where}: {type(error).__name__}: {error}") from error
        pixels, drawn = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
        _check_params(drawn, where)
        return Candidate(_checked(pixels, where), label, self._method, attempt, params=drawn)


def code_digest(custom: type) -> str:
    """Return the hash of the file that defines a class, so that changed code is another run; empty without a file."""
    try:
        return file_sha256(Path(inspect.getfile(custom))) or ""
    except (TypeError, OSError):
        return ""


def _check_params(params: Any, where: str) -> None:
    try:
        good = isinstance(params, dict) and not {ENCODED_AS, STORED_AS} & params.keys() and orjson.dumps(params)
    except TypeError:
        good = False
    if not good:
        raise GeneratorError(f"{where}: expected parameters as a dict that JSON can hold, got {params!r}")


def _checked(pixels: Any, where: str) -> Pixels:
    got = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
    good = isinstance(pixels, np.ndarray) and (
        (pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)))
        or (pixels.dtype == np.uint16 and pixels.ndim == 2)
    )
    if not good or 0 in pixels.shape:
        raise GeneratorError(f"{where}: expected {EXPECTED}, got {got}")
    return np.array(pixels, order="C")  # a copy: the user's code may draw the next image into the same array


def check_custom(method: str) -> None:
    """Import and build a custom generator early; the next run takes this one, because building may be slow.

    Raises:
        UsageError: as `load_custom`.
    """
    _checked_already[method] = load_custom(method)


def load_custom(method: str) -> Any:
    """Import and build the class that `package.module:Name` names.

    Raises:
        UsageError: it can't be imported or built, or it has no method `draw`.
    """
    module, _, name = method.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # an installed command does not search the folder that it is run from
    try:
        custom = getattr(importlib.import_module(module), name)()
    except Exception as error:  # importing and building it runs the user's code
        raise UsageError(f'method "{method}": {type(error).__name__}: {error}') from None
    if not callable(getattr(custom, "draw", None)):
        raise UsageError(f'method "{method}": expected a class with a method draw(label, rng)')
    return custom
