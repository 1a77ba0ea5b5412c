"""From the name of a method to its generator, built in or custom."""

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
    from synth.generators.gan import GanGenerator  # torch is imported only if a network is used

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
    """Open the generator of the recipe's method.

    Args:
        labels: classes that it will make images of.

    Raises:
        UsageError: the method is neither built in nor `package.module:Name`, or can't be imported; it needs a bundle
            and has none, or has one and does not use it; it can't make images of a class.
        BundleError: the bundle is damaged or does not fit.
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
