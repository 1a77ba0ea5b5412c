"""Classifier: does a judge that did not learn from its parents see the class in it?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from synth.gates.base import Answer, Batch
from synth.settings.gates import ClassifierGate as Settings

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

TOP = 5


class ClassifierGate:
    """Rejects what the judge gives a low probability of its class.

    Lenient on purpose: keeping only what a classifier is sure of selects copies of what it knows, and costs the very
    variety that synthetic images are made for. For a class whose own held-out images mostly fail, it has no say.
    """

    def __init__(self, settings: Settings, judge: Judge) -> None:
        self._settings, self._judge = settings, judge
        self.silent = frozenset(label for label in judge.classes if not self._can_tell(label))
        """Classes that the judge does not know well enough to have a say."""

    def _can_tell(self, label: str) -> bool:
        passed = self._judge.held_out_share(label, self._settings.score_min)
        return label in self._judge.few or passed is None or passed >= self._settings.held_out_min

    def warnings(self, labels: Iterable[str]) -> list[str]:
        """Why it has no say in some of these classes."""
        shares = {label: self._judge.held_out_share(label, self._settings.score_min) for label in labels}
        return [
            f"the judge passes only {share or 0:.0%} of held-out real images of {label}: it has no say in this class"
            for label, share in shares.items()
            if label in self.silent
        ]

    def judge(self, batch: Batch) -> list[Answer]:
        """Scores: `classifier`, the probability of the candidate's class; `classes`, the highest probabilities."""
        assert batch.prediction is not None
        probabilities, classes = batch.prediction.probabilities, self._judge.classes
        answers = []
        for candidate, row in zip(batch.candidates, probabilities.astype(float).round(4).tolist(), strict=True):
            own = row[classes.index(candidate.label)]
            top = sorted(range(len(classes)), key=lambda index: (-row[index], index))[:TOP]
            rejected = own < self._settings.score_min and candidate.label not in self.silent
            scores = {"classifier": own, "classes": {classes[index]: row[index] for index in top}}
            answers.append(Answer(scores, "off_class" if rejected else None))
        return answers
