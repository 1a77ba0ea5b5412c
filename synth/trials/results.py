"""The records of a trial: what its runs leave, and what is concluded from them.

Scores and differences are fractions (.04 is four points); None where nothing is known. In JSON they have four digits.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.measures.paired import Difference
from synth.records import rounded

MACRO = "macro"
HELPS, HURTS, SAME = "helps", "hurts", "no difference"


@dataclass(frozen=True)
class Outcome:
    """One run: a classifier that learned from one arm's pool."""

    arm: str
    split: int
    seed: int
    steps: int
    truth: npt.NDArray[np.integer[Any]]
    """(n,) true classes of the held-out images."""
    predictions: npt.NDArray[np.float32]
    """(n, C) probabilities."""
    fitted: float
    """Balanced accuracy on the real training images."""
    images: Mapping[str, tuple[int, int]]
    """{class: (real, new) images that the run learned from}."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """{class: why a generator was switched off or fell short}."""


@dataclass(frozen=True)
class TrialDesign:
    """What a trial was."""

    classes: tuple[str, ...]
    control: str
    arms: tuple[str, ...]
    """In the order in which they were asked for."""
    generator_arms: frozenset[str]
    """Those with new images as files."""
    ratio: float
    """Held-out images of a split / its training images."""
    alpha: float
    splits: int
    seeds: int
    decide_by: int
    """Steps of the budget that decides."""
    design: Mapping[str, Any] = field(default_factory=dict)
    """More about it, for `verdict.json` alone."""
    shares: Mapping[str, float] | None = None
    """{class: how often it is where the classifier will be used}; None: as often as among the images held out."""
    n_asked: int = 0
    """Arms with which a search began, the control among them: those that it left behind count as tests."""


@dataclass(frozen=True)
class ArmScores:
    """Scores of an arm: means over the seeds of a split, then over splits."""

    seeds: int
    splits: int
    classes: Mapping[str, Mapping[str, float | None]]
    """{class: {precision, recall, f1, average_precision}}."""
    macro_f1: float | None
    macro_f1_std: float | None
    """Between splits."""
    balanced_accuracy: float | None
    worst_recall: float | None
    """The lowest of the classes' mean recalls."""
    confusion: tuple[tuple[int, ...], ...]
    """Sum over all runs; row: true class."""
    fitted: float | None
    images: Mapping[str, Mapping[str, float]]
    """{class: {real, new}}."""
    stopped: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """How far an arm is from the control in F1 of a class, or in macro-F1."""

    arm: str
    label: str
    macro: bool
    """Tells macro-F1 from the F1 of a class of that name."""
    delta: Difference
    p_holm: float | None
    verdict: str
    note: str = ""

    @property
    def column(self) -> str:
        """What was compared, in words."""
        return "macro-F1" if self.macro else f"F1 of {self.label}"

    @property
    def gain(self) -> float:
        """The mean difference; 0 where none is known."""
        return self.delta.mean or 0.0

    def to_json(self) -> dict[str, Any]:
        """An entry of "comparisons"."""
        delta = {"delta_f1": self.delta.mean, "interval": self.delta.interval, "p": self.delta.p}
        tested = {"p_holm": self.p_holm, "detectable": self.delta.detectable}
        told = {"verdict": self.verdict, "note": self.note}
        return {"arm": self.arm, "class": self.label, "macro": self.macro, **delta, **tested, **told}


@dataclass(frozen=True)
class Budget:
    """Everything after so many steps."""

    steps: int
    arms: Mapping[str, ArmScores]
    comparisons: tuple[Comparison, ...]

    def of(self, arm: str) -> list[Comparison]:
        """An arm's comparisons: classes in order, then macro-F1; none for the control."""
        return [found for found in self.comparisons if found.arm == arm]

    def macro(self, arm: str) -> Comparison | None:
        """An arm's comparison in macro-F1."""
        return next((found for found in self.of(arm) if found.macro), None)

    def detectable(self, label: str) -> float | None:
        """The difference in a class's F1 that is usually seen: the median over arms."""
        of_class = [found.delta.detectable for found in self.comparisons if found.label == label and not found.macro]
        known = [value for value in of_class if value is not None]
        return statistics.median(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """An entry of "budgets"."""
        scores = {name: dict(vars(arm)) for name, arm in self.arms.items()}
        return {"steps": self.steps, "arms": scores, "comparisons": [found.to_json() for found in self.comparisons]}


@dataclass(frozen=True)
class DosePoint:
    """One dose of a generator, against the control."""

    dose: str
    arm: str
    macro_f1: float | None
    interval: tuple[float, float] | None
    delta_f1: float | None


@dataclass(frozen=True)
class DoseCurve:
    """All doses of a generator, fewest new images first."""

    arm: str
    points: tuple[DosePoint, ...]
    smallest_within_noise: str | None
    """The smallest dose that is not worse than the best beyond noise."""

    def to_json(self) -> dict[str, Any]:
        """An entry of "doses"."""
        return {**vars(self), "points": [dict(vars(point)) for point in self.points]}


@dataclass(frozen=True)
class Refusal:
    """Images that should not be used, and why."""

    arm: str
    label: str
    reason: str


@dataclass(frozen=True)
class Stop:
    """A generator that was switched off for a class of a split, or fell short there."""

    arm: str
    split: int
    label: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What a trial says."""

    setting: TrialDesign
    advised: str
    deciding: Budget
    budgets: tuple[Budget, ...]
    """Shortest first, the deciding one among them."""
    do_not_use: tuple[Refusal, ...]
    stopped: tuple[Stop, ...]
    doses: tuple[DoseCurve, ...]
    design: Mapping[str, Any]
    """What was compared, and {class: {train, held_out, needed}} as its "classes"."""
    advice: str = ""
    test: Mapping[str, Any] | None = None
    seconds: Any = None
    versions: Mapping[str, str] | None = None

    @property
    def control(self) -> str:
        """The arm that all others were compared with."""
        return self.setting.control

    @property
    def steps(self) -> int:
        """Of the deciding budget; so are arms and comparisons."""
        return self.deciding.steps

    @property
    def arms(self) -> Mapping[str, ArmScores]:
        """Scores after the deciding budget."""
        return self.deciding.arms

    def to_json(self) -> dict[str, Any]:
        """`verdict.json`: no number in it is infinite or not a number."""
        document = {
            **self.deciding.to_json(),
            "control": self.control,
            "advised": self.advised,
            "advice": self.advice,
            "do_not_use": [_entry(refusal) for refusal in self.do_not_use],
            "budgets": [budget.to_json() for budget in self.budgets],
            "doses": [curve.to_json() for curve in self.doses],
            "test": self.test,
            "design": self.design,
            "stopped": [_entry(stop) for stop in self.stopped],
            "seconds": self.seconds,
            "versions": self.versions,
        }
        return {name: rounded(value) for name, value in document.items()}


def _entry(record: Refusal | Stop) -> dict[str, Any]:
    """In JSON a label is called "class"."""
    return {"class" if name == "label" else name: value for name, value in vars(record).items()}
