"""What the training of a GAN starts from: an autoencoder, a judge, and the bank of codes of the real images."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import safetensors.torch
import torch

from synth.autoencoder.latent_space import LatentSpace, open_latent_space
from synth.autoencoder.step import AutoencoderTask
from synth.autoencoder.training import fit_autoencoder, policy_of, task_of
from synth.classifier.judge import Judge, open_judge
from synth.classifier.training import train_classifier
from synth.errors import TrainingError, UsageError
from synth.files import replace_file
from synth.gan.code_bank import build_bank
from synth.gan.codes import FEW, borrowing, lenders_of, refusal
from synth.gan.step import GanTask
from synth.networks.autoencoder import Autoencoder
from synth.settings.recipe import Augment, Recipe
from synth.training.device import choose_device
from synth.training.distributed import SINGLE, ProcessGroup
from synth.training.job import TrainingJob
from synth.training.loop import seeded

LEVELS = {"brightness": (0.9, 1.1), "contrast": (0.85, 1.15)}
"""Ranges of effects on the real images: their levels change little, because the GAN learns to draw them so."""
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
        before = (
            (lambda what, done, total: report(f"before: {what}", done, total)) if (report := job.progress) else None
        )
        self._before = dataclasses.replace(job, device=str(self._device), progress=before)
        """The job of what is trained before the GAN."""

    def _refusals(self) -> dict[str, str]:
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
        network = self._given.network if self._given else fit_autoencoder(self._autoencoder, self._before).network
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
    def _autoencoder(self) -> AutoencoderTask:
        """The training of the autoencoder; with a given one only its images are used."""
        settings = self.job.recipe.autoencoder
        if self._given:
            settings = settings.model_copy(update={"size": self._given.side, "code": self._given.n_code})
        return task_of(self.job, settings, self.job.work / "autoencoder", device=self._device)

    def task(self) -> tuple[GanTask, Autoencoder]:
        """Return what the adversarial steps need, and the networks that they start from."""
        autoencoder, recipe, device = self._autoencoder, self.job.recipe, self._device
        data, policy = autoencoder.data, _policy(recipe)
        n_channels = self._given.channels if self._given else autoencoder.n_channels
        with seeded(0):
            network = Autoencoder(data.side, n_channels, autoencoder.settings.code, len(data.classes))
        network.load_state_dict(safetensors.torch.load(self._path.read_bytes()))
        network.to(device).to(memory_format=torch.channels_last)
        bank = build_bank(network, data, policy=policy, n_codes=recipe.gan.bank, seed=recipe.seed, device=device)
        share = recipe.gan.borrow
        borrow = [(BORROW_FEW if n < FEW else BORROW) if share == "auto" else share for n in self._counts]
        lenders = lenders_of(self._counts) or tuple(number for number, n in enumerate(self._counts) if n)
        task = GanTask(
            recipe.gan, policy, recipe.seed, data, n_channels, bank, tuple(borrow), lenders, device, self._group
        )
        return task, network


def _policy(recipe: Recipe) -> Augment:
    """Return the effects on the real images that the GAN learns to draw."""
    policy = policy_of(recipe)
    levels = {
        name: getattr(policy.effects, name).model_copy(update={"factor": factor}) for name, factor in LEVELS.items()
    }
    return policy.model_copy(update={"effects": policy.effects.model_copy(update=levels)})
