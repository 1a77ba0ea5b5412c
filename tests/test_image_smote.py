"""`ImageSMOTE`: imbalanced-learn's own checks, forms and kinds of X, small classes, effects, files and codes."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import picture, tree_state
from corpus import make_gan_bundle
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    estimator_checks_generator,
)
from PIL import Image
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import FunctionTransformer

from synth import ImageSMOTE
from synth.errors import ImageError, UsageError
from synth.generators.interpolation import LatentInterpolator, Pair, PixelInterpolator

Array = npt.NDArray[Any]
LOWERED = r"1: k = 3 instead of 5, because there are 4 images"


def pixels(n: int, shape: tuple[int, ...] = (12, 10, 3), dtype: Any = np.uint8) -> Array:
    """n random images whose levels use the whole range."""
    rng = np.random.default_rng(1)
    levels = rng.random((n, *shape))
    return (levels * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind == "u" else levels.astype(dtype)


def labels(*counts: int) -> Array:
    return np.repeat(np.arange(len(counts)), counts)


def copies_of(made: Array, originals: Array) -> int:
    """How many of the new images are an original, bit by bit."""
    known = {image.tobytes() for image in originals}
    return sum(image.tobytes() in known for image in made)


CHECKS = [check for _, check in estimator_checks_generator(ImageSMOTE(random_state=0))]


@pytest.mark.parametrize("check", CHECKS, ids=[check.func.__name__ for check in CHECKS])
def test_imbalanced_learn_is_content(check: Callable[[Any], None]) -> None:
    check(ImageSMOTE(random_state=0))  # all of them, none excepted


@pytest.mark.parametrize("check", [check_param_validation, check_dataframe_column_names_consistency])
def test_parameters_and_columns_are_checked(check: Callable[[str, Any], None]) -> None:
    partial(check, "ImageSMOTE")(ImageSMOTE(random_state=0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.float16])
@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 1), (12, 10, 3), (7,)])
def test_originals_come_first_and_stay_as_they_are(shape: tuple[int, ...], dtype: Any) -> None:
    x, y = pixels(30, shape, dtype), labels(20, 4, 6)
    before = x.copy()
    with pytest.warns(UserWarning, match=LOWERED) as told:
        more, more_y = ImageSMOTE(random_state=0).fit_resample(x, y)
    assert told[0].filename == __file__
    assert more.shape == (60, *shape)
    assert (more.dtype, more_y.dtype) == (x.dtype, y.dtype)
    assert more[:30].tobytes() == x.tobytes() == before.tobytes()
    np.testing.assert_array_equal(more_y, np.concatenate([y, np.repeat([1, 2], [16, 14])]))
    assert copies_of(more[30:], x) == 0


def test_floats_are_neither_rounded_nor_clipped() -> None:
    x = pixels(20, (6, 6), np.float32) * 1000 - 500
    sampler = ImageSMOTE(random_state=0)
    new = sampler.fit_resample(x, labels(14, 6))[0][20:]
    assert new.min() < -255
    assert new.max() > 255
    assert (new != np.rint(new)).mean() > 0.9


@pytest.mark.parametrize("dtype", [np.int64, np.int16, bool])
def test_whole_numbers_of_any_kind_are_rounded(dtype: Any) -> None:
    x = np.rint(pixels(20, (6,), np.float64) * 1.4 - 0.2).astype(dtype)
    new = ImageSMOTE(random_state=0).fit_resample(x, labels(14, 6))[0][20:]
    assert new.dtype == dtype
    assert set(np.unique(new)) == {0, 1}


def test_arrays_and_images_one_by_one_give_the_same() -> None:
    x = pixels(20)
    sampler = ImageSMOTE(random_state=0)
    new = sampler.fit_resample(x, labels(14, 6))[0][20:]
    pairs = [
        Pair(x[a], x[b], t)
        for (a, b), t in zip(sampler.sample_parents_.tolist(), sampler.sample_steps_.tolist(), strict=True)
    ]
    np.testing.assert_allclose(new, np.stack(PixelInterpolator().interpolate(pairs, "1")), atol=1)


def test_provenance_is_told() -> None:
    sampler = ImageSMOTE(random_state=0, step=(0.2, 0.4), k_neighbors=2)
    sampler.fit_resample(pixels(27), labels(14, 6, 7))
    assert sampler.sample_parents_.shape == (15, 2)
    assert sampler.sample_steps_.shape == (15,)
    assert ((sampler.sample_steps_ >= 0.2) & (sampler.sample_steps_ < 0.4)).all()
    assert sampler.k_neighbors_ == {1: 2, 2: 2}
    assert sampler.sampling_strategy_ == {1: 8, 2: 7}
    assert {a in range(14, 20) and b in range(14, 20) and a != b for a, b in sampler.sample_parents_[:8]} == {True}
    sampler.fit_resample(pixels(20), labels(10, 10))
    assert sampler.sample_parents_.shape == (0, 2)
    assert sampler.sample_steps_.shape == (0,)


@pytest.mark.parametrize(
    "strategy",
    ["auto", "minority", "not minority", "not majority", "all", {1: 33, 2: 12}, lambda y: {1: Counter(y.tolist())[0]}],
)
def test_sampling_strategy_means_what_it_means_there(strategy: Any) -> None:
    x, y = pixels(50, (20,), np.float64), labels(30, 8, 12)
    _, ours = ImageSMOTE(strategy, random_state=0).fit_resample(x, y)
    _, theirs = SMOTE(sampling_strategy=strategy, random_state=0).fit_resample(x, y)
    np.testing.assert_array_equal(ours, theirs)


def test_a_ratio_is_one_too() -> None:
    _, y = ImageSMOTE(0.5, random_state=0).fit_resample(pixels(50), labels(40, 10))
    assert Counter(y.tolist()) == {0: 40, 1: 20}


def test_labels_may_be_words() -> None:
    y = np.array(["no ship"] * 14 + ["ship"] * 6)
    more_y = ImageSMOTE(random_state=0).fit_resample(pixels(20), y)[1]
    assert more_y.dtype == y.dtype
    assert more_y[20:].tolist() == ["ship"] * 8


def test_a_seed_gives_the_same_and_touches_no_global_randomness() -> None:
    x, y = pixels(20), labels(14, 6)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    first = ImageSMOTE(random_state=5).fit_resample(x, y)[0]
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    np.random.seed(2)
    sampler = ImageSMOTE(random_state=5)
    assert all((sampler.fit_resample(x, y)[0] == first).all() for _ in range(2))
    assert (ImageSMOTE(random_state=6).fit_resample(x, y)[0] != first).any()


def test_without_a_seed_and_from_a_generator_each_call_draws_anew() -> None:
    x, y = pixels(20), labels(14, 6)
    for state in (None, np.random.RandomState(0)):
        sampler = ImageSMOTE(random_state=state)
        assert (sampler.fit_resample(x, y)[0] != sampler.fit_resample(x, y)[0]).any()
    one, two = (ImageSMOTE(random_state=np.random.RandomState(3)).fit_resample(x, y)[0] for _ in range(2))
    assert (one == two).all()


def test_one_image_without_effects_is_refused() -> None:
    for n in (1, 3):
        x = np.concatenate([pixels(10), pixels(1)[[0] * n]])
        with pytest.raises(ValueError, match=r"1: .*only copies could be made\. augment=\"together\""):
            ImageSMOTE(random_state=0).fit_resample(x, labels(10, n))


@pytest.mark.parametrize("augment", ["together", "apart"])
@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 1), (12, 10, 3)])
def test_one_image_is_filled_with_its_changed_self(augment: str, shape: tuple[int, ...]) -> None:
    x = pixels(11, shape)
    sampler = ImageSMOTE(random_state=0, augment=augment)
    with pytest.warns(UserWarning, match="1: there is only one image"):
        more, _ = sampler.fit_resample(x, labels(10, 1))
    assert more.shape == (20, *shape)
    assert (sampler.sample_parents_ == 10).all()
    assert copies_of(more[11:], x) <= 1
    assert len(np.unique(more[10:], axis=0)) >= 9


def test_two_images_have_one_neighbour_each() -> None:
    sampler = ImageSMOTE(random_state=0)
    with pytest.warns(UserWarning, match="1: k = 1 instead of 5, because there are 2 images"):
        sampler.fit_resample(pixels(12), labels(10, 2))
    assert sampler.k_neighbors_ == {1: 1}
    assert {tuple(pair) for pair in sampler.sample_parents_.tolist()} == {(10, 11), (11, 10)}


def test_equal_images_are_no_neighbours() -> None:
    x = np.concatenate([pixels(10), pixels(13)[[10, 10, 10, 11, 12]]])
    sampler = ImageSMOTE(random_state=0, k_neighbors=4)
    more, _ = sampler.fit_resample(x, labels(10, 5))
    assert copies_of(more[15:], x) == 0
    assert not any({a, b} <= {10, 11, 12} for a, b in sampler.sample_parents_.tolist())


@pytest.mark.parametrize("parents", ["plain", "borderline", "adaptive"])
def test_an_image_beyond_reach_is_left_out(parents: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (30, 8)), rng.normal(3, 1, (12, 8)), np.full((1, 8), 500.0)])
    sampler = ImageSMOTE(random_state=0, reach=2.0, parents=parents, m_neighbors=26)
    with pytest.warns(UserWarning, match="1: 1 of 13 images have no neighbour within reach: left out"):
        sampler.fit_resample(x, labels(30, 13))
    assert 42 not in sampler.sample_parents_
    assert (sampler.sample_parents_[:, 0] != sampler.sample_parents_[:, 1]).all()


@pytest.mark.parametrize("augment", ["together", "apart"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 3)])
def test_effects_change_what_lies_between(augment: str, dtype: Any, shape: tuple[int, ...]) -> None:
    x, y = pixels(46, shape, dtype), labels(40, 6)
    plain, changed = ImageSMOTE(random_state=0), ImageSMOTE(random_state=0, augment=augment)
    bare, more = plain.fit_resample(x, y)[0], changed.fit_resample(x, y)[0]
    np.testing.assert_array_equal(plain.sample_parents_, changed.sample_parents_)
    assert more.dtype == dtype
    assert more[:46].tobytes() == x.tobytes()
    different = (bare[46:] != more[46:]).reshape(34, -1).any(axis=1)
    assert 0.8 < different.mean() <= 1
    np.testing.assert_array_equal(changed.fit_resample(x, y)[0], more)


def test_effects_and_codes_are_for_images() -> None:
    for x in (pixels(20, (6,)), pixels(20, (6, 6), np.float32), pixels(20, (6, 6, 4))):
        with pytest.raises(UsageError, match='space="pixel" with augment="off" takes any array'):
            ImageSMOTE(random_state=0, augment="together").fit_resample(x, labels(14, 6))


def test_any_shape_goes_in_pixels() -> None:
    assert ImageSMOTE(random_state=0).fit_resample(pixels(20, (3, 4, 5, 6)), labels(14, 6))[0].shape == (28, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"step": (0.5, 0.2)}, "step: expected low <= high within 0..1"),
        ({"step": (0.5,)}, "step"),
        ({"space": "latent"}, 'space="latent" needs an autoencoder'),
        ({"space": "features"}, "'space' parameter of ImageSMOTE must be"),
        ({"k_neighbors": 0}, "'k_neighbors' parameter of ImageSMOTE must be"),
    ],
)
def test_wrong_parameters_are_told(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageSMOTE(random_state=0, **parameters).fit_resample(pixels(20), labels(14, 6))


def test_wrong_data_is_told() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ImageSMOTE().fit_resample(pixels(20), labels(14, 5))
    with pytest.raises(ValueError, match="NaN"):
        ImageSMOTE().fit_resample(np.full((20, 4, 4), np.nan), labels(14, 6))
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        ImageSMOTE().fit_resample(np.arange(20.0), labels(14, 6))


def test_sparse_matrices_stay_sparse() -> None:
    x, y = pixels(20, (6,), np.float64), labels(14, 6)
    for form in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        more, _ = ImageSMOTE(random_state=0).fit_resample(form(x), y)
        assert isinstance(more, form)
        np.testing.assert_array_equal(more.toarray(), ImageSMOTE(random_state=0).fit_resample(x, y)[0])


def test_it_is_an_estimator_like_others() -> None:
    sampler = ImageSMOTE("minority", random_state=3, step=(0.1, 0.9), folder=Path("new"))
    twin = clone(sampler)
    assert twin.get_params() == sampler.get_params()
    assert twin.set_params(k_neighbors=2).k_neighbors == 2
    assert pickle.loads(pickle.dumps(sampler)).get_params() == sampler.get_params()
    assert repr(ImageSMOTE(k_neighbors=3)) == "ImageSMOTE(k_neighbors=3)"


def test_a_pipeline_balances_what_a_classifier_learns_from() -> None:
    rng = np.random.default_rng(0)
    y = labels(60, 12)
    x = (rng.integers(0, 150, (72, 8, 8, 3)) + 60 * y[:, None, None, None]).astype(np.uint8)
    flat = FunctionTransformer(lambda images: images.reshape(len(images), -1) / 255)
    pipeline = make_pipeline(ImageSMOTE(random_state=0), flat, LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"imagesmote__k_neighbors": [1, 3]}, cv=StratifiedKFold(3))
    assert search.fit(x, y).best_score_ > 0.9


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], Array]:
    """14 red and 6 yellow files of several sizes, formats and channels."""
    paths = []
    for index in range(20):
        size, suffix = (20 + index, 34 - index % 5), (".png", ".jpg")[index % 2]
        image = picture("red" if index < 14 else "yellow", index, size=size)
        paths.append(tmp_path / "given" / f"{index}{suffix}")
        paths[-1].parent.mkdir(exist_ok=True)
        (image.convert("L") if index == 19 else image).save(paths[-1])
    return paths, np.array(["red"] * 14 + ["yellow"] * 6)


def test_paths_give_paths(files: tuple[list[Path], Array], tmp_path: Path) -> None:
    paths, y = files
    before = tree_state(tmp_path / "given")
    sampler = ImageSMOTE(random_state=0, folder=tmp_path / "new" / "images")
    more, more_y = sampler.fit_resample(paths, y)
    assert isinstance(more, list)
    assert more[:20] == paths
    assert more_y[20:].tolist() == ["yellow"] * 8
    assert tree_state(tmp_path / "given") == before
    assert sorted(more[20:]) == sorted((tmp_path / "new" / "images").iterdir())
    for path, (a, b), t in zip(more[20:], sampler.sample_parents_, sampler.sample_steps_, strict=True):
        with Image.open(path) as image, Image.open(paths[a]) as first, Image.open(paths[b]) as second:
            assert (image.format, image.mode) == ("PNG", first.mode)
            assert np.abs(np.array(image.size) - ((1 - t) * np.array(first.size) + t * np.array(second.size))).max() < 1


def test_no_file_is_overwritten(files: tuple[list[Path], Array], tmp_path: Path) -> None:
    paths, y = files
    sampler = ImageSMOTE(random_state=0, folder=tmp_path / "new")
    first = sampler.fit_resample(paths, y)[0][20:]
    before = tree_state(tmp_path / "new")
    second = sampler.fit_resample(paths, y)[0][20:]
    assert not set(first) & set(second)
    assert {name: state for name, state in tree_state(tmp_path / "new").items() if name in before} == before
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("kind", ["list of str", "array of str", "array of paths", "series"])
def test_paths_keep_their_kind(files: tuple[list[Path], Array], tmp_path: Path, kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    words = [str(path) for path in files[0]]
    x = {
        "list of str": words,
        "array of str": np.array(words),
        "array of paths": np.array(files[0]),
        "series": pandas.Series(words, name="file"),
    }[kind]
    folder = tmp_path / ("a folder with quite a long name " * 3)
    more, _ = ImageSMOTE(random_state=0, folder=str(folder)).fit_resample(x, files[1])
    assert type(more) is type(x)
    assert {type(path) for path in more} == {type(path) for path in x}
    assert list(more[:20]) == list(x)
    assert all(Path(path).parent == folder and Path(path).is_file() for path in more[20:])


def test_effects_and_other_classes_go_with_files_too(files: tuple[list[Path], Array], tmp_path: Path) -> None:
    for number, parents in enumerate(["plain", "borderline", "adaptive"]):
        sampler = ImageSMOTE(
            random_state=0, folder=tmp_path / str(number), augment="together", parents=parents, m_neighbors=19, reach=2
        )
        assert len(sampler.fit_resample(files[0], files[1])[0]) == 28


def test_files_need_a_folder(files: tuple[list[Path], Array]) -> None:
    with pytest.raises(UsageError, match="X is paths: say with folder="):
        ImageSMOTE().fit_resample(*files)


def test_a_failure_leaves_no_file(files: tuple[list[Path], Array], tmp_path: Path) -> None:
    paths, _ = files
    paths[3].write_bytes(b"no image")
    y = np.array([0] * 10 + [2] * 10)
    y[[2, 3, 4]] = [1, 3, 3]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "smote-000000.png").write_bytes(b"mine")
    sampler = ImageSMOTE({2: 14, 3: 8}, random_state=0, k_neighbors=1, folder=tmp_path / "new")
    with pytest.raises(ImageError, match=rf"{paths[3].name}: not an image of a known format"):
        sampler.fit_resample(paths, y)
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"mine"]


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Codes of red and yellow, by networks that learned nothing."""
    root = tmp_path_factory.mktemp("latent")
    for index in range(18):
        label = "red" if index < 12 else "yellow"
        path = root / "data" / "train" / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(label, index, size=(32, 32)).save(path)
    make_gan_bundle(root / "data", root / "bundle")
    return root / "bundle"


