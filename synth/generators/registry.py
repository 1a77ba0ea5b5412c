"""From a method's name to its generator: those that come with the package, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from synth.errors import UsageError
from synth.generators.augment import AugmentGenerator
from synth.generators.base import Context, Generator
from synth.generators.duplicate import DuplicateGenerator
from synth.generators.own import OwnGenerator
from synth.generators.smote import SmoteGenerator


def _gan(context: Context) -> Generator:
    from synth.generators.gan import GanGenerator  # torch is imported only where a network is asked

    return GanGenerator(context)


GENERATORS: Mapping[str, Callable[[Context], Generator]] = {
    "augment": AugmentGenerator,
    "smote": SmoteGenerator,
    "gan": _gan,
    "duplicate": DuplicateGenerator,
}
WITH_BUNDLE = ("smote", "gan")


def open_generator(context: Context, *, labels: Sequence[str] = ()) -> Generator:
    """The generator that the recipe's method names.

    Args:
        labels: classes that it will be asked for.

    Raises:
        UsageError: a method that is neither built in nor `package.module:Name`, or can't be imported; a bundle for one
            that works without, or none for one that does not; a class that it can't make images of.
        BundleError: as the bundle is opened.
    """
    generator = _open(context)
    for label in labels:
        generator.check(label)
    return generator


def _open(context: Context) -> Generator:
    method = context.recipe.method
    if context.recipe.bundle and method not in WITH_BUNDLE:
        raise UsageError(f"{method} works without a trained network: leave out --bundle {context.recipe.bundle}")
    if method in GENERATORS:
        return GENERATORS[method](context)
    if ":" in method:
        return OwnGenerator(context)
    raise UsageError(f'unknown method "{method}": expected {", ".join(GENERATORS)} or package.module:Name')
