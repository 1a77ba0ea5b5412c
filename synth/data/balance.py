"""Plans of how many images each class gets, and class weights, from the class counts."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from synth.data.dataset import Dataset
from synth.data.duplicates import distinct_counts
from synth.errors import UsageError, did_you_mean
from synth.records import ShortRepr
from synth.settings.base import exact_product
from synth.settings.recipe import check_target, multiple_of

SCHEMES = ("inverse", "balanced", "effective", "sqrt")
EFFECTIVE_BETA = 0.999


@dataclass(frozen=True, repr=False)
class ClassPlan(ShortRepr):
    """The plan for one class."""

    real: int
    """Real training images."""
    existing: int
    """New images of earlier runs."""
    target: int
    """Wanted total of real and new training images."""
    planned: int
    """New images of this run."""
    distinct: int | None = None
    """Different pictures among the real images, if the plan counts these; None: it counts images."""
    note: str = ""
    """Why fewer images are planned than the target needs."""


@dataclass(frozen=True, repr=False)
class Plan(ShortRepr):
    """The plan of a run: how many new images each class gets."""

    classes: Mapping[str, ClassPlan]

    @property
    def new(self) -> Mapping[str, int]:
        """{class: number of new images}, without classes that get none."""
        return {label: plan.planned for label, plan in self.classes.items() if plan.planned}

    def to_json(self) -> dict[str, dict[str, int | str | None]]:
        """Return {class: {real, existing, target, planned, distinct, note}}."""
        return {label: dict(vars(plan)) for label, plan in self.classes.items()}


def make_plan(
    dataset: Dataset,
    target: int | str | Mapping[str, int] = "majority",
    cap: float = 10.0,
    *,
    count: str = "images",
    classes: Sequence[str] = (),
    existing: Mapping[str, int] | None = None,
    needs_parents: bool = True,
) -> Plan:
    """Plan how many new training images each class gets.

    Args:
        target: total of real and new images: `majority`, `mean`, `median`, a number, a multiple of the class's own
            count such as `2x`, or totals by class.
        cap: at most this many new images per real image.
        count: `images`, or `distinct`: real images of the same picture count once, in the target and the cap.
        classes: only these classes get new images; empty: all.
        existing: new images of earlier runs, by class.
        needs_parents: False if the generator can also fill a class without real images.

    Raises:
        UsageError: an unknown word, or a class that the dataset does not have.
    """
    counts = dataset.train_counts
    distinct = (
        distinct_counts([*itertools.chain.from_iterable(dataset.train.values())]) if count == "distinct" else None
    )
    counted = counts if distinct is None else {label: distinct[label] for label in counts}
    targets, per = targets_of(target, counted), "real one" if distinct is None else "distinct picture"
    check_classes(classes, counts)
    made = existing or {}
    plans = {}
    for label, n in counted.items():
        wished = max(targets[label], n) if not classes or label in classes else n
        bound = cap if n or needs_parents else math.inf  # a simulator may fill a class without images
        entry = _class_plan(n, made.get(label, 0), target=wished, cap=bound, needs_parents=needs_parents, per=per)
        plans[label] = entry if distinct is None else dataclasses.replace(entry, real=counts[label], distinct=n)
    return Plan(plans)


def _class_plan(real: int, existing: int, *, target: int, cap: float, needs_parents: bool, per: str) -> ClassPlan:
    missing = max(target - real - existing, 0)
    if missing and not real and needs_parents:
        return ClassPlan(real, existing, target, 0, note="no training image to start from")
    room = missing if math.isinf(cap) else max(math.floor(exact_product(cap, real)) - existing, 0)
    note = f"cap of {cap:g} new images per {per}: the target needs {target - real}" if room < missing else ""
    return ClassPlan(real, existing, target, min(missing, room), note=note)


def targets_of(target: int | str | Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    """Return the total of each class that a target asks for.

    Raises:
        UsageError: an unknown word or class.
    """
    if isinstance(target, Mapping):
        check_classes(target, counts)
        return {label: target.get(label, 0) for label in counts}
    if isinstance(target, int):
        return dict.fromkeys(counts, target)
    present = [n for n in counts.values() if n] or [0]
    words = {
        "majority": max(present),
        "mean": math.ceil(statistics.mean(present)),
        "median": math.ceil(statistics.median(present)),
    }
    if target in words:
        return dict.fromkeys(counts, words[target])
    check_target(target)
    factor = multiple_of(target) or 0.0
    return {label: math.ceil(exact_product(factor, n)) for label, n in counts.items()}


def check_classes(names: Iterable[str], known: Iterable[str]) -> None:
    """Check that the dataset has these classes.

    Raises:
        UsageError: an unknown class; the message has the nearest known class, or all of them.
    """
    classes = list(known)
    for name in names:
        if name not in classes:
            hint = did_you_mean(name, classes) or f" (classes: {', '.join(classes)})"
            raise UsageError(f'no class "{name}" in the dataset{hint}')


def class_weights(
    dataset: Dataset | Mapping[str, int], scheme: str = "inverse", *, filled: bool = True
) -> dict[str, float]:
    """Return the loss weight of each class, in sorted order like torchvision and Keras.

    `inverse` n / n_c; `balanced` n / (K n_c), as scikit-learn; `sqrt` sqrt(n / n_c); `effective` (1 - b) / (1 - b^n_c),
    scaled to mean 1, b = .999 (Cui et al. 2019, "Class-balanced loss based on effective number of samples", eq. 2).
    A class without images gets 0.

    Args:
        dataset: a dataset, or its training counts by class.
        filled: whether the images of earlier runs in the dataset's folder count.

    Raises:
        UsageError: an unknown scheme.
    """
    counts = dict(dataset.train_counts if isinstance(dataset, Dataset) else dataset)
    if isinstance(dataset, Dataset) and filled:
        counts = {label: n + dataset.synthetic.get(label, 0) for label, n in counts.items()}
    present = {label: n for label, n in counts.items() if n}
    total = sum(present.values())
    if scheme == "inverse":
        weights = {label: total / n for label, n in present.items()}
    elif scheme == "balanced":
        weights = {label: total / (len(present) * n) for label, n in present.items()}
    elif scheme == "sqrt":
        weights = {label: math.sqrt(total / n) for label, n in present.items()}
    elif scheme == "effective":
        raw = {label: (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA**n) for label, n in present.items()}
        weights = {label: weight * len(raw) / sum(raw.values()) for label, weight in raw.items()}
    else:
        raise UsageError(f'unknown scheme "{scheme}": expected one of {", ".join(SCHEMES)}')
    return {label: weights.get(label, 0.0) for label in counts}
