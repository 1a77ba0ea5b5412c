"""The training step of a classifier network: a member of a judge, or a learner of a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from synth.networks.build import SMALL
from synth.settings.gates import Classifier
from synth.training.batches import Batches
from synth.training.device import autocast
from synth.training.inference import to_tensor
from synth.training.loop import one_cycle, set_rate

WEIGHT_DECAY = 0.01
TUNING = 0.1
"""Fraction of the learning rate for a pretrained network."""


class Supervised:
    """Minimises a loss by AdamW (Loshchilov and Hutter 2019) with one cycle of the learning rate."""

    averaged = "network"

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        *,
        settings: Classifier,
        n_steps: int,
        device: torch.device,
    ) -> None:
        """Args: loss_of: gives the loss of logits (B, C) and class numbers (B,)."""
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self._batches, self._loss_of, self._device = batches, loss_of, device
        self._precision, self._n_steps = settings.precision, n_steps
        self._rate = settings.rate * (1 if settings.backbone == SMALL else TUNING)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), self._rate, weight_decay=WEIGHT_DECAY)
        self.modules: Mapping[str, nn.Module] = {"network": self.network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"optimizer": self._optimizer}

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Take one step on the batch of this number."""
        images, labels = self._batches.draw(number)
        x, y = to_tensor(images, self._device), torch.from_numpy(labels).to(self._device)
        set_rate(self._optimizer, self._rate * one_cycle(number, self._n_steps))
        with autocast(self._device, self._precision):
            _, logits = self.network.raw(x)  # type: ignore[operator]
            loss = self._loss_of(logits, y)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {"loss": loss.detach(), "accuracy": (logits.detach().argmax(1) == y).float().mean()}
