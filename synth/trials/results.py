"""The records of a trial: the outcomes of its runs, and the verdict on them.

Scores and differences are fractions (.04 is four points); None where unknown. JSON has them with four digits.
"""

import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.measures.paired import Difference
from synth.measures.scores import Points, points
from synth.records import ShortRepr, rounded
from synth.trials.arms import Arm

MACRO = "macro"
HELPS, HURTS, SAME = "helps", "hurts", "no difference"


@dataclass(frozen=True)
class Outcome:
    """The results of one run."""

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
    shares: Mapping[str, float] | None = None
    """{class: its share where the classifier will be used}; None: as among the images held out."""

    @functools.cached_property
    def points(self) -> Points:
        """The scores."""
        shares = None if self.shares is None else np.array(list(self.shares.values()))
        return points(self.truth, self.predictions, shares)


@dataclass(frozen=True, repr=False)
class TrialDesign(ShortRepr):
    """What a trial compares, and how."""

    classes: tuple[str, ...]
    control: str
    arms: tuple[Arm, ...]
    """All that the trial began with. Those that a search dropped count as tests."""
    ratio: float
    """Held-out images of a split / its training images."""
    alpha: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further facts for "design" in `verdict.json`."""

    @property
    def generator_arms(self) -> frozenset[str]:
        """Names of the arms with new images as files."""
        return frozenset(arm.name for arm in self.arms if arm.fill)


@dataclass(frozen=True, repr=False)
class ArmScores(ShortRepr):
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


@dataclass(frozen=True, repr=False)
class Comparison(ShortRepr):
    """The difference between an arm and the control in the F1 of a class, or in macro-F1."""

    arm: str
    label: str
    macro: bool
    """Whether this is macro-F1, and not the F1 of a class with that name."""
    delta: Difference
    p_holm: float | None
    verdict: str
    note: str = ""

    @property
    def column(self) -> str:
        """The compared score, as text."""
        return "macro-F1" if self.macro else f"F1 of {self.label}"

    @property
    def gain(self) -> float:
        """The mean difference; 0 if unknown."""
        return self.delta.mean or 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the entry of "comparisons"."""
        delta = {"delta_f1": self.delta.mean, "interval": self.delta.interval, "p": self.delta.p}
        tested = {"p_holm": self.p_holm, "detectable": self.delta.detectable}
        words = {"verdict": self.verdict, "note": self.note}
        return {"arm": self.arm, "class": self.label, "macro": self.macro, **delta, **tested, **words}


@dataclass(frozen=True, repr=False)
class Budget(ShortRepr):
    """Scores and comparisons after one length of training."""

    steps: int
    arms: Mapping[str, ArmScores]
    comparisons: tuple[Comparison, ...]
    """Arms in order; of each, its classes in order, then macro-F1."""

    def of(self, arm: str) -> list[Comparison]:
        """Return an arm's comparisons: classes in order, then macro-F1; none for the control."""
        return [found for found in self.comparisons if found.arm == arm]

    def macro(self, arm: str) -> Comparison | None:
        """Return an arm's comparison in macro-F1."""
        return next((found for found in self.of(arm) if found.macro), None)

    def detectable(self, label: str) -> float | None:
        """Return the smallest difference in a class's F1 that the trial can usually detect: the median over arms."""
        of_class = [found.delta.detectable for found in self.comparisons if found.label == label and not found.macro]
        known = [value for value in of_class if value is not None]
        return statistics.median(known) if known else None


@dataclass(frozen=True, repr=False)
class DosePoint(ShortRepr):
    """One dose of a generator, compared with the control."""

    dose: str
    arm: str
    macro_f1: float | None
    interval: tuple[float, float] | None
    delta_f1: float | None


@dataclass(frozen=True, repr=False)
class DoseCurve(ShortRepr):
    """All doses of a generator, fewest new images first."""

    arm: str
    points: tuple[DosePoint, ...]
    smallest_within_noise: str | None
    """The smallest dose that is not worse than the best one beyond noise."""


@dataclass(frozen=True, repr=False)
class Refusal(ShortRepr):
    """Images that should not be used, and why."""

    arm: str
    label: str
    reason: str


@dataclass(frozen=True, repr=False)
class Stop(ShortRepr):
    """A generator that was switched off for a class of a split, or fell short there."""

    arm: str
    split: int
    label: str
    reason: str


@dataclass(frozen=True, repr=False)
class Verdict(ShortRepr):
    """The result of a trial."""

    trial: TrialDesign
    advised: str
    budgets: tuple[Budget, ...]
    """Shortest first; the longest decides."""
    do_not_use: tuple[Refusal, ...]
    stopped: tuple[Stop, ...]
    doses: tuple[DoseCurve, ...]
    design: Mapping[str, Any]
    """What was compared, and {class: {train, held_out, needed}} as its "classes"."""
    advice: str = ""
    test: Mapping[str, Any] | None = None
    data: str | None = None
    """The input folder as seen from the folder of the trial."""
    run: str = ""
    """A hash of all that decides the verdict: images, arms, settings, versions."""
    seconds: float | None = None
    """How long the trial took; None in its file, and if the verdict was there already."""
    versions: Mapping[str, str] | None = None

    @property
    def control(self) -> str:
        """The arm that all others were compared with."""
        return self.trial.control

    @property
    def deciding(self) -> Budget:
        """The budget that decides."""
        return self.budgets[-1]

    @property
    def steps(self) -> int:
        """Steps of the deciding budget."""
        return self.deciding.steps

    @property
    def arms(self) -> Mapping[str, ArmScores]:
        """Scores after the deciding budget."""
        return self.deciding.arms

    def to_json(self) -> dict[str, Any]:
        """Return `verdict.json`: no number in it is infinite or not a number."""
        own = "control advised advice do_not_use budgets doses test design stopped data run seconds versions"
        document = {**vars(self.deciding), **{name: getattr(self, name) for name in own.split()}}
        return {name: rounded(value) for name, value in document.items()}
