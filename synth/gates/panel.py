"""The gates of a run, together: all of them judge every candidate, and the judge looks once for all."""

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
from synth.records import Candidate, Item, Scores, Verdict
from synth.settings.recipe import Recipe

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

REAL = "real"
MAX_REAL = 400
"""So many real images of a class tell what share of them passes."""


class Panel:
    """Verdicts on candidates."""

    def __init__(
        self, recipe: Recipe, train: Mapping[str, Sequence[Item]], *, known: Collection[str], judge: Judge | None
    ) -> None:
        """Args: known: hashes of the pixels of all real images, of every split."""
        self._train, self.judge = train, judge
        self._originals = Originals(recipe.data)
        self._classifier: ClassifierGate | None = None
        self._gates: list[Gate] = [IntegrityGate(recipe.gate.integrity, train, originals=self._originals)]
        if judge is not None:
            self._classifier = ClassifierGate(recipe.gate.classifier, judge)
            self._gates.append(self._classifier)
        distance = recipe.gate.distance
        self._gates.append(DistanceGate(distance, train, known=known, originals=self._originals, judge=judge))

    def verdicts(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Ask every gate, also after one has rejected: all scores stand in the manifest."""
        return self._verdicts(candidates, [self._members(candidate) for candidate in candidates])

    def _members(self, candidate: Candidate) -> tuple[int, ...]:
        """Networks that did not learn from its parents; of a class with few images, those that learned from all."""
        if self.judge is None:
            return ()
        if candidate.label in self.judge.few:
            return self.judge.whole
        return self.judge.unseen_by([parent.sha256 for parent in candidate.parents])

    def _verdicts(self, candidates: Sequence[Candidate], members: Sequence[tuple[int, ...]]) -> list[Verdict]:
        prediction = self.judge.predict([c.pixels for c in candidates], members) if self.judge and candidates else None
        batch = Batch(candidates, members, prediction)
        answers = zip(*(gate.judge(batch) for gate in self._gates), strict=True)
        verdicts = []
        for each in answers:
            scores: Scores = {name: value for answer in each for name, value in answer.scores.items()}
            verdicts.append(Verdict(scores, tuple(answer.reason for answer in each if answer.reason is not None)))
        return verdicts

    def real_acceptance(self, label: str) -> float | None:
        """Share of the class's real training images that pass, each judged by networks that did not learn from it.

        None without images. Being a copy of itself is not held against a real image.
        """
        items = evenly_spaced(self._train.get(label, ()), MAX_REAL)
        real = [Candidate(self._originals.pixels(i), label, REAL, 0, (i,), file=b"") for i in items]
        members = [self.judge.unseen_by([item.sha256]) if self.judge else () for item in items]
        verdicts = self._verdicts(real, members)
        return sum(verdict.accepted for verdict in verdicts) / len(verdicts) if verdicts else None

    def warnings(self, labels: Iterable[str]) -> list[str]:
        """What a person should know of the gates of these classes."""
        return self._classifier.warnings(labels) if self._classifier else []


def open_panel(
    recipe: Recipe, train: Mapping[str, Sequence[Item]], *, known: Collection[str] = (), labels: Sequence[str] = ()
) -> Panel:
    """The gates of a recipe, with the judge that it names.

    Args:
        known: hashes of the pixels of all real images, of every split.
        labels: classes that will be judged.

    Raises:
        BundleError: the judge is no classifier bundle. UsageError: it does not know a class.
    """
    judge = None
    if recipe.judge:
        from synth.classifier.judge import open_judge  # torch is imported only where a judge is asked

        judge = open_judge(recipe.judge)
        unknown = [label for label in labels if label not in judge.classes]
        if unknown:
            raise UsageError(
                f'the judge knows {", ".join(judge.classes)}, but not "{unknown[0]}": train one on this data'
            )
    return Panel(recipe, train, known=known, judge=judge)
