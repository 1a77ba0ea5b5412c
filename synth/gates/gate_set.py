"""All gates of a run together. Each judges every candidate; the judge predicts each candidate once for all gates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from synth.data.originals import Originals
from synth.errors import UsageError
from synth.gates.base import Batch, Gate
from synth.gates.classifier import ClassifierGate
from synth.gates.distance import DistanceGate
from synth.gates.integrity import IntegrityGate
from synth.measures.subset import evenly_spaced
from synth.records import Candidate, Item, Verdict
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
        settings, originals = recipe.gate, self._originals
        self._classifier = None if judge is None else ClassifierGate(settings.classifier, judge)
        self._gates: list[Gate] = [
            IntegrityGate(settings.integrity, train, originals=originals),
            *([self._classifier] if self._classifier else []),
            DistanceGate(settings.distance, train, known=known, originals=originals, judge=judge),
        ]

    def verdicts(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the verdict on each candidate, with the scores and the reasons of all gates."""
        return self._verdicts(candidates, [self._members(candidate) for candidate in candidates])

    def _members(self, candidate: Candidate) -> tuple[int, ...]:
        """Return the networks that did not learn from the parents; for a small class, those that learned from all."""
        if self.judge is None:
            return ()
        if candidate.label in self.judge.few:
            return self.judge.whole
        return self.judge.unseen_by([parent.sha256 for parent in candidate.parents])

    def _verdicts(self, candidates: Sequence[Candidate], members: Sequence[tuple[int, ...]]) -> list[Verdict]:
        prediction = self.judge.predict([c.pixels for c in candidates], members) if self.judge and candidates else None
        batch = Batch(candidates, members, prediction)
        by_candidate = zip(*(gate.judge(batch) for gate in self._gates), strict=True)
        return [
            Verdict(
                {name: value for verdict in each for name, value in verdict.scores.items()},
                tuple(reason for verdict in each for reason in verdict.reasons),
            )
            for each in by_candidate
        ]

    def real_acceptance(self, label: str) -> float | None:
        """Return the share of a class's real training images that pass; None for a class without images.

        Networks that did not learn from an image judge it, and it may be a copy of itself.
        """
        items = evenly_spaced(self._train.get(label, ()), MAX_REAL)
        real = [Candidate(self._originals.pixels(i), label, REAL, 0, (i,), file=b"") for i in items]
        members = [self.judge.unseen_by([item.sha256]) if self.judge else () for item in items]
        verdicts = self._verdicts(real, members)
        return sum(verdict.accepted for verdict in verdicts) / len(verdicts) if verdicts else None

    def warnings(self, labels: Iterable[str]) -> list[str]:
        """Return what a user should know about the gates of these classes, one line each."""
        return self._classifier.warnings(labels) if self._classifier else []


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
        unknown = [label for label in labels if label not in judge.classes]
        if unknown:
            raise UsageError(
                f'the judge knows {", ".join(judge.classes)}, but not "{unknown[0]}": train one on this data'
            )
    return GateSet(recipe, train, known=known, judge=judge)
