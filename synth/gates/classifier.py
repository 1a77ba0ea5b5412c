"""The classifier gate: does a judge that did not learn from its parents recognise the class?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from synth.gates.base import Batch
from synth.records import Verdict
from synth.settings.gates import ClassifierGate as Settings

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

TOP = 5


class ClassifierGate:
    """Rejects candidates to which the judge gives a low probability of their class.

    The threshold is low on purpose. To keep only what a classifier is sure of is to select copies of what it knows,
    and costs the variety that synthetic images are made for. A class whose own held-out images mostly fail is not
    judged.
    """

    def __init__(self, settings: Settings, judge: Judge) -> None:
        self._settings, self._judge = settings, judge
        self._not_judged = frozenset(label for label in judge.classes if not self._can_tell(label))

    def _can_tell(self, label: str) -> bool:
        passed = self._judge.held_out_share(label, self._settings.score_min)
        return label in self._judge.few or passed is None or passed >= self._settings.held_out_min

    def warnings(self, labels: Iterable[str]) -> list[str]:
        """Return one line for each of these classes that is not judged."""
        shares = {label: self._judge.held_out_share(label, self._settings.score_min) for label in labels}
        return [
            f"the judge passes only {share or 0:.0%} of held-out real images of {label}: its scores do not reject "
            "images of this class"
            for label, share in shares.items()
            if label in self._not_judged
        ]

    def judge(self, batch: Batch) -> list[Verdict]:
        """Scores: `classifier`, the probability of the candidate's class; `classes`, the highest probabilities."""
        assert batch.prediction is not None
        probabilities, classes = batch.prediction.probabilities, self._judge.classes
        verdicts = []
        for candidate, row in zip(batch.candidates, probabilities.astype(float).round(4).tolist(), strict=True):
            own = row[classes.index(candidate.label)]
            top = sorted(range(len(classes)), key=lambda index: (-row[index], index))[:TOP]
            rejected = own < self._settings.score_min and candidate.label not in self._not_judged
            scores = {"classifier": own, "classes": {classes[index]: row[index] for index in top}}
            verdicts.append(Verdict(scores, ("off_class",) if rejected else ()))
        return verdicts
