"""Per-class scores of a classifier with confidence intervals, and notes about classes with too few images.

Point values agree with scikit-learn. Intervals are 95 %. Precision and recall are shares, so they have Wilson's
interval, which has a width at 0 and 1 too. F1 is 2 s / (1 + s) of a share s: the images of the class that are found, of
all that belong to the class or are assigned to it (Hand, Christen and Kirielle 2021, "F*: an interpretable
transformation of the F-measure"). So its interval is that of s, transformed. Similar images of one group count as
one there. Average precision has the percentile interval of the bootstrap over groups, and none if that has no width.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.measures import intervals
from synth.records import Floats, Ints, ShortRepr, rounded

MIN_IMAGES = 5
"""With fewer images, one image changes the recall by more than 20 points."""
WIDE = 0.3
"""A wider interval of the recall gets a note."""
WANTED = 0.05
NAMES = ("precision", "recall", "f1", "average_precision")

Interval = tuple[float, float]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class ClassScores(ShortRepr):
    """Scores of one class, 0..1; None if unknown."""

    n: int
    """Number of images of this class."""
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    average_precision: float | None = None
    intervals: Mapping[str, Interval | None] = field(default_factory=lambda: dict.fromkeys(NAMES))
    """{name of a score: (low, high)}; None if the images are too few to show one."""
    note: str = ""
    """Why the scores are uncertain; empty if they are not."""


@dataclass(frozen=True, repr=False)
class Scores(ShortRepr):
    """Scores of all classes. Means are over the classes that have images."""

    classes: Mapping[str, ClassScores]
    labels: tuple[str, ...]
    macro_f1: float | None
    balanced_accuracy: float | None
    """Mean recall (also called ACSA)."""
    worst_recall: float | None
    confusion: tuple[tuple[int, ...], ...]
    """Row: true class, column: predicted class, both in the order of `labels`."""

    def to_json(self) -> dict[str, Any]:
        """Return the "out_of_fold" document of `scores.json`."""
        return {name: rounded(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Points:
    """Scores without intervals, (C,) each; NaN for a class without images. Means are over the other classes."""

    confusion: Ints
    """(C, C): row: true class, column: predicted class."""
    precision: Floats
    recall: Floats
    f1: Floats
    average_precision: Floats

    @property
    def macro_f1(self) -> float:
        """Mean F1; NaN without any image."""
        return _mean_known(self.f1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall; NaN without any image."""
        return _mean_known(self.recall)


