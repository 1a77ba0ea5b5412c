"""Each effect agrees with albumentations (or OpenCV) at the same fixed parameters; several at once agree with one by one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from synth.effects.colour import COLOUR
from synth.effects.geometry import GEOMETRY
from synth.effects.policy import Policy
from synth.recipe import Augment
from synth.simulate import TrafficLights

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
sys.modules.setdefault("albumentations.pytorch", None)  # type: ignore[arg-type]  # it would import torch
import albumentations as A  # noqa: E402

Image = npt.NDArray[np.uint8]
Values = Mapping[str, float]

LEVELS_MAX = 2.0
FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
CORNERS = {"x0": 0.08, "y0": -0.03, "x1": -0.05, "y1": 0.07, "x2": 0.02, "y2": -0.08, "x3": -0.06, "y3": 0.04}


def gradient(height: int, width: int) -> Image:
    """Smooth and colourful: red to the right, green downwards, blue across."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return np.stack([40 + 170 * x, 40 + 170 * y, 215 - 90 * (x + y)], axis=2).round().astype(np.uint8)


def noisy(height: int, width: int) -> Image:
    """The gradient under strong noise of a pixel's size."""
    noise = np.random.default_rng(height).normal(0, 25, (height, width, 3))
    return (gradient(height, width) + noise).clip(0, 255).astype(np.uint8)


LIGHTS = [TrafficLights().draw(label, np.random.default_rng(i)) for i, label in enumerate(("red", "yellow", "green"))]
IMAGES = [*LIGHTS, gradient(64, 48), gradient(41, 97), noisy(32, 32), noisy(57, 33)]


def ours(params: Mapping[str, Values], image: Image, *, interpolation: str = "linear", fill: str = "reflect") -> Any:
    """Our effects at fixed parameters."""
    policy = Policy(Augment.model_validate({"interpolation": interpolation, "fill": fill}), "a", seed=0)
    return policy.apply([image], [params], attempts=[0])[0]


def affine(image: Image, flag: int, **settings: Any) -> Image:
    """albumentations' Affine, with the frame's border mirrored."""
    transform = A.Affine(interpolation=flag, border_mode=cv2.BORDER_REFLECT_101, p=1, **settings)
    return A.Compose([transform])(image=image)["image"]


def jitter(image: Image, **settings: float) -> Image:
    """albumentations' ColorJitter with one setting fixed and the others neutral."""
    neutral = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
    ranges = {key: (value, value) for key, value in {**neutral, **settings}.items()}
    return run(A.ColorJitter(**ranges, p=1), image)


def run(transform: A.BasicTransform, image: Image) -> Image:
    return A.Compose([transform])(image=image)["image"]


def cut(image: Image, values: Values, flag: int) -> Image:
    """albumentations' Crop and Resize."""
    height, width = image.shape[:2]
    side = values["area"] ** 0.5
    x, y = (round((1 - side) * values[name] * length) for name, length in (("x", width), ("y", height)))
    part = A.Crop(x, y, x + round(side * width), y + round(side * height), p=1)
    return run(A.Resize(height, width, interpolation=flag, p=1), run(part, image))


def turned(image: Image, turns: float) -> Image:
    return A.RandomRotate90(p=1).apply(image, factor=int(turns))


def viewed(image: Image, values: Values, flag: int) -> Image:
    """albumentations' Perspective, its matrix from the eight equations of a homography."""
    height, width = image.shape[:2]
    equations, targets = [], []
    for corner, (x, y) in enumerate(((0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1))):
        u, v = x + values[f"x{corner}"] * width, y + values[f"y{corner}"] * height
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        targets += [u, v]
    matrix = np.append(np.linalg.solve(equations, targets), 1).reshape(3, 3)
    transform = A.Perspective(interpolation=flag, border_mode=cv2.BORDER_REFLECT_101, keep_size=True, p=1)
    return transform.apply(image, matrix=matrix, max_height=height, max_width=width)


def times(image: Image, *factors: float) -> Image:
    return A.MultiplicativeNoise(per_channel=True, p=1).apply(image, multiplier=np.array(factors, np.float32))


def sepia(image: Image, amount: float) -> Image:
    return cv2.addWeighted(run(A.ToSepia(p=1), image), amount, image, 1 - amount, 0)


