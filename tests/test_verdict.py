"""The verdict of made-up trials: who hurts, who helps, what is advised and what the paragraph says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from synth.errors import UsageError
from synth.measures.scores import points
from synth.trials.arms import Arm
from synth.trials.results import Outcome, TrialDesign, Verdict
from synth.trials.verdict import conclude

CLASSES = ("red", "yellow", "green")
CONTROL = "duplicate+online"
SHAM, COPIES, SMOTE = "noise+duplicate+online", "copies+duplicate+online", "smote+duplicate+online"
KEYS = set(
    "arms control advised comparisons advice do_not_use steps budgets doses test design stopped data run seconds "
    "versions".split()
)


def outcome(arm: str, found: Sequence[float], *, split: int, seed: int = 0, steps: int = 900, **more: Any) -> Outcome:
    """A classifier that finds these shares of 60 red, 20 yellow and 40 green images; more or less, by chance.

    What is not found is called the next class. Chance is that of split, seed and draw, the same for every arm.
    """
    rng = np.random.default_rng([split, seed, more.pop("draw", 0)])
    truth = np.repeat(np.arange(3), more.pop("counts", (60, 20, 40)))
    right = rng.random(len(truth)) < np.asarray(found)[truth]
    predictions = np.full((len(truth), 3), 0.1, np.float32)
    predictions[np.arange(len(truth)), np.where(right, truth, (truth + 1) % 3)] = 0.8
    new = more.pop("new", 0)
    images = {"red": (300, 0), "yellow": (30, new), "green": (200, 0)}
    return Outcome(arm, split, seed, steps, truth, predictions, more.pop("fitted", 0.95), images, **more)


def setting(*arms: str, **more: Any) -> TrialDesign:
    def arm(name: str) -> Arm:
        method = name.split("+")[0].split("@")[0]
        return Arm(name, fill=method if method in ("noise", "copies", "smote", "gan") else "")

    values = {"alpha": 0.05, "ratio": 0.25, **more}
    return TrialDesign(CLASSES, CONTROL, tuple(map(arm, (*arms, CONTROL))), **values)


def trial(skills: Mapping[str, Sequence[float]], *, splits: int = 5, seeds: int = 1, **more: Any) -> list[Outcome]:
    return [
        outcome(arm, found, split=split, seed=seed, **more)
        for arm, found in skills.items()
        for split in range(splits)
        for seed in range(seeds)
    ]


GOOD = (0.95, 0.8, 0.9)


def word(verdict: Verdict, arm: str, label: str = "macro") -> str:
    return next(found.verdict for found in verdict.deciding.of(arm) if found.label == label)


def as_json(verdict: Verdict) -> Any:
    return json.loads(json.dumps(verdict.to_json(), allow_nan=False))


def test_a_sham_hurts_copies_do_nothing_and_the_control_is_advised() -> None:
    skills = {SHAM: (0.95, 0.2, 0.9), COPIES: GOOD, CONTROL: GOOD}
    verdict = conclude(trial(skills), setting(SHAM, COPIES))
    assert (word(verdict, SHAM), word(verdict, SHAM, "yellow")) == ("hurts", "hurts")
    assert {word(verdict, COPIES, label) for label in (*CLASSES, "macro")} == {"no difference"}
    assert verdict.advised == CONTROL
    assert {(refusal.arm, refusal.label) for refusal in verdict.do_not_use} >= {(SHAM, "yellow"), (SHAM, "macro")}
    assert (
        f"Use {CONTROL}: no generator helps here. The best generator, {COPIES}, differs by +0.0 points"
        in verdict.advice
    )
    assert f"Do not use the images of {SHAM}: recall of yellow fell by" in verdict.advice


def test_an_arm_that_is_better_in_every_split_is_advised() -> None:
    skills = {"logit-adjust+online": (0.95, 0.97, 0.95), SMOTE: (0.95, 0.78, 0.9), CONTROL: (0.95, 0.6, 0.9)}
    verdict = conclude(trial(skills), setting("logit-adjust+online", SMOTE))
    assert word(verdict, "logit-adjust+online") == "helps"
    assert verdict.advised == "logit-adjust+online"
    assert verdict.advice.startswith("Use logit-adjust+online: ")
    assert f"The best generator, {SMOTE}, differs from {CONTROL} by +" in verdict.advice


def test_a_generator_that_helps_one_class_and_hurts_another_is_not_advised() -> None:
    skills = {SMOTE: (0.8, 1.0, 0.9), CONTROL: (0.97, 0.3, 0.9)}
    verdict = conclude(trial(skills), setting(SMOTE))
    assert (word(verdict, SMOTE, "yellow"), word(verdict, SMOTE, "red")) == ("helps", "hurts")
    assert verdict.advised == CONTROL
    assert "no generator helps here without doing harm" in verdict.advice
    assert "recall of red fell by" in verdict.advice


@pytest.mark.parametrize(("arm", "shift", "advised"), [
    ("logit-adjust+online", 0.12, True),
    (SMOTE, 0.12, False),
    ("logit-adjust+online", -0.1, False),
])  # fmt: skip
def test_the_better_bet_is_enough_where_no_new_images_are_needed(arm: str, shift: float, advised: bool) -> None:
    runs = trial({CONTROL: GOOD}) + trial({arm: (0.95, 0.8 + shift, 0.9)}, draw=1)
    verdict = conclude(runs, setting(arm))
    assert word(verdict, arm) == "no difference"
    assert verdict.advised == (arm if advised else CONTROL)
    assert ("not certain (odds of about 7 to 1), but the arm needs no new images" in verdict.advice) == advised


def test_the_same_arm_with_other_draws_is_never_advised_and_rarely_called_different() -> None:
    again, words = f"{CONTROL}#2", []
    for draw in range(40):
        verdict = conclude(trial({CONTROL: GOOD}) + trial({again: GOOD}, draw=draw + 1), setting(again))
        assert verdict.advised == CONTROL
        words.append(word(verdict, again))
    assert words.count("no difference") >= 38


def test_scores_are_means_over_seeds_then_splits() -> None:
    runs = trial({CONTROL: GOOD}, splits=3, seeds=2)
    scores = conclude(runs, setting()).arms[CONTROL]
    f1s = np.array([f1_score(run.truth, run.predictions.argmax(axis=1), average="macro") for run in runs])
    by_split = f1s.reshape(3, 2).mean(axis=1)
    assert (scores.splits, scores.seeds) == (3, 2)
    assert scores.macro_f1 == pytest.approx(by_split.mean())
    assert scores.macro_f1_std == pytest.approx(by_split.std(ddof=1))
    assert np.sum(scores.confusion) == 6 * 120
    assert scores.worst_recall == min(entry["recall"] or 0 for entry in scores.classes.values())
    assert scores.images["yellow"] == {"real": 30, "new": 0}


def test_differences_are_of_the_seeds_that_both_have() -> None:
    runs = trial({CONTROL: GOOD}, seeds=3) + trial({SMOTE: GOOD}, seeds=1)
    macro = conclude(runs, setting(SMOTE)).deciding.macro(SMOTE)
    assert macro is not None
    assert macro.delta.mean == 0


def test_light_points_are_those_of_scikit_learn_and_nan_without_images() -> None:
    run = outcome(CONTROL, GOOD, split=0, counts=(30, 0, 20))
    found = points(run.truth, run.predictions)
    called = run.predictions.argmax(axis=1)
    expected = f1_score(run.truth, called, average=None, labels=[0, 2])
    assert found.f1[[0, 2]] == pytest.approx(expected)
    assert np.isnan([found.f1[1], found.precision[1], found.recall[1], found.average_precision[1]]).all()
    assert found.macro_f1 == pytest.approx(expected.mean())
    assert np.isnan(points(np.array([], int), np.zeros((0, 3))).macro_f1)


def test_json_has_the_keys_of_the_contract_and_no_nan() -> None:
    runs = trial({SMOTE: (0.9, 0.85, 0.9), CONTROL: GOOD}, fitted=float("nan"), stopped={"yellow": "too few"})
    document = as_json(conclude(runs, setting(SMOTE, settings={"backbone": "small", "share": 1 / 3})))
    assert set(document) == KEYS
    assert document["design"]["share"] == 0.3333
    assert document["arms"][SMOTE]["fitted"] is None
    assert document["test"] is None
    assert set(document["comparisons"][0]) == set(
        "arm class macro delta_f1 interval p p_holm detectable verdict note".split()
    )
    macro = [entry for entry in document["comparisons"] if entry["macro"]]
    assert [(entry["arm"], entry["class"]) for entry in macro] == [(SMOTE, "macro")]
    assert document["stopped"][0] == {"arm": SMOTE, "split": 0, "class": "yellow", "reason": "too few"}
    assert set(document["arms"][SMOTE]) == set(
        "seeds splits classes macro_f1 macro_f1_std balanced_accuracy worst_recall confusion fitted images "
        "stopped".split()
    )


def test_a_class_called_macro_is_not_macro_f1() -> None:
    runs = trial({SMOTE: (0.95, 0.2, 0.9), CONTROL: GOOD})
    named = setting(SMOTE)
    named = TrialDesign(**{**vars(named), "classes": ("red", "macro", "green")})
    document = as_json(conclude(runs, named))
    assert [entry["macro"] for entry in document["comparisons"]] == [False, False, False, True]


def test_a_class_that_no_split_holds_out_is_unknown_and_one_that_some_do_is_paired_there() -> None:
    with_yellow, without = {"counts": (60, 20, 40)}, {"counts": (60, 0, 40)}
    both = SMOTE, CONTROL
    runs = [
        outcome(arm, GOOD, split=split, **(with_yellow if split else without)) for arm in both for split in range(3)
    ]
    yellow = next(found for found in conclude(runs, setting(SMOTE)).deciding.of(SMOTE) if found.label == "yellow")
    assert yellow.delta.n == 2
    never = [outcome(arm, GOOD, split=split, **without) for arm in both for split in range(3)]
    verdict = conclude(never, setting(SMOTE))
    yellow = next(found for found in verdict.deciding.of(SMOTE) if found.label == "yellow")
    assert (yellow.delta.mean, yellow.p_holm, yellow.note) == (None, None, "no held-out image, so nothing is known")
    assert verdict.design["classes"]["yellow"] == {"train": 30, "held_out": 0, "needed": None}
    assert "No image of yellow was held out, so the trial knows nothing about it." in verdict.advice
    as_json(verdict)


def test_one_split_says_nothing() -> None:
    verdict = conclude(trial({SMOTE: (1, 1, 1), CONTROL: (0.5, 0.1, 0.5)}, splits=1), setting(SMOTE))
    assert verdict.advised == CONTROL
    assert {found.note for found in verdict.deciding.comparisons} == {"too few splits to tell"}
    assert "one split is too few to compare arms" in verdict.advice
    as_json(verdict)


def test_budgets_that_disagree_are_told_with_the_fit() -> None:
    short = trial({"augment": (0.5, 0.5, 0.5)}, steps=300, fitted=0.6) + trial({CONTROL: GOOD}, steps=300)
    long = trial({"augment": GOOD, CONTROL: GOOD}, steps=900)
    verdict = conclude(short + long, setting("augment"))
    assert [budget.steps for budget in verdict.budgets] == [300, 900]
    assert verdict.steps == 900
    assert "At 300 steps augment hurts (-" in verdict.advice
    assert (
        "at 900 it does not (+0.0): the short training was the cause (fit on the training images 60%" in verdict.advice
    )


def test_budgets_that_agree_are_not_told() -> None:
    both = [run for steps in (300, 900) for run in trial({"augment": GOOD, CONTROL: GOOD}, steps=steps)]
    assert "300" not in conclude(both, setting("augment")).advice


@pytest.mark.parametrize(("n", "which"), [(9, "differences in its F1 below "), (2, "any difference in its F1; ")])
def test_few_held_out_images_are_said_with_the_number_that_would_do(n: int, which: str) -> None:
    rng, runs = np.random.default_rng(3), []
    for split in range(5):
        for arm in (SMOTE, CONTROL):
            found = (0.95, rng.random() if n == 2 else 0.5 + rng.random() / 2, 0.9)
            runs.append(outcome(arm, found, split=split, seed=0, counts=(60, n, 40)))
    verdict = conclude(runs, setting(SMOTE))
    seen, needed = verdict.deciding.detectable("yellow"), verdict.design["classes"]["yellow"]["needed"]
    assert seen is not None
    assert needed == pytest.approx(n * (seen / 0.02) ** 2, rel=0.05)
    assert f"With {n} held-out images of yellow per split, this trial can't detect {which}" in verdict.advice
    assert f"about {needed} images would show 2 points" in verdict.advice


def test_a_generator_stopped_in_most_splits_is_not_used_and_in_few_is_told() -> None:
    def runs(n_stopped: int) -> list[Outcome]:
        why = {"yellow": "only 3 % of the attempts passed the gates"}
        plain = trial({CONTROL: GOOD})
        return plain + [
            outcome(SMOTE, GOOD, split=split, stopped=why if split < n_stopped else {}) for split in range(5)
        ]

    most, few = conclude(runs(4), setting(SMOTE)), conclude(runs(2), setting(SMOTE))
    assert [(refusal.arm, refusal.label) for refusal in most.do_not_use] == [(SMOTE, "yellow")]
    assert f"Do not use the images of {SMOTE}: stopped for yellow: only 3 % of the attempts" in most.advice
    assert len(most.stopped) == 4
    assert few.do_not_use == ()
    assert f"{SMOTE} was stopped or made too few images of yellow in 2 splits (only 3 %" in few.advice


def test_the_smallest_dose_within_noise_of_the_best() -> None:
    doses = {"smote@2x": 0.6, "smote@5x": 0.8, "smote@10x": 0.81}
    runs = trial({CONTROL: (0.95, 0.6, 0.9)})
    for new, (arm, found) in enumerate(doses.items()):
        runs += trial({arm: (0.95, found, 0.9)}, new=30 * (new + 1))
    ladder = {"smote": [(arm.split("@")[1], arm) for arm in ("smote@10x", "smote@2x", "smote@5x")]}
    verdict = conclude(runs, setting(*doses), doses=ladder)
    curve = verdict.doses[0]
    assert [point.dose for point in curve.points] == ["2x", "5x", "10x"]
    assert curve.smallest_within_noise == "5x"
    assert "5x is the smallest dose of smote within noise of the best one, 10x." in verdict.advice
    assert set(as_json(verdict)["doses"][0]) == {"arm", "points", "smallest_within_noise"}


def test_arms_that_a_search_left_behind_count_as_tests() -> None:
    runs = trial({SMOTE: (0.95, 0.88, 0.9), CONTROL: (0.95, 0.7, 0.9)})
    dropped = [f"arm-{number}" for number in range(11)]
    alone, best_of_many = (conclude(runs, setting(SMOTE, *more)).deciding.macro(SMOTE) for more in ([], dropped))
    assert alone is not None
    assert best_of_many is not None
    assert alone.delta.p == best_of_many.delta.p
    assert best_of_many.p_holm == pytest.approx(min(12 * (alone.p_holm or 0), 1))
    assert (best_of_many.delta.detectable or 0) > (alone.delta.detectable or 0)


def test_nothing_to_compare_and_no_control() -> None:
    alone = conclude(trial({CONTROL: GOOD}), setting())
    assert alone.advice.startswith(f"Use {CONTROL}: the trial compared no other arm with it.")
    as_json(alone)
    with pytest.raises(UsageError, match="no run of its control"):
        conclude(trial({SMOTE: GOOD}), setting(SMOTE))


def test_arms_that_are_not_asked_for_are_left_out() -> None:
    runs = trial({SHAM: GOOD, SMOTE: GOOD, CONTROL: GOOD})
    assert list(conclude(runs, setting(SMOTE)).arms) == [SMOTE, CONTROL]
