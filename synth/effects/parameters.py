"""Random parameters of one effect for a chunk of attempts: which attempts it changes, and its values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.settings.effects import Effect, Effects

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Floats]
"""The parameters of one effect for the m images that it changes: {parameter: (m,)}."""
EffectBatch = tuple[str, npt.NDArray[np.intp], Columns]
"""An effect, the (m,) indices of the images in a chunk that it changes, and their parameters."""
Params = Mapping[str, Any]
"""The parameters of one attempt: {effect: {parameter: value}}; only effects that change it."""

CORNERS = 4
_EXTRA_DRAWS = {"quarter_turn": 1, "crop": 3, "perspective": 1 + 2 * CORNERS, "channel_gain": 3}
DECIMALS = 6  # values are rounded before they are used, so that the manifest holds exactly what was applied


def draw_effect(
    name: str, effect: Effect, *, seed: int, label: str, attempts: range
) -> tuple[npt.NDArray[np.bool_], dict[str, Floats]]:
    """Draw the parameters of one effect for a range of attempts, from the effect's own stream.

    Returns: (n,) bool, whether it changes the attempt; and {parameter: (n,) float64} for all attempts.
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
    """Return the values of effects that need more than one uniform number for each range."""
    if name == "quarter_turn":
        return {"turns": np.array(effect.turns, np.float64)[(draws[:, 0] * len(effect.turns)).astype(int)]}
    if name == "crop":  # a rectangle with the aspect of the frame; x and y are shares of the free space
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


def by_effect(params: Sequence[Params]) -> list[EffectBatch]:
    """Regroup the parameters of n images by effect, in the order in which the effects run."""
    indices: dict[str, list[int]] = {}
    for index, drawn in enumerate(params):
        for name in drawn:
            indices.setdefault(name, []).append(index)
    return [
        (name, np.array(indices[name]), _columns([params[index][name] for index in indices[name]]))
        for name in Effects.model_fields
        if name in indices
    ]


def _columns(rows: Sequence[Mapping[str, float]]) -> Columns:
    return {key: np.array([row[key] for row in rows], np.float64) for key in rows[0]}
