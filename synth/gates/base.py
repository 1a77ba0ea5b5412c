"""What a gate is, and how the gates of a run judge together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from synth.gates.integrity import IntegrityGate
from synth.records import Candidate, Verdict


class Gate(Protocol):
    """Judges one candidate after another; the same candidate gets the same score in any order."""

    name: str

    def judge(self, candidate: Candidate) -> tuple[float, str | None]:
        """A score in 0..1, and a word that says why the candidate is rejected, or None."""


def open_gates() -> tuple[Gate, ...]:
    """The gates of a run."""
    return (IntegrityGate(),)


def judge_all(gates: Sequence[Gate], candidate: Candidate) -> Verdict:
    """Ask every gate, also after one has rejected: all scores stand in the manifest."""
    answers = [(gate.name, *gate.judge(candidate)) for gate in gates]
    scores = {name: score for name, score, _ in answers}
    return Verdict(scores, tuple(reason for _, _, reason in answers if reason is not None))
