"""What a gate is, and what it gets: a batch of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from synth.records import Candidate, Verdict

if TYPE_CHECKING:
    from synth.classifier.judge import Prediction


@dataclass(frozen=True)
class Batch:
    """Candidates, and the judge's prediction for them."""

    candidates: Sequence[Candidate]
    members: Sequence[tuple[int, ...]] = ()
    """For each candidate, the networks of the judge that predicted it."""
    prediction: Prediction | None = None
    """None without a judge."""
    parent_scores: Sequence[float | None] = ()
    """For each candidate, the lowest score that a judge gives the class of one of its parents, 0..1; None if it is not
    made of its parents' pixels."""


class Gate(Protocol):
    """Judges candidates. The verdict on one does not depend on the order or on the others."""

    def judge(self, batch: Batch) -> list[Verdict]:
        """Return this gate's scores of each candidate, and its reason to reject it, if any."""
