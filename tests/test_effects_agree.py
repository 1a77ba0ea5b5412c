"""Effects and albumentations: ours agree with its own, many at once with one by one; its transforms run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from synth.demo.traffic_lights import TrafficLights
from synth.effects.colour import COLOUR
from synth.effects.geometry import GEOMETRY
from synth.effects.policy import Policy
from synth.effects.texture import Transforms
from synth.errors import GeneratorError, UsageError
from synth.settings.augment import Augment

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
sys.modules.setdefault("albumentations.pytorch", None)  # type: ignore[arg-type]  # it would import torch
import albumentations as A  # noqa: E402, N812

Image = npt.NDArray[np.uint8]
Values = Mapping[str, float]

LEVELS_MAX = 2.0
FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
CORNERS = {"x0": 0.08, "y0": -0.03, "x1": -0.05, "y1": 0.07, "x2": 0.02, "y2": -0.08, "x3": -0.06, "y3": 0.04}


def gradient(height: int, width: int) -> Image:
    """Smooth and colourful: red to the right, green downwards, blue across."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
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
    return policy.apply([image], [params], attempts=range(1))[0]


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
    "temperature": lambda image, v, _: A.PlanckianJitter(mode="blackbody").apply(image, temperature=int(v["kelvin"])),
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
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
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


# ---- several at once

COLOURS: Mapping[str, Values] = {
    "brightness": {"factor": 1.05},
    "contrast": {"factor": 0.85},
    "saturation": {"factor": 0.8},
    "temperature": {"kelvin": 6000},
    "tint": {"amount": 0.05},
    "channel_gain": {"red": 0.95, "green": 1.03, "blue": 1.0},
    "hue": {"degrees": 12},
    "gamma": {"gamma": 1.1},
}
# Contrast must turn about the mean of the darkened picture.
DIM_BUT_CLEAR: Mapping[str, Values] = {"brightness": {"factor": 0.7}, "contrast": {"factor": 1.4}}
MOVES: Mapping[str, Values] = {
    "crop": {"area": 0.8, "x": 0.4, "y": 0.7},
    "flip_horizontal": {},
    "quarter_turn": {"turns": 3},
    "scale": {"factor": 1.2},
    "shear": {"x": 6, "y": -2},
    "perspective": {key: value / 4 for key, value in CORNERS.items()},
    "rotate": {"degrees": 8},
    "shift": {"x": 0.03, "y": -0.02},
}


def one_by_one(params: Mapping[str, Values], image: Image) -> Image:
    for name in (*GEOMETRY, *COLOUR, "blur"):
        image = ours({name: params[name]}, image) if name in params else image
    return image


@pytest.mark.parametrize("params", [COLOURS, DIM_BUT_CLEAR, MOVES, {**MOVES, **COLOURS, "blur": {"sigma": 0.7}}])
def test_several_at_once_equal_one_by_one(params: Mapping[str, Values]) -> None:
    """On smooth images, where many interpolations blur little; the order of the record does not matter."""
    for image in (gradient(64, 48), gradient(41, 97)):
        together = ours(params, image)
        assert difference(together, one_by_one(params, image)) <= LEVELS_MAX
        assert np.array_equal(together, ours(dict(reversed(params.items())), image))


def test_all_geometry_is_one_interpolation() -> None:
    """What one warp by the product of the matrices gives, and sharper than one warp after the other."""
    image = noisy(64, 64)
    params = {"scale": {"factor": 1.1}, "rotate": {"degrees": 10}, "shift": {"x": 0.01, "y": 0.02}}
    shift = {"x": (0.01 * 64 + 1e-9,) * 2, "y": (0.02 * 64 + 1e-9,) * 2}
    matrix = np.vstack([cv2.getRotationMatrix2D((31.5, 31.5), 10, 1.1), (0, 0, 1)])
    matrix[:2, 2] += shift["x"][0], shift["y"][0]
    expected = cv2.warpAffine(image, matrix[:2], (64, 64), borderMode=cv2.BORDER_REFLECT_101)
    assert difference(ours(params, image), expected) < 0.01
    sharpness = [float(cv2.Laplacian(x, cv2.CV_32F).std()) for x in (ours(params, image), one_by_one(params, image))]
    assert sharpness[0] > 1.3 * sharpness[1]


# ---- albumentations' transforms

N_TIES = 400
DIGITS = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)


def transforms(*settings: Mapping[str, Any], pipeline: str = "", forbid: frozenset[str] = frozenset()) -> Transforms:
    return Transforms(settings, pipeline, forbidden=forbid)


def apply(pipeline: Transforms, image: Any, attempt: int = 0) -> Any:
    return pipeline.apply(image, seed=0, label="a", attempt=attempt)


def test_transforms_by_name_and_arguments() -> None:
    noise = transforms({"name": "GaussNoise", "std_range": [0.1, 0.1], "p": 1})
    result = apply(noise, np.full((60, 60, 3), 128, np.uint8))
    assert result.std() == pytest.approx(25.5, rel=0.1)
    assert np.array_equal(apply(transforms({"name": "VerticalFlip", "p": 1}), DIGITS), DIGITS[::-1])


