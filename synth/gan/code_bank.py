"""The code bank of a GAN: several codes of each real image. All images of the GAN are drawn from mixes of them."""

from __future__ import annotations

import numpy as np
import torch

from synth import seeds
from synth.effects.policy import Policy
from synth.gan.codes import CodeBank
from synth.networks.autoencoder import Autoencoder
from synth.settings.recipe import Augment
from synth.training.batches import TrainingSet
from synth.training.inference import encode

STREAM = "bank"


def build_bank(
    network: Autoencoder, data: TrainingSet, *, policy: Augment, n_codes: int, seed: int, device: torch.device
) -> CodeBank:
    """Encode about `n_codes` variants of the images of each class: each is changed by the safe effects each time.

    Codes are rounded to half precision, as in a bundle.
    """
    owners = []
    for number in np.unique(data.labels).tolist():
        rows = data.some(number, n_codes)
        owners.append(np.repeat(rows, max(n_codes // len(rows), 1)))
    rows = np.concatenate(owners)
    effects = Policy(policy, STREAM, seed=seeds.derived(seed, STREAM))
    attempts = range(len(rows))
    changed = effects.apply([data.inputs[row] for row in rows], effects.draw(attempts), attempts=attempts)
    images = np.stack(changed).astype(np.uint8, copy=False)
    codes = encode(network.eval().encoder, images, device, n_channels=network.n_channels)
    return CodeBank(codes.astype(np.float16).astype(np.float32), rows, data.labels[rows])
