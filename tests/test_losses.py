"""Losses against their equations, written out in NumPy."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from synth.classifier.losses import Objective
from synth.data.balance import SCHEMES, class_weights
from synth.errors import UsageError

COUNTS = (70, 25, 5)
RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(0, 2, (12, 3)), np.resize([0, 1, 2, 0], 12)


def log_p(logits: np.ndarray) -> np.ndarray:
    rows = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return rows[np.arange(len(LABELS)), LABELS]


def loss(objective: Objective, counts: tuple[int, ...] = COUNTS, shares: np.ndarray | None = None) -> float:
    given = torch.from_numpy(shares) if shares is not None else None
    return float(objective.loss_of(counts)(torch.from_numpy(LOGITS), torch.from_numpy(LABELS), given))


def test_plain_is_cross_entropy() -> None:
    assert loss(Objective("plain")) == pytest.approx(-log_p(LOGITS).mean())
    assert loss(Objective("plain"), (1, 1, 90)) == loss(Objective("plain"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_are_those_of_the_scheme_as_torch_takes_them(scheme: str) -> None:
    by_class = class_weights(dict(zip("abc", COUNTS, strict=True)), scheme)
    weights = torch.tensor(list(by_class.values()), dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(LOGITS), torch.from_numpy(LABELS), weights)
    assert loss(Objective("weights", scheme)) == pytest.approx(float(expected), rel=1e-6)


def test_logit_adjustment_adds_the_logarithm_of_the_prior() -> None:
    expected = -log_p(LOGITS + np.log(np.array(COUNTS) / sum(COUNTS))).mean()
    assert loss(Objective("logit-adjust")) == pytest.approx(expected, rel=1e-6)


def test_focal_counts_what_is_known_less() -> None:
    logs = log_p(LOGITS)
    assert loss(Objective("focal")) == pytest.approx((-((1 - np.exp(logs)) ** 2) * logs).mean())


@pytest.mark.parametrize("kind", ["plain", "weights", "logit-adjust", "focal"])
def test_a_share_of_two_is_as_good_as_a_row_twice(kind: Literal["plain", "weights", "logit-adjust", "focal"]) -> None:
    twice = np.repeat(np.arange(len(LABELS)), np.where(LABELS == 2, 2, 1))
    of_rows = Objective(kind).loss_of(COUNTS)
    repeated = of_rows(torch.from_numpy(LOGITS[twice]), torch.from_numpy(LABELS[twice]))
    assert loss(Objective(kind), COUNTS, np.where(LABELS == 2, 2.0, 1.0)) == pytest.approx(float(repeated))


@pytest.mark.parametrize("kind", ["plain", "weights", "logit-adjust", "focal"])
def test_an_absent_class_and_a_sure_answer_are_no_danger(
    kind: Literal["plain", "weights", "logit-adjust", "focal"],
) -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    value = Objective(kind).loss_of((30, 10, 0))(logits, torch.tensor([0, 1, 0]))
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown scheme"):
        Objective("weights", "heavy").loss_of(COUNTS)