def test_a_policy_runs_them_last() -> None:
    settings = Augment.model_validate({"transforms": [{"name": "InvertImg", "p": 1}]})
    result = Policy(settings, "a", seed=0).apply([DIGITS], [{"flip_vertical": {}}], attempts=range(1))[0]
    assert np.array_equal(result, 255 - DIGITS[::-1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "GausNoise"}, 'did you mean "GaussNoise"'),
        ({"name": "GaussNoise", "std_rnge": [0.1, 0.2]}, 'did you mean "std_range"'),
        ({"name": "GaussNoise", "std_range": [0.5, 0.2]}, "First value should be less"),
        ({"name": "OneOf"}, "see augment.pipeline"),
        ({"name": "ToTensorV2"}, "does not exist"),
        ({"p": 1}, "does not exist"),
    ],
)
def test_a_wrong_transform_is_a_usage_error(settings: Mapping[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        transforms(settings)
    assert "\n" not in str(caught.value)


SAVED = A.Compose([A.OneOf([A.HorizontalFlip(p=1), A.GaussNoise(p=1)], p=0.5), A.VerticalFlip(p=0.5)])


def test_a_saved_pipeline_runs() -> None:
    pipeline = transforms(pipeline=json.dumps(A.to_dict(SAVED)))
    results = {apply(pipeline, DIGITS, i).tobytes() for i in range(40)}
    assert len(results) > 10
    assert {DIGITS.tobytes(), DIGITS[::-1].tobytes()} <= results


@pytest.mark.parametrize("text", ["{", "{}", '{"transform": {"__class_fullname__": "Nonsense", "p": 1}}'])
def test_what_is_no_saved_pipeline_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="not a pipeline that albumentations saved"):
        transforms(pipeline=text)


def test_a_forbidden_transform_is_refused() -> None:
    """Named itself, or deep inside a pipeline."""
    for settings in ({"pipeline": json.dumps(A.to_dict(SAVED))}, {}):
        with pytest.raises(UsageError, match="GaussNoise is forbidden"):
            transforms({"name": "GaussNoise"}, forbid=frozenset({"GaussNoise"}), **settings)


def test_an_attempt_gives_the_same_in_any_order() -> None:
    pipeline = transforms({"name": "GaussNoise", "p": 0.7}, {"name": "Affine", "rotate": [-30, 30], "p": 0.7})
    forth = [apply(pipeline, DIGITS, i) for i in range(20)]
    again = transforms({"name": "GaussNoise", "p": 0.7}, {"name": "Affine", "rotate": [-30, 30], "p": 0.7})
    back = [apply(again, DIGITS, i) for i in reversed(range(20))]
    assert np.array_equal(forth, back[::-1])
    assert not np.array_equal(forth, [again.apply(DIGITS, seed=1, label="a", attempt=i) for i in range(20)])
    assert not np.array_equal(forth, [again.apply(DIGITS, seed=0, label="b", attempt=i) for i in range(20)])


def test_two_transforms_are_not_tied() -> None:
    pipeline = transforms({"name": "HorizontalFlip", "p": 0.5}, {"name": "VerticalFlip", "p": 0.5})
    corners = [int(apply(pipeline, DIGITS, i)[0, 0, 0]) for i in range(N_TIES)]
    both_or_neither = [corner in (DIGITS[0, 0, 0], DIGITS[-1, -1, 0]) for corner in corners]
    assert abs(np.mean(both_or_neither) - 0.5) < 4 * 0.5 / np.sqrt(N_TIES)
    assert len(set(corners)) == 4


def test_torch_is_not_imported() -> None:
    code = f"""
import sys, numpy
from synth.effects.texture import Transforms
saved = {json.dumps(A.to_dict(SAVED))!r}
pipeline = Transforms([{{"name": "GaussNoise", "p": 1}}], saved, forbidden=frozenset())
pipeline.apply(numpy.zeros((9, 9, 3), numpy.uint8), seed=0, label="a", attempt=0)
assert "albumentations" in sys.modules and "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_goes_through_transforms_that_take_it(kind: type[np.uint8]) -> None:
    grey = DIGITS[..., 0].astype(kind) * (257 if kind is np.uint16 else 1)
    result = apply(transforms({"name": "HorizontalFlip", "p": 1}, {"name": "GridDistortion", "p": 1}), grey)
    assert (result.dtype, result.shape) == (grey.dtype, grey.shape)


def test_what_a_transform_cannot_do_is_one_clear_line() -> None:
    """A change of type or of channels, and pixels that it does not take."""
    with pytest.raises(GeneratorError, match=r"gave float32 .* expected uint8"):
        apply(transforms({"name": "ToFloat", "p": 1}), DIGITS)
    with pytest.raises(GeneratorError, match="expected uint8 with 3 dimensions"):
        apply(transforms({"name": "ToGray", "num_output_channels": 1, "p": 1}), DIGITS)
    with pytest.raises(GeneratorError, match=r"uint16 .* of class a: .*clahe"):
        apply(transforms({"name": "CLAHE", "p": 1}), DIGITS[..., 0].astype(np.uint16))
