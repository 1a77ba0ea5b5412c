"""Set measures against known answers and brute force; `check` on images whose faults are known."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFilter

import synth
from synth.classifier.judge import Judge, open_judge
from synth.data.dataset import open_dataset
from synth.errors import UsageError
from synth.measures import copies, detection, neighbours, sets, texture
from synth.measures.words import four_words
from synth.quality import samples
from synth.quality.check import Quality, check
from synth.runs.generate import generate
from synth.settings.recipe import load_recipe
from tests.conftest import QUICK, Judged, fill_folder, make_dataset, picture, tree_state

Points = npt.NDArray[np.float32]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gauss(n: int, *, seed: int, shift: float = 0.0, scale: float = 1.0, width: int = 16) -> Points:
    return (rng(seed).normal(0, scale, (n, width)) + shift).astype(np.float32)


# Distances


def test_distances_in_blocks_are_those_of_whole_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK_CELLS", 100)  # several blocks
    a, b = gauss(37, seed=0), gauss(23, seed=1)
    whole = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert neighbours.nearest(a, b) == pytest.approx(whole.min(axis=1), rel=1e-5)
    own = np.sort(np.linalg.norm(a[:, None] - a[None], axis=2), axis=1)
    assert neighbours.neighbour_distances(a, 3) == pytest.approx(own[:, 3], rel=1e-5)


def test_far_points_that_coincide_are_at_distance_0() -> None:
    far = gauss(10, seed=0, shift=1000)
    assert (neighbours.nearest(far, far) == 0).all()
    assert (neighbours.neighbour_distances(np.repeat(far, 2, axis=0), 1) == 0).all()


def test_spread_ignores_copies_and_knows_when_it_knows_nothing() -> None:
    line = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    assert neighbours.spread(line) == pytest.approx(1.0)
    assert neighbours.spread(np.repeat(line, 5, axis=0)) == pytest.approx(1.0)
    assert neighbours.spread(line[:1]) == math.inf
    assert neighbours.spread(np.repeat(line[:1], 5, axis=0)) == math.inf
    assert (neighbours.nearest(line, line[:0]) == math.inf).all()


# KID


def test_kid_is_unbiased_and_sees_a_shift() -> None:
    same = [sets.kid(gauss(10, seed=s), gauss(10, seed=100 + s), rng=rng()).value or 0.0 for s in range(100)]
    assert min(same) < 0 < max(same)
    assert abs(np.mean(same)) < 3 * np.std(same) / 10
    shifted = sets.kid(gauss(50, seed=0, shift=0.5), gauss(50, seed=1), rng=rng())
    assert shifted.value is not None
    assert shifted.interval is not None
    assert 0 < shifted.interval[0] < shifted.value < shifted.interval[1]


def test_kid_is_the_formula_of_the_paper() -> None:
    a, b = gauss(7, seed=0, shift=0.3).astype(np.float64), gauss(9, seed=1).astype(np.float64)
    centre, scale = (a.mean(0) + b.mean(0)) / 2, np.sqrt(b.var(0, ddof=1).mean())
    x, y = (a - centre) / scale, (b - centre) / scale

    def kernel(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
        return float((p @ q / len(p) + 1) ** 3)

    within_x = np.mean([kernel(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(9) for j in range(9) if i != j])
    between = np.mean([kernel(p, q) for p in x for q in y])
    assert sets.kid(a, b, rng=rng()).value == pytest.approx(within_x + within_y - 2 * between)


def test_kid_has_no_scale_of_its_own() -> None:
    a, b = gauss(30, seed=0, shift=0.5), gauss(30, seed=1)
    near, far = sets.kid(a, b, rng=rng()), sets.kid(100 * a + 7, 100 * b + 7, rng=rng())
    assert near.value == pytest.approx(far.value, rel=1e-3)


def test_kid_of_too_few_is_unknown() -> None:
    assert sets.kid(gauss(1, seed=0), gauss(9, seed=1), rng=rng()) == sets.Kid()
    three = sets.kid(gauss(3, seed=0), gauss(9, seed=1), rng=rng())
    assert three.value is not None
    assert three.interval is None
    same = np.ones((6, 4), np.float32)
    assert sets.kid(same, same, rng=rng()).value == 0


# Density and coverage


def test_density_and_coverage_against_brute_force() -> None:
    made, real = gauss(40, seed=0, scale=0.8), gauss(30, seed=1)
    radii = np.sort(np.linalg.norm(real[:, None] - real[None], axis=2), axis=1)[:, 5]
    inside = np.linalg.norm(real[:, None] - made[None], axis=2) <= radii[:, None]
    found = sets.density_coverage(made, real)
    assert found.density == pytest.approx(inside.sum() / (5 * 40))
    assert found.coverage == pytest.approx(inside.any(axis=1).mean())


def test_coverage_of_a_subset_is_what_random_subsets_reach() -> None:
    made, real = gauss(200, seed=0), gauss(30, seed=1)
    draws = [sets.density_coverage(made[rng(s).permutation(200)[:20]], real).coverage or 0.0 for s in range(300)]
    assert sets.density_coverage(made, real, n=20).coverage == pytest.approx(np.mean(draws), abs=0.015)


def test_points_that_coincide_cover_each_other() -> None:
    same = np.full((8, 4), 3.7, np.float32)
    found = sets.density_coverage(same, same)
    assert found.coverage == 1
    assert sets.density_coverage(same + 1, same) == sets.Cover(0.0, 0.0)


def test_one_reference_image_has_no_neighbourhood() -> None:
    assert sets.density_coverage(gauss(9, seed=0), gauss(1, seed=1)) == sets.Cover()
    assert sets.density_coverage(gauss(0, seed=0), gauss(9, seed=1)) == sets.Cover()
    assert sets.density_coverage(gauss(9, seed=0), gauss(2, seed=1)).coverage is not None


def test_a_class_of_nine_is_not_covered_by_two_spots() -> None:
    real, spots = gauss(9, seed=0), np.repeat(gauss(9, seed=0)[:2], 20, axis=0)
    assert (sets.density_coverage(spots, real).coverage or 1) < 0.7


# Diversity


def test_diversity_of_the_same_kind_of_one_picture_and_of_noise() -> None:
    flat = np.diag([1.0] * 4 + [0.0] * 12).astype(np.float32)  # real images differ in 4 of 16 directions
    real = gauss(200, seed=0) @ flat
    assert sets.diversity(gauss(200, seed=1) @ flat, real, rng=rng()) == pytest.approx(1, abs=0.1)
    assert sets.diversity(gauss(200, seed=1) @ flat / 10, real, rng=rng()) == pytest.approx(0.1, abs=0.02)
    noise = gauss(200, seed=1) @ (np.eye(16, dtype=np.float32) - flat)
    assert sets.diversity(noise, real, rng=rng()) == pytest.approx(0, abs=0.02)
    assert sets.diversity(real[:1], real, rng=rng()) is None
    assert sets.diversity(real, np.ones_like(real), rng=rng()) is None


# Telling apart


def test_auc_of_the_same_kind_and_of_another() -> None:
    alone = np.arange(60)
    same = detection.detectable_auc([gauss(60, seed=0)], [gauss(60, seed=1)], groups=alone, rng=rng())
    other = detection.detectable_auc([gauss(60, seed=0, shift=2)], [gauss(60, seed=1)], groups=alone, rng=rng())
    assert same == pytest.approx(0.5, abs=0.12)
    assert other == pytest.approx(1, abs=0.01)


def test_a_loud_block_does_not_drown_a_small_one() -> None:
    ours, reference = gauss(60, seed=0, width=1000), gauss(60, seed=1, width=1000)
    size = [np.full((60, 1), value, np.float32) + gauss(60, seed=2, width=1, scale=0.1) for value in (1, 2)]
    auc = detection.detectable_auc([ours, size[0]], [reference, size[1]], groups=np.arange(60), rng=rng())
    assert auc is not None
    assert auc > 0.9


def test_relatives_never_help_to_tell_apart() -> None:
    parents, others = gauss(12, seed=0), gauss(60, seed=1)
    children = np.repeat(parents, 10, axis=0) + gauss(120, seed=2, scale=0.05)
    families = detection.relatives([(f"parent {i // 10}",) for i in range(120)])
    assert len(set(families.tolist())) == 12
    apart = detection.detectable_auc([children], [others], groups=families, rng=rng())
    mixed = detection.detectable_auc([children], [others], groups=np.arange(120), rng=rng())
    assert apart is not None
    assert mixed is not None
    assert apart < mixed - 0.1


def test_families_are_joined_by_shared_parents_unless_all_become_one() -> None:
    pairs = detection.relatives([("a", "b"), ("b",), ("c",), ("d", "c"), ()])
    assert pairs[0] == pairs[1] != pairs[2] == pairs[3] != pairs[4]
    mixed = detection.relatives([("a", "b"), ("b", "c"), ("c", "a"), ("a", "c")])
    assert mixed[0] == mixed[3] != mixed[1] != mixed[2]


def test_auc_of_a_single_family_is_unknown() -> None:
    assert detection.detectable_auc([gauss(5, seed=0)], [gauss(9, seed=1)], groups=np.zeros(5, int), rng=rng()) is None


# Pixels


def test_texture_tells_size_blur_and_noise() -> None:
    plain = picture("red", 1)
    base = texture.descriptor(np.asarray(plain))
    blurred = texture.descriptor(np.asarray(plain.filter(ImageFilter.GaussianBlur(2))))
    noisy = texture.descriptor(np.asarray(plain) ^ np.uint8(15))
    assert base.shape == (11,)
    assert base[:2] == pytest.approx(np.log([24, 36]))
    assert blurred[2] < base[2] - 1
    assert noisy[2] != base[2]
    for form in (np.zeros((2, 2), np.uint8), np.full((2, 40), 65535, np.uint16)):
        assert np.isfinite(texture.descriptor(form)).all()


def test_an_image_saved_again_is_a_copy_and_another_picture_is_none() -> None:
    real = [np.asarray(picture("red", i, size=(160, 240))) for i in range(12)]
    thumbnails = np.stack([copies.thumbnail(pixels) for pixels in real])
    limit = copies.tolerance([copies.resave_error(pixels) for pixels in real], thumbnails)
    assert 0 < limit < 0.1
    again = np.stack([copies.thumbnail(copies.saved_again(pixels)) for pixels in real])
    assert (neighbours.nearest(again, thumbnails) <= limit).mean() > 0.9
    fresh = np.stack([copies.thumbnail(np.asarray(picture("red", i, size=(160, 240)))) for i in range(50, 60)])
    assert (neighbours.nearest(fresh, thumbnails) > limit).all()


def test_rmse_of_thumbnails_is_in_levels() -> None:
    black, grey = np.zeros((9, 7), np.uint8), np.full((50, 70, 3), 51, np.uint8)
    assert np.linalg.norm(copies.thumbnail(black) - copies.thumbnail(grey)) == pytest.approx(0.2, abs=1e-3)


def test_near_pictures_lower_the_tolerance() -> None:
    corner = np.zeros((2, 3072), np.float32)
    corner[1, 0] = 0.06
    assert copies.tolerance([0.05], corner) == pytest.approx(0.03)
    assert copies.tolerance([0.05], corner[:1]) == pytest.approx(0.05)
    assert copies.tolerance([0.05], corner * 0) == pytest.approx(0.05)
    assert copies.tolerance([], corner[:0]) == 0


# check


COUNTS = {
    "train": {"red": 24, "yellow": 12, "green": 24},
    "test": {"red": 8, "yellow": 8, "green": 8},
}
SETTINGS = ["classifier.steps=30", "classifier.folds=2", "classifier.size=32"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("quality") / "lights", COUNTS)


@pytest.fixture(scope="module")
def judge(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    bundle = tmp_path_factory.mktemp("judge") / "bundle"
    synth.train("classifier", open_dataset(data), load_recipe(assignments=SETTINGS), bundle, device="cpu")
    return open_judge(bundle)


def make(data: Path, out: Path, **settings: object) -> Path:
    recipe = load_recipe(None, {"target": {"yellow": 48}, "classes": ["yellow"], **settings})
    generate(open_dataset(data), None, recipe, out)
    return out


@pytest.fixture(scope="module")
def augmented(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    mirrored = {"augment.effects.flip_horizontal.p": 0.5}  # the drawn lamps have no left and right
    return make(data, tmp_path_factory.mktemp("augmented") / "out", **mirrored)


@pytest.fixture(scope="module")
def checked(augmented: Path, judge: Judge) -> Quality:
    return check(augmented, judge=judge)


def words(quality: Quality, label: str = "yellow") -> dict[str, str | None]:
    return {name: word.verdict for name, word in quality.classes[label].words.items()}


def test_good_augmentations_are_all_four(checked: Quality) -> None:
    assert set(words(checked).values()) == {"yes"}
    assert checked.bad == ()
    entry = checked.classes["yellow"]
    assert entry.synthetic["n"] == 36
    assert entry.synthetic["accepted"] == 1
    assert (entry.real["n"], entry.real["held_out"]) == (8, "test")


def test_copies_are_not_original(data: Path, judge: Judge, tmp_path: Path) -> None:
    quality = check(make(data, tmp_path / "out", method="duplicate"), judge=judge)
    assert words(quality) == {"realistic": "yes", "representative": "yes", "varied": "yes", "original": "no"}
    assert quality.classes["yellow"].synthetic["copies"] == 1
    assert quality.bad == ("yellow",)


def test_noise_is_only_original(data: Path, judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "yellow").mkdir()
    for i in range(36):
        noise = rng(i).integers(0, 256, (36, 24, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"yellow/{i}.png")
    quality = check(data, synthetic=tmp_path, judge=judge)
    found = words(quality)
    assert (found["realistic"], found["representative"], found["original"]) == ("no", "no", "yes")
    assert quality.classes["yellow"].synthetic["detectable_auc"] > 0.95
    assert quality.bad == ("yellow",)


def test_wrong_labels_are_not_realistic(data: Path, judge: Judge, tmp_path: Path) -> None:
    fill_folder(tmp_path / "source", "red", 36, first=700)
    (tmp_path / "made/yellow").mkdir(parents=True)
    for path in (tmp_path / "source").iterdir():
        shutil.move(path, tmp_path / "made/yellow")
    quality = check(data, synthetic=tmp_path / "made", judge=judge)
    assert words(quality)["realistic"] == "no"
    assert words(quality)["original"] == "yes"
    assert next(iter(quality.classes["yellow"].synthetic["called"])) == "red"
    assert quality.classes["yellow"].synthetic["accepted"] is None


def test_many_children_of_one_image_are_not_varied(augmented: Path, data: Path, judge: Judge, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (augmented / "manifest.jsonl").read_text().splitlines()]
    made = [row for row in rows if row["synthetic"]]
    (tmp_path / "yellow").mkdir()
    for row in made:
        if row["parents"][0] == made[0]["parents"][0]:
            shutil.copy(augmented / row["path"], tmp_path / "yellow")
    assert words(check(data, synthetic=tmp_path, judge=judge))["varied"] != "yes"


def test_the_file_is_the_form_that_the_interface_states(augmented: Path, checked: Quality, judge: Judge) -> None:
    document = json.loads((augmented / "quality.json").read_text())
    assert document == checked.to_json()
    assert document["judge"] == {"digest": judge.digest, "classes": list(judge.classes), "warnings": []}
    real, synthetic = {"n", "recall", "precision", "f1", "score_mean"}, {"n", "accepted", "on_class", "score_mean"}
    measures = {"kid", "kid_interval", "density", "coverage", "copies", "diversity", "detectable_auc"}
    for label, entry in document["classes"].items():
        assert set(entry["real"]) >= real | measures | {"held_out", "on_class"}
        assert set(entry["synthetic"]) >= synthetic | measures
        assert set(entry["words"]) == {"realistic", "representative", "varied", "original"}
        for word in entry["words"].values():
            assert set(word) == {"score", "real", "measure", "verdict"}
            assert word["measure"] in entry["real"]
        if label != "yellow":
            assert set(entry["synthetic"].values()) == {None}
            assert {word["verdict"] for word in entry["words"].values()} == {None}


def test_the_same_numbers_with_any_number_of_workers(
    augmented: Path, checked: Quality, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "CHUNK", 16)  # so that there are enough chunks for several workers
    calls: list[tuple[str, int, int]] = []
    again = check(augmented, judge=judge, write=False, n_workers=2, progress=lambda *call: calls.append(call))
    assert again.to_json() == checked.to_json()
    assert calls[-1] == ("images", 120, 120)


def test_only_our_own_output_is_written_into(augmented: Path, data: Path, judge: Judge, tmp_path: Path) -> None:
    fill_folder(tmp_path / "yellow", "yellow", 9, first=700)
    before = tree_state(data), tree_state(augmented)
    check(data, synthetic=tmp_path, judge=judge)
    check(augmented, synthetic=tmp_path, judge=judge)
    assert (tree_state(data), tree_state(augmented)) == before


def test_new_images_alone_are_checked_against_the_data(data: Path, judge: Judge, tmp_path: Path) -> None:
    out = make(data, tmp_path / "new", **{"output.only_new": True})
    with pytest.raises(UsageError, match="holds no real images: synth check DATA --synthetic"):
        check(out, judge=judge)
    entry = check(data, synthetic=out, judge=judge).classes["yellow"]
    assert entry.synthetic["accepted"] == 1
    assert entry.synthetic["n"] == 36


def test_without_held_out_images_halves_of_the_training_images_serve(judge: Judge, tmp_path: Path) -> None:
    counts = {"train": {"red": 12, "yellow": 9, "green": 12}, "test": {"red": 6, "yellow": 2}}
    data = make_dataset(tmp_path / "data", counts)
    quality = check(make(data, tmp_path / "out"), judge=judge)
    yellow, green = quality.classes["yellow"], quality.classes["green"]
    assert (yellow.real["held_out"], yellow.real["n"]) == ("out_of_fold", 9)
    assert (green.real["held_out"], green.real["n"]) == ("out_of_fold", 12)
    assert yellow.note.startswith("only 2 images held out: set measures compare with half of the training images")
    assert green.note.startswith("no image held out: set measures")
    assert yellow.synthetic["coverage"] is not None


def test_classes_of_one_or_two_images_give_no_error_and_no_nan(judge: Judge, tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 12, "yellow": 2, "green": 1}})
    fill_folder(tmp_path / "made/yellow", "yellow", 1, first=700)
    fill_folder(tmp_path / "made/green", "green", 3, first=700)
    quality = check(data, synthetic=tmp_path / "made", judge=judge)
    json.dumps(quality.to_json(), allow_nan=False)
    assert quality.classes["green"].synthetic["kid"] is None
    assert "too few for a reliable score" in quality.classes["green"].note


def test_a_class_without_any_real_image_is_judged_by_the_judge_alone(judge: Judge, tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 12, "green": 12}})
    (data / "yellow").mkdir()
    (data / "unheard of").mkdir()
    fill_folder(tmp_path / "made/yellow", "yellow", 6, first=700)
    quality = check(data, synthetic=tmp_path / "made", judge=judge)
    assert quality.classes["yellow"].synthetic["on_class"] > 0.5
    assert quality.classes["yellow"].synthetic["coverage"] is None
    assert words(quality)["realistic"] is None
    assert "unheard of" not in quality.classes
    json.dumps(quality.to_json(), allow_nan=False)


def test_a_judge_that_misses_most_real_images_praises_none() -> None:
    def verdict(score: float, real: float) -> str | None:
        values = {"on_class_near_real": score, "coverage": None, "diversity": None, "copies": None}
        return four_words(values, {**values, "on_class_near_real": real})["realistic"].verdict

    assert [verdict(score, 1) for score in (0.95, 0.7, 0.5)] == ["yes", "partly", "no"]
    assert [verdict(score, 0.3) for score in (0.9, 0.3, 0.1)] == [None, None, "no"]
    assert verdict(0, 0) is None


def test_a_file_that_went_bad_is_named_and_left_out(data: Path, judge: Judge, tmp_path: Path) -> None:
    out = make(data, tmp_path / "out")
    victim = next((out / "train/yellow").glob("*augment*"))
    victim.write_bytes(b"nothing")
    quality = check(out, judge=judge)
    assert len(quality.refused) == 1
    assert quality.classes["yellow"].synthetic["n"] == 35


def test_what_cannot_be_compared_is_refused(data: Path, judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no synthetic image there"):
        check(data, judge=judge)
    fill_folder(tmp_path / "made/yelow", "yellow", 3)
    with pytest.raises(UsageError, match='did you mean "yellow"'):
        check(data, synthetic=tmp_path / "made", judge=judge)
    other = make_dataset(tmp_path / "other", {"": {"red": 6, "blue": 6}})
    fill_folder(tmp_path / "blue/blue", "blue", 3, first=700)
    with pytest.raises(UsageError, match="the judge does not know blue"):
        check(other, synthetic=tmp_path / "blue", judge=judge)


def test_without_a_judge_one_is_trained_and_kept(judged: Judged, tmp_path: Path) -> None:
    recipe = load_recipe(overrides={**QUICK, "classifier.steps": 10})
    out, told = tmp_path / "out", list[str]()
    generate(open_dataset(judged.data), None, recipe.model_copy(update={"target": {"yellow": 24}}), out)
    first = check(out, say=told.append)
    assert len(told) == 1
    assert str(tmp_path / "out-judge") in told[0]
    assert check(out, say=told.append) == first
    assert check(out, judge=tmp_path / "out-judge") == first
    assert len(told) == 1
