"""The safe effects around an interpolation: on each parent before it, or on what lies between them.

    together  effects on the new image as a whole: its parents stay aligned
    apart     each parent is changed by draws of its own, and then the two are interpolated
    off       nothing is changed

Mirroring both alike was tried: half a point of F1 less with five images (9 splits, within noise). An image that is
interpolated with itself is changed apart in any case but `off`. Blur is left out of the effects: what is interpolated
is soft enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.effects.policy import Policy
from synth.generators.interpolation import Pair, Path
from synth.records import EFFECTS, FIRST, SECOND, Pixels
from synth.settings.recipe import Augment

UNWANTED = ("blur",)


class SafeEffects:
    """Draws and applies the effects of one class."""

    def __init__(
        self,
        settings: Augment,
        label: str,
        *,
        seed: int,
        where: Literal["together", "apart", "off"],
        leave_out: Sequence[str] = (),
    ) -> None:
        """Settle which effects can fire.

        Raises:
            UsageError: as `Policy`.
        """
        self._label, self._where, self._left_out = label, where, (*UNWANTED, *leave_out)
        self._sides = {
            FIRST: Policy(settings, label, seed=seed),
            SECOND: Policy(settings, label, seed=seeds.derived(seed, "second parent")),
        }

    def draw(self, attempts: range, *, alone: Sequence[bool] | npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
        """The effects of each attempt; `alone`: both its parents are one image."""
        if self._where == "off":
            return [{} for _ in attempts]
        drawn = {side: policy.draw(attempts, leave_out=self._left_out) for side, policy in self._sides.items()}
        return [
            {FIRST: first, SECOND: second} if self._where == "apart" or one else {EFFECTS: first}
            for first, second, one in zip(drawn[FIRST], drawn[SECOND], alone, strict=True)
        ]

    def between(
        self, path: Path, pairs: Sequence[Pair], params: Sequence[Mapping[str, Any]], *, attempts: range
    ) -> list[Pixels]:
        """The image of each pair, with the effects that stand in its attempt's parameters."""
        own = [FIRST in drawn for drawn in params]
        sides = [self._changed(side, pairs, params, attempts=attempts) for side in (FIRST, SECOND)]
        ends = zip(*sides, pairs, own, strict=True)
        images = path.between(
            [Pair(a, b, p.step, None if changed else p.keys) for a, b, p, changed in ends], self._label
        )
        if not any(EFFECTS in drawn for drawn in params):
            return images
        return self._sides[FIRST].apply(images, [drawn.get(EFFECTS, {}) for drawn in params], attempts=attempts)

    def _changed(
        self, side: str, pairs: Sequence[Pair], params: Sequence[Mapping[str, Any]], *, attempts: range
    ) -> list[Pixels]:
        """The parents of one side, each with what its attempt drew for it."""
        pixels = [pair.first if side == FIRST else pair.second for pair in pairs]
        touched = [index for index, drawn in enumerate(params) if side in drawn]
        if len(touched) == len(params):  # all at once is twice as fast
            return self._sides[side].apply(pixels, [drawn[side] for drawn in params], attempts=attempts)
        for index in touched:
            attempt = attempts[index : index + 1]
            (pixels[index],) = self._sides[side].apply([pixels[index]], [params[index][side]], attempts=attempt)
        return pixels
