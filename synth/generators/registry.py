"""From a method's name to its generator: those that come with the package, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from synth.errors import UsageError, did_you_mean
from synth.generators.augment import AugmentGenerator
from synth.generators.base import WITH_BUNDLE, Context, Generator
from synth.generators.custom import CustomGenerator
from synth.generators.duplicate import DuplicateGenerator
from synth.generators.mix import MixGenerator
from synth.generators.smote import SmoteGenerator
from synth.settings.oversampling import MIX


def _gan(context: Context) -> Generator:
    from synth.generators.gan import GanGenerator  # torch is imported only where a network is asked

    return GanGenerator(context)


def _mix(context: Context) -> Generator:
    inner = {}
    for method in context.recipe.methods:
        bundle = context.recipe.bundle if method in WITH_BUNDLE else ""
        recipe = context.recipe.model_copy(update={"method": method, "bundle": bundle})
        inner[method] = _open(replace(context, recipe=recipe))
    return MixGenerator(context, inner)


GENERATORS: Mapping[str, Callable[[Context], Generator]] = {
    "augment": AugmentGenerator,
    "smote": SmoteGenerator,
    "gan": _gan,
    MIX: _mix,
    "duplicate": DuplicateGenerator,
}


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
    method, methods, bundle = context.recipe.method, context.recipe.methods, context.recipe.bundle
    if bundle and not set(methods) & set(WITH_BUNDLE):
        words = f"{' and '.join(methods)} {'works' if len(methods) == 1 else 'work'}"
        raise UsageError(f"{words} without a trained network: leave out --bundle {bundle}")
    if method in GENERATORS:
        return GENERATORS[method](context)
    if ":" in method:
        return CustomGenerator(context)
    expected = f"expected {', '.join(GENERATORS)} or package.module:Name{did_you_mean(method, GENERATORS)}"
    raise UsageError(f'unknown method "{method}": {expected}')