@pytest.mark.parametrize("augment", ["off", "together", "apart"])
def test_the_way_through_codes(autoencoder: Path, augment: str) -> None:
    x = np.stack([np.asarray(picture("red" if n < 14 else "yellow", n, size=(32, 32))) for n in range(20)])
    y = np.array(["red"] * 14 + ["yellow"] * 6)
    sampler = ImageSMOTE(random_state=0, space="latent", bundle=autoencoder, augment=augment, k_neighbors=2)
    more, _ = sampler.fit_resample(x, y)
    assert more.shape == (28, 32, 32, 3)
    assert more.dtype == np.uint8
    np.testing.assert_array_equal(sampler.fit_resample(x, y)[0], more)
    a, b = (x[side].astype(float) for side in sampler.sample_parents_.T)
    t = sampler.sample_steps_[:, None, None, None]
    assert np.abs(more[20:] - ((1 - t) * a + t * b)).max() > 2
    with pytest.raises(UsageError, match='knows red, yellow, but not "1"'):
        sampler.fit_resample(x, labels(14, 6))


@pytest.mark.parametrize(("augment", "kept"), [("off", 8), ("together", 8), ("apart", 0)])
def test_codes_are_kept_of_unchanged_images_alone(
    autoencoder: Path, monkeypatch: pytest.MonkeyPatch, augment: str, kept: int
) -> None:
    seen = []
    interpolate = LatentInterpolator.interpolate

    def watched(path: LatentInterpolator, pairs: list[Pair], label: str) -> Any:
        seen.extend(pairs)
        return interpolate(path, pairs, label)

    monkeypatch.setattr(LatentInterpolator, "interpolate", watched)
    sampler = ImageSMOTE(random_state=0, space="latent", bundle=autoencoder, augment=augment)
    sampler.fit_resample(pixels(20), np.array(["red"] * 14 + ["yellow"] * 6))
    assert sum(pair.keys is not None for pair in seen) == kept


