"""What people see of a GAN: samples beside real images, borrowed variety, walks, and one code over the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from synth.gan.codes import CodeBank, Ints, on_sphere
from synth.measures.subset import evenly_spaced
from synth.networks.autoencoder import Generator
from synth.pictures.sheets import Strip, sheet_png, tiles
from synth.training.batches import Images
from synth.training.inference import Floats, decode, one_thread

SHOWN_CLASSES, COLUMNS, ROWS = 4, 10, 3
WALKS = 2
"""Ways of each kind."""


@dataclass(frozen=True)
class SheetData:
    """What pictures are made from."""

    classes: Sequence[str]
    inputs: Images
    """(N, S, S, 3) uint8, the training images."""
    labels: Ints
    bank: CodeBank
    rare: Sequence[int]
    """Classes to show, the rarest first."""
    device: torch.device

    def real(self, label: int) -> Ints:
        """Some real images of a class, of which there are codes."""
        return np.array(
            evenly_spaced(np.unique(self.bank.owners[self.bank.labels == label]).tolist(), COLUMNS), np.intp
        )

    def codes(self, owners: Ints) -> Floats:
        """A code of each of some real images: the first in the bank."""
        rows = [np.flatnonzero(self.bank.owners == owner)[0] for owner in owners.tolist()]
        return self.bank.codes[rows]

    @property
    def common(self) -> int:
        """The class with most images."""
        return int(np.bincount(self.labels).argmax())


def samples(scene: SheetData, drawn: Mapping[int, Images]) -> bytes:
    """A PNG: real images of the rarest classes, and drawn ones under them."""
    strips = []
    for label in scene.rare[:SHOWN_CLASSES]:
        n = int((scene.labels == label).sum())
        real = scene.real(label)
        strips.append(Strip(f"{scene.classes[label]}, real: {len(real)} of {n}", tiles(scene.inputs[real])))
        for row in range(ROWS):
            images = drawn[label][row * COLUMNS : (row + 1) * COLUMNS]
            strips.append(Strip("drawn" if not row else "", tiles(images)))
    return sheet_png(strips)


def borrowing(scene: SheetData, generator: Generator) -> bytes:
    """A PNG: real images of the most common class, and the same codes drawn as every other."""
    owners = scene.real(scene.common)
    codes, strips = scene.codes(owners), []
    name = scene.classes[scene.common]
    strips.append(Strip(f"real {name}", tiles(scene.inputs[owners])))
    for label in [scene.common, *(label for label in scene.rare if label != scene.common)][: SHOWN_CLASSES + 1]:
        images = drawn_as(generator, codes, label, scene.device)
        strips.append(Strip(f"the same codes drawn as {scene.classes[label]}", tiles(images)))
    return sheet_png(strips)


def walks(scene: SheetData, generator: Generator) -> bytes:
    """A PNG: ways from code to code within the rarest class, and from class to class with one code."""
    label = scene.rare[0]
    owners = scene.real(label)
    codes = scene.codes(np.resize(owners, 2 * WALKS))
    steps = np.linspace(0, 1, COLUMNS, dtype=np.float32)[:, None]
    strips = []
    for a, b in codes.reshape(WALKS, 2, -1):
        images = drawn_as(generator, on_sphere((1 - steps) * a + steps * b), label, scene.device)
        strips.append(Strip(f"{scene.classes[label]}: from one code to another", tiles(images)))
    for other, code in zip((scene.rare[1:] or scene.rare)[:WALKS], codes, strict=False):
        title = f"one code from {scene.classes[label]} to {scene.classes[other]}"
        strips.append(Strip(title, tiles(_between_classes(generator, code, (label, other), scene.device))))
    return sheet_png(strips)


def over_time(scene: SheetData, states: Sequence[tuple[int, Generator]]) -> bytes:
    """A PNG: the same codes of the rarest class as the generator drew them at each look."""
    label = scene.rare[0]
    codes = scene.codes(np.resize(scene.real(label), COLUMNS))
    strips = [
        Strip(f"{n_seen} images seen", tiles(drawn_as(generator, codes, label, scene.device)))
        for n_seen, generator in states
    ]
    return sheet_png(strips)


def drawn_as(generator: Generator, codes: Floats, label: int, device: torch.device) -> Images:
    """Images (n, S, S, C) uint8 of codes (n, Z), drawn as a class."""
    return to_levels(decode(generator, codes, np.full(len(codes), label, np.intp), device))


def to_levels(images: Floats) -> Images:
    """(n, S, S, C) levels 0..1 -> (n, S, S, 3) uint8."""
    levels = np.rint(images * 255).astype(np.uint8)
    return levels if levels.shape[3] == 3 else np.repeat(levels, 3, axis=3)


def _between_classes(generator: Generator, code: Floats, ends: tuple[int, int], device: torch.device) -> Images:
    with torch.inference_mode(), one_thread():
        first, last = generator.embedding(torch.tensor(ends, device=device))
        steps = torch.linspace(0, 1, COLUMNS, device=device)[:, None]
        embedded = torch.lerp(first.expand(COLUMNS, -1), last.expand(COLUMNS, -1), steps)
        x = generator.decode(torch.from_numpy(code).to(device).expand(COLUMNS, -1), embedded)
    return to_levels(x.add(1).div(2).permute(0, 2, 3, 1).cpu().numpy())
