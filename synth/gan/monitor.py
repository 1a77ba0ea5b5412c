"""Watching a GAN's training: at each look its images are drawn, measured, shown and kept, for the best to be taken.

    looks/batch-16/000000016000.safetensors   the averaged weights, as a bundle keeps them
    looks/batch-16/000000016000.json          what was measured
    looks/batch-16/000000016000.png           samples of the rarest classes under real images

Training with another batch, after memory ran out, keeps looks of its own.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
from torch import Tensor, nn

from synth.files import replace_file
from synth.gan import pictures
from synth.gan.codes import CodeMix, borrowing, draw_class, lenders_of
from synth.gan.evaluation import ClassEvaluation, Evaluation, Evaluator, choose, kept_share, to_json, trouble
from synth.gan.pictures import SheetData
from synth.measures.subset import evenly_spaced
from synth.networks.autoencoder import Autoencoder, Generator
from synth.settings.oversampling import Gan
from synth.training.batches import Images
from synth.training.inference import encode

SAMPLES, SAMPLES_IN_ALL, SAMPLES_MIN = 256, 2048, 32
"""Images of a class that are drawn at a look; less where there are many classes."""


@dataclass(frozen=True)
class Monitor:
    """Looks at the averaged generator."""

    root: Path
    settings: Gan
    scene: SheetData
    network: Autoencoder
    """What the training began with: its encoder stays as it was."""
    measurer: Evaluator
    hashes: Sequence[str]
    """Of the training images' files."""
    minded: Sequence[str]
    """Classes that the choice is made for."""
    seed: int

    @property
    def folder(self) -> Path:
        """Where its looks are kept."""
        return self.root / f"batch-{self.settings.batch}"

    def evaluate(self, n_seen: int, network: nn.Module) -> Evaluation:
        """Draw, measure, show and keep."""
        generator = as_kept(network)
        drawn = {number: self._draw(number) for number in np.unique(self.scene.labels).tolist()}
        images = {number: self.images(generator, number, codes) for number, codes in drawn.items()}
        names = self.scene.classes
        found = {
            names[number]: self.measurer.measure(
                names[number], images[number], self._parents(drawn[number]), kept=self._kept(generator, number)
            )
            for number in drawn
        }
        stem = self.folder / f"{n_seen:012d}"
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(stem.with_suffix(".safetensors"), safetensors.torch.save(half(generator.state_dict())))
        replace_file(stem.with_suffix(".png"), pictures.samples(self.scene, images))
        document = {label: to_json(each) for label, each in found.items()}
        replace_file(stem.with_suffix(".json"), json.dumps({"n_images_seen": n_seen, "classes": document}).encode())
        return Evaluation(n_seen, found)

    def images(self, generator: Generator, number: int, drawn: CodeMix) -> Images:
        """(n, S, S, 3) uint8."""
        codes = drawn.codes(self.scene.bank, self.settings.code_noise)
        return pictures.drawn_as(generator, codes, number, self.scene.device)

    def _draw(self, number: int) -> CodeMix:
        """The attempts that `--method gan` begins with, with the same seed."""
        scene = self.scene
        n = min(max(SAMPLES_IN_ALL // len(scene.classes), SAMPLES_MIN), SAMPLES)
        counts = np.bincount(scene.labels, minlength=len(scene.classes)).tolist()
        return draw_class(
            scene.bank,
            number,
            range(n),
            borrow=borrowing(self.settings.codes, counts),
            lenders=lenders_of(counts),
            seed=self.seed,
            label=scene.classes[number],
        )

    def _kept(self, generator: Generator, number: int) -> float | None:
        scene = self.scene
        chosen = np.array(evenly_spaced(np.flatnonzero(scene.labels == number).tolist(), SAMPLES), np.intp)
        real = scene.inputs[chosen]
        codes = encode(self.network.encoder, real, scene.device, n_channels=self.network.n_channels)
        return kept_share(real, pictures.drawn_as(generator, codes, number, scene.device))

    def _parents(self, drawn: CodeMix) -> list[tuple[str, str]]:
        owners = self.scene.bank.owners
        return [
            (self.hashes[owners[a]], self.hashes[owners[b]])
            for a, b in zip(drawn.first.tolist(), drawn.second.tolist(), strict=True)
        ]

    def evaluations(self, n_seen: int) -> list[Evaluation]:
        """All looks until then, also those of a run that was killed."""
        found = [_read(path) for path in sorted(self.folder.glob("*.json"))]
        return [evaluate for evaluate in found if evaluate.n_images_seen <= n_seen]

    def trouble(self, n_seen: int) -> str:
        """Why training on would be of no use; empty where it is."""
        return trouble(self.evaluations(n_seen), self.minded)

    def chosen(self, n_seen: int) -> Evaluation:
        """The best of all looks until then."""
        return choose(self.evaluations(n_seen), self.minded)

    def state(self, evaluate: Evaluation) -> dict[str, Tensor]:
        """The generator's weights at a look."""
        return safetensors.torch.load((self.folder / f"{evaluate.n_images_seen:012d}.safetensors").read_bytes())

    def sheet(self, evaluate: Evaluation) -> bytes:
        """The samples of a look."""
        return (self.folder / f"{evaluate.n_images_seen:012d}.png").read_bytes()


def as_kept(network: nn.Module) -> Generator:
    """A copy with weights rounded as a bundle keeps them, in evaluation mode."""
    assert isinstance(network, Generator)
    kept = copy.deepcopy(network).requires_grad_(False).eval()
    kept.load_state_dict(half(network.state_dict()))
    return kept


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half precision: an image of 8 bits does not show the difference, and a bundle has half the size."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }


def _read(path: Path) -> Evaluation:
    document = json.loads(path.read_text("utf-8"))
    names = [entry.name for entry in dataclasses.fields(ClassEvaluation)]
    return Evaluation(
        document["n_images_seen"],
        {
            label: ClassEvaluation(**{name: found[name] for name in names})
            for label, found in document["classes"].items()
        },
    )
