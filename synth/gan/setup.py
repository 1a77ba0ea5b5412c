"""What the training of a GAN starts from: an autoencoder, a judge, and the bank of codes of the real images."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from synth import seeds
from synth.autoencoder.latent_space import LatentSpace, open_latent_space
from synth.autoencoder.step import policy_of
from synth.autoencoder.training import fit_autoencoder, read_data
from synth.classifier.judge import Judge, open_judge
from synth.classifier.training import train_classifier
from synth.effects.policy import Policy
from synth.errors import TrainingError, UsageError
from synth.files import replace_file
from synth.gan.codes import FEW, CodeBank, borrowing, lenders_of, refusal
from synth.gan.step import GanTask
from synth.networks.autoencoder import Autoencoder
from synth.settings.augment import Augment
from synth.settings.recipe import Recipe
from synth.training.batches import TrainingSet
from synth.training.device import choose_device
from synth.training.distributed import SINGLE, ProcessGroup
from synth.training.inference import encode
from synth.training.job import TrainingJob
from synth.training.loop import seeded

LEVELS = {"brightness": (0.9, 1.1), "contrast": (0.85, 1.15)}
"""Ranges of effects on the real images: their levels change little, because the GAN learns to draw them so."""
BANK = "bank"
BORROW, BORROW_FEW = 0.2, 0.33
JUDGE = "judge"


class GanSetup:
    """What a training needs before its first adversarial step; all of it is kept in `job.work`."""

    def __init__(self, job: TrainingJob, group: ProcessGroup = SINGLE) -> None:
        """Check the job.

        Raises:
            TrainingError: no class can be drawn.
            UsageError: an autoencoder, a judge, a device or a batch that does not fit.
        """
        self.job, self._group, self._device = job, group, choose_device(job.device)
        recipe = job.recipe
        self._counts = list(job.dataset.train_counts.values())
        self.refused = self._refusals()
        """{class: why it can't be drawn}."""
        if recipe.gan.batch % group.size:
            raise UsageError(f"gan.batch must be a multiple of the {group.size} processes, got {recipe.gan.batch}")
        self._given = self._open_autoencoder()
        self._given_judge = self._open_judge()
        digests = {
            "autoencoder": self._given.digest if self._given else "",
            JUDGE: self._given_judge.digest if self._given_judge else "",
        }
        self.run = job.run_id(recipe.gan, recipe.autoencoder, recipe.classifier, _policy(recipe), digests)
        if self._given:
            size = {"size": self._given.side, "code": self._given.n_code}
            recipe = recipe.model_copy(update={"autoencoder": recipe.autoencoder.model_copy(update=size)})
        self._before = dataclasses.replace(job, recipe=recipe)
        """The job of the autoencoder and the judge."""

    def _refusals(self) -> dict[str, str]:
        present = [label for label, n in self.job.dataset.train_counts.items() if n]
        if len(present) == 1 and not self.job.recipe.judge:
            raise TrainingError(
                f'a GAN needs training images of at least two classes, got one ("{present[0]}"): its judge has to tell '
                "classes apart. Use --method augment or smote, or give a --judge that knows the class"
            )
        borrow = borrowing(self.job.recipe.gan.codes, self._counts)
        reasons = {
            label: refusal(number, self._counts, borrows=bool(borrow[number]))
            for number, label in enumerate(self.job.dataset.classes)
            if self._counts[number]
        }
        refused = {label: reason for label, reason in reasons.items() if reason}
        if len(refused) == len(reasons):
            why = "; ".join(f"{label}: {reason}" for label, reason in refused.items()) or "no training images"
            raise TrainingError(f"a GAN can draw none of these classes ({why}): use --method augment or smote")
        return refused

    def _open_autoencoder(self) -> LatentSpace | None:
        path, classes = self.job.recipe.bundle, self.job.dataset.classes
        space = open_latent_space(path) if path else None
        if space and space.classes != classes:
            raise UsageError(f"the autoencoder knows {', '.join(space.classes)}: train one on this data")
        return space

    def _open_judge(self) -> Judge | None:
        path, classes = self.job.recipe.judge, self.job.dataset.classes
        judge = open_judge(path) if path else None
        if judge and (unknown := set(classes) - set(judge.classes)):
            raise UsageError(f"the judge does not know {', '.join(sorted(unknown))}: train one on this data")
        return judge

    def prepare(self) -> None:
        """Save the weights of the autoencoder in the working folder: the given one, or one that is trained now."""
        if self._path.exists():
            return
        self.job.work.mkdir(parents=True, exist_ok=True)
        folder = self.job.work / "autoencoder"
        network = self._given.network if self._given else fit_autoencoder(self._before, self._data, folder).network
        tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        replace_file(self._path, safetensors.torch.save(tensors))

    def judge(self) -> Judge:
        """Return the given judge, or one that is trained on the same images."""
        if self._given_judge:
            return self._given_judge
        path = self.job.work / JUDGE
        if not path.exists():
            train_classifier(dataclasses.replace(self._before, out=path))
        return open_judge(path)

    def steps_folder(self, batch: int) -> Path:
        """Return the folder with checkpoint and losses of the adversarial steps with this batch."""
        return self.job.work / f"batch-{batch}"

    @property
    def _path(self) -> Path:
        return self.job.work / "beginning.safetensors"

    @functools.cached_property
    def _data(self) -> TrainingSet:
        """The training images as the autoencoder sees them."""
        data = read_data(self._before)
        return dataclasses.replace(data, n_channels=self._given.channels) if self._given else data

    def task(self) -> tuple[GanTask, Autoencoder]:
        """Return what the adversarial steps need, and the networks that they start from."""
        data, recipe, device, policy = self._data, self.job.recipe, self._device, _policy(self.job.recipe)
        with seeded(0):
            code = self._before.recipe.autoencoder.code
            network = Autoencoder(data.side, data.n_channels, code, len(data.classes))
        network.load_state_dict(safetensors.torch.load(self._path.read_bytes()))
        network.to(device).to(memory_format=torch.channels_last)
        bank = build_bank(network, data, policy=policy, n_codes=recipe.gan.bank, seed=recipe.seed, device=device)
        share = recipe.gan.borrow
        borrow = [(BORROW_FEW if n < FEW else BORROW) if share == "auto" else share for n in self._counts]
        lenders = lenders_of(self._counts) or tuple(number for number, n in enumerate(self._counts) if n)
        task = GanTask(recipe.gan, policy, recipe.seed, data, bank, tuple(borrow), lenders, device, self._group)
        return task, network


def _policy(recipe: Recipe) -> Augment:
    """Return the effects on the real images that the GAN learns to draw."""
    policy = policy_of(recipe)
    levels = {
        name: getattr(policy.effects, name).model_copy(update={"factor": factor}) for name, factor in LEVELS.items()
    }
    return policy.model_copy(update={"effects": policy.effects.model_copy(update=levels)})


def build_bank(
    network: Autoencoder, data: TrainingSet, *, policy: Augment, n_codes: int, seed: int, device: torch.device
) -> CodeBank:
    """Return codes of about `n_codes` variants of the images of each class, changed by the safe effects each time.

    Codes are rounded to half precision, as in a bundle.
    """
    owners = []
    for number in np.unique(data.labels).tolist():
        rows = data.some(number, n_codes)
        owners.append(np.repeat(rows, max(n_codes // len(rows), 1)))
    rows = np.concatenate(owners)
    effects = Policy(policy, BANK, seed=seeds.derived(seed, BANK))
    attempts = range(len(rows))
    changed = effects.apply([data.inputs[row] for row in rows], effects.draw(attempts), attempts=attempts)
    images = np.stack(changed).astype(np.uint8, copy=False)
    codes = encode(network.eval().encoder, images, device, n_channels=network.n_channels)
    return CodeBank(codes.astype(np.float16).astype(np.float32), rows, data.labels[rows])
