"""SMOTE here against imbalanced-learn's SMOTE, BorderlineSMOTE and ADASYN, and against scikit-learn's neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import picture
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from PIL import Image
from scipy.stats import kstest
from sklearn.neighbors import NearestNeighbors

import synth
from synth import ImageSMOTE
from synth.data.manifest import read_manifest
from synth.generators.neighbour_graph import neighbour_graph
from synth.settings.oversampling import Smote

Array = npt.NDArray[Any]
SIZES = {"common": 300, "rare": 60, "scarce": 25}
K, M = 5, 10


@pytest.fixture(scope="module")
def cloud() -> tuple[Array, Array]:
    """Three overlapping classes of vectors, shuffled: X (385, 12) float64, y."""
    rng = np.random.default_rng(4)
    y = rng.permutation(np.repeat(list(SIZES), list(SIZES.values())))
    centres = {name: rng.normal(0, 0.6, 12) for name in SIZES}
    return np.array([centres[name] for name in y]) + rng.normal(0, 1, (len(y), 12)), y


class NoSteps(np.random.RandomState):
    """Steps of length 0: imbalanced-learn's new points are their first parents."""

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        return np.zeros(size)


def nearest(points: Array, k: int) -> Array:
    """(n, k) indices of the others that are nearest, by scikit-learn."""
    return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points, return_distance=False)[:, 1:]


def of_class(y: Array, label: str) -> tuple[Array, Array]:
    return np.flatnonzero(y == label), np.flatnonzero(y != label)


@pytest.mark.parametrize("label", ["rare", "scarce"])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_neighbours_are_those_of_imbalanced_learn(cloud: tuple[Array, Array], label: str, k: int) -> None:
    x, y = cloud
    rows, others = of_class(y, label)
    found = neighbour_graph(x[rows], x[others], Smote(k_neighbors=k, reach=0)).neighbours
    oracle = SMOTE(k_neighbors=k, random_state=0, sampling_strategy={label: len(rows) + 1})
    oracle.fit_resample(x, y)
    theirs = oracle.nn_k_.kneighbors(x[rows], return_distance=False)[:, 1:]
    np.testing.assert_array_equal(np.stack(found), theirs)
    np.testing.assert_array_equal(np.stack(found), nearest(x[rows], k))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_new_vectors_lie_between_their_parents(cloud: tuple[Array, Array], dtype: type) -> None:
    x, y = cloud[0].astype(dtype), cloud[1]
    sampler = ImageSMOTE(random_state=3)
    more, labels = sampler.fit_resample(x, y)
    new, new_labels = more[len(x) :].astype(np.float64), labels[len(x) :]
    first, second = sampler.sample_parents_.T
    a, b, t = x[first].astype(np.float64), x[second].astype(np.float64), sampler.sample_steps_[:, None]
    rounding = (4 + 4 + 2) * np.finfo(dtype).eps  # of a difference and a product under 16, and of a sum under 8
    np.testing.assert_allclose(new, (1 - t) * a + t * b, rtol=0, atol=rounding)
    assert (y[first] == new_labels).all()
    for label in ("rare", "scarce"):
        rows, _ = of_class(y, label)
        near = rows[nearest(x[rows].astype(np.float64), K)]
        place = {row: at for at, row in enumerate(rows)}
        pairs = sampler.sample_parents_[new_labels == label]
        assert all(b in near[place[a]] for a, b in pairs)
        assert {b for _, b in pairs} <= set(near.ravel())


def test_new_levels_are_rounded_and_never_wrap_around() -> None:
    rng = np.random.default_rng(0)
    x = rng.choice(np.array([0, 255, 17], np.uint8), (70, 8, 9, 3))
    sampler = ImageSMOTE(random_state=1)
    more, _ = sampler.fit_resample(x, [0] * 50 + [1] * 20)
    a, b = (x[side].astype(np.float64) for side in sampler.sample_parents_.T)
    t = sampler.sample_steps_[:, None, None, None]
    assert more.dtype == np.uint8
    assert np.abs(more[70:] - ((1 - t) * a + t * b)).max() <= 0.5 + 1e-4


