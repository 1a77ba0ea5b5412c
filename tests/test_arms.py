"""Arms: what is typed, what it means, what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from synth.errors import UsageError
from synth.settings.trial import Trial
from synth.trials.arms import DEFAULT, Arm, parse_arm, parse_arms, with_doses
from synth.trials.scheduler import Rung
from synth.trials.search import fitting, parse_duration, promoted, rungs_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Arm("none")),
        ("weights", Arm("weights", objective="weights")),
        (
            "weights:effective+online",
            Arm("weights:effective+online", objective="weights", scheme="effective", online=True),
        ),
        ("logit-adjust", Arm("logit-adjust", objective="logit-adjust")),
        ("duplicate+online", Arm("duplicate+online", balanced=True, online=True)),
        ("undersample:random", Arm("undersample:random", thin="random")),
        (
            "undersample:imblearn:NearMiss@2x",
            Arm("undersample:imblearn:NearMiss@2x", thin="imblearn:NearMiss", size="2x"),
        ),
        ("smote@2x+duplicate", Arm("smote@2x+duplicate", fill="smote", dose="2x", balanced=True)),
        ("duplicate@350+online", Arm("duplicate@350+online", fill="duplicate", dose="350", online=True)),
        ("my.simulator:Lights+focal", Arm("my.simulator:Lights+focal", fill="my.simulator:Lights", objective="focal")),
        ("duplicate+online#2", Arm("duplicate+online#2", balanced=True, online=True, draw=2)),
    ],
)
def test_words_and_parts(text: str, expected: Arm) -> None:
    assert parse_arm(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smot+online", 'unknown part "smot".*smote'),
        ("weights:loud", 'unknown part "loud"'),
        ("logit-adjust:2", 'unknown part "logit-adjust:2"'),
        ("undersample", "undersample:random"),
        ("smote+gan", "smote and gan can't be joined"),
        ("weights+focal", "weights and focal can't be joined"),
        ("duplicate+weights", "weights has nothing to correct"),
        ("duplicate+logit-adjust", "logit-adjust has nothing to correct"),
        ("duplicate#1", 'a number from 2 on after "#"'),
        ("", 'unknown part ""'),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        parse_arm(text)
    assert "\n" not in str(error.value)


def test_the_control_is_always_there_and_no_arm_stands_twice() -> None:
    assert [arm.name for arm in parse_arms(["none", "smote"], control="duplicate")] == ["none", "smote", "duplicate"]
    assert [arm.name for arm in parse_arms(DEFAULT, control="duplicate+online")] == list(DEFAULT)
    with pytest.raises(UsageError, match="none#2"):
        parse_arms(["none", "none"], control="duplicate")


@pytest.mark.parametrize(("text", "twice"), [
    ("smote+weights", True), ("undersample:random+logit-adjust", True), ("weights", False), ("smote+duplicate", False),
    ("smote+focal", False),
])  # fmt: skip
def test_two_corrections_at_once_are_known(text: str, twice: bool) -> None:
    assert parse_arm(text).corrects_twice == twice


def test_doses_multiply_the_arms_that_have_new_images() -> None:
    arms, ladders = with_doses(parse_arms(["none", "smote+online", "augment@50"], control="none"), ["1x", "majority"])
    assert [arm.name for arm in arms] == ["none", "smote@1x+online", "smote@majority+online", "augment@50"]
    assert with_doses(arms, ()) == (arms, {})
    assert ladders == {"smote+online": [("1x", "smote@1x+online"), ("majority", "smote@majority+online")]}


class TestSearch:
    """Successive halving."""

    def test_rungs_grow_from_cheap_to_full(self) -> None:
        assert rungs_of(Trial()) == (Rung(2, (1.0,)), Rung(5, (1.0,)), Rung(5, (1.0, 3.0)))
        assert rungs_of(Trial(splits=2, budgets=(1.0,))) == (Rung(2, (1.0,)),)

    def test_the_better_half_goes_on_with_the_control(self) -> None:
        names = [f"arm-{number}" for number in range(10)]
        assert promoted([*names, "control"], control="control") == ("control", *names[:6])
        assert promoted(["a", "control"], control="control") == ("control", "a")

    def test_what_does_not_fit_into_the_time_is_left_behind(self) -> None:
        seconds = {"control": 10.0, "a": 30.0, "b": 10.0}

        def cost(arms: Sequence[str]) -> float:
            return sum(seconds[arm] for arm in arms)

        assert fitting(["control", "a", "b"], cost, seconds=100) == ("control", "a", "b")
        assert fitting(["control", "a", "b"], cost, seconds=45) == ("control", "a")
        assert fitting(["control", "a", "b"], cost, seconds=20) == ("control", "b")
        assert fitting(["control", "a", "b"], cost, seconds=15) == ()
        assert fitting(["control", "a", "b"], cost, seconds=5) == ()

    def test_durations(self) -> None:
        assert [parse_duration(text) for text in ("90s", "10m", "1.5h", "45")] == [90, 600, 5400, 45]
        for text in ("", "soon", "-3m", "0s"):
            with pytest.raises(UsageError, match="a time like 90s"):
                parse_duration(text)
