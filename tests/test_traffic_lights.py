"""The drawn traffic lights: pure, lit in the right place and colour, and written as asked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from synth.demo.traffic_lights import COUNTS, LABELS, TrafficLights, draw_dataset
from synth.errors import OutputError

N_IMAGES = 60
RIGHT_MIN = 0.95  # of 1500 images of each label at least 0.996 are right by the two rules below
HUES = {"red": (-45, 15), "yellow": (20, 65), "green": (120, 195)}  # degrees; no two of them touch


def lit_place_and_hue(image: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Where the brightest saturated pixels lie, and their hue.

    Returns: the height of their centroid (0 the top, 1 the bottom) and the hue in degrees, in [-90, 270).
    """
    edge = image.shape[1] * 3 // 10  # the sides are sky, walls and dusk
    hsv = cv2.cvtColor(np.ascontiguousarray(image[:, edge:-edge]), cv2.COLOR_RGB2HSV_FULL) / 255.0
    hue, vivid = hsv[:, :, 0] * 360, hsv[:, :, 1] * hsv[:, :, 2] ** 2
    vivid = np.where((hue > 195) & (hue < 315), 0, vivid)  # a blue sky is bright and saturated, but no lamp
    brightest = vivid >= np.quantile(vivid, 0.95)
    direction = np.exp(1j * np.deg2rad(hue[brightest])).mean()
    place = np.nonzero(brightest)[0].mean() / len(image)
    return float(place), float((np.rad2deg(np.angle(direction)) + 90) % 360 - 90)


def measure(label: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places and hues of `N_IMAGES` images of a label, (N_IMAGES,) each."""
    lights = TrafficLights()
    images = [lights.draw(label, np.random.default_rng([5, LABELS.index(label), i])) for i in range(N_IMAGES)]
    places, hues = np.array([lit_place_and_hue(image) for image in images]).T
    return places, hues


@pytest.mark.parametrize("label", LABELS)
def test_same_state_same_bytes(label: str) -> None:
    first = TrafficLights().draw(label, np.random.default_rng(3))
    TrafficLights().draw(label, np.random.default_rng(4))
    again = TrafficLights().draw(label, np.random.default_rng(3))
    other = TrafficLights().draw(label, np.random.default_rng(4))
    assert first.shape == again.shape
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_global_randomness_has_no_say() -> None:
    drawn = []
    for seed in (1, 2):
        np.random.seed(seed)
        cv2.setRNGSeed(seed)
        drawn.append(TrafficLights().draw("red", np.random.default_rng(3)).tobytes())
    assert drawn[0] == drawn[1]


def test_shape_and_type() -> None:
    lights = TrafficLights()
    images = [lights.draw("green", np.random.default_rng(i)) for i in range(N_IMAGES)]
    assert {image.dtype for image in images} == {np.dtype(np.uint8)}
    heights, widths, channels = np.array([image.shape for image in images]).T
    assert set(channels.tolist()) == {3}
    assert heights.min() >= 48
    assert heights.max() <= 100
    assert len(set(heights.tolist())) > 10
    assert widths.min() >= 24
    assert widths.max() <= 48
    assert 1.5 < np.median(heights / widths) < 2.5


@pytest.mark.parametrize("label", LABELS)
def test_the_lit_lamp_is_where_it_should_be(label: str) -> None:
    places, _ = measure(label)
    in_its_third = np.floor(places * 3) == LABELS.index(label)
    assert in_its_third.mean() >= RIGHT_MIN


@pytest.mark.parametrize("label", LABELS)
def test_the_lit_lamp_has_the_labels_colour(label: str) -> None:
    _, hues = measure(label)
    low, high = HUES[label]
    assert ((hues >= low) & (hues <= high)).mean() >= RIGHT_MIN


def test_red_lights_do_not_pass_as_yellow() -> None:
    _, reds = measure("red")
    _, yellows = measure("yellow")
    assert np.quantile(reds, 0.95) + 10 < np.quantile(yellows, 0.05)


def test_a_wrong_label_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of red, yellow, green, got 'blue'"):
        TrafficLights().draw("blue", np.random.default_rng(0))


def test_draw_dataset_writes_the_counts(tmp_path: Path) -> None:
    counts = {"train": {"red": 3, "yellow": 1, "green": 2}, "test": {"red": 1, "yellow": 1, "green": 1}}
    draw_dataset(tmp_path / "lights", counts=counts)
    for split, n_of_label in counts.items():
        for label, n_images in n_of_label.items():
            names = sorted(path.name for path in (tmp_path / "lights" / split / label).iterdir())
            assert names == [f"{i:03d}.jpg" for i in range(n_images)]
    image = cv2.imread(str(tmp_path / "lights" / "train" / "red" / "000.jpg"))
    assert image is not None
    assert image.shape[0] >= 48


def test_default_counts_are_imbalanced() -> None:
    assert COUNTS["train"] == {"red": 168, "yellow": 9, "green": 123}
    assert COUNTS["test"] == {"red": 28, "yellow": 6, "green": 20}


def test_an_image_depends_on_its_own_place_only(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "few", counts={"test": {"yellow": 2}}, seed=7)
    draw_dataset(tmp_path / "more", counts={"train": {"red": 1}, "test": {"green": 1, "yellow": 3}}, seed=7)
    draw_dataset(tmp_path / "other", counts={"test": {"yellow": 2}}, seed=8)
    few, more, other = ((tmp_path / name / "test/yellow/001.jpg").read_bytes() for name in ("few", "more", "other"))
    assert few == more != other


def test_a_folder_that_is_not_empty_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        draw_dataset(tmp_path, counts={"test": {"red": 1}})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    draw_dataset(tmp_path, counts={"test": {"red": 1}})
    assert (tmp_path / "test" / "red" / "000.jpg").is_file()