Reference = Callable[[Image, Values, int], Image]
REFERENCES: Mapping[str, Reference] = {
    "crop": cut,
    "flip_horizontal": lambda image, _, flag: run(A.HorizontalFlip(p=1), image),
    "flip_vertical": lambda image, _, flag: run(A.VerticalFlip(p=1), image),
    "quarter_turn": lambda image, v, flag: turned(image, v["turns"]),
    "scale": lambda image, v, flag: affine(image, flag, scale=(v["factor"], v["factor"])),
    "shear": lambda image, v, flag: affine(image, flag, shear={"x": (v["x"],) * 2, "y": (v["y"],) * 2}),
    "perspective": viewed,
    "rotate": lambda image, v, flag: run(
        A.Rotate((v["degrees"],) * 2, interpolation=flag, border_mode=cv2.BORDER_REFLECT_101, p=1), image
    ),
    "shift": lambda image, v, flag: affine(
        image, flag, translate_percent={axis: (v[axis] * (1 + 1e-9),) * 2 for axis in "xy"}
    ),
    "brightness": lambda image, v, _: jitter(image, brightness=v["factor"]),
    "contrast": lambda image, v, _: jitter(image, contrast=v["factor"]),
    "saturation": lambda image, v, _: jitter(image, saturation=v["factor"]),
    "temperature": lambda image, v, _: A.PlanckianJitter(mode="blackbody").apply(
        image, temperature=int(v["kelvin"])
    ),
    "tint": lambda image, v, _: times(image, 1 + v["amount"] / 2, 1 - v["amount"] / 2, 1 + v["amount"] / 2),
    "channel_gain": lambda image, v, _: times(image, v["red"], v["green"], v["blue"]),
    "grey": lambda image, v, _: run(A.ToGray(num_output_channels=3, p=1), image),
    "sepia": lambda image, v, _: sepia(image, v["amount"]),
    "hue": lambda image, v, _: jitter(image, hue=v["degrees"] / 360),
    "gamma": lambda image, v, _: run(A.RandomGamma((100 * v["gamma"],) * 2, p=1), image),
    "blur": lambda image, v, _: run(A.GaussianBlur(blur_limit=0, sigma_limit=(v["sigma"],) * 2, p=1), image),
}
CASES: Mapping[str, Sequence[Values]] = {
    "flip_horizontal": [{}],
    "flip_vertical": [{}],
    "quarter_turn": [{"turns": 1}, {"turns": 2}, {"turns": 3}],
    "scale": [{"factor": 0.85}, {"factor": 0.97}, {"factor": 1.15}, {"factor": 2}],
    "shear": [{"x": -10, "y": 0}, {"x": 10, "y": 0}, {"x": 3.3, "y": -25}, {"x": 0, "y": 8}],
    "perspective": [CORNERS, {key: -value for key, value in CORNERS.items()}],
    "rotate": [{"degrees": value} for value in (-10, -3.7, 10, 33, 170)],
    "brightness": [{"factor": value} for value in (0, 0.75, 1.25, 2)],
    "contrast": [{"factor": value} for value in (0, 0.75, 1.25, 2)],
    "saturation": [{"factor": value} for value in (0, 0.75, 1.25, 2)],
    "temperature": [{"kelvin": value} for value in (3000, 3500, 4750, 6543, 10000, 15000)],
    "tint": [{"amount": value} for value in (-0.9, -0.1, 0.1, 0.9)],
    "channel_gain": [{"red": 0.9, "green": 1.1, "blue": 1.0}, {"red": 1.5, "green": 0.7, "blue": 0.9}],
    "grey": [{}],
    "sepia": [{"amount": value} for value in (0.3, 1.0)],
    "hue": [{"degrees": value} for value in (-18, -7, 5, 18, 120, 180)],
    "gamma": [{"gamma": value} for value in (0.5, 0.8, 1.25, 2)],
    "blur": [{"sigma": value} for value in (0.3, 0.5, 0.8, 3)],
}


def cases(name: str, image: Image) -> Sequence[Values]:
    """Fixed parameters; those of crop and shift fall on whole pixels, as albumentations knows no others."""
    height, width = image.shape[:2]
    if name == "shift":
        return [{"x": sign * (width // 12) / width, "y": -sign * (height // 15) / height} for sign in (-1, 1)]
    if name == "crop":
        return [{"area": tenths**2 / 100, "x": x / (10 - tenths), "y": 0} for tenths in (6, 9) for x in (0, 1)]
    return CASES[name]


def trimmed(name: str, image: Image) -> Image:
    """For crop, sides that are multiples of ten."""
    height, width = (length // 10 * 10 if name == "crop" else length for length in image.shape[:2])
    return image[:height, :width].copy()


def difference(result: Image, expected: Image) -> float:
    """Mean absolute difference over the interior."""
    assert result.shape == expected.shape and result.dtype == expected.dtype
    y, x = (2 + length // 10 for length in result.shape[:2])
    return float(np.abs(result[y:-y, x:-x].astype(int) - expected[y:-y, x:-x]).mean())


def worst(name: str, interpolation: str) -> float:
    """The largest mean difference over all images and parameters."""
    return max(
        difference(
            ours({name: values}, image, interpolation=interpolation),
            REFERENCES[name](image, values, FLAGS[interpolation]),
        )
        for image in (trimmed(name, image) for image in IMAGES)
        for values in cases(name, image)
    )


def test_every_effect_has_a_reference() -> None:
    """A new effect needs one."""
    assert {*GEOMETRY, *COLOUR, "blur"} == set(REFERENCES)


@pytest.mark.parametrize("interpolation", FLAGS)
@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_agrees(name: str, interpolation: str) -> None:
    assert worst(name, interpolation) <= LEVELS_MAX


@pytest.mark.parametrize("name", [*COLOUR, "blur"])
def test_colour_and_blur_agree(name: str) -> None:
    assert worst(name, "linear") <= LEVELS_MAX


if __name__ == "__main__":
    for n in REFERENCES:
        print(n, *("%.2f" % worst(n, i) for i in FLAGS))
