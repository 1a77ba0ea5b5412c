"""One step of the GAN's training: its two losses and its batch.

The generator G starts as that of the autoencoder, the discriminator D from random weights. A real image x of class y
and a drawn one x' = G(z, y) are compared as a pair of one class, both changed by T (see `networks.diffaugment`):

    d = D(T(x'), y) - D(T(x), y)
    loss of D = mean log(1 + e^d) + (g / 2) (mean |grad D(T(x))|^2 + mean |grad D(T(x'))|^2)
    loss of G = mean log(1 + e^-d)

This is the relativistic loss (Jolicoeur-Martineau 2019) with both zero-centred penalties, R1 on real and R2 on drawn
images (Mescheder et al. 2018), at every step: with them it converges (Huang et al. 2024, "The GAN is dead", section 2).

Codes z are mixes of two codes of real images (see `codes`). With probability b they come from other classes than y, so
G learns to draw the rare class in all places, sizes and lights of the common ones. Classes are drawn equally often.
Real images are changed by the safe effects without blur and with little change of levels, because G learns to draw
them so. Adam (Kingma and Ba 2015) with betas (0, .99); the result is the average of G's weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from synth import seeds
from synth.effects.policy import Policy
from synth.gan.codes import CodeBank, Ints, draw_mix
from synth.networks.autoencoder import Generator
from synth.networks.diffaugment import N_DRAWS, augmented
from synth.networks.discriminator import Discriminator
from synth.settings.augment import Augment
from synth.settings.oversampling import Gan
from synth.training.batches import Batches, TrainingSet
from synth.training.bundle import GAN
from synth.training.device import autocast
from synth.training.distributed import SINGLE, ProcessGroup
from synth.training.inference import to_tensor
from synth.training.loop import seeded, set_rate

BETAS = (0.0, 0.99)
DECAY_FROM, DECAY_TO = 0.6, 0.1
"""The learning rate falls after this share of the steps, to this fraction of itself."""


@dataclass(frozen=True)
class GanTask:
    """All that the training of a GAN needs, except the networks that it starts from."""

    settings: Gan
    policy: Augment
    seed: int
    data: TrainingSet
    bank: CodeBank = field(repr=False)
    borrow: tuple[float, ...]
    """For each class, the share of its images that are drawn from codes of other classes."""
    lenders: tuple[int, ...]
    """Numbers of the classes that lend their codes."""
    device: torch.device
    group: ProcessGroup = SINGLE


class GanTrainee:
    """A generator and its discriminator."""

    averaged = "generator"

    def __init__(self, task: GanTask, generator: Generator) -> None:
        self._task, self._settings, self._device = task, task.settings, task.device
        with seeded(seeds.derived(task.seed, "discriminator")):
            discriminator = Discriminator(
                task.data.side, task.data.n_channels, len(task.data.classes), deep=task.settings.deep
            )
        self.generator = generator.to(task.device).to(memory_format=torch.channels_last).requires_grad_(True)
        self.discriminator = discriminator.to(task.device).to(memory_format=torch.channels_last)
        self.modules: Mapping[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            f"{name} optimizer": torch.optim.Adam(module.parameters(), task.settings.rate, BETAS, fused=True)
            for name, module in self.modules.items()
        }
        policy, data = Policy(task.policy, GAN, seed=task.seed), task.data
        self._batches = Batches(data.inputs, data.labels, None, policy, task.seed, GAN, task.settings.batch)
        self._mine = slice(task.group.rank, None, task.group.size)

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Take one step of the discriminator, then one of the generator."""
        for optimizer in self.optimizers.values():
            set_rate(optimizer, self._settings.rate * falling(number, self._settings.steps))
        images, labels = self._batches.draw(number)
        x = to_tensor(images[self._mine], self._device, n_channels=self._task.data.n_channels)
        y = torch.from_numpy(labels[self._mine]).to(self._device)
        codes = [self._codes(labels, 2 * number + which) for which in (0, 1)]
        draws = self._draws(number)
        with autocast(self._device, self._settings.precision):
            with torch.no_grad():
                drawn = self.generator(codes[0], y)
            seen = [self._seen(each, draw) for each, draw in ((x, draws[0]), (drawn, draws[1]))]
            loss, penalty = self.discriminator_loss(seen[0], seen[1], y)
        self._improve("discriminator", loss + penalty)
        self.discriminator.requires_grad_(False)
        with autocast(self._device, self._settings.precision):
            loss_of_generator = self.generator_loss(seen[0], self._seen(self.generator(codes[1], y), draws[2]), y)
        self._improve("generator", loss_of_generator)
        self.discriminator.requires_grad_(True)
        losses = {"discriminator": loss, "penalty": penalty, "generator": loss_of_generator}
        return {name: value.detach() for name, value in losses.items()}

    def discriminator_loss(self, real: Tensor, drawn: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss without penalties, and the sum of both penalties, of augmented images (B, C, S, S)."""
        both = torch.cat([real, drawn]).requires_grad_(True)
        of_real, of_drawn = (answers := self.discriminator(both, torch.cat([y, y]))).chunk(2)
        (slopes,) = torch.autograd.grad(answers.sum(), both, create_graph=True)
        penalty = self._settings.penalty / 2 * slopes.square().sum() / len(y)
        return softplus(of_drawn - of_real).mean(), penalty

    def generator_loss(self, real: Tensor, drawn: Tensor, y: Tensor) -> Tensor:
        """Return the loss of augmented images (B, C, S, S)."""
        with torch.no_grad():
            of_real = self.discriminator(real, y)
        return softplus(of_real - self.discriminator(drawn, y)).mean()

    def _improve(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[f"{name} optimizer"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._task.group.average(self.modules[name])
        optimizer.step()

    def _seen(self, x: Tensor, draws: Tensor) -> Tensor:
        return augmented(x, draws, colour=self._settings.colour, shift=self._settings.shift)

    def _draws(self, number: int) -> tuple[Tensor, ...]:
        """Draw three times (B, 5): for real images, for the discriminator's drawn images, and for the generator's."""
        size = 3 * self._settings.batch
        attempts = range(number * size, (number + 1) * size)
        drawn = seeds.uniforms(self._task.seed, GAN, stream="diffaugment", attempts=attempts, n_draws=N_DRAWS)
        parts = np.split(drawn.astype(np.float32), 3)
        return tuple(torch.from_numpy(part[self._mine]).to(self._device) for part in parts)

    def _codes(self, labels: Ints, number: int) -> Tensor:
        """Draw codes (B, Z) for images of these classes; some are borrowed from other classes."""
        task = self._task
        attempts = range(number * len(labels), (number + 1) * len(labels))
        mix = draw_mix(task.bank, labels, attempts, borrow=task.borrow, lenders=task.lenders, seed=task.seed, label=GAN)
        codes = mix.codes(task.bank, self._settings.code_noise)
        return torch.from_numpy(codes[self._mine]).to(self._device)


def falling(number: int, n_steps: int) -> float:
    """Return the learning rate of a step as a fraction of the highest: constant, then linearly down to a tenth."""
    late = max((number + 0.5) / n_steps - DECAY_FROM, 0) / (1 - DECAY_FROM)
    return 1 - late * (1 - DECAY_TO)
