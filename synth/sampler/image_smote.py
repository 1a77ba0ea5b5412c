"""`ImageSMOTE`: SMOTE for images with the interface of imbalanced-learn.

The parameters mean what they mean there, and the method is SMOTE: the straight line between an image and one of its
nearest neighbours in the class. Four things differ. Images keep their shape and dtype, and integer levels are rounded
(a difference of two unsigned numbers would wrap around). Image files may have any sizes. Each image becomes a first
parent equally often. Equal images are not neighbours, because only copies lie between them.
"""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from scipy import sparse
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from synth.errors import UsageError
from synth.generators.base import PORTION, ParentOrder
from synth.generators.feature_space import latent_space
from synth.generators.interpolation import Interpolator, LatentInterpolator, Pair, PixelInterpolator, lerp
from synth.generators.neighbour_graph import Floats, Indices, NeighbourGraph, neighbour_graph
from synth.generators.safe_effects import SafeEffects
from synth.records import REPR_LENGTH
from synth.sampler.image_rows import Array, ArrayRows, FileRows, Rows, features_in
from synth.settings.base import exact_product
from synth.settings.oversampling import Smote
from synth.settings.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

_IMAGES = 3  # an array with this many dimensions or more holds images
_CALLER = 7  # frames between a warning and the caller of fit_resample


