"""Scores and their intervals, against scikit-learn, against known answers and against brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from synth.measures import intervals
from synth.measures.intervals import n_for_half_width, percentile_interval, resampled_counts, wilson
from synth.measures.scores import ClassScores, Scores, points, score

LABELS = ("red", "yellow", "green")


def predictions(n: int, *, seed: int = 0, skill: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.6, 0.1, 0.3])
    probabilities = rng.random((n, 3))
    probabilities[np.arange(n), truth] += skill
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


def scored(n: int = 400) -> Scores:
    return score(*predictions(n), LABELS)


def test_points_are_those_of_scikit_learn() -> None:
    truth, probabilities = predictions(400)
    found = score(truth, probabilities, LABELS)
    f1s = f1_score(truth, probabilities.argmax(axis=1), average=None)
    for c, label in enumerate(LABELS):
        assert found.classes[label].f1 == pytest.approx(f1s[c])
        expected = average_precision_score(truth == c, probabilities[:, c])
        assert found.classes[label].average_precision == pytest.approx(expected)
    recalls = [entry.recall for entry in found.classes.values()]
    assert found.macro_f1 == pytest.approx(f1s.mean())
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert found.worst_recall == min(recalls)
    assert np.sum(found.confusion) == 400


def test_points_hold_for_the_shares_of_classes_that_are_asked_for() -> None:
    """An image that counts four times is as good as four of them."""
    truth, probabilities = predictions(400)
    chosen = np.concatenate([np.flatnonzero(truth == c)[:n] for c, n in enumerate((12, 6, 3))])
    repeated = np.repeat(chosen, np.array([1, 2, 4])[truth[chosen]])
    found = points(truth[chosen], probabilities[chosen], np.full(3, 1 / 3))
    expected = points(truth[repeated], probabilities[repeated])
    for name in ("precision", "recall", "f1", "average_precision"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name
    assert found.macro_f1 != pytest.approx(points(truth[chosen], probabilities[chosen]).macro_f1)
    assert found.confusion.sum() == 21


def test_intervals_hold_their_points_and_shrink_with_more_images() -> None:
    few, many = scored(200), scored(5000)
    for label in LABELS:
        for name, bounds in many.classes[label].intervals.items():
            assert bounds is not None
            low, high = bounds
            assert 0 <= low <= getattr(many.classes[label], name) <= high <= 1
            wider = few.classes[label].intervals[name]
            assert wider is not None
            assert wider[1] - wider[0] > high - low


def test_intervals_hold_the_true_share_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = rng.binomial(20, 0.9, 2000)
    held = [low <= 0.9 <= high for low, high in (wilson(int(n), 20) for n in hits)]
    assert 0.93 <= np.mean(held) <= 0.98


def test_wilson_against_a_published_table() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I: method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n_images", [1, 3, 8, 40])
@pytest.mark.parametrize("right", [True, False])
def test_few_images_never_measure_a_score_exactly(n_images: int, right: bool) -> None:
    truth = np.repeat([0, 1], n_images)
    found = score(truth, np.eye(2)[truth if right else 1 - truth], ["worn", "whole"]).classes["worn"]
    assert found.f1 == found.recall == float(right)
    for name in ("precision", "recall", "f1"):
        low, high = found.intervals[name] or (0.5, 0.5)
        assert high - low > 0.04
        assert (high == 1) if right else (low == 0)
    average = found.intervals["average_precision"]
    assert average is None or average[0] < average[1]
    assert average is None or n_images >= 5


def test_the_interval_of_f1_holds_the_true_score_about_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intervals, "N_RESAMPLES", 2)  # of average precision, which takes the time
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):  # 15 and 60 images, 90 % and 95 % right: the true F1 is 2 * 13.5 / (15 + 13.5 + 3)
        truth = np.repeat([0, 1], [15, 60])
        called = np.where(rng.random(75) < np.where(truth == 0, 0.9, 0.95), truth, 1 - truth)
        low, high = score(truth, np.eye(2)[called], ["rare", "common"]).classes["rare"].intervals["f1"] or (0, 0)
        held += low <= 27 / 31.5 <= high
    assert 0.92 <= held / 200 <= 1


def test_resampled_average_precision_is_the_weighted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "N_RESAMPLES", 100)
    # With ties: probabilities of one digit.
    truth, probabilities = predictions(60)
    probabilities = probabilities.round(1)
    found = score(truth, probabilities, LABELS).classes["yellow"].intervals["average_precision"]
    counts = resampled_counts(60, np.random.default_rng(0), 100)
    expected = [
        average_precision_score(truth == 1, probabilities[:, 1], sample_weight=weights)
        for weights in counts.T
        if weights[truth == 1].any()
    ]
    assert found == pytest.approx(percentile_interval(np.array(expected)), abs=1e-6)


def test_groups_are_resampled_whole() -> None:
    truth, probabilities = predictions(100)
    copied = np.repeat(truth, 20), np.repeat(probabilities, 20, axis=0)
    twenty_fold = score(*copied, LABELS)
    grouped = score(*copied, LABELS, groups=np.repeat(np.arange(100), 20))
    single = score(truth, probabilities, LABELS)
    assert grouped.classes["red"].intervals["f1"] == pytest.approx(single.classes["red"].intervals["f1"])
    low, high = twenty_fold.classes["red"].intervals["f1"] or (0, 1)
    grouped_low, grouped_high = grouped.classes["red"].intervals["f1"] or (0, 0)
    assert high - low < (grouped_high - grouped_low) / 2


def test_a_seed_gives_the_same_intervals() -> None:
    truth, probabilities = predictions(100)
    assert score(truth, probabilities, LABELS, seed=1) == score(truth, probabilities, LABELS, seed=1)
    assert score(truth, probabilities, LABELS, seed=1) != score(truth, probabilities, LABELS, seed=2)


def one_class(n: int, n_right: int) -> ClassScores:
    """n images of the second class, n_right of them found, beside 50 of the first."""
    truth = np.repeat([0, 1], [50, n])
    called = np.repeat([0, 1, 0], [50, n_right, n - n_right])
    return score(truth, np.eye(3)[called], LABELS).classes["yellow"]


@pytest.mark.parametrize(
    ("n", "n_right", "note"),
    [
        (0, 0, "no image"),
        (1, 1, "only 1 image: too few for a reliable score"),
        (3, 1, "only 3 images: too few for a reliable score"),
        (9, 7, "9 images: the recall is between 0.45 and 0.94; about 330 images would measure it to +-0.05"),
        (200, 150, ""),
    ],
)
def test_too_few_images_are_said_to_be_so(n: int, n_right: int, note: str) -> None:
    assert one_class(n, n_right).note == note


def test_the_number_of_images_it_takes() -> None:
    n = n_for_half_width(0.5, 0.05)
    assert n == 385
    low, high = wilson(n // 2, n)
    assert (high - low) / 2 == pytest.approx(0.05, abs=0.001)


def test_a_class_without_images_is_unknown_and_counts_in_no_mean() -> None:
    truth, called = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = score(truth, np.eye(3)[called], LABELS)
    empty = found.classes["green"]
    assert (empty.n, empty.precision, empty.recall, empty.f1, empty.average_precision) == (0, None, None, None, None)
    assert set(empty.intervals.values()) == {None}
    assert (found.balanced_accuracy, found.worst_recall) == (0.75, 0.5)
    assert found.confusion[0] == (1, 0, 1)


def test_a_class_that_is_never_predicted_scores_0_and_nothing_is_known_of_its_precision() -> None:
    found = score(np.array([0, 1, 1]), np.eye(3)[[0, 0, 0]], LABELS).classes["yellow"]
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)
    assert found.intervals["precision"] == (0, 1)


def test_no_image_at_all() -> None:
    found = score(np.array([], int), np.zeros((0, 3)), LABELS)
    assert found.macro_f1 is None
    assert found.classes["red"].note == "no image"
    json.dumps(found.to_json(), allow_nan=False)


def test_json_has_the_form_of_the_bundle() -> None:
    document = json.loads(json.dumps(scored().to_json(), allow_nan=False))
    assert set(document) == {"classes", "labels", "macro_f1", "balanced_accuracy", "worst_recall", "confusion"}
    names = {"precision", "recall", "f1", "average_precision"}
    for entry in document["classes"].values():
        assert set(entry) == names | {"n", "intervals", "note"}
        assert set(entry["intervals"]) == names
        assert all(math.isfinite(entry[name]) for name in names)