def test_steps_and_choices_are_even(cloud: tuple[Array, Array]) -> None:
    x, y = cloud
    sampler = ImageSMOTE({"scarce": 25 + 2000}, random_state=0)
    sampler.fit_resample(x, y)
    assert kstest(sampler.sample_steps_, "uniform").pvalue > 0.01
    rows, _ = of_class(y, "scarce")
    near = rows[nearest(x[rows], K)]
    pairs = sampler.sample_parents_.tolist()
    rank = [near[np.searchsorted(rows, a)].tolist().index(b) for a, b in pairs]
    assert np.abs(np.bincount(rank, minlength=K) - 400).max() < 4 * (2000 * 0.2 * 0.8) ** 0.5
    assert set(np.bincount([a for a, _ in pairs], minlength=len(y))[rows]) == {80}


@pytest.mark.parametrize("label", ["rare", "scarce"])
def test_borderline_starts_from_the_danger_set_of_imbalanced_learn(cloud: tuple[Array, Array], label: str) -> None:
    x, y = cloud
    rows, others = of_class(y, label)
    target = {label: len(rows) + 3000}
    oracle = BorderlineSMOTE(sampling_strategy=target, m_neighbors=M, random_state=NoSteps(0))
    made, _ = oracle.fit_resample(x, y)
    danger = set(oracle.in_danger_indices[label].tolist())
    assert 0 < len(danger) < len(rows)
    assert {tuple(point) for point in made[len(x) :]} == {tuple(x[row]) for row in danger}

    weights = neighbour_graph(x[rows], x[others], Smote(parents="borderline", m_neighbors=M, reach=0)).weights
    assert weights is not None
    assert set(rows[weights > 0].tolist()) == danger
    assert len(set(weights[weights > 0])) == 1
    sampler = ImageSMOTE(target, random_state=0, parents="borderline", m_neighbors=M)
    sampler.fit_resample(x, y)
    assert set(sampler.sample_parents_[:, 0].tolist()) == danger


@pytest.mark.parametrize("label", ["rare", "scarce"])
def test_adaptive_weighs_parents_as_adasyn_does(cloud: tuple[Array, Array], label: str) -> None:
    x, y = cloud
    rows, others = of_class(y, label)
    n = 4000
    oracle = ADASYN(sampling_strategy={label: len(rows) + n}, n_neighbors=M, random_state=NoSteps(0))
    made, _ = oracle.fit_resample(x, y)
    theirs = np.array([np.sum((made[len(x) :] == x[row]).all(axis=1)) for row in rows])

    weights = neighbour_graph(x[rows], x[others], Smote(parents="adaptive", m_neighbors=M, reach=0)).weights
    assert weights is not None
    np.testing.assert_array_equal(np.rint(n * weights / weights.sum()), theirs)
    sampler = ImageSMOTE({label: len(rows) + n}, random_state=0, parents="adaptive", m_neighbors=M)
    sampler.fit_resample(x, y)
    ours = np.bincount(sampler.sample_parents_[:, 0], minlength=len(y))[rows]
    assert (np.abs(ours - theirs) <= 5 * np.sqrt(theirs) + 1).all()


def test_files_that_generate_wrote_lie_between_the_parents_on_record(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for label, n in {"red": 30, "yellow": 12}.items():
        for index in range(n):
            path = data / "train" / label / f"{index:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(label, index, size=(32, 32)).save(path)
    settings = {
        "method": "smote",
        "target": {"yellow": 40},
        "smote.space": "pixel",
        "smote.augment": "off",
        "smote.reach": 0,
        "smote.k_neighbors": 4,
        "gate.distance.copies": "off",
    }
    synth.generate(synth.open_dataset(data), None, synth.load_recipe(None, settings), tmp_path / "out")

    def pixels(path: Path) -> Array:
        return np.asarray(Image.open(path)).astype(np.float64)

    names = sorted(path.name for path in (data / "train" / "yellow").iterdir())
    near = nearest(np.array([pixels(data / "train" / "yellow" / name).ravel() for name in names]), 4)
    rows = [row for row in read_manifest(tmp_path / "out" / "manifest.jsonl") if row.synthetic]
    made = [row for row in rows if row.path]
    assert len(made) == 28
    for row in made:
        first, second = (Path(parent["path"]) for parent in row.parents)
        assert names.index(second.name) in near[names.index(first.name)]
        a, b = (pixels(data / path) for path in (first, second))
        t = row.params["step"]
        assert np.abs(pixels(tmp_path / "out" / str(row.path)) - ((1 - t) * a + t * b)).max() <= 0.5 + 1e-4