class ImageSMOTE(BaseOverSampler):  # type: ignore[misc]
    """Over-sampling of images by SMOTE (Chawla et al. 2002), in pixels or in the codes of an autoencoder.

        from synth import ImageSMOTE

        X_more, y_more = ImageSMOTE(random_state=0).fit_resample(X, y)

    X is one of:

    - an array (N, H, W) or (N, H, W, C) of uint8, uint16 or floats, C being 1 or 3. Floats are neither clipped nor
      rounded;
    - an array (N, F), a list of rows, a DataFrame or a sparse matrix (made dense on the way): flattened images or any
      other vectors, in pixel space without effects;
    - a list or array of paths of image files of any sizes. New images are written into `folder` as PNG, and the
      resampled X is paths. A new image has a size between its parents' sizes, and the channels and depth of the first.

    The originals come first, unchanged, then the new images, class by class.

    Args:
        sampling_strategy: as in imbalanced-learn: "auto", "minority", "not minority", "not majority", "all", a ratio,
            {class: number} or a function of y that returns that.
        random_state: an integer, a RandomState, or None for NumPy's global one.
        k_neighbors: nearest images of the class to choose the second parent from. A smaller class uses all its images,
            with a warning.
        space: "pixel", or "latent" to find neighbours and interpolate in the codes of an autoencoder.
        bundle: folder of the autoencoder (`synth train autoencoder`); str(class) of y must be the names of its classes.
        parents: how often an image becomes the first parent. "plain": equally often; "borderline": only images in
            danger (Han et al. 2005); "adaptive": the more of its nearest images are of other classes, the more often
            (ADASYN, He et al. 2008).
        m_neighbors: nearest images of all classes that decide about borderline and adaptive.
        step: range within 0..1 of the step from the first parent to the second, drawn uniformly.
        path: between two codes, "spherical" or "linear".
        residual: add back what the decoder loses of the two parents.
        augment: "off", or the safe effects (a little rotation, brightness ...): "together" on the new image,
            or "apart" on each parent. For uint8 and uint16. They can also fill a class of one image.
        reach: largest distance of a neighbour, in spreads of the class; 0: no limit.
        folder: where new image files are written, if X is paths. Created if missing; no file is overwritten.

    Attributes:
        sampling_strategy_: {class: number of new images}.
        k_neighbors_: {class: neighbours to choose from}.
        sample_parents_: (n_new, 2) indices into X of the two parents of each new image. They are equal if an image was
            interpolated with itself, each side with its own effects.
        sample_steps_: (n_new,) step from the first parent to the second, 0..1.
        n_features_in_: number of columns, if X is (N, F).

    `fit_resample` raises ValueError if a parameter is out of range, if only copies of a class could be made, or if an
    image file can't be read.
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        **BaseOverSampler._parameter_constraints,
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "space": [StrOptions({"pixel", "latent"})],
        "bundle": [str, os.PathLike, None],
        "parents": [StrOptions({"plain", "borderline", "adaptive"})],
        "m_neighbors": [Interval(Integral, 1, None, closed="left")],
        "step": [tuple, list],
        "path": [StrOptions({"spherical", "linear"})],
        "residual": ["boolean"],
        "augment": [StrOptions({"together", "apart", "off"})],
        "reach": [Interval(Real, 0, None, closed="left")],
        "folder": [str, os.PathLike, None],
    }

    def __init__(
        self,
        sampling_strategy: Any = "auto",
        *,
        random_state: int | np.random.RandomState | None = None,
        k_neighbors: int = 5,
        space: str = "pixel",
        bundle: str | os.PathLike[str] | None = None,
        parents: str = "plain",
        m_neighbors: int = 10,
        step: tuple[float, float] = (0.0, 1.0),
        path: str = "spherical",
        residual: bool = True,
        augment: str = "off",
        reach: float = 0.0,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.k_neighbors = k_neighbors
        self.space = space
        self.bundle = bundle
        self.parents = parents
        self.m_neighbors = m_neighbors
        self.step = step
        self.path = path
        self.residual = residual
        self.augment = augment
        self.reach = reach
        self.folder = folder

    def __repr__(self) -> str:
        return str(super().__repr__(N_CHAR_MAX=REPR_LENGTH // 2))  # it does not count blanks

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Return X and y with the new images at their ends; see imbalanced-learn."""
        given: Any = self.get_params()["sampling_strategy"]
        if isinstance(given, Real) and not isinstance(given, bool) and math.isfinite(given):
            self.sampling_strategy = _exact_ratio(float(given), y)
        try:
            return cast(tuple[Any, Any], super().fit_resample(X, y, **params))
        finally:
            self.sampling_strategy = given

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Array, Array, bool]:
        y, binarize = check_target_type(y, indicate_one_vs_all=True)
        n_dimensions = len(np.shape(X))
        if n_dimensions == 1 and all(isinstance(path, str | os.PathLike) for path in X):
            check_consistent_length(X, y)
            return np.asarray(X), column_or_1d(y), binarize
        images_given = n_dimensions >= _IMAGES
        checks = {"allow_nd": True, "ensure_2d": False} if images_given else {"accept_sparse": ["csr", "csc"]}
        X, y = validate_data(self, X=X, y=y, reset=True, **checks)
        return X, y, binarize

    def _fit_resample(self, X: Any, y: Array) -> tuple[Any, Array]:
        if sparse.issparse(X):
            X_more, y_more = self._fit_resample(X.toarray(), y)
            return type(X)(X_more), y_more
        recipe = load_recipe(None, {"smote": {name: getattr(self, name) for name in Smote.model_fields}})
        images: Rows = ArrayRows(X) if X.ndim > 1 else FileRows(X, recipe.data, self.folder)
        smote = _Smote(images, recipe, bundle=self.bundle, seed=_seed(self.random_state))
        self.k_neighbors_: dict[Any, int] = {}
        new, labels, parents = [X], [y], [np.empty((0, 2), np.intp)]
        steps: list[Floats] = [np.empty(0)]
        with images.all_or_nothing():
            for label, n in self.sampling_strategy_.items():
                if n == 0:
                    continue
                rows = np.flatnonzero(y == label)
                graph = smote.graph(rows, np.flatnonzero(y != label), str(label))
                first, second, step = smote.draw(graph, n, str(label))
                self.k_neighbors_[label] = graph.k
                new.append(smote.interpolate(rows[first], rows[second], step, str(label)))
                labels.append(np.full(n, label, dtype=y.dtype))
                parents.append(np.stack([rows[first], rows[second]], axis=1))
                steps.append(step)
        self.sample_parents_, self.sample_steps_ = np.concatenate(parents), np.concatenate(steps)
        return np.concatenate(new), np.concatenate(labels)


