"""`gan`: an image drawn by a trained GAN, from a mix of two codes of its bank (`synth.gan.codes`).

Each attempt draws the class whose codes it takes, two rows of the bank, the step between them, and noise; and which
real image of its class gives it size, aspect and depth. Where there is none, the bundle knows their median size.
Where a class has few images the safe effects change what was drawn, or wherever `gan.augment` says so.
Nothing of the images that the network learned from is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from synth import seeds
from synth.data.images import MAX_SIDE
from synth.effects.parameters import Params
from synth.effects.policy import Policy
from synth.errors import GeneratorError, UsageError
from synth.gan import codes
from synth.gan.codes import CodeMix
from synth.gan.evaluation import LOOK, NOT_USABLE
from synth.gan.trained import open_gan
from synth.generators.augment import mapped_flips
from synth.generators.base import Context
from synth.generators.interpolation import render
from synth.generators.safe_effects import UNWANTED
from synth.records import CODES_OF, EFFECTS, Candidate, Item

PORTION = 32
"""Attempts that go through the network together."""
SAMPLES = "samples.png"
"""The sheet of a bundle that shows what it draws."""
MODES = GREY, WIDE, COLOUR = "L", "I;16", "RGB"
"""Depths of an image, in Pillow's words."""


@dataclass(frozen=True)
class _Form:
    """What becomes of the square that the network draws."""

    width: int
    height: int
    mode: str
    """One of `MODES`."""