def test_files_through_codes(autoencoder: Path, files: tuple[list[Path], Array], tmp_path: Path) -> None:
    sampler = ImageSMOTE(
        random_state=0, space="latent", bundle=str(autoencoder), parents="adaptive", folder=tmp_path / "new"
    )
    assert len(sampler.fit_resample(*files)[0]) == 28


@pytest.mark.parametrize(("ratio", "n_new"), [(0.29, 1), (0.57, 29), (0.565, 28), (1.0, 72)])
def test_a_ratio_is_a_decimal_number(ratio: float, n_new: int) -> None:
    sampler = ImageSMOTE(ratio, random_state=0)
    y = np.array(["common"] * 100 + ["rare"] * 28)
    assert len(sampler.fit_resample(pixels(128), y)[0]) == 128 + n_new
    assert sampler.sampling_strategy == ratio
    with pytest.raises(ValueError, match="ratio"):
        ImageSMOTE(0.28).fit_resample(pixels(128), y)


def test_only_who_asks_for_it_loads_imbalanced_learn_and_only_codes_load_torch() -> None:
    script = """
import sys
import synth, synth.cli.app
assert "imblearn" not in sys.modules
import numpy as np
synth.ImageSMOTE(random_state=0).fit_resample(np.random.default_rng(0).random((20, 4, 4)), [0] * 14 + [1] * 6)
assert "imblearn" in sys.modules and "torch" not in sys.modules
"""
    subprocess.run((sys.executable, "-c", script), check=True, capture_output=True)


def test_files_of_16_bits_keep_their_levels(tmp_path: Path) -> None:
    paths = []
    for number in range(9):
        levels = np.random.default_rng(number).integers(100, 1000 if number % 2 else 4000, (24, 24)).astype(np.uint16)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(levels).save(paths[-1])
    more, _ = ImageSMOTE(k_neighbors=2, random_state=0, folder=tmp_path / "new").fit_resample(paths, [0] * 6 + [1] * 3)
    for path in more[9:]:
        with Image.open(path) as image:
            assert image.mode == "I;16"
            assert 100 <= np.asarray(image).min() <= np.asarray(image).max() < 4000
