"""`package.module:Name`: a generator of the user's own, a simulator say. One method is all it needs:

    class Name:
        def draw(self, label: str, rng: np.random.Generator) -> np.ndarray: ...

It gives uint8 pixels (H, W) or (H, W, 3), or uint16 (H, W), from the class and from `rng` alone; so the same attempt
gives the same image. It may give a pair (pixels, parameters) to have parameters kept in the manifest.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth import seeds
from synth.errors import GeneratorError, UsageError
from synth.generators.base import Context
from synth.records import ENCODED_AS, Candidate, Item, Pixels

EXPECTED = "uint8 (H, W) or (H, W, 3), or uint16 (H, W)"


class CustomGenerator:
    """Holds the user's object to the contract of attempts."""

    def __init__(self, context: Context) -> None:
        self._method = context.recipe.method
        self._seed = context.recipe.seed
        self._drawer = _load(self._method)
        self.digest = code_digest(self._method)

    def check(self, label: str) -> None:
        """Any class will do."""

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """One drawn image for each attempt."""
        return (self.remake(label, attempt, parents=(), params={}) for attempt in attempts)

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Those of no attempt."""
        return False

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """The attempt again, from its seed."""
        rng = seeds.generator(self._seed, label, stream=self._method, attempt=attempt)
        where = f"{self._method}, attempt {attempt} of class {label}"
        try:
            result = self._drawer.draw(label, rng)
        except Exception as error:  # whatever it raises is the user's code speaking
            raise GeneratorError(f"{where}: {type(error).__name__}: {error}") from error
        pixels, drawn = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
        _check_params(drawn, where)
        return Candidate(_checked(pixels, where), label, self._method, attempt, params=drawn)

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """None."""
        return []


def _check_params(params: Any, where: str) -> None:
    try:
        good = isinstance(params, dict) and ENCODED_AS not in params and orjson.dumps(params)
    except TypeError:
        good = False
    if not good:
        raise GeneratorError(f"{where}: expected parameters as a dict that JSON can hold, got {params!r}")


def code_digest(method: str) -> str:
    """Hash of the file that defines a generator: other code is another run."""
    spec = importlib.util.find_spec(method.partition(":")[0])
    origin = spec.origin if spec else None
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest() if origin and os.path.isfile(origin) else ""


def _checked(pixels: Any, where: str) -> Pixels:
    got = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
    good = isinstance(pixels, np.ndarray) and (
        (pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)))
        or (pixels.dtype == np.uint16 and pixels.ndim == 2)
    )
    if not good or 0 in pixels.shape:
        raise GeneratorError(f"{where}: expected {EXPECTED}, got {got}")
    return np.array(pixels, order="C")  # a copy: the user's code may draw the next image on the same canvas


def _load(method: str) -> Any:
    module, _, name = method.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # an installed command does not look in the folder it is run from
    try:
        drawer = getattr(importlib.import_module(module), name)()
    except Exception as error:  # importing and building it runs the user's code
        raise UsageError(f'method "{method}": {type(error).__name__}: {error}') from None
    if not callable(getattr(drawer, "draw", None)):
        raise UsageError(f'method "{method}": expected a class with a method draw(label, rng)')
    return drawer
