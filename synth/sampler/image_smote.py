"""`ImageSMOTE`: SMOTE for images behind the interface of imbalanced-learn.

Its words mean what they mean there, and what comes out is SMOTE: the straight line between an image and one of its
nearest of the class. Four things differ. Images keep their form and their dtype (whole levels are rounded, where a
difference of two unsigned numbers would wrap around); image files may be of any sizes; each image becomes a first
parent equally often; and equal images are no neighbours, as between them lie only copies.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from scipy import sparse
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from synth.errors import UsageError
from synth.generators.feature_space import latent_points
from synth.generators.interpolation import LatentPath, Pair, Path, PixelPath
from synth.generators.neighbour_pairs import Floats, Indices, Segments, remarks, segments_of
from synth.generators.parent_order import ParentOrder
from synth.generators.safe_effects import SafeEffects
from synth.generators.smote import PORTION
from synth.sampler.image_rows import Array, ArrayRows, FileRows, Rows, points_of
from synth.settings.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace

_IMAGES = 3  # dimensions from which on an array holds images
_CALLER = 6  # frames between a warning and who called fit_resample


class ImageSMOTE(BaseOverSampler):  # type: ignore[misc]
    """Over-sampling of images by SMOTE (Chawla et al. 2002), in pixels or in the codes of an autoencoder.

        from synth import ImageSMOTE

        X_more, y_more = ImageSMOTE(random_state=0).fit_resample(X, y)

    X is one of:

    - an array (N, H, W) or (N, H, W, C), C being 1 or 3, of uint8, uint16 or floats. Floats stay as they are: nothing
      is clipped or rounded;
    - an array (N, F), a list of rows, a DataFrame or a sparse matrix (made dense on the way): flattened images, or any
      vectors; in pixel space without effects;
    - a list or array of the paths of image files of any sizes: new images are written into `folder` as PNG, and the
      resampled X is paths. A new image has the size between its parents', channels and depth of the first.

    The originals come first, unchanged, then the new ones, class by class.

    Args:
        sampling_strategy: as in imbalanced-learn: "auto", "minority", "not minority", "not majority", "all", a ratio,
            {class: number} or a function of y that returns that.
        random_state: an integer, a RandomState, or None for NumPy's global one.
        k_neighbors: nearest images of the class to choose the second parent from; where a class has fewer, all, with
            a warning.
        space: "pixel", or "latent": neighbours and the way between them in an autoencoder's codes.
        bundle: folder of the autoencoder (`synth train autoencoder`); its classes are named as str(class) of y.
        parents: "plain": each image equally often; "borderline": only those in danger (Han et al. 2005); "adaptive":
            the more often, the more of the nearest are of other classes (ADASYN, He et al. 2008).
        m_neighbors: nearest images of all classes that tell this.
        step: how far from the first parent to the second, drawn evenly from this range within 0..1.
        path: between two codes "spherical" or "linear".
        residual: add back what the decoder loses of the two parents.
        augment: "off"; or the safe effects (mirroring, a little rotation, brightness ...) "together" on the new image,
            or "apart" on each parent. For uint8 and uint16. With these a class of one image can be filled, too.
        reach: a neighbour farther than so many times the class's own spread is not one; 0: no limit.
        folder: where new image files are written, if X is paths; made if it is not there; no file is overwritten.

    Attributes:
        sampling_strategy_: {class: number of new images}.
        k_neighbors_: {class: neighbours that were chosen from}.
        sample_parents_: (n_new, 2) indices into X of the two parents of each new image; the two are one where an
            image was interpolated with itself, each side with effects of its own.
        sample_steps_: (n_new,) how far from the first parent to the second, 0..1.
        n_features_in_: number of columns, if X is (N, F).

    `fit_resample` raises ValueError: a parameter out of range; a class of which only copies could be made; an image
    file that can't be read.
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

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
        recipe = self._recipe()
        images: Rows = ArrayRows(X) if X.ndim > 1 else FileRows(X, recipe.data, self.folder)
        way = _Way(images, recipe, bundle=self.bundle, seed=_seed(self.random_state))
        self.k_neighbors_: dict[Any, int] = {}
        new, labels, parents = [X], [y], [np.empty((0, 2), np.intp)]
        steps: list[Floats] = [np.empty(0)]
        with images.whole():
            for label, n in self.sampling_strategy_.items():
                if n == 0:
                    continue
                rows = np.flatnonzero(y == label)
                segments = way.segments(rows, np.flatnonzero(y != label), str(label))
                first, second, step = way.draw(segments, n, str(label))
                self.k_neighbors_[label] = segments.k
                new.append(way.made(rows[first], rows[second], step, str(label)))
                labels.append(np.full(n, label, dtype=y.dtype))
                parents.append(np.stack([rows[first], rows[second]], axis=1))
                steps.append(step)
        self.sample_parents_, self.sample_steps_ = np.concatenate(parents), np.concatenate(steps)
        return np.concatenate(new), np.concatenate(labels)

    def _recipe(self) -> Recipe:
        """The parameters as settings; all others as they are by default."""
        given = {
            "k_neighbors": int(self.k_neighbors),
            "space": self.space,
            "parents": self.parents,
            "m_neighbors": int(self.m_neighbors),
            "step": tuple(self.step),
            "path": self.path,
            "residual": bool(self.residual),
            "augment": self.augment,
            "reach": float(self.reach),
        }
        return load_recipe(None, {"smote": given})


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _opened(bundle: str | os.PathLike[str] | None) -> LatentSpace:
    from synth.autoencoder.latent_space import open_latent_space  # torch is imported only where a network is asked

    if bundle is None:
        raise UsageError('space="latent" needs an autoencoder: synth train autoencoder DATA BUNDLE, then bundle=BUNDLE')
    return open_latent_space(os.fspath(bundle))


