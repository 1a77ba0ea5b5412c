"""Sheets of a GAN: samples beside real images, borrowed variety, walks between codes, and the training over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from synth.gan.codes import CodeBank, Ints, on_sphere
from synth.measures.subset import evenly_spaced
from synth.networks.autoencoder import Generator
from synth.pictures.sheets import Strip, sheet_png, tiles
from synth.training.batches import Images, TrainingSet
from synth.training.inference import Floats, decode, one_thread

SHOWN_CLASSES, COLUMNS, ROWS = 4, 10, 3
WALKS = 2
"""Walks of each kind."""


@dataclass(frozen=True)
class SheetData:
    """What the sheets are made from."""

    data: TrainingSet
    bank: CodeBank
    drawable: Sequence[int]
    """Numbers of the classes that can be drawn, the rarest first."""
    device: torch.device

    def real(self, number: int) -> Ints:
        """Return the indices of some real images of a class that have codes in the bank."""
        owners = np.unique(self.bank.owners[self.bank.labels == number]).tolist()
        return np.array(evenly_spaced(owners, COLUMNS), np.intp)

    def codes(self, owners: Ints) -> Floats:
        """Return the first code in the bank of each of these real images."""
        return self.bank.codes[[np.flatnonzero(self.bank.owners == owner)[0] for owner in owners.tolist()]]

    def strip(self, title: str, generator: Generator, codes: Floats, number: int) -> Strip:
        """Return a strip of codes drawn as a class."""
        return Strip(title, tiles(drawn_as(generator, codes, number, self.device)))


def samples(sheet: SheetData, drawn: Mapping[int, Images]) -> bytes:
    """Return a PNG of real images of the rarest classes, with drawn images below them."""
    strips, data = [], sheet.data
    for number in sheet.drawable[:SHOWN_CLASSES]:
        real = sheet.real(number)
        title = f"{data.classes[number]}, real: {len(real)} of {data.counts[number]}"
        strips.append(Strip(title, tiles(data.inputs[real])))
        for row in range(ROWS):
            images = drawn[number][row * COLUMNS : (row + 1) * COLUMNS]
            strips.append(Strip("drawn" if not row else "", tiles(images)))
    return sheet_png(strips)


def borrowing(sheet: SheetData, generator: Generator) -> bytes:
    """Return a PNG of real images of the most common class, and of their codes drawn as each class."""
    data, common = sheet.data, int(np.argmax(sheet.data.counts))
    owners = sheet.real(common)
    strips = [Strip(f"real {data.classes[common]}", tiles(data.inputs[owners]))]
    for number in [common, *(number for number in sheet.drawable if number != common)][: SHOWN_CLASSES + 1]:
        title = f"the same codes drawn as {data.classes[number]}"
        strips.append(sheet.strip(title, generator, sheet.codes(owners), number))
    return sheet_png(strips)


def walks(sheet: SheetData, generator: Generator) -> bytes:
    """Return a PNG of walks from code to code in the rarest class, and from class to class with one code."""
    number, names = sheet.drawable[0], sheet.data.classes
    codes = sheet.codes(np.resize(sheet.real(number), 2 * WALKS))
    steps = np.linspace(0, 1, COLUMNS, dtype=np.float32)[:, None]
    strips = []
    for a, b in codes.reshape(WALKS, 2, -1):
        way = on_sphere((1 - steps) * a + steps * b)
        strips.append(sheet.strip(f"{names[number]}: from one code to another", generator, way, number))
    for other, code in zip((sheet.drawable[1:] or sheet.drawable)[:WALKS], codes, strict=False):
        title = f"one code from {names[number]} to {names[other]}"
        strips.append(Strip(title, tiles(_between_classes(generator, code, (number, other), sheet.device))))
    return sheet_png(strips)


def over_time(sheet: SheetData, states: Sequence[tuple[int, Generator]]) -> bytes:
    """Return a PNG of the same codes of the rarest class, drawn at each evaluation."""
    number = sheet.drawable[0]
    codes = sheet.codes(np.resize(sheet.real(number), COLUMNS))
    return sheet_png([sheet.strip(f"{n_seen} images seen", state, codes, number) for n_seen, state in states])


def drawn_as(generator: Generator, codes: Floats, number: int, device: torch.device) -> Images:
    """Return images (n, S, S, 3) uint8 of codes (n, Z), drawn as the class of this number."""
    return _to_uint8(decode(generator, codes, np.full(len(codes), number, np.intp), device))


def _to_uint8(images: Floats) -> Images:
    """(n, S, S, C) levels 0..1 -> (n, S, S, 3) uint8."""
    levels = np.rint(images * 255).astype(np.uint8)
    return levels if levels.shape[3] == 3 else np.repeat(levels, 3, axis=3)


def _between_classes(generator: Generator, code: Floats, ends: tuple[int, int], device: torch.device) -> Images:
    with torch.inference_mode(), one_thread():
        first, last = generator.embedding(torch.tensor(ends, device=device))
        steps = torch.linspace(0, 1, COLUMNS, device=device)[:, None]
        embedded = torch.lerp(first.expand(COLUMNS, -1), last.expand(COLUMNS, -1), steps)
        x = generator.decode(torch.from_numpy(code).to(device).expand(COLUMNS, -1), embedded)
    return _to_uint8(x.add(1).div(2).permute(0, 2, 3, 1).cpu().numpy())
