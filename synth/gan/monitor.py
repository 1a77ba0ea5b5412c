"""The monitor of a GAN's training. At each evaluation it draws images, measures them, and saves weights and a sheet.

    looks/batch-16/000000016000.safetensors   the averaged weights, in the precision of a bundle
    looks/batch-16/000000016000.json          the measures
    looks/batch-16/000000016000.png           samples of the rarest classes below real images

A training that continues with a smaller batch, after memory ran out, has its own folder.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
from torch import Tensor, nn

from synth.files import replace_file
from synth.gan import pictures
from synth.gan.codes import CodeMix, borrowing, draw_mix, lenders_of
from synth.gan.evaluation import ClassEvaluation, Evaluation, Evaluator, kept_share
from synth.gan.pictures import SheetData
from synth.gan.step import GanTask
from synth.networks.autoencoder import Autoencoder, Generator
from synth.training.batches import Images
from synth.training.inference import encode

SAMPLES, SAMPLES_IN_ALL, SAMPLES_MIN = 256, 2048, 32
"""Images of a class that are drawn at an evaluation; fewer if there are many classes."""


@dataclass(frozen=True)
class Monitor:
    """Evaluates the averaged generator."""

    root: Path
    task: GanTask
    network: Autoencoder
    """The network that the training starts from; its encoder does not change."""
    evaluator: Evaluator
    hashes: Sequence[str]
    """SHA-256 of the training images' files."""
    drawable: Sequence[int]
    """Numbers of the classes that can be drawn, the rarest first."""
    chosen_for: Sequence[str]
    """The classes whose measures decide which state is chosen."""

    @property
    def folder(self) -> Path:
        """The folder of the evaluations."""
        return self.root / f"batch-{self.task.settings.batch}"

    @property
    def sheet_data(self) -> SheetData:
        """What the sheets are made from."""
        return SheetData(self.task.data, self.task.bank, self.drawable, self.task.device)

    def evaluate(self, n_seen: int, network: nn.Module) -> Evaluation:
        """Draw images of each class, measure them, and save measures, weights and sheet."""
        generator, classes = as_saved(network), self.task.data.classes
        mixes = {number: self._draw(number) for number in np.unique(self.task.data.labels).tolist()}
        images = {number: self._images(generator, number, mix) for number, mix in mixes.items()}
        found = {}
        for number, mix in mixes.items():
            label, kept = classes[number], self._kept(generator, number)
            found[label] = self.evaluator.measure(label, images[number], self._parents(mix), kept=kept)
        evaluation = Evaluation(n_seen, found)
        document = {"n_images_seen": n_seen, "classes": evaluation.to_json()}
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self._path(n_seen, "safetensors"), safetensors.torch.save(half(generator.state_dict())))
        replace_file(self._path(n_seen, "png"), pictures.samples(self.sheet_data, images))
        replace_file(self._path(n_seen, "json"), json.dumps(document).encode())
        return evaluation

    def _images(self, generator: Generator, number: int, mix: CodeMix) -> Images:
        codes = mix.codes(self.task.bank, self.task.settings.code_noise)
        return pictures.drawn_as(generator, codes, number, self.task.device)

    def _draw(self, number: int) -> CodeMix:
        """Draw the mixes of the first attempts of `--method gan` with the same seed."""
        task, data = self.task, self.task.data
        n = min(max(SAMPLES_IN_ALL // len(data.classes), SAMPLES_MIN), SAMPLES)
        return draw_mix(
            task.bank,
            np.full(n, number, np.intp),
            range(n),
            borrow=borrowing(task.settings.codes, data.counts),
            lenders=lenders_of(data.counts),
            seed=task.seed,
            label=data.classes[number],
        )

    def _kept(self, generator: Generator, number: int) -> float | None:
        device = self.task.device
        real = self.task.data.inputs[self.task.data.some(number, SAMPLES)]
        codes = encode(self.network.encoder, real, device, n_channels=self.network.n_channels)
        return kept_share(real, pictures.drawn_as(generator, codes, number, device))

    def _parents(self, mix: CodeMix) -> list[list[str]]:
        owners = self.task.bank.owners[np.stack([mix.first, mix.second], axis=1)]
        return [[self.hashes[owner] for owner in pair] for pair in owners.tolist()]

    def _path(self, n_seen: int, suffix: str) -> Path:
        return self.folder / f"{n_seen:012d}.{suffix}"

    def evaluations(self, n_seen: int) -> list[Evaluation]:
        """Read all evaluations until then, also those of a run that was killed."""
        documents = [json.loads(path.read_text("utf-8")) for path in sorted(self.folder.glob("*.json"))]
        return [
            Evaluation(each["n_images_seen"], {name: ClassEvaluation(**one) for name, one in each["classes"].items()})
            for each in documents
            if each["n_images_seen"] <= n_seen
        ]

    def state(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """Read the generator's weights at an evaluation."""
        return safetensors.torch.load(self._path(evaluation.n_images_seen, "safetensors").read_bytes())

    def sheet(self, evaluation: Evaluation) -> bytes:
        """Read the PNG of samples at an evaluation."""
        return self._path(evaluation.n_images_seen, "png").read_bytes()


def as_saved(network: nn.Module) -> Generator:
    """Return a copy with weights in the precision of a bundle, in evaluation mode."""
    assert isinstance(network, Generator)
    saved = copy.deepcopy(network).requires_grad_(False).eval()
    saved.load_state_dict(half(network.state_dict()))
    return saved


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in half precision: 8-bit images do not show the difference, and the bundle has half the size."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }
