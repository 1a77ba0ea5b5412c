"""From the name of a method to its generator, built in or custom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from synth.errors import UsageError
from synth.generators.augment import AugmentGenerator
from synth.generators.base import WITH_BUNDLE, Context, Generator
from synth.generators.custom import CustomGenerator, check_custom
from synth.generators.duplicate import DuplicateGenerator
from synth.generators.mix import MixGenerator
from synth.generators.smote import SmoteGenerator
from synth.settings.oversampling import MIX
from synth.settings.recipe import Recipe
from synth.training.bundle import open_bundle


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
    _check_bundle(context.recipe)
    generator = _open(context)
    for label in labels:
        generator.check(label)
    return generator


def check_method(recipe: Recipe) -> None:
    """Check the method and the bundle of a recipe before any image and any weights are read.

    Raises:
        UsageError, BundleError: as `open_generator`.
    """
    for method in recipe.methods:
        if ":" in method:
            check_custom(method)
    _check_bundle(recipe)


def _check_bundle(recipe: Recipe) -> None:
    """Check that the methods and the bundle of a recipe fit together."""
    methods, bundle = recipe.methods, recipe.bundle
    for method in methods:
        if bundle and method in WITH_BUNDLE:
            open_bundle(bundle, *WITH_BUNDLE[method])
    if bundle and not set(methods) & set(WITH_BUNDLE):
        words = f"{' and '.join(methods)} {'works' if len(methods) == 1 else 'work'}"
        raise UsageError(f"{words} without a trained network: leave out --bundle {bundle}")
    if "gan" in methods and not bundle:
        raise UsageError("gan needs a trained network: synth train gan DATA BUNDLE, then --bundle BUNDLE")


def _open(context: Context) -> Generator:
    method = context.recipe.method
    return GENERATORS[method](context) if method in GENERATORS else CustomGenerator(context)
