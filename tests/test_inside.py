"""`fill = "inside"`: nothing from outside the source is shown, and nothing more is cut away than needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synth.effects.geometry import warp
from synth.effects.inside import compose_inside, zoom_inside
from synth.effects.parameters import by_effect
from synth.effects.policy import Policy
from synth.settings.augment import Augment
from synth.settings.effects import Effects

GEOMETRY = {
    "crop": {"p": 0.3},
    "flip_horizontal": {"p": 0.5},
    "flip_vertical": {"p": 0.3},
    "quarter_turn": {"p": 0.4},
    "scale": {"p": 0.6, "factor": [0.5, 1.6]},
    "shear": {"p": 0.4, "x": [-20, 20], "y": [-15, 15]},
    "perspective": {"p": 0.4, "strength": [0.0, 0.2]},
    "rotate": {"p": 0.7, "degrees": [-180, 180]},
    "shift": {"p": 0.6, "x": [-0.7, 0.7], "y": [-0.7, 0.7]},
}


def policy(effects: dict[str, Any] | None = None, **settings: Any) -> Policy:
    off = {name: {"p": 0} for name in Effects.model_fields}
    return Policy(Augment.model_validate({"effects": {**off, **(effects or {})}, **settings}), "a", seed=3)


def noise(height: int, width: int) -> Any:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(40, 56), (64, 64), (31, 90), (7, 5), (2, 30)])
def test_no_pixel_comes_from_outside(size: tuple[int, int]) -> None:
    """White images on a black outside stay white, also where a shift would move the centre out of the frame."""
    n = 150
    params = policy(GEOMETRY).draw(range(n))
    sizes = np.tile(np.array(size[::-1], np.float64), (n, 1))
    matrices, frames = compose_inside(by_effect(params), sizes, zoom_max=1.2)
    white = np.full((*size, 3), 255, np.uint8)
    for matrix, frame in zip(matrices, frames.astype(int).tolist(), strict=True):
        kind = 2 + int(matrix[2].tolist() != [0, 0, 1])
        moved = warp(white, matrix, frame, kind, interpolation="linear", fill="#000000")
        assert moved.min() >= 254, matrix


def test_the_zoom_is_the_smallest_one() -> None:
    """One percent less, and a pixel from outside is shown."""
    params = [{"rotate": {"degrees": d}, "shift": {"x": x, "y": 0.01}} for d, x in ((3, 0.02), (-5, 0.0), (1, -0.05))]
    sizes = np.tile(np.array([100.0, 80.0]), (3, 1))
    matrices, frames = compose_inside(by_effect(params), sizes, zoom_max=2)
    assert zoom_inside(matrices, sizes, frames) == pytest.approx(1, abs=1e-9)
    centre = (sizes[0] - 1) / 2
    smaller = np.array([[0.99, 0, 0.01 * centre[0]], [0, 0.99, 0.01 * centre[1]], [0, 0, 1]])
    assert (zoom_inside(smaller @ matrices, sizes, frames) > 1.005).all()


def test_mirrors_and_turns_enlarge_nothing() -> None:
    source = noise(20, 33)
    assert np.array_equal(policy().apply([source], [{"flip_horizontal": {}}], attempts=range(1))[0], source[:, ::-1])
    turned = policy().apply([source], [{"quarter_turn": {"turns": 1}, "rotate": {"degrees": 0}}], attempts=range(1))[0]
    assert np.array_equal(turned, np.rot90(source))


def test_a_warp_that_would_cut_too_much_is_weakened() -> None:
    """A half turn of a slanted, far shifted image: what is seen is at most as large as the bound allows."""
    params = [{"rotate": {"degrees": 45}, "shift": {"x": 0.4, "y": -0.6}}, {"rotate": {"degrees": 2}}]
    sizes = np.array([[60.0, 120.0], [60.0, 120.0]])
    matrices, _ = compose_inside(by_effect(params), sizes, zoom_max=1.2)
    areas = np.linalg.det(matrices[:, :2, :2])
    assert 1 < areas[0] <= 1.2**2 + 1e-9
    alone, _ = compose_inside(by_effect(params[1:]), sizes[1:], zoom_max=1.2)
    assert np.array_equal(matrices[1], alone[0])


def test_rows_of_earlier_fills_give_the_same_bytes() -> None:
    """The recorded fill decides: "inside" leaves images with "reflect", "edge" and a colour as they were."""
    source, params = noise(40, 30), {"shift": {"x": 0.2, "y": 0}}
    expected = {"reflect": source[:, 6:0:-1], "edge": np.repeat(source[:, :1], 6, axis=1)}
    for fill, outside in expected.items():
        (moved,) = policy(fill=fill).apply([source], [params], attempts=range(1))
        assert np.array_equal(moved[:, :6], outside)
        assert np.array_equal(moved[:, 6:], source[:, :-6])
    assert policy().fill == "inside"
