"""The losses of a classifier, with logits f(x), n_c images of class c and N of all classes:

    L = sum_i w_y (1 - p_y)^g (- log p_y) / sum_i w_y,    p = softmax(f(x_i) + t log pi),    y = y_i

    plain         w = 1, g = 0, t = 0     cross-entropy
    weights       w_c of a scheme         class weights (`synth.data.balance.class_weights`), as torch's cross_entropy
    logit-adjust  t = 1, pi_c = n_c / N   Menon et al. 2021, "Long-tail learning via logit adjustment", eq. 10
    focal         g = 2                   Lin et al. 2017, "Focal loss for dense object detection", eq. 4

The prior is part of the training loss only: predictions use f(x), which ranks classes as if they were equally common.
The counts are those of the training images, new ones included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from synth.data.balance import class_weights

TAU, GAMMA = 1.0, 2.0
FEWEST = 1
"""Count of a class without images in the prior, whose logarithm must be finite."""


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss L for given counts."""

    weights: Tensor
    """(C,)."""
    shifts: Tensor
    """(C,), added to the logits."""
    gamma: float

    def __call__(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> Tensor:
        """Return the loss of logits (B, C) and class numbers (B,), with rows weighted by `shares` (B,) if given."""
        log_p = torch.log_softmax(logits + self.shifts.to(logits.device), 1).gather(1, labels[:, None])[:, 0]
        losses = -log_p if self.gamma == 0 else -log_p * (1 - log_p.exp()) ** self.gamma
        weights = self.weights.to(logits.device)[labels]
        weights = weights if shares is None else weights * shares
        return (weights * losses).sum() / weights.sum()


@dataclass(frozen=True)
class Objective:
    """The choice of a loss."""

    kind: Literal["plain", "weights", "logit-adjust", "focal"] = "plain"
    scheme: str = "balanced"
    """Scheme of the class weights."""

    def loss_of(self, counts: Sequence[int]) -> Loss:
        """Return the loss for these numbers of images of each class.

        Raises:
            UsageError: an unknown scheme.
        """
        weights, shifts = torch.ones(len(counts)), torch.zeros(len(counts))
        if self.kind == "weights":
            by_class = class_weights({str(number): n for number, n in enumerate(counts)}, self.scheme)
            weights = torch.tensor(list(by_class.values()))
        if self.kind == "logit-adjust":
            present = torch.tensor(counts).clamp(min=FEWEST)
            shifts = TAU * torch.log(present / present.sum())
        return Loss(weights, shifts, GAMMA if self.kind == "focal" else 0.0)
