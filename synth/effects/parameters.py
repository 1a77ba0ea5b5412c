"""Drawing an effect's parameters for a chunk of attempts: which attempts it touches, and with what values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.settings.effects import Effect, Effects

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Floats]
"""One effect's parameters for the m images that it touches: {parameter: (m,)}."""
Touch = tuple[str, npt.NDArray[np.intp], Columns]
"""An effect, the m images of a chunk that it touches, and their parameters."""
Params = Mapping[str, Any]
"""What one attempt drew: {effect: {parameter: value}}, only the effects that fired."""

CORNERS = 4
_EXTRA_DRAWS = {"quarter_turn": 1, "crop": 3, "perspective": 1 + 2 * CORNERS, "channel_gain": 3}
DECIMALS = 6  # what is applied is what the manifest shows, so values are rounded before they are used


def draw_effect(
    name: str, effect: Effect, *, seed: int, label: str, attempts: range
) -> tuple[npt.NDArray[np.bool_], dict[str, Floats]]:
    """Draw one effect for a range of attempts, from the effect's own stream.

    Returns: (n,) bool, which attempts it touches; and {parameter: (n,) float64} for all of them.
    """
    ranges = {key: value for key, value in effect if key not in ("p", "turns")}
    n_draws = 1 + (_EXTRA_DRAWS.get(name) or len(ranges))
    draws = seeds.uniforms(seed, label, stream=name, attempts=attempts, n_draws=n_draws)
    fires = draws[:, 0] < effect.p
    values = _special(name, effect, draws[:, 1:]) or {
        key: _within(pair, draws[:, 1 + i]) for i, (key, pair) in enumerate(ranges.items())
    }
    return fires, {key: np.round(value, DECIMALS) for key, value in values.items()}


def _within(pair: tuple[float, float], draws: Floats) -> Floats:
    return pair[0] + draws * (pair[1] - pair[0])


def _special(name: str, effect: Any, draws: Floats) -> dict[str, Floats] | None:
    """Effects whose draws are not simply one uniform number for each range."""
    if name == "quarter_turn":
        return {"turns": np.array(effect.turns, np.float64)[(draws[:, 0] * len(effect.turns)).astype(int)]}
    if name == "crop":  # a rectangle of the frame's own aspect, anywhere in the frame: x, y share the free room
        return {"area": _within(effect.area, draws[:, 0]), "x": draws[:, 1], "y": draws[:, 2]}
    if name == "perspective":
        strength = _within(effect.strength, draws[:, 0])
        return {
            f"{axis}{corner}": strength * (2 * draws[:, 1 + 2 * corner + i] - 1)
            for corner in range(CORNERS)
            for i, axis in enumerate("xy")
        }
    if name == "channel_gain":
        return {channel: _within(effect.factor, draws[:, i]) for i, channel in enumerate(("red", "green", "blue"))}
    return None


def by_effect(params: Sequence[Params]) -> list[Touch]:
    """From one record per image to one column per parameter, in the order in which the effects act."""
    touched: dict[str, list[int]] = {}
    for index, drawn in enumerate(params):
        for name in drawn:
            touched.setdefault(name, []).append(index)
    return [
        (name, np.array(touched[name]), _columns([params[index][name] for index in touched[name]]))
        for name in Effects.model_fields
        if name in touched
    ]


def _columns(rows: Sequence[Mapping[str, float]]) -> Columns:
    return {key: np.array([row[key] for row in rows], np.float64) for key in rows[0]}
