"""The bank of a GAN: codes of the real images, several of each, which all that it draws is mixed from."""

from __future__ import annotations

import numpy as np
import torch

from synth import seeds
from synth.effects.policy import Policy
from synth.gan.codes import CodeBank, Ints
from synth.measures.subset import evenly_spaced
from synth.networks.autoencoder import Autoencoder
from synth.settings.recipe import Augment
from synth.training.batches import Images
from synth.training.inference import encode

STREAM = "bank"


def build_bank(
    network: Autoencoder,
    inputs: Images,
    labels: Ints,
    *,
    policy: Augment,
    n_codes: int,
    seed: int,
    device: torch.device,
) -> CodeBank:
    """About `n_codes` codes of each class: each image as often as it takes, changed by the safe effects each time.

    Args:
        inputs: (N, S, S, 3) uint8, the training images. labels: (N,) their class numbers.

    Codes are rounded to half precision, as a bundle keeps them.
    """
    owners = np.concatenate([_owners(np.flatnonzero(labels == label), n_codes) for label in np.unique(labels)])
    effects = Policy(policy, STREAM, seed=seeds.derived(seed, STREAM))
    attempts = range(len(owners))
    changed = effects.apply([inputs[owner] for owner in owners], effects.draw(attempts), attempts=attempts)
    images = np.stack(changed).astype(np.uint8, copy=False)
    codes = encode(network.eval().encoder, images, device, n_channels=network.n_channels)
    return CodeBank(codes.astype(np.float16).astype(np.float32), owners, labels[owners])


def _owners(members: Ints, n_codes: int) -> Ints:
    chosen = np.array(evenly_spaced(members.tolist(), n_codes), np.intp)
    return np.repeat(chosen, max(n_codes // len(chosen), 1))