class _Way:
    """From one image of a class to another."""

    def __init__(self, images: Rows, recipe: Recipe, *, bundle: str | os.PathLike[str] | None, seed: int) -> None:
        self._images, self._recipe, self._settings, self._seed = images, recipe, recipe.smote, seed
        self._space = _opened(bundle) if recipe.smote.space == "latent" else None
        self._path: Path = LatentPath(self._space, recipe.smote) if self._space else PixelPath()

    def segments(self, rows: Indices, others: Indices, label: str) -> Segments:
        """The segments of a class; without effects an image that has no neighbour is no first parent.

        Raises:
            UsageError: only copies could be made, or the autoencoder does not know the class.
        """
        segments = segments_of(*self._points(rows, others, label), self._settings)
        bridged = np.array([len(near) > 0 for near in segments.neighbours])
        if self._settings.augment != "off" or bridged.all():
            for line in remarks(segments, self._settings, label):
                warnings.warn(line, stacklevel=_CALLER)
            return segments
        if not bridged.any():
            what = "one image" if len(rows) == 1 else f"{len(rows)} images, equal or too far apart"
            raise UsageError(
                f'{label}: {what}: only copies could be made. augment="together" changes them (uint8 or uint16); '
                "sampling_strategy={class: number} can leave the class out"
            )
        alone = f"{label}: {np.sum(~bridged)} of {len(rows)} images have no neighbour within reach: left out"
        warnings.warn(alone, stacklevel=_CALLER)
        weights = bridged if segments.weights is None else segments.weights * bridged
        return dataclasses.replace(segments, weights=1.0 * (weights if weights.any() else bridged))

    def draw(self, segments: Segments, n: int, label: str) -> tuple[Indices, Indices, Floats]:
        """First parent, second parent and step of each of n new images."""
        deal = ParentOrder([0] * len(segments.neighbours), seed=self._seed, label=label)
        return segments.draw(self._settings, range(n), seed=self._seed, label=label, deal=deal)

    def made(self, first: Indices, second: Indices, steps: Floats, label: str) -> Array:
        """New rows of an X."""
        if self._settings.augment == "off" and self._space is None and isinstance(self._images, ArrayRows):
            return self._images.lerp(first, second, steps)
        varied = SafeEffects(self._recipe.augment, label, seed=self._seed, where=self._settings.augment)
        new = []
        for start in range(0, len(steps), PORTION):
            attempts = range(start, min(start + PORTION, len(steps)))
            part = slice(attempts.start, attempts.stop)
            ends = zip(first[part].tolist(), second[part].tolist(), steps[part].tolist(), strict=True)
            pairs = [Pair(self._images.pixels(a), self._images.pixels(b), t, (str(a), str(b))) for a, b, t in ends]
            effects = varied.draw(attempts, alone=first[part] == second[part])
            new.append(self._images.new(varied.between(self._path, pairs, effects, attempts=attempts)))
        return np.concatenate(new)

    def _points(self, rows: Indices, others: Indices, label: str) -> tuple[Floats, Floats]:
        others = others[:0] if self._settings.parents == "plain" else others
        if self._space is None:
            return self._images.points(rows, others)
        self._space.check_class(label)
        return points_of(self._images, rows, others, latent_points(self._space))
