"""One classifier of a trial: drawn and judged as the arm says, the same bits for the same seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

import synth
from synth.classifier.frozen_features import fit_head
from synth.classifier.learner import Learner, TrainingFeatures, TrainingImages, TrainingStrategy, train_learner
from synth.classifier.losses import Objective
from synth.effects.policy import Policy
from synth.errors import TrainingError
from synth.settings.gates import Classifier
from synth.training.batches import Batches, safe_policy

QUICK = Classifier(batch=16)
POLICY = safe_policy(synth.Recipe())
PLAIN, ADJUSTED = Objective("plain"), Objective("logit-adjust")
COUNTS = (48, 6)
SIDE = 12


def some_images(counts: tuple[int, ...], *, seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """Grey noise, brighter from class to class, so that some images of neighbouring classes are alike."""
    labels, rng = np.repeat(np.arange(len(counts)), counts), np.random.default_rng(seed)
    levels = 90 + 40 * labels + rng.normal(0, 20, len(labels))
    noise = rng.normal(0, 10, (len(labels), SIDE, SIDE, 3))
    return (levels[:, None, None, None] + noise).clip(0, 255).astype(np.uint8), labels


def pool_of(counts: tuple[int, ...] = COUNTS) -> TrainingImages:
    inputs, labels = some_images(counts)
    return TrainingImages(inputs, labels)


def train(
    pool: TrainingImages | TrainingFeatures,
    strategy: TrainingStrategy,
    *,
    steps: int = 30,
    seed: int = 0,
    n_classes: int = 2,
) -> Learner:
    return train_learner(pool, strategy, settings=QUICK, policy=POLICY, n_classes=n_classes, steps=steps, seed=seed)


def recall(learner: Learner, inputs: np.ndarray, labels: np.ndarray, *, of: int = 1) -> float:
    return float((learner.probabilities(inputs).argmax(1) == labels)[labels == of].mean())


def test_the_same_seed_gives_the_same_bits() -> None:
    pool, asked = pool_of(), some_images((5, 5), seed=1)[0]
    strategy = TrainingStrategy(Objective("focal"), balanced=True, online=True)
    before = torch.get_num_threads()
    first = train(pool, strategy, steps=5).probabilities(asked)
    try:
        torch.set_num_threads(2)
        assert train(pool, strategy, steps=5).probabilities(asked).tobytes() == first.tobytes()
    finally:
        torch.set_num_threads(before)
    assert train(pool, strategy, steps=5, seed=1).probabilities(asked).tobytes() != first.tobytes()
    assert first.dtype == np.float32
    assert first.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_every_part_of_a_way_matters() -> None:
    pool, asked = pool_of(), some_images((5, 5), seed=1)[0]
    ways = [
        TrainingStrategy(PLAIN),
        TrainingStrategy(PLAIN, balanced=True),
        TrainingStrategy(PLAIN, online=True),
        *(
            TrainingStrategy(each)
            for each in (Objective("weights"), Objective("weights", "sqrt"), ADJUSTED, Objective("focal"))
        ),
    ]
    answers = {train(pool, strategy, steps=3).probabilities(asked).tobytes() for strategy in ways}
    assert len(answers) == len(ways)


def test_without_a_policy_images_are_drawn_as_they_are() -> None:
    pool = pool_of()
    everything = np.arange(len(pool.labels))
    drawn, labels = Batches(pool.inputs, pool.labels, everything, None, 0, "x", 40, 0.0).draw(2)
    changed, same = Batches(pool.inputs, pool.labels, everything, Policy(POLICY, "x", seed=0), 0, "x", 40, 0.0).draw(2)
    known = {image.tobytes() for image in pool.inputs}
    assert all(image.tobytes() in known for image in drawn)
    assert not all(image.tobytes() in known for image in changed)
    assert labels.tolist() == same.tolist()


def test_a_class_that_is_drawn_as_often_is_named_more_often() -> None:
    images, labels = some_images((500,))[0], np.repeat([0, 1], [350, 50])  # nothing but the shares can be learned
    pool = TrainingImages(images[:400], labels)
    named = {
        balanced: train(pool, TrainingStrategy(PLAIN, balanced=balanced), steps=60).probabilities(images[400:])
        for balanced in (False, True)
    }
    assert named[True][:, 1].mean() > named[False][:, 1].mean() + 0.08


def test_losses_that_balance_find_more_of_a_rare_class() -> None:
    pool, asked = pool_of((120, 8)), some_images((40, 40), seed=1)
    plain, adjusted, weighted = (
        np.mean([recall(train(pool, TrainingStrategy(each), steps=80, seed=seed), *asked) for seed in (0, 1)])
        for each in (PLAIN, ADJUSTED, Objective("weights"))
    )
    assert min(adjusted, weighted) > plain + 0.15


def test_balanced_accuracy_is_the_mean_recall() -> None:
    pool = pool_of()
    learner = train(pool, TrainingStrategy(PLAIN, balanced=True))
    recalls = [recall(learner, pool.inputs, pool.labels, of=label) for label in (0, 1)]
    assert learner.balanced_accuracy(pool.inputs, pool.labels) == pytest.approx(np.mean(recalls))
    assert learner.balanced_accuracy(pool.inputs[:10], pool.labels[:10]) == pytest.approx(
        (learner.probabilities(pool.inputs[:10]).argmax(1) == 0).mean()
    )


@pytest.mark.parametrize("kind", ["plain", "weights", "logit-adjust", "focal"])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_class_without_images_is_never_named(kind: str, balanced: bool) -> None:
    strategy = TrainingStrategy(Objective(kind), balanced=balanced)  # type: ignore[arg-type]
    asked = some_images((5, 5), seed=1)[0]
    counts = (20, 0, 6)
    said = [train(pool_of(counts), strategy, n_classes=3, steps=4).probabilities(asked)]
    said.append(train(features_of(counts), strategy, n_classes=3).probabilities(some_rows((5, 0, 5), seed=1)[0]))
    for probabilities in said:
        assert np.isfinite(probabilities).all()
        assert (probabilities[:, 1] == 0).all()


def test_a_loss_that_breaks_is_one_clear_line() -> None:
    settings = Classifier(batch=16, rate=1e30)
    with pytest.raises(TrainingError, match=r"not finite within .* images: try a lower learning rate"):
        train_learner(
            pool_of(), TrainingStrategy(PLAIN), settings=settings, policy=POLICY, n_classes=2, steps=30, seed=0
        )
    nothing = TrainingImages(np.empty((0, SIDE, SIDE, 3), np.uint8), np.empty(0, np.intp))
    with pytest.raises(TrainingError, match="no image"):
        train(nothing, TrainingStrategy(PLAIN))


def test_a_backbone_can_be_tuned_as_a_whole() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    settings = Classifier(backbone="efficientnet-lite0", tune="all", batch=4)
    images, labels = some_images((6, 0, 3))
    large = images.repeat(3, axis=1).repeat(3, axis=2)
    pool = TrainingImages(large, labels)
    learner = train_learner(
        pool, TrainingStrategy(PLAIN), settings=settings, policy=POLICY, n_classes=3, steps=2, seed=0
    )
    assert (learner.probabilities(large)[:, 1] == 0).all()


def some_rows(counts: tuple[int, ...], *, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = np.random.default_rng(seed).normal(0, 1, (len(labels), 6)).astype(np.float32)
    rows[:, 0] += labels
    return rows, labels


def features_of(counts: tuple[int, ...] = (60, 8), *, n_variants: int = 1, spread: float = 0) -> TrainingFeatures:
    """Rows of images, each followed by those of its copies, which lie `spread` aside."""
    rows, labels = some_rows(counts)
    every = np.repeat(rows, n_variants, axis=0)
    first = n_variants * np.arange(len(rows))
    copies = np.setdiff1d(np.arange(len(every)), first)
    every[copies, 1] += spread
    return TrainingFeatures(every, first, np.full(len(rows), n_variants), labels)


def test_an_even_head_is_the_one_that_judges() -> None:
    pool, (asked, _) = features_of((60, 20, 8)), some_rows((10, 10, 10), seed=1)
    learner = train(pool, TrainingStrategy(PLAIN, balanced=True), n_classes=3)
    judge = Learner(fit_head(pool.rows, pool.labels, n_classes=3, seed=0), torch.device("cpu"))
    assert learner.probabilities(asked) == pytest.approx(judge.probabilities(asked), abs=0.01)
    assert learner.balanced_accuracy(pool.rows, pool.labels) > 0.5


@pytest.mark.parametrize(("balanced", "share"), [(False, 0.125), (True, 0.5)])
def test_a_head_weighs_classes_evenly_or_by_their_counts(balanced: bool, share: float) -> None:
    labels, first = np.repeat([0, 1], [42, 6]), np.arange(48)
    rows = np.ones((48, 6), np.float32)  # nothing but the shares can be learned
    pool = TrainingFeatures(rows, first, np.ones(48, np.intp), labels)
    assert train(pool, TrainingStrategy(PLAIN, balanced=balanced)).probabilities(rows[:1])[0, 1] == pytest.approx(
        share, abs=0.01
    )


def test_a_head_depends_on_neither_seed_nor_steps() -> None:
    pool, asked = features_of(), some_rows((5, 5), seed=1)[0]
    said = [
        train(pool, TrainingStrategy(ADJUSTED), steps=steps, seed=steps).probabilities(asked).tobytes()
        for steps in (1, 2)
    ]
    assert said[0] == said[1]


def test_an_adjusted_head_finds_more_of_a_rare_class() -> None:
    pool, asked = features_of(), some_rows((40, 40), seed=1)
    assert (
        recall(train(pool, TrainingStrategy(ADJUSTED)), *asked)
        > recall(train(pool, TrainingStrategy(PLAIN)), *asked) + 0.2
    )


def test_online_heads_learn_from_all_variants_of_an_image() -> None:
    asked = some_rows((5, 5), seed=1)[0]
    alone, copied, changed = (
        features_of(),
        features_of(n_variants=3),
        features_of(n_variants=3, spread=2.0),
    )
    plain = train(alone, TrainingStrategy(PLAIN)).probabilities(asked)
    # Where a loss is lowest, float32 can't tell weights apart that differ by the root of its rounding, 2^-12.
    again = train(copied, TrainingStrategy(PLAIN, online=True)).probabilities(asked)
    assert again == pytest.approx(plain, abs=4 * 2.0**-12)
    assert train(changed, TrainingStrategy(PLAIN)).probabilities(asked).tobytes() == plain.tobytes()
    assert np.abs(train(changed, TrainingStrategy(PLAIN, online=True)).probabilities(asked) - plain).max() > 0.01


def test_variants_may_differ_in_number() -> None:
    labels = np.array([0, 1, 0])
    pool = TrainingFeatures(np.zeros((7, 2), np.float32), np.array([0, 3, 4]), np.array([3, 1, 2]), labels)
    rows, images = pool.chosen(online=True)
    assert (rows.tolist(), images.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 2, 2])
    rows, images = pool.chosen(online=False)
    assert (rows.tolist(), images.tolist()) == ([0, 3, 4], [0, 1, 2])


def test_features_that_are_not_finite_are_refused() -> None:
    pool = features_of()
    pool.rows[3, 2] = np.nan
    with pytest.raises(TrainingError, match="features of a pool are not finite"):
        train(pool, TrainingStrategy(PLAIN))