def _exact_ratio(ratio: float, y: Any) -> Any:
    """Return a ratio as {minority: images}, because imbalanced-learn cuts 0.29 * 100 = 28.999... down to 28.

    A ratio that it refuses is returned as it is.
    """
    labels, counts = np.unique(np.asarray(y), return_counts=True) if np.ndim(y) == 1 else ((), ())
    if len(labels) != 2:
        return ratio
    rare, wanted = int(np.argmin(counts)), math.floor(exact_product(ratio, int(np.max(counts))))
    return {labels[rare]: wanted} if counts[rare] < wanted <= np.max(counts) else ratio


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


class _Smote:
    """SMOTE on the rows of one X."""

    def __init__(self, images: Rows, recipe: Recipe, *, bundle: str | os.PathLike[str] | None, seed: int) -> None:
        self._images, self._recipe, self._settings, self._seed = images, recipe, recipe.smote, seed
        self._autoencoder: LatentSpace | None = None
        self._interpolator: Interpolator = PixelInterpolator()
        if recipe.smote.space == "latent":
            from synth.autoencoder.latent_space import open_latent_space  # torch is imported only if a network is used

            if bundle is None:
                needed = "an autoencoder: synth train autoencoder DATA BUNDLE, then bundle=BUNDLE"
                raise UsageError(f'space="latent" needs {needed}')
            self._autoencoder = open_latent_space(os.fspath(bundle))
            self._interpolator = LatentInterpolator(self._autoencoder, recipe.smote)

    def graph(self, rows: Indices, others: Indices, label: str) -> NeighbourGraph:
        """Find the neighbours of a class. Without effects, an image that has none is never a first parent.

        Raises:
            UsageError: only copies could be made, or the autoencoder does not know the class.
        """
        graph = neighbour_graph(*self._features(rows, others, label), self._settings)
        paired = np.array([len(near) > 0 for near in graph.neighbours])
        if self._settings.augment != "off" or paired.all():
            for line in graph.remarks(self._settings, label):
                warnings.warn(line, stacklevel=_CALLER)
            return graph
        if not paired.any():
            what = "one image" if len(rows) == 1 else f"{len(rows)} images, equal or too far apart"
            raise UsageError(
                f'{label}: {what}: only copies could be made. augment="together" changes them (uint8 or uint16); '
                "sampling_strategy={class: number} can leave the class out"
            )
        alone = f"{label}: {np.sum(~paired)} of {len(rows)} images have no neighbour within reach: left out"
        warnings.warn(alone, stacklevel=_CALLER)
        weights = paired if graph.weights is None else graph.weights * paired
        return dataclasses.replace(graph, weights=1.0 * (weights if weights.any() else paired))

    def draw(self, graph: NeighbourGraph, n: int, label: str) -> tuple[Indices, Indices, Floats]:
        """Draw first parent, second parent and step of each of n new images."""
        order = ParentOrder([0] * len(graph.neighbours), seed=self._seed, label=label)
        return graph.draw(self._settings, range(n), seed=self._seed, label=label, order=order)

    def interpolate(self, first: Indices, second: Indices, steps: Floats, label: str) -> Array:
        """Return the new rows of an X."""
        if self._settings.augment == "off" and self._autoencoder is None and isinstance(self._images, ArrayRows):
            return lerp(self._images.array, first, second, steps)
        effects = SafeEffects(self._recipe.augment, label, seed=self._seed, where=self._settings.augment)
        new = []
        for start in range(0, len(steps), PORTION):
            attempts = range(start, min(start + PORTION, len(steps)))
            part = slice(attempts.start, attempts.stop)
            ends = zip(first[part].tolist(), second[part].tolist(), steps[part].tolist(), strict=True)
            pairs = [Pair(self._images.pixels(a), self._images.pixels(b), t, (str(a), str(b))) for a, b, t in ends]
            drawn = effects.draw(attempts, alone=first[part] == second[part])
            new.append(self._images.new(effects.interpolate(self._interpolator, pairs, drawn, attempts=attempts)))
        return np.concatenate(new)

    def _features(self, rows: Indices, others: Indices, label: str) -> tuple[Floats, Floats]:
        others = others[:0] if self._settings.parents == "plain" else others
        if self._autoencoder is None:
            return self._images.pixel_features(rows, others)
        self._autoencoder.check_class(label)
        return features_in(latent_space(self._autoencoder), self._images, rows, others)
