"""Rounds of attempts: when a method is switched off, and which attempts make up for rejected ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import synth
from synth.gates.policy_test import EffectTest
from synth.generators.base import FirstParents, ParentOrder
from synth.generators.mix import Draw, MixParents
from synth.measures.intervals import mean_of_differences
from synth.runs.rounds import Rounds


def rounds(planned: int, *, real: tuple[int, int] = (20, 20), order: FirstParents | None = None) -> Rounds:
    return Rounds(planned, 0, tries=10, acceptance_min=0.5, real=real, order=order)


@pytest.mark.parametrize(
    ("passed", "real", "off"),
    [
        (28, (12, 24), False),  # as often as real images pass
        (10, (12, 24), True),  # far less often
        (28, (24, 24), True),
        (10, (1, 2), False),  # too few real images to tell
        (28, (0, 0), True),  # no real image: all of them would pass
        (31, (0, 0), False),
    ],
)
def test_a_method_is_switched_off_compared_with_real_images(passed: int, real: tuple[int, int], off: bool) -> None:
    verdicts = [number < passed for number in range(60)]
    assert rounds(60, real=real).follow(verdicts).switched_off == off


def follow_all(plan: Rounds, passes: dict[int, float], seed: int = 0) -> tuple[Counter[int], list[int], list[str]]:
    """Play the rounds, with a rate for each original. Returns its images, all attempts, and who was given up."""
    assert plan.order is not None
    rng, verdicts, attempts = np.random.default_rng(seed), list[bool](), list[int]()
    while (now := plan.follow(verdicts)).attempts:
        assert plan.follow([*verdicts, True][: len(verdicts)]) == now  # the verdicts alone decide
        attempts += now.attempts[:7]  # a kill may come anywhere in a round
        verdicts += [rng.random() < passes.get(plan.order.pick(a), 0.9) for a in now.attempts[:7]]  # type: ignore[arg-type]
    picks = [plan.order.pick(a) for a, passed in zip(attempts, verdicts, strict=True) if passed]
    return Counter(pick for pick in picks if pick is not None), attempts, list(now.given_up)


@pytest.mark.parametrize("n", [1, 4, 23, 100])
def test_each_original_gives_equally_many_accepted_images(n: int) -> None:
    order = ParentOrder([0] * n, seed=1, label="a", ids=[str(i) for i in range(n)])
    images, attempts, given_up = follow_all(rounds(150, real=(9, 20), order=order), {0: 0.35})
    assert images.total() == 150
    assert attempts == sorted(set(attempts))
    assert not given_up
    assert max(images.values()) - min(images[i] for i in range(n)) <= 1


def test_images_of_earlier_runs_count() -> None:
    order = ParentOrder([5, 0, 2, 0], seed=1, label="a", ids="abcd")
    images, _, _ = follow_all(rounds(13, order=order), {})
    assert [images[i] for i in range(4)] == [0, 5, 3, 5]


def test_a_top_up_goes_on_with_the_same_originals_if_nothing_was_rejected() -> None:
    whole = ParentOrder([0] * 7, seed=1, label="a")
    used = Counter(map(whole.pick, range(40)))
    rest = ParentOrder([used[i] for i in range(7)], seed=1, label="a", first_attempt=40)
    assert [rest.pick(attempt) for attempt in range(40, 100)] == [whole.pick(attempt) for attempt in range(40, 100)]


def test_an_original_without_a_good_image_is_given_up() -> None:
    order = ParentOrder([0] * 5, seed=1, label="a", ids="abcde")
    images, attempts, given_up = follow_all(rounds(50, real=(10, 20), order=order), {2: 0.0})
    assert images.total() == 50
    assert given_up == ["c"]
    assert images[2] == 0
    assert max(images.values()) - min(images[i] for i in (0, 1, 3, 4)) <= 1
    assert len(attempts) < 90


def test_without_rejections_attempts_follow_each_other() -> None:
    order = ParentOrder([0] * 7, seed=1, label="a", ids="abcdefg")
    _, attempts, _ = follow_all(rounds(100, order=order), dict.fromkeys(range(7), 1.0))
    assert attempts == list(range(100))


@pytest.mark.parametrize("shares", [{"augment": 2, "smote": 1}, {"augment": 2, "smote": 1, "gan": 3}])
def test_a_mix_uses_originals_evenly_and_keeps_its_shares(shares: dict[str, float]) -> None:
    draw = Draw(synth.Recipe(method="mix", mix={"shares": shares}, bundle="gan"))  # type: ignore[arg-type]
    order = ParentOrder([0] * 10, seed=1, label="a", ids="abcdefghij")
    orders = {method: None if method == "gan" else order for method in shares}
    mixed = MixParents("a", draw, orders)
    images, attempts, _ = follow_all(rounds(300, real=(9, 20), order=mixed), {0: 0.4})
    assert max(images.values()) - min(images[place] for place in range(10)) <= 1
    drawn = Counter(draw.method("a", attempt) for attempt in attempts)
    for method, share in shares.items():
        assert abs(drawn[method] / len(attempts) - share / sum(shares.values())) < 0.1


def test_a_mix_goes_on_without_originals_that_were_given_up() -> None:
    draw = Draw(synth.Recipe(method="mix", mix={"shares": {"augment": 1, "a.b:C": 1}}))  # type: ignore[arg-type]
    order = ParentOrder([0] * 3, seed=1, label="a", ids="abc")
    mixed = MixParents("a", draw, {"augment": order, "a.b:C": None})
    images, attempts, given_up = follow_all(rounds(60, real=(2, 20), order=mixed), dict.fromkeys(range(3), 0.0))
    assert given_up == ["a", "b", "c"]
    assert images.total() == 0
    assert sum(mixed.pick(attempt) is None for attempt in attempts) >= 60


def test_an_effect_loses_a_class_only_beyond_noise() -> None:
    def loses(differences: list[float]) -> bool:
        before = 0.8
        change = mean_of_differences(np.array(differences))
        return EffectTest("rotate", "a", 64, before, before + float(np.mean(differences)), change).loses

    assert loses([-1.0] * 5)
    assert loses([-0.3, -0.2, -0.4, -0.1, 0.0, -0.3] * 6)
    assert not loses([-1.0] * 2)  # two originals prove nothing
    assert not loses([-1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    assert not loses([-0.05] * 64)  # certain, but small