class GanGenerator:
    """Draws images of a class, from its own codes or from those that other classes lend."""

    def __init__(self, context: Context) -> None:
        if not context.recipe.bundle:
            raise UsageError("gan needs a trained network: synth train gan DATA BUNDLE, then --bundle BUNDLE")
        self._context, self._seed = context, context.recipe.seed
        self._gan = open_gan(context.recipe.bundle)
        self._borrow = codes.borrowing(context.recipe.gan.codes, self._gan.counts)
        self._lenders = codes.lenders_of(self._gan.counts)
        self._policies: dict[str, Policy] = {}
        self.digest = self._gan.digest

    def check(self, label: str) -> None:
        """Refuse a class that the network did not learn, or learned from too few images.

        Raises:
            UsageError: with what else can be done.
        """
        self._gan.check_class(label)
        number = self._gan.numbers[label]
        words = codes.refusal(number, self._gan.counts, borrows=self._borrow[number] > 0)
        if words:
            own = "--set gan.codes=own, " if self._gan.counts[number] >= codes.FLOOR else ""
            raise UsageError(f"gan can't draw {label}: {words}; use {own}--method augment or --method smote instead")
        width, height = self._gan.sizes[label]
        if width * height > self._context.recipe.data.max_pixels:
            raise UsageError(f"gan can't draw {label}: {width}x{height} are more than data.max_pixels")

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """One drawn image for each attempt."""
        for start in range(0, len(attempts), PORTION):
            portion = attempts[start : start + PORTION]
            drawn, forms = self._drawn(label, portion), self._forms(label, portion)
            yield from self._images(label, portion, drawn, forms, self._effects(label, portion))

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Those of no attempt."""
        return False

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """The recorded rows, step, form and effects, with the attempt's noise."""
        attempts = range(attempt, attempt + 1)
        rows, step, form = self._recorded(params)
        first, second = np.array(rows[:1]), np.array(rows[1:])
        drawn = replace(self._drawn(label, attempts), first=first, second=second, steps=np.array([step]))
        (candidate,) = self._images(label, attempts, drawn, [form], [params.get(EFFECTS, {})])
        return candidate

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """From an attempt's first code to its second, without noise and effects, in one size."""
        attempts = range(attempt, attempt + 1)
        drawn, forms = self._drawn(label, attempts), self._forms(label, attempts)
        if self._owner(drawn.first[0]) == self._owner(drawn.second[0]):
            return []
        steps, noise = np.linspace(0, 1, n).round(4), np.zeros((n, self._gan.n_code), np.float32)
        way = CodeMix(drawn.first.repeat(n), drawn.second.repeat(n), steps, noise)
        return list(self._images(label, range(attempt, attempt + n), way, forms * n, [{}] * n))

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """What the measurements at the end of the training say of each class, and which classes lend it codes."""
        found = []
        for label in labels:
            found += self._opinion(label)
            lenders = self._lent_by(label)
            if lenders:
                found.append(
                    f"{label}: drawn from codes of {', '.join(lenders)}, which lend it places, sizes and light"
                )
        return found

    def _opinion(self, label: str) -> list[str]:
        """A sentence where the network's images of the class are not plainly usable."""
        word, reasons = self._gan.verdicts.get(label, ("", ()))
        why = f" ({'; '.join(reasons)})" if reasons else ""
        if word == NOT_USABLE:
            return [f"{label}: do not use these images{why}"]
        if word == LOOK:
            n = self._gan.counts[self._gan.numbers[label]]
            few = f" with {n} images" if n < codes.FEW else ""
            sheet = self._gan.bundle.path / SAMPLES
            return [f"{label}: the numbers can't decide{few}: look at {sheet}{why}"]
        return []

    def _lent_by(self, label: str) -> list[str]:
        number = self._gan.numbers[label]
        lenders = self._lenders if self._borrow[number] else ()
        return [self._gan.classes[lender] for lender in lenders if lender != number]

    def _drawn(self, label: str, attempts: range) -> CodeMix:
        labels, borrow = np.full(len(attempts), self._gan.numbers[label], np.intp), self._borrow
        return codes.draw_mix(
            self._gan.bank, labels, attempts, borrow=borrow, lenders=self._lenders, seed=self._seed, label=label
        )

    def _forms(self, label: str, attempts: range) -> list[_Form]:
        items = self._context.train.get(label, ())
        if not items:
            return [_Form(*self._gan.sizes[label], self._mode(None))] * len(attempts)
        draws = seeds.uniforms(self._seed, label, stream="size", attempts=attempts, n_draws=1)
        chosen = [items[index] for index in (draws[:, 0] * len(items)).astype(int).tolist()]
        return [_Form(item.width, item.height, self._mode(item)) for item in chosen]

    def _mode(self, item: Item | None) -> str:
        if item is not None and item.sixteen_bit:
            return WIDE
        return GREY if self._gan.channels == 1 or (item is not None and item.grey) else COLOUR

    def _effects(self, label: str, attempts: range) -> Sequence[Params]:
        asked, n = self._context.recipe.gan.augment, self._gan.counts[self._gan.numbers[label]]
        if not (n < codes.FEW if asked == "auto" else asked):
            return [{}] * len(attempts)
        left_out = (*UNWANTED, *mapped_flips(self._context.recipe.augment, label))
        return self._policy(label).draw(attempts, leave_out=left_out)

    def _policy(self, label: str) -> Policy:
        if label not in self._policies:
            recipe = self._context.recipe
            self._policies[label] = Policy(recipe.augment, label, seed=recipe.seed)
        return self._policies[label]

    def _images(
        self, label: str, attempts: range, drawn: CodeMix, forms: Sequence[_Form], effects: Sequence[Params]
    ) -> Iterator[Candidate]:
        gan = self._gan
        levels = gan.decode(drawn.codes(gan.bank, gan.code_noise), [label] * len(attempts))
        images = [
            render(image, (form.width, form.height), grey=form.mode != COLOUR, wide=form.mode == WIDE)
            for image, form in zip(levels, forms, strict=True)
        ]
        if any(effects):
            images = self._policy(label).apply(images, effects, attempts=attempts)
        rows = zip(drawn.first.tolist(), drawn.second.tolist(), drawn.steps.tolist(), strict=True)
        for attempt, pixels, form, changed, (first, second, step) in zip(
            attempts, images, forms, effects, rows, strict=True
        ):
            owners = dict.fromkeys((self._owner(first), self._owner(second)))
            params = {
                CODES_OF: gan.classes[gan.bank.labels[first]],
                "step": step,
                "rows": [first, second],
                "size": [form.width, form.height],
                "mode": form.mode,
                **({EFFECTS: changed} if changed else {}),
            }
            yield Candidate(pixels, label, "gan", attempt, tuple(gan.origins[owner] for owner in owners), params)

    def _owner(self, row: int) -> int:
        return int(self._gan.bank.owners[row])

    def _recorded(self, params: Mapping[str, Any]) -> tuple[list[int], float, _Form]:
        """Rows, step and form of a manifest row, which may be of another network or hostile."""
        rows, size, step, mode = (params.get(name) for name in ("rows", "size", "step", "mode"))
        if (
            _are_numbers(rows, 0, len(self._gan.bank.owners) - 1)
            and _are_numbers(size, 1, MAX_SIDE)
            and size[0] * size[1] <= self._context.recipe.data.max_pixels
            and isinstance(step, int | float)
            and 0 <= step <= 1
            and mode in MODES
        ):
            return rows, float(step), _Form(size[0], size[1], mode)
        raise GeneratorError(f"{self._gan.bundle.path}: draws no image with the parameters {dict(params)}")


def _are_numbers(values: Any, low: int, high: int) -> TypeGuard[list[int]]:
    """Two whole numbers within bounds?"""
    return isinstance(values, list) and len(values) == 2 and all(type(n) is int and low <= n <= high for n in values)
