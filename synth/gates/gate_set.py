"""All gates of a run together. Each judges every candidate; the judge predicts each candidate once for all gates."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from synth.data.originals import Originals
from synth.errors import UsageError
from synth.gates.base import Batch, Gate
from synth.gates.classifier import ClassifierGate
from synth.gates.distance import DistanceGate
from synth.gates.integrity import IntegrityGate
from synth.measures.subset import evenly_spaced
from synth.records import Candidate, Item, Parent, Verdict
from synth.settings.recipe import Recipe

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

REAL = "real"
MAX_REAL = 400
"""Real images of a class that the share of passing real images is measured on, at most."""


class GateSet:
    """Judges candidates with all gates of a recipe."""

    def __init__(
        self, recipe: Recipe, train: Mapping[str, Sequence[Item]], *, known: Collection[str], judge: Judge | None
    ) -> None:
        """Args: known: hashes of the pixels of all real images, of every split."""
        self._train, self.judge = train, judge
        self._originals = Originals(recipe.data)
        self._held_out_score = functools.cache(self._find_held_out_score)
        settings, originals = recipe.gate, self._originals
        self._classifier = None if judge is None else ClassifierGate(settings.classifier, judge)
        self._gates: list[Gate] = [
            IntegrityGate(settings.integrity, train, originals=originals),
            *([self._classifier] if self._classifier else []),
            DistanceGate(settings.distance, train, known=known, originals=originals, judge=judge),
        ]

    def verdicts(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the verdict on each candidate, with the scores and the reasons of all gates."""
        return self._verdicts(candidates, [self._parent_score(candidate) for candidate in candidates])

    def _parent_score(self, candidate: Candidate) -> float | None:
        """Return the lowest score of the parents whose pixels a candidate is made of; None if it is made of none."""
        made_of_pixels = candidate.from_parent_pixels or candidate.file is not None
        if self.judge is None or not made_of_pixels or not candidate.parents:
            return None
        return min(self._held_out_score(parent) for parent in candidate.parents)

    def _find_held_out_score(self, parent: Parent) -> float:
        """Return the probability of a real image's class by networks that did not learn from it."""
        assert self.judge is not None
        known = self.judge.held_out_score(parent.sha256)
        if known is not None or not isinstance(parent, Item) or parent.label not in self.judge.classes:
            return known if known is not None else 1.0
        found = self.judge.predict([self._originals.pixels(parent)], [self.judge.unseen_by([parent.sha256])])
        return float(found.probabilities[0, self.judge.classes.index(parent.label)])

    def _verdicts(self, candidates: Sequence[Candidate], parent_scores: Sequence[float | None]) -> list[Verdict]:
        members, prediction = [], None
        if self.judge and candidates:
            members = [self.judge.unseen_by([parent.sha256 for parent in c.parents]) for c in candidates]
            prediction = self.judge.predict([c.pixels for c in candidates], members)
        batch = Batch(candidates, members, prediction, parent_scores)
        by_candidate = zip(*(gate.judge(batch) for gate in self._gates), strict=True)
        return [
            Verdict(
                {name: value for verdict in each for name, value in verdict.scores.items()},
                tuple(reason for verdict in each for reason in verdict.reasons),
            )
            for each in by_candidate
        ]

    def real_passed(self, label: str) -> tuple[int, int]:
        """Return how many of a class's real training images pass, and how many were tried.

        Networks that did not learn from an image judge it, as a new image without parents; but it may be a copy.
        """
        items = evenly_spaced(self._train.get(label, ()), MAX_REAL)
        real = [Candidate(self._originals.pixels(i), label, REAL, 0, (i,), file=b"") for i in items]
        verdicts = self._verdicts(real, [None] * len(real))
        return sum(verdict.accepted for verdict in verdicts), len(verdicts)

    def not_judged(self, label: str) -> str:
        """Return why the judge rejects no image of a class; empty if it does, or if there is no judge."""
        return self._classifier.not_judged.get(label, "") if self._classifier else ""

    def warnings(self, labels: Iterable[str]) -> list[str]:
        """Return what a user should know about the gates of these classes, one line each."""
        return self._classifier.warnings(labels) if self._classifier else []


def check_knows(judge: Judge, labels: Iterable[str]) -> None:
    """Check that a judge has learned these classes.

    Raises:
        UsageError: it does not know one.
    """
    unknown = [label for label in labels if label not in judge.classes]
    if unknown:
        raise UsageError(f'the judge knows {", ".join(judge.classes)}, but not "{unknown[0]}": train one on this data')


def open_gates(
    recipe: Recipe, train: Mapping[str, Sequence[Item]], *, known: Collection[str] = (), labels: Sequence[str] = ()
) -> GateSet:
    """Open the gates of a recipe, with the judge that it names.

    Args:
        known: hashes of the pixels of all real images, of every split.
        labels: classes that will be judged.

    Raises:
        BundleError: the judge is no classifier bundle. UsageError: it does not know a class.
    """
    judge = None
    if recipe.judge:
        from synth.classifier.judge import open_judge  # torch is imported only if there is a judge

        judge = open_judge(recipe.judge)
        check_knows(judge, labels)
    return GateSet(recipe, train, known=known, judge=judge)
