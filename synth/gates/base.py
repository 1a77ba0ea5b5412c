"""What a gate is, and what it is told about a batch of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from synth.records import Candidate, Scores

if TYPE_CHECKING:
    from synth.classifier.judge import Prediction


@dataclass(frozen=True)
class Batch:
    """Candidates, and what the judge sees in them; each is answered as if it were alone."""

    candidates: Sequence[Candidate]
    members: Sequence[tuple[int, ...]] = ()
    """For each candidate, the judge's networks that were asked about it."""
    prediction: Prediction | None = None
    """None where no judge was asked."""


@dataclass(frozen=True)
class Answer:
    """What a gate says of one candidate."""

    scores: Scores
    reason: str | None = None
    """A word that says why it is rejected."""


class Gate(Protocol):
    """Judges candidates; the same one gets the same answer in any order and any company."""

    def judge(self, batch: Batch) -> list[Answer]:
        """One answer for each candidate."""
