"""`gan`: an image that a trained GAN generates from a mix of two codes of its bank (`synth.gan.codes`).

Each attempt draws the class that lends the codes, two rows of the bank, the step between them, and noise. It also draws
the real image of its class that gives size, aspect and depth; without real images, the bundle knows their median size.
If the class has few images, or if `gan.augment` asks for it, the safe effects change the generated image. The files of
the images that the network learned from are not read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from synth import seeds
from synth.data.images import MAX_SIDE
from synth.errors import GeneratorError, UsageError
from synth.gan import codes
from synth.gan.codes import CodeMix
from synth.gan.evaluation import LOOK, NOT_USABLE
from synth.gan.trained import open_gan
from synth.generators.base import PORTION, Context, Generator, opaque_remarks
from synth.generators.interpolation import render
from synth.generators.safe_effects import SafeEffects
from synth.records import CODES_OF, EFFECTS, Candidate, Item

SAMPLES = "samples.png"
"""The sheet of a bundle that shows generated images."""
MODES = GREY, WIDE, COLOUR = "L", "I;16", "RGB"
"""Depths of an image, as Pillow calls them."""


@dataclass(frozen=True)
class _Shape:
    """The shape that the square output of the network is turned into."""

    width: int
    height: int
    mode: str
    """One of `MODES`."""


class GanGenerator(Generator):
    """Generates images of a class from its own codes or from those that other classes lend."""

    in_batches = True

    def __init__(self, context: Context) -> None:
        self._context, self._seed = context, context.recipe.seed
        self._gan = open_gan(context.recipe.bundle)
        self._borrow = codes.borrowing(context.recipe.gan.codes, self._gan.counts)
        self._lenders = codes.lenders_of(self._gan.counts)
        self._effects: dict[str, SafeEffects] = {}
        self.digest = self._gan.digest

    def check(self, label: str) -> None:
        """Refuse a class that the network did not learn, or learned from too few images.

        Raises:
            UsageError: with an alternative.
        """
        self._gan.check_class(label)
        number = self._gan.numbers[label]
        words = codes.refusal(number, self._gan.counts, borrows=self._borrow[number] > 0)
        if words:
            own = "--set gan.codes=own, " if self._gan.counts[number] >= codes.FLOOR else ""
            raise UsageError(f"gan can't draw {label}: {words}; use {own}--method augment or --method smote instead")
        width, height = self._gan.sizes[label]
        if width * height > self._context.recipe.data.max_pixels:
            raise UsageError(f"gan can't draw {label}: {width}x{height} is more than data.max_pixels")

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield one generated image for each attempt."""
        for start in range(0, len(attempts), PORTION):
            portion = attempts[start : start + PORTION]
            mix, shapes = self._mix(label, portion), self._shapes(label, portion)
            yield from self._images(label, portion, mix, shapes, self._effects_on(label).draw(portion))

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Return False: the bundle holds the codes of the parents."""
        return False

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Generate an image from the recorded rows, step, shape and effects, with the attempt's noise."""
        attempts = range(attempt, attempt + 1)
        rows, step, shape = self._recorded(params)
        first, second = np.array(rows[:1]), np.array(rows[1:])
        mix = replace(self._mix(label, attempts), first=first, second=second, steps=np.array([step]))
        effects = {EFFECTS: params[EFFECTS]} if EFFECTS in params else {}
        return next(self._images(label, attempts, mix, [shape], [effects]))

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """Interpolate from an attempt's first code to its second, without noise, in one size."""
        attempts = range(attempt, attempt + 1)
        mix, shapes = self._mix(label, attempts), self._shapes(label, attempts)
        if self._owner(mix.first[0]) == self._owner(mix.second[0]):
            return []
        steps, noise = np.linspace(0, 1, n).round(4), np.zeros((n, self._gan.n_code), np.float32)
        mix = CodeMix(mix.first.repeat(n), mix.second.repeat(n), steps, noise)
        return list(self._images(label, range(attempt, attempt + n), mix, shapes * n, [{}] * n))

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """Return the verdict on each class whose verdict is not "usable", and the classes whose codes it borrows."""
        labels = list(labels)
        gan, found = self._gan, opaque_remarks(self._context.train, labels)
        for label in labels:
            number = gan.numbers[label]
            word, reasons = gan.verdicts.get(label, ("", ()))
            why = f" ({'; '.join(reasons)})" if reasons else ""
            if word == NOT_USABLE:
                found.append(f"{label}: do not use these images{why}")
            if word == LOOK:
                few = f" with {gan.counts[number]} images" if gan.counts[number] < codes.FEW else ""
                found.append(f"{label}: the numbers can't decide{few}: look at {gan.bundle.path / SAMPLES}{why}")
            lenders = [gan.classes[lender] for lender in self._lenders if self._borrow[number] and lender != number]
            if lenders:
                found.append(
                    f"{label}: drawn from codes of {', '.join(lenders)}, which lend it places, sizes and light"
                )
        return found

    def _mix(self, label: str, attempts: range) -> CodeMix:
        labels, borrow = np.full(len(attempts), self._gan.numbers[label], np.intp), self._borrow
        return codes.draw_mix(
            self._gan.bank, labels, attempts, borrow=borrow, lenders=self._lenders, seed=self._seed, label=label
        )

    def _shapes(self, label: str, attempts: range) -> list[_Shape]:
        items = self._context.train.get(label, ())
        if not items:
            return [_Shape(*self._gan.sizes[label], self._mode(None))] * len(attempts)
        draws = seeds.uniforms(self._seed, label, stream="size", attempts=attempts, n_draws=1)
        chosen = [items[index] for index in (draws[:, 0] * len(items)).astype(int).tolist()]
        return [_Shape(item.width, item.height, self._mode(item)) for item in chosen]

    def _mode(self, item: Item | None) -> str:
        if item is not None and item.sixteen_bit:
            return WIDE
        return GREY if self._gan.channels == 1 or (item is not None and item.grey) else COLOUR

    def _effects_on(self, label: str) -> SafeEffects:
        if label not in self._effects:
            recipe, n = self._context.recipe, self._gan.counts[self._gan.numbers[label]]
            on = n < codes.FEW if recipe.gan.augment == "auto" else recipe.gan.augment
            self._effects[label] = SafeEffects(
                recipe.augment, label, seed=recipe.seed, where="together" if on else "off"
            )
        return self._effects[label]

    def _images(
        self, label: str, attempts: range, mix: CodeMix, shapes: Sequence[_Shape], effects: Sequence[Mapping[str, Any]]
    ) -> Iterator[Candidate]:
        gan = self._gan
        levels = gan.decode(mix.codes(gan.bank, gan.code_noise), [label] * len(attempts))
        images = [
            render(image, (shape.width, shape.height), grey=shape.mode != COLOUR, wide=shape.mode == WIDE)
            for image, shape in zip(levels, shapes, strict=True)
        ]
        images = self._effects_on(label).on_whole(images, effects, attempts=attempts)
        rows = zip(mix.first.tolist(), mix.second.tolist(), mix.steps.tolist(), strict=True)
        for attempt, pixels, shape, changed, (first, second, step) in zip(
            attempts, images, shapes, effects, rows, strict=True
        ):
            owners = dict.fromkeys((self._owner(first), self._owner(second)))
            params = {
                CODES_OF: gan.classes[gan.bank.labels[first]],
                "step": step,
                "rows": [first, second],
                "size": [shape.width, shape.height],
                "mode": shape.mode,
                **changed,
            }
            yield Candidate(pixels, label, "gan", attempt, tuple(gan.origins[owner] for owner in owners), params)

    def _owner(self, row: int) -> int:
        return int(self._gan.bank.owners[row])

    def _recorded(self, params: Mapping[str, Any]) -> tuple[list[int], float, _Shape]:
        """Read rows, step and shape of a manifest row, which may be of another network or hostile."""
        rows, size, step, mode = (params.get(name) for name in ("rows", "size", "step", "mode"))
        if (
            _are_numbers(rows, 0, len(self._gan.bank.owners) - 1)
            and _are_numbers(size, 1, MAX_SIDE)
            and size[0] * size[1] <= self._context.recipe.data.max_pixels
            and isinstance(step, int | float)
            and 0 <= step <= 1
            and mode in MODES
        ):
            return rows, float(step), _Shape(size[0], size[1], mode)
        raise GeneratorError(f"{self._gan.bundle.path}: draws no image with the parameters {dict(params)}")


def _are_numbers(values: Any, low: int, high: int) -> TypeGuard[list[int]]:
    """Whether these are two whole numbers within bounds."""
    return isinstance(values, list) and len(values) == 2 and all(type(n) is int and low <= n <= high for n in values)
