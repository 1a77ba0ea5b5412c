"""One step of the autoencoder's training: its loss and its batch.

An image x of class y is encoded to z = E(x). Noise is added to the code, and the generator G decodes it:

    z' = s(z + a e),  e ~ N(0, 1),  s(v) = v sqrt(Z) / |v|    so G learns the neighbourhoods of codes, not only points
    x' = G(z', y)
    loss = w_p mean |x' - x|                                  pixel: absolute, because squares blur more
         + w_g (mean |D_x (x' - x)| + mean |D_y (x' - x)|)    gradient: edges (Mathieu et al. 2016, with power 1)
         + w_f sum_k mean |F_k(x') - F_k(x)|                  feature: see `perceptual_loss`

D_x and D_y are differences of neighbouring pixels. A class of n images is drawn as if it had n ** (1 - balance). Images
are changed by the safe effects without blur, because a network that learns from blurred images makes blurred images.
AdamW (Loshchilov and Hutter 2019), one cycle of the learning rate; the result is the average of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from synth import seeds
from synth.autoencoder.perceptual_loss import feature_difference
from synth.classifier.supervised import WEIGHT_DECAY
from synth.effects.policy import Policy
from synth.networks.autoencoder import Autoencoder, on_sphere
from synth.networks.small import Small
from synth.settings.oversampling import Autoencoder as AutoencoderSettings
from synth.settings.recipe import Augment
from synth.training.batches import Batches, TrainingSet
from synth.training.bundle import AUTOENCODER
from synth.training.device import autocast
from synth.training.inference import to_tensor
from synth.training.loop import one_cycle, seeded, set_rate


@dataclass(frozen=True)
class AutoencoderTask:
    """All that the training of an autoencoder needs."""

    settings: AutoencoderSettings
    policy: Augment
    seed: int
    data: TrainingSet
    n_channels: int
    work: Path
    """A folder that outlives a kill."""
    device: torch.device


class AutoencoderTrainee:
    """Encoder and generator, fitted together."""

    averaged = "network"

    def __init__(self, task: AutoencoderTask, feature_network: Small | None) -> None:
        self._task, self._settings, self._feature_network = task, task.settings, feature_network
        with seeded(seeds.derived(task.seed, AUTOENCODER)):
            network = Autoencoder(task.data.side, task.n_channels, task.settings.code, len(task.data.classes))
        self.network = network.to(task.device).to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), task.settings.rate, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.modules: Mapping[str, nn.Module] = {"network": self.network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"optimizer": self._optimizer}
        policy, data, settings = Policy(task.policy, AUTOENCODER, seed=task.seed), task.data, task.settings
        self._batches = Batches(
            data.inputs, data.labels, None, policy, task.seed, AUTOENCODER, settings.batch, settings.balance
        )

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Take one step on the loss at the top of this file."""
        task, settings = self._task, self._settings
        images, labels = self._batches.draw(number)
        x = to_tensor(images, task.device, n_channels=task.n_channels)
        set_rate(self._optimizer, settings.rate * one_cycle(number, settings.steps))
        with autocast(task.device, settings.precision):
            codes = self.network.encoder(x)
            noisy = on_sphere(codes + settings.code_noise * self._noise(number))
            decoded = self.network.generator(noisy, torch.from_numpy(labels).to(task.device))
            terms = self._terms(x, decoded)
            weighted = [getattr(settings, f"{name}_weight") * term for name, term in terms.items()]
            loss = torch.stack(weighted).sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {name: value.detach() for name, value in {"loss": loss, **terms}.items()}

    def _noise(self, number: int) -> Tensor:
        """Draw noise (B, Z) from the number of the step."""
        rng = seeds.generator(self._task.seed, AUTOENCODER, stream="noise", attempt=number)
        drawn = rng.standard_normal((self._settings.batch, self._settings.code), np.float32)
        return torch.from_numpy(drawn).to(self._task.device)

    def _terms(self, x: Tensor, decoded: Tensor) -> dict[str, Tensor]:
        difference = decoded - x
        terms = {
            "pixel": difference.abs().mean(),
            "gradient": difference.diff(dim=3).abs().mean() + difference.diff(dim=2).abs().mean(),
        }
        if self._feature_network is not None:
            terms["feature"] = feature_difference(self._feature_network, decoded, x)
        return terms
