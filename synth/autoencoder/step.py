"""One step of the autoencoder's training: its loss and its batch.

An image x of class y is encoded to z = E(x). Noise is added to the code, and the generator G decodes it:

    z' = s(z + a e),  e ~ N(0, 1),  s(v) = v sqrt(Z) / |v|    so G learns the neighbourhoods of codes, not only points
    x' = G(z', y)
    loss = w_p mean |x' - x|                                  pixel: absolute, because squares blur more
         + w_g (mean |D_x (x' - x)| + mean |D_y (x' - x)|)    gradient: edges (Mathieu et al. 2016, with power 1)
         + w_f sum_k mean |F_k(x') - F_k(x)|                  feature: the first maps of a small classifier

D_x and D_y are differences of neighbouring pixels. The feature term weighs what tells classes apart, however small it
is (such as a lit lamp). It is the perceptual loss (Johnson et al. 2016), with absolute differences and with a network
F that knows nothing but these images: it is trained within seconds, and no pretrained network is needed.

A class of n images is drawn as if it had n ** (1 - balance). Images are changed by the safe effects without blur,
because a network that learns from blurred images makes blurred images. AdamW (Loshchilov and Hutter 2019), one cycle of
the learning rate; the result is the average of the weights.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from synth import seeds
from synth.classifier.ensemble import WEIGHT_DECAY
from synth.effects.policy import Policy
from synth.networks.autoencoder import Autoencoder, on_sphere
from synth.networks.small import Small
from synth.settings.augment import Augment
from synth.settings.recipe import Recipe
from synth.training.batches import Batches, TrainingSet, safe_policy
from synth.training.bundle import AUTOENCODER
from synth.training.device import autocast
from synth.training.inference import to_tensor
from synth.training.loop import one_cycle, seeded, set_rate

UNWANTED_EFFECTS = ("blur",)
N_MAPS = 2


def policy_of(recipe: Recipe) -> Augment:
    """Return the effects on the training images."""
    return safe_policy(recipe, without=UNWANTED_EFFECTS)


class AutoencoderTrainee:
    """Encoder and generator, fitted together."""

    averaged = "network"

    def __init__(
        self, recipe: Recipe, data: TrainingSet, *, feature_network: Small | None, device: torch.device
    ) -> None:
        """Args: feature_network: F; None: without the feature loss."""
        self._settings, self._seed, self._n_channels = recipe.autoencoder, recipe.seed, data.n_channels
        self._feature_network, self._device, settings = feature_network, device, recipe.autoencoder
        with seeded(seeds.derived(recipe.seed, AUTOENCODER)):
            network = Autoencoder(data.side, data.n_channels, settings.code, len(data.classes))
        self.network = network.to(device).to(memory_format=torch.channels_last)
        parameters = self.network.parameters()
        self._optimizer = torch.optim.AdamW(parameters, settings.rate, weight_decay=WEIGHT_DECAY, fused=True)
        self.modules: Mapping[str, nn.Module] = {"network": self.network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"optimizer": self._optimizer}
        policy = Policy(policy_of(recipe), AUTOENCODER, seed=recipe.seed)
        self._batches = Batches(
            data.inputs, data.labels, None, policy, recipe.seed, AUTOENCODER, settings.batch, settings.balance
        )

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Take one step on the loss at the top of this file."""
        settings, device = self._settings, self._device
        images, labels = self._batches.draw(number)
        x = to_tensor(images, device, n_channels=self._n_channels)
        set_rate(self._optimizer, settings.rate * one_cycle(number, settings.steps))
        with autocast(device, settings.precision):
            codes = self.network.encoder(x)
            noisy = on_sphere(codes + settings.code_noise * self._noise(number))
            decoded = self.network.generator(noisy, torch.from_numpy(labels).to(device))
            terms = self._terms(x, decoded)
            weighted = [getattr(settings, f"{name}_weight") * term for name, term in terms.items()]
            loss = torch.stack(weighted).sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {name: value.detach() for name, value in {"loss": loss, **terms}.items()}

    def _noise(self, number: int) -> Tensor:
        """Draw noise (B, Z) from the number of the step."""
        rng = seeds.generator(self._seed, AUTOENCODER, stream="noise", attempt=number)
        drawn = rng.standard_normal((self._settings.batch, self._settings.code), np.float32)
        return torch.from_numpy(drawn).to(self._device)

    def _terms(self, x: Tensor, decoded: Tensor) -> dict[str, Tensor]:
        difference = decoded - x
        terms = {
            "pixel": difference.abs().mean(),
            "gradient": difference.diff(dim=3).abs().mean() + difference.diff(dim=2).abs().mean(),
        }
        if self._feature_network is not None:
            terms["feature"] = feature_difference(self._feature_network, decoded, x)
        return terms


def feature_difference(network: Small, made: Tensor, x: Tensor) -> Tensor:
    """Return the feature loss of images (B, C, S, S) in [-1, 1] against x. Grey images are repeated in 3 channels."""
    with torch.no_grad():
        wanted = _maps(network, x)
    return torch.stack([(a - b).abs().mean() for a, b in zip(_maps(network, made), wanted, strict=True)]).sum()


def _maps(network: Small, x: Tensor) -> list[Tensor]:
    x = x.expand(-1, 3, -1, -1)
    maps = []
    for stage in list(network.stages)[:N_MAPS]:
        x = stage(x)
        maps.append(x)
    return maps
