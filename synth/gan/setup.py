"""What a GAN's training begins with: an autoencoder, a judge, and the bank of codes of the real images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import safetensors.torch
import torch

from synth.autoencoder.latent_space import LatentSpace, open_latent_space
from synth.autoencoder.step import AutoencoderTask
from synth.autoencoder.training import UNWANTED_EFFECTS, fit_autoencoder, task_of
from synth.classifier.judge import Judge, open_judge
from synth.classifier.training import train_classifier
from synth.data.dataset import Dataset
from synth.errors import TrainingError, UsageError
from synth.files import replace_file
from synth.gan.code_bank import build_bank
from synth.gan.codes import FEW, borrowing, lenders_of, refusal
from synth.gan.step import GanTask
from synth.networks.autoencoder import Autoencoder
from synth.settings.recipe import Augment, Recipe
from synth.training.batches import safe_policy
from synth.training.bundle import run_id
from synth.training.distributed import ProcessGroup
from synth.training.loop import seeded
from synth.workers import Progress

CALM = {"brightness": (0.9, 1.1), "contrast": (0.85, 1.15)}
"""Ranges of effects on the real images: the levels of what is to be drawn stay near to what they are."""
BORROW, BORROW_FEW = 0.2, 0.33
JUDGE, BEGINNING = "judge", "beginning.safetensors"


class GanSetup:
    """What a training needs before its first adversarial step; `work` is a folder that outlives a kill."""

    def __init__(
        self, dataset: Dataset, recipe: Recipe, *, device: torch.device, team: ProcessGroup, progress: Progress | None
    ) -> None:
        self._dataset, self._recipe, self._device, self._team, self._progress = dataset, recipe, device, team, progress
        self.classes = dataset.classes
        self.items = [item for found in dataset.train.values() for item in found]
        counts = Counter(item.label for item in self.items)
        self.counts = [counts[label] for label in dataset.classes]
        self.refused = self._refusals()
        if recipe.gan.batch % team.size:
            raise UsageError(f"gan.batch must be a multiple of the {team.size} processes, got {recipe.gan.batch}")
        self._given: LatentSpace | None = self._open_beginning()
        self._given_judge: Judge | None = self._open_judge()
        settings = [
            part.model_dump(mode="json") for part in (recipe.gan, recipe.autoencoder, recipe.classifier, self._policy)
        ]
        given = {"autoencoder": self._given, JUDGE: self._given_judge}
        digests = {name: each.digest if each else "" for name, each in given.items()}
        self.run = run_id(self.items, dataset.classes, [*settings, digests], seed=recipe.seed)
        self._read: AutoencoderTask | None = None

    def _refusals(self) -> dict[str, str]:
        """Classes that can't be drawn, and why."""
        borrow = borrowing(self._recipe.gan.codes, self.counts)
        reasons = {
            label: refusal(number, self.counts, borrows=bool(borrow[number]))
            for number, label in enumerate(self._dataset.classes)
            if self.counts[number]
        }
        refused = {label: reason for label, reason in reasons.items() if reason}
        if len(refused) == len(reasons):
            words = "; ".join(f"{label}: {reason}" for label, reason in refused.items()) or "no training images"
            raise TrainingError(f"a GAN can draw none of these classes ({words}): use --method augment or smote")
        return refused

    def _open_beginning(self) -> LatentSpace | None:
        if not self._recipe.bundle:
            return None
        space = open_latent_space(self._recipe.bundle)
        if space.classes != self._dataset.classes:
            raise UsageError(f"the autoencoder knows {', '.join(space.classes)}: train one on this data")
        return space

    def _open_judge(self) -> Judge | None:
        if not self._recipe.judge:
            return None
        judge = open_judge(self._recipe.judge)
        unknown = set(self._dataset.classes) - set(judge.classes)
        if unknown:
            raise UsageError(f"the judge does not know {', '.join(sorted(unknown))}: train one on this data")
        return judge

    @property
    def _policy(self) -> Augment:
        """The safe effects for the real images that are to be drawn."""
        policy = safe_policy(self._recipe, without=UNWANTED_EFFECTS)
        calm = {
            name: getattr(policy.effects, name).model_copy(update={"factor": factor}) for name, factor in CALM.items()
        }
        return policy.model_copy(update={"effects": policy.effects.model_copy(update=calm)})

    def begin(self, work: Path) -> None:
        """Have the autoencoder's weights in the working folder."""
        path = work / BEGINNING
        if path.exists():
            return
        network = self._given.network if self._given else fit_autoencoder(self._autoencoder(work), self._told()).network
        tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        replace_file(path, safetensors.torch.save(tensors))

    def judge(self, work: Path, n_workers: int) -> Judge:
        """The judge that is named, or one trained on these images."""
        if self._given_judge:
            return self._given_judge
        path = work / JUDGE
        if not path.exists():
            train_classifier(
                self._dataset, self._recipe, path, n_workers=n_workers, device=str(self._device), progress=self._told()
            )
        return open_judge(path)

    def _told(self) -> Progress | None:
        """Progress of what comes before the GAN itself."""
        told = self._progress
        return (lambda what, done, total: told(f"before: {what}", done, total)) if told else None

    def _autoencoder(self, work: Path) -> AutoencoderTask:
        """What the autoencoder's training needs, read once; of one that is given only the images are used."""
        if self._read is not None:
            return self._read
        recipe = self._recipe
        if self._given:
            size = {"size": self._given.side, "code": self._given.n_code}
            recipe = recipe.model_copy(update={"autoencoder": recipe.autoencoder.model_copy(update=size)})
        policy = safe_policy(recipe, without=UNWANTED_EFFECTS)
        self._read = task_of(
            self.items, self._dataset.classes, recipe, policy=policy, work=work / "autoencoder", device=self._device
        )
        return self._read

    def task(self, work: Path) -> tuple[GanTask, Autoencoder]:
        """What the adversarial steps need, and the networks that they begin with."""
        autoencoder = self._autoencoder(work)
        n_channels = self._given.channels if self._given else autoencoder.n_channels
        with seeded(0):
            network = Autoencoder(autoencoder.side, n_channels, autoencoder.settings.code, len(self._dataset.classes))
        network.load_state_dict(safetensors.torch.load((work / BEGINNING).read_bytes()))
        network.to(self._device).to(memory_format=torch.channels_last)
        settings, seed = self._recipe.gan, self._recipe.seed
        bank = build_bank(
            network,
            autoencoder.inputs,
            autoencoder.labels,
            policy=self._policy,
            n_codes=settings.bank,
            seed=seed,
            device=self._device,
        )
        return GanTask(
            settings,
            self._policy,
            seed,
            autoencoder.side,
            n_channels,
            len(self._dataset.classes),
            autoencoder.inputs,
            autoencoder.labels,
            bank,
            self._borrow(),
            lenders_of(self.counts) or tuple(number for number, n in enumerate(self.counts) if n),
            self._device,
            self._team,
        ), network

    def _borrow(self) -> tuple[float, ...]:
        asked = self._recipe.gan.borrow
        if asked != "auto":
            return tuple(asked for _ in self.counts)
        return tuple(BORROW_FEW if n < FEW else BORROW for n in self.counts)
