"""Undersamplers of imbalanced-learn, by name and as they are: all that choose images instead of making new points."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.errors import UsageError, did_you_mean

NEW_POINTS = "ClusterCentroids"

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]


def sampled(
    name: str,
    options: Mapping[str, Any],
    points: Floats,
    *,
    classes: Indices,
    wanted: Mapping[int, int],
    state: int,
) -> list[int]:
    """The places of the images that stay, of all classes, in order.

    Args:
        name: of the sampler.
        options: its parameters.
        points: (n, F) images of all classes.
        classes: (n,) their class numbers.
        wanted: {class number: how many stay}. A sampler that only cleans takes no numbers: it cleans these classes.
        state: its seed, where it takes one.

    Raises:
        UsageError: no such sampler or parameter, or the sampler refuses the images.
    """
    from imblearn.under_sampling.base import BaseCleaningSampler

    kind = sampler_class(name)
    strategy = list(wanted) if issubclass(kind, BaseCleaningSampler) else dict(wanted)
    try:
        sampler = kind(sampling_strategy=strategy, **options)
        if "random_state" in sampler.get_params() and "random_state" not in options:
            sampler.set_params(random_state=state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it keeps more or fewer than asked for, the counts say so
            sampler.fit_resample(points, classes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"imblearn:{name}: {' '.join(str(error).split())}") from None
    return [int(place) for place in np.unique(sampler.sample_indices_)]


def sampler_class(name: str) -> Any:
    """The class of that name.

    Raises:
        UsageError: imbalanced-learn is missing, or has no such sampler, or it is one that makes new points.
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
