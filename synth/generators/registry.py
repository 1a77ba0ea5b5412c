"""From a method's name to its generator: those that come with the package, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synth.errors import UsageError
from synth.generators.augment import AugmentGenerator
from synth.generators.base import Context, Generator
from synth.generators.duplicate import DuplicateGenerator
from synth.generators.own import OwnGenerator
from synth.generators.smote import SmoteGenerator

GENERATORS: Mapping[str, Callable[[Context], Generator]] = {
    "augment": AugmentGenerator,
    "smote": SmoteGenerator,
    "duplicate": DuplicateGenerator,
}
WITH_BUNDLE = ("smote",)


def open_generator(context: Context) -> Generator:
    """The generator that the recipe's method names.

    Raises:
        UsageError: a method that is neither built in nor `package.module:Name`, or can't be imported; or a bundle for
            one that works without.
    """
    method = context.recipe.method
    if context.recipe.bundle and method not in WITH_BUNDLE:
        raise UsageError(f"{method} works without a trained network: leave out --bundle {context.recipe.bundle}")
    if method in GENERATORS:
        return GENERATORS[method](context)
    if ":" in method:
        return OwnGenerator(context)
    raise UsageError(f'unknown method "{method}": expected {", ".join(GENERATORS)} or package.module:Name')