def _mean_known(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def points(truth: Ints, probabilities: Floats, shares: Floats | None = None) -> Points:
    """Score predictions like `score`, but without the intervals, which take most of its time.

    Args:
        truth: (n,) index of each image's true class.
        probabilities: (n, C).
        shares: (C,) class frequencies to score for: images are weighted so that their classes have these frequencies.
            None: those of the given images. Recall does not depend on them.
    """
    from sklearn.metrics import average_precision_score

    n_classes = probabilities.shape[1]
    cells = truth.astype(np.int64) * n_classes + probabilities.argmax(axis=1)
    confusion = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
    weights = _weights(confusion.sum(axis=1), shares)
    counts = confusion * weights[:, None]
    right, n, called = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision = np.where(n > 0, np.nan_to_num(_divided(right, called)), np.nan)
    f1 = np.where(n > 0, _divided(2 * right, n + called), np.nan)
    ap = np.full(n_classes, np.nan)
    for c in np.flatnonzero(n):
        ap[c] = average_precision_score(truth == c, probabilities[:, c], sample_weight=weights[truth])
    return Points(confusion, precision, _divided(right, n), f1, ap)


def _weights(counts: Ints, shares: Floats | None) -> Floats:
    """Return the (C,) weight of an image of each class; 1 on average."""
    if shares is None:
        return np.ones(len(counts))
    there = np.where(counts > 0, shares, 0.0)
    weights: Floats = there / max(there.sum(), 1e-300) * counts.sum() / np.maximum(counts, 1)
    return weights


def score(
    truth: Ints, probabilities: Floats, labels: Sequence[str], *, groups: Ints | None = None, seed: int = 0
) -> Scores:
    """Score predictions; the most probable class is the prediction.

    Args:
        truth: (n,) index of each image's true class.
        probabilities: (n, C) in the order of `labels`.
        groups: (n,) number of each image's group; images of a group are resampled together.
    """
    if len(truth) == 0:
        classes = {label: ClassScores(0, note=_note(0, None)) for label in labels}
        return Scores(classes, tuple(labels), None, None, None, tuple((0,) * len(labels) for _ in labels))
    found = points(truth, probabilities)
    units = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    predicted, resampled = probabilities.argmax(axis=1), _resampled_units(units, seed)
    classes = {}
    for c, label in enumerate(labels):
        is_class, called = truth == c, predicted == c
        n, right = int(is_class.sum()), is_class & called
        low, high = _interval(right, is_class | called, units)
        bounds = {
            "precision": _interval(right, called, units),
            "recall": _interval(right, is_class, units),
            "f1": (2 * low / (1 + low), 2 * high / (1 + high)),
            "average_precision": _ap_interval(is_class, probabilities[:, c], units, resampled),
        }
        precision, recall, f1, ap = (float(getattr(found, name)[c]) for name in NAMES)
        note = _note(n, bounds["recall"])
        classes[label] = ClassScores(n, precision, recall, f1, ap, bounds, note) if n else ClassScores(0, note=note)
    table = tuple(tuple(row) for row in found.confusion.tolist())
    worst = float(np.nanmin(found.recall))
    return Scores(classes, tuple(labels), found.macro_f1, found.balanced_accuracy, worst, table)


def _note(n: int, recall: Interval | None) -> str:
    if n == 0 or recall is None:
        return "no image"
    if n < MIN_IMAGES:
        return f"only {n} image{'s' if n > 1 else ''}: too few for a reliable score"
    low, high = recall
    if high - low <= WIDE:
        return ""
    needed = float(f"{intervals.n_for_half_width((low + high) / 2, WANTED):.1e}")  # two digits of a rough number
    known = f"{n} images: the recall is between {low:.2f} and {high:.2f}"
    return f"{known}; about {needed:.0f} images would measure it to +-{WANTED}"


def _interval(hits: Bools, of: Bools, units: Ints) -> Interval:
    """Return the interval of the share of images that are hits; images of one unit count as one."""
    n, n_units = int(of.sum()), len(np.unique(units[of]))
    return intervals.wilson(int(hits.sum()) * n_units / max(n, 1), n_units)


def _resampled_units(units: Ints, seed: int) -> Floats:
    return intervals.resampled_counts(int(units.max()) + 1, np.random.default_rng(seed), intervals.N_RESAMPLES)


def _ap_interval(is_class: Bools, probability: Floats, units: Ints, counts: Floats) -> Interval | None:
    """Return the interval of average precision; None if the images are too few to show one."""
    if is_class.sum() < MIN_IMAGES:
        return None
    found = intervals.percentile_interval(_ap_of_resamples(is_class, probability, units, counts))
    return found if found and found[0] < found[1] else None


def _ap_of_resamples(is_class: Bools, probability: Floats, units: Ints, counts: Floats) -> Floats:
    """Return (n_resamples,): the sum over thresholds of (gain in recall) x precision, for resampled images."""
    order = np.argsort(-probability, kind="stable")
    hits = is_class[order]
    # Equal probabilities are one threshold. Only thresholds that find an image of the class add to the recall.
    threshold = np.append(0, np.cumsum(np.diff(probability[order]) != 0))
    gaining = np.unique(threshold[hits])
    step = np.searchsorted(gaining, threshold)  # the first of them that includes the image
    seen_by = _tally(step, units[order], (len(gaining) + 1, len(counts)))[:-1]
    found_by = _tally(step[hits], units[order][hits], (len(gaining), len(counts)))
    seen, gain = (seen_by @ counts).cumsum(axis=0), found_by @ counts
    found = gain.cumsum(axis=0)
    return _divided((gain * np.nan_to_num(_divided(found, seen))).sum(axis=0), found[-1])


def _divided(part: Floats, whole: Floats) -> Floats:
    """Return fractions; NaN for 0 / 0."""
    fractions: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return fractions


def _tally(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Any:
    """Return a sparse (rows, columns) table of the number of images in each cell."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
