"""The classifier gate: does a judge that did not learn from its parents recognise the class?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from synth.data.findings import few
from synth.gates.base import Batch
from synth.measures.intervals import p_less, wilson
from synth.records import Verdict
from synth.settings.gates import ClassifierGate as Settings

if TYPE_CHECKING:
    from synth.classifier.judge import Judge

TOP = 5
PARENT_SHARE = 0.5
"""A changed image may keep this share of its parent's score, whatever that is."""
KNOWN_P = 0.05
"""A judge knows a class if its images pass more often than those of other classes, up to this p-value."""


class ClassifierGate:
    """Rejects candidates to which the judge gives a low probability of their class.

    The threshold is low on purpose. To keep only what a classifier is sure of is to select copies of what it knows,
    and costs the variety that synthetic images are made for. Two more rules keep it fair to rare classes:

    1. A class that the judge does not know is not judged. It knows a class if held-out real images of it pass more
       often than those of other classes do, beyond chance, unless it is certain that too few of them pass.
    2. A real image may be untypical of its class. An image that is made of its pixels may then score as low as half of
       what it scores itself.
    """

    def __init__(self, settings: Settings, judge: Judge) -> None:
        self._settings, self._judge = settings, judge
        found = {label: self._why_not_judged(label) for label in judge.classes}
        self.not_judged = {label: why for label, why in found.items() if why}
        """{class that the judge does not know: the figures that show it}."""

    def _why_not_judged(self, label: str) -> str:
        own, others = self._judge.held_out_passing(label, self._settings.score_min)
        if not own[1]:
            return "the judge has learned from no image of it"
        enough = wilson(*own)[1] >= self._settings.held_out_min
        if enough and (not others[1] or p_less(others, own) < KNOWN_P):
            return ""
        of_others = f", and {others[0] / others[1]:.0%} of the images of other classes" if others[1] else ""
        return f"{own[0]} of {own[1]} real {'image passes' if own[1] == 1 else 'images pass'}{of_others}"

    def warnings(self, labels: Iterable[str]) -> list[str]:
        """Return what a user should know: which classes are not judged, and which originals are untypical."""
        wanted, found = list(labels), list[str]()
        unknown = [label for label in wanted if label in self.not_judged]
        if unknown:
            which = few(unknown, self.not_judged.__getitem__)
            found.append(f"the judge does not know {which}: its scores reject no image of {_these(unknown)}")
        low = {
            label: self._judge.held_out_below(label, self._settings.score_min)
            for label in wanted
            if label not in self.not_judged
        }
        if untypical := [label for label, names in low.items() if names]:
            which = few(untypical, lambda label: f"{len(low[label])}: {few(low[label])}")
            found.append(
                f"the judge does not recognise some originals when it has not seen them: {which}. "
                "Check their labels. New images of them may score lower too"
            )
        return found

    def judge(self, batch: Batch) -> list[Verdict]:
        """Scores: `classifier`, the probability of the candidate's class; `classes`, the highest probabilities."""
        assert batch.prediction is not None
        probabilities, classes = batch.prediction.probabilities, self._judge.classes
        rows = probabilities.astype(float).round(4).tolist()
        verdicts = []
        for candidate, row, parent in zip(batch.candidates, rows, batch.parent_scores, strict=True):
            own, bound = row[classes.index(candidate.label)], self._settings.score_min
            if parent is not None:
                bound = min(bound, PARENT_SHARE * parent)
            top = sorted(range(len(classes)), key=lambda index: (-row[index], index))[:TOP]
            rejected = own < bound and candidate.label not in self.not_judged
            scores = {"classifier": own, "classes": {classes[index]: row[index] for index in top}}
            verdicts.append(Verdict(scores, ("off_class",) if rejected else ()))
        return verdicts


def _these(labels: list[str]) -> str:
    return "this class" if len(labels) == 1 else "these classes"
