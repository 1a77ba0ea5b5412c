"""The undersamplers of imbalanced-learn that choose images. Those that make new points are refused."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.errors import UsageError, did_you_mean
from synth.records import Item
from synth.settings.undersampling import Undersample

IMBLEARN = "imblearn:"
NEW_POINTS = "ClusterCentroids"

Features = Callable[[Sequence[Item]], npt.NDArray[np.floating[Any]]]
"""Images, at least one -> (n, F) features; near images have near features."""


def select_with_imblearn(
    large: Mapping[str, Sequence[Item]],
    train: Mapping[str, Sequence[Item]],
    settings: Undersample,
    *,
    limit: int,
    features: Features,
    state: int,
) -> Mapping[str, Sequence[Item]]:
    """Return the images of the large classes that an undersampler keeps. It sees the other classes too.

    Args:
        large: {class: images to choose from}, sorted by id.
        train: {class: all its images}.
        settings: method and options name the sampler and its parameters.
        limit: images that stay in each large class. A sampler that only cleans ignores it.
        state: seed of the sampler, if it takes one.

    Raises:
        UsageError: no such sampler or parameter, the sampler refuses the images, or it removes a whole class.
    """
    from imblearn.under_sampling.base import BaseCleaningSampler

    kind = sampler_class(settings.method.removeprefix(IMBLEARN))
    strategy = list(large) if issubclass(kind, BaseCleaningSampler) else dict.fromkeys(large, limit)
    by_class = (large.get(label) or sorted(train[label], key=lambda item: item.id) for label in sorted(train))
    items = [item for found in by_class for item in found]
    points = features(items)
    try:
        sampler = kind(sampling_strategy=strategy, **settings.options)
        if "random_state" in sampler.get_params() and "random_state" not in settings.options:
            sampler.set_params(random_state=state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it may keep more or fewer than asked for: the counts say so
            sampler.fit_resample(points, [item.label for item in items])
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{settings.method}: {' '.join(str(error).split())}") from None
    kept: dict[str, list[Item]] = {label: [] for label in large}
    for place in np.unique(sampler.sample_indices_):
        if items[place].label in large:
            kept[items[place].label].append(items[place])
    for label, found in kept.items():
        if not found:
            raise UsageError(f'{settings.method} takes out every image of class "{label}": choose another method')
    return kept


def sampler_class(name: str) -> Any:
    """Return the undersampler of this name.

    Raises:
        UsageError: imbalanced-learn is missing or has no such sampler, or the sampler makes new points.
    """
    try:
        from imblearn import under_sampling  # slow to import
    except ImportError:
        raise UsageError(f"undersample.method = imblearn:{name} needs: pip install imbalanced-learn") from None
    if name == NEW_POINTS:
        raise UsageError(f"imblearn:{name} makes new points instead of choosing images: use cluster")
    names = [known for known in under_sampling.__all__ if known != NEW_POINTS]
    if name not in names:
        hint = did_you_mean(name, names) or f": it has {', '.join(names)}"
        raise UsageError(f'undersample.method: imblearn has no undersampler "{name}"{hint}')
    return getattr(under_sampling, name)
