"""Drawn traffic lights: the worked example of a custom generator, and the demo dataset.

Steps: a background -> a canvas at 4x with mount, housing, hoods and lenses as polygons -> shrunk -> haze, the light and
its glow -> the camera. The canvas has four channels, red, green, blue and "how lit", so a hood drawn over a lit lens
hides its light as well as its colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from synth.data.encoding import encode
from synth.errors import OutputError, UsageError
from synth.records import Encoding

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Image = MatLike  # (H, W, 3) float32 RGB, 0 to 255; the camera clips what is above

LABELS = ("red", "yellow", "green")  # from the top lamp to the bottom one
COUNTS: Mapping[str, Mapping[str, int]] = {
    "train": {"red": 168, "yellow": 9, "green": 123},
    "test": {"red": 28, "yellow": 6, "green": 20},
}
SPLITS = tuple(COUNTS)
FORM = Encoding("jpeg", "RGB", 90, "420")
SCALE = 4  # the canvas is this many times larger, then shrunk: smooth edges from the plain polygon fill
FRACTION_BITS = 3  # polygon corners are placed to an eighth of a canvas pixel
ARROW_RATE = 1 / 8

_TURN = np.linspace(0, 2 * np.pi, 40, endpoint=False)
CIRCLE = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
UPPER_ARC = CIRCLE[[*range(20, 40), 0]]  # y points down: from the left over the top to the right

# The lit colour lies between the two. Red has less green than blue: an orange red would look like yellow.
LIT = {
    "red": ((255, 12, 30), (255, 45, 62)),
    "yellow": ((255, 140, 12), (255, 205, 70)),
    "green": ((10, 215, 150), (50, 250, 205)),
}
UNLIT = {"red": (74, 22, 22), "yellow": (74, 56, 20), "green": (20, 54, 46)}
HOUSINGS = ((24, 25, 27), (46, 47, 50), (66, 68, 72), (62, 74, 96), (128, 104, 44))
HOUSING_RATES = (0.4, 0.26, 0.14, 0.12, 0.08)


@dataclass(frozen=True)
class _Scene:
    """The surroundings of a light, from top to bottom, and the daylight on its housing."""

    rate: float
    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    daylight: float
    mottle: float  # spread of the blurred blobs, in grey levels
    clutter: str = ""  # "", "branches" or "windows"


SCENES = (
    _Scene(0.24, (206, 208, 216), (232, 232, 236), daylight=0.95, mottle=4),
    _Scene(0.15, (206, 206, 212), (224, 222, 224), daylight=0.90, mottle=8, clutter="branches"),
    _Scene(0.12, (112, 158, 218), (190, 214, 240), daylight=1.15, mottle=6),
    _Scene(0.10, (92, 104, 74), (52, 66, 44), daylight=0.85, mottle=26),
    _Scene(0.09, (60, 64, 50), (120, 124, 112), daylight=0.80, mottle=30, clutter="branches"),
    _Scene(0.10, (150, 130, 118), (120, 108, 102), daylight=0.90, mottle=8, clutter="windows"),
    _Scene(0.07, (92, 86, 84), (62, 58, 58), daylight=0.60, mottle=10, clutter="windows"),
    _Scene(0.07, (66, 70, 112), (188, 134, 112), daylight=0.50, mottle=8),
    _Scene(0.06, (14, 16, 26), (36, 32, 36), daylight=0.35, mottle=7, clutter="windows"),
)


@dataclass(frozen=True)
class _Canvas:
    """The canvas for polygons. The unit is the distance between two lamps; the origin is the middle lamp."""

    pixels: Pixels  # (4H, 4W, 4): red, green, blue, how lit
    pose: Floats  # (3, 3) homography: units to canvas pixels

    def fill(self, points: Floats, colour: Floats, *, lit: float = 0) -> None:
        """Fill a polygon; points: (N, 2) in units, colour: (3,) 0 to 255, lit: 0 to 1."""
        projected = points @ self.pose[:, :2].T + self.pose[:, 2]
        corners = np.rint(projected[:, :2] / projected[:, 2:] * 2**FRACTION_BITS).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], (*colour.tolist(), lit * 255), cv2.LINE_8, FRACTION_BITS)


def _oval(x: float, y: float, *, half: tuple[float, float], power: float = 2) -> Floats:
    """Return a superellipse, (40, 2) in units: power 2 is an ellipse, 9 a box with rounded corners."""
    unit = CIRCLE if power == 2 else np.sign(CIRCLE) * np.abs(CIRCLE) ** (2 / power)
    return np.asarray(unit * half + (x, y))


def _hood(x: float, y: float, *, radius: float, reach: float) -> Floats:
    """Return the front edge of a visor, (42, 2): a crescent that hides the upper `reach` (0 to 1) of a lens."""
    outer, inner = UPPER_ARC * radius * 1.16, UPPER_ARC * radius * (1.0, 1 - reach)
    return np.asarray(np.vstack([outer, inner[::-1]]) + np.array([x, y]))


def _arrow(y: float, radius: float, *, quarter_turns: int) -> Floats:
    """Return an arrow, (9, 2) in units, that points left (-1 quarter turns), up (0) or right (1)."""
    right = np.array([(0.18, 0.92), (0.18, -0.25), (0.62, 0.16), (0.78, -0.1)])
    outline = np.vstack([right, [(0, -0.92)], (right * (-1, 1))[::-1]]) * radius * 0.95
    cos, sin = (1, 0) if quarter_turns == 0 else (0, quarter_turns)
    return np.asarray(outline @ np.array([[cos, sin], [-sin, cos]]) + (0, y))


def _pose(rng: Rng, height: int, *, width: int) -> Floats:
    """Draw tilt, perspective, position and scale. Returns (3, 3): units to canvas pixels."""
    tilt, shear, lean_x, lean_y = rng.normal(0, (0.055, 0.03, 0.03, 0.025)).clip(-0.16, 0.16)
    size = height * SCALE / rng.uniform(3.05, 3.75)
    squeeze = rng.uniform(0.82, 1.04)  # seen from the side, a light is narrower
    x, y = np.array([width, height]) * SCALE * (0.5 + rng.uniform((-0.07, -0.025), (0.07, 0.025)))
    cos, sin = size * np.cos(tilt), size * np.sin(tilt)
    affine = np.array([[cos * squeeze, -sin + shear * size, x], [sin * squeeze, cos, y], [0, 0, 1]])
    return np.asarray(affine @ np.array([[1, 0, 0], [0, 1, 0], [lean_x, lean_y, 1]]))


def _background(scene: _Scene, rng: Rng, *, height: int, width: int) -> Pixels:
    """Draw a blurred sky, wall or foliage, not lit. Returns (H, W, 4) uint8."""
    rows = np.linspace(0, 1, 7)[:, None, None]
    cells = (1 - rows) * np.array(scene.top) + rows * np.array(scene.bottom) + rng.normal(0, 7, 3)
    cells = cells + rng.normal(0, scene.mottle, (7, 4, 1)) + rng.normal(0, scene.mottle / 4, (7, 4, 3))
    padded = np.pad(cells.clip(0, 255).astype(np.uint8), ((0, 0), (0, 0), (0, 1)))
    image = np.asarray(cv2.resize(padded, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    if scene.clutter == "branches":
        _branches(image, rng)
    if scene.clutter == "windows":
        _windows(image, rng)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.2)), np.uint8)


def _branches(image: Pixels, rng: Rng) -> None:
    """Draw bare twigs, each a random walk."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(5, 14))):
        points = rng.uniform(-0.1, 1.1, (1, 2)) + np.cumsum(rng.normal(0, 0.14, (5, 2)), axis=0)
        corners = np.rint(points * (width, height)).astype(np.int32)
        bark = np.array([1, 0.95, 0.9]) * rng.uniform(30, 110)
        cv2.polylines(image, [corners], False, bark.tolist(), int(rng.integers(1, 3)), cv2.LINE_AA)


def _windows(image: Pixels, rng: Rng) -> None:
    """Draw rows of windows, darker or lighter than their wall."""
    step_y, step_x = rng.integers((10, 8), (22, 16))
    y, x = (np.arange(n) + rng.integers(8) for n in image.shape[:2])
    inside = np.outer(y % step_y < step_y * 0.6, x % step_x < step_x * 0.6)
    image[inside] = (image[inside] * rng.choice([0.45, 0.65, 1.4])).clip(0, 235)


def _mount(canvas: _Canvas, rng: Rng, *, daylight: float) -> None:
    """Draw what the light hangs on: an arm to one side, a pole beside or behind it, or nothing."""
    thick, side = rng.uniform(0.06, 0.13), rng.choice([-1, 1])
    arm = _oval(side * 1.5, rng.uniform(-1.2, 0.4), half=(1.5, thick), power=9)
    pole_x = side * rng.uniform(0.66, 0.8) * rng.integers(2)
    pole = _oval(pole_x, 0, half=(thick, 4), power=9)
    metal = np.full(3, rng.uniform(35, 130)) * daylight
    if rng.random() < 0.8:
        canvas.fill(arm if rng.random() < 0.4 else pole, metal)


def _housing(canvas: _Canvas, rng: Rng, *, paint: Floats, swing: float) -> None:
    """Draw a back plate (sometimes), the side that a slanted view shows, and a front of one or three pieces."""
    half = (rng.uniform(0.46, 0.58), rng.uniform(1.44, 1.56))
    if rng.random() < 0.2:
        rim = paint * 0.8 if rng.random() < 0.6 else np.array([205.0, 200, 190])
        canvas.fill(_oval(0, 0, half=(half[0] + 0.2, half[1] + 0.14), power=12), rim)
        canvas.fill(_oval(0, 0, half=(half[0] + 0.15, half[1] + 0.1), power=12), paint * 0.6)
    canvas.fill(_oval(swing * 0.3, 0.02, half=half, power=9), paint * 0.65)
    if rng.random() < 0.6:
        canvas.fill(_oval(0, 0, half=half, power=rng.uniform(8, 16)), paint)
        return
    for y in (-1, 0, 1):
        section = _oval(0, y, half=(half[0], half[1] - 1), power=rng.uniform(4, 7))
        canvas.fill(section, paint * rng.uniform(0.9, 1.1))


def _lamps(canvas: _Canvas, rng: Rng, *, label: str, paint: Floats, swing: float, daylight: float) -> Floats:
    """Draw three lenses under their hoods, one of them lit. Returns the lit colour, (3,) 0 to 255."""
    radius, reach, depth = rng.uniform(0.35, 0.43), rng.uniform(0.05, 0.45), rng.uniform(0.2, 0.8)
    rim = np.minimum(paint * rng.uniform(1.1, 1.9) + 8, paint + 50)
    low, high = np.array(LIT[label], float)
    colour: Floats = low + (high - low) * rng.random(3)
    is_arrow, turns = rng.random() < ARROW_RATE, int(rng.integers(-1, 2))
    glint = rng.uniform(1, 1.8)
    for y, name in zip((-1, 0, 1), LABELS, strict=True):
        is_lit = name == label
        lens = np.array(UNLIT[name]) * daylight * rng.uniform(0.35, 1.0)
        canvas.fill(_oval(swing * depth, y - 0.03, half=(radius * 1.24, radius * 1.18)), paint * 0.5)
        canvas.fill(_oval(0, y, half=(radius, radius)), lens)
        canvas.fill(_oval(swing * 0.2, y + 0.1, half=(radius * 0.7, radius * 0.5)), lens * glint)
        if is_lit:
            shape = _arrow(y, radius, quarter_turns=turns) if is_arrow else _oval(0, y, half=(radius, radius))
            canvas.fill(shape, colour, lit=1)
        canvas.fill(_hood(swing * 0.15, y, radius=radius, reach=reach * (0.3 if is_arrow else 1)), rim)
    return colour


def _light(canvas: _Canvas, rng: Rng, *, label: str, daylight: float) -> Floats:
    """Draw mount, housing and lamps, from back to front. Returns the lit colour, (3,) 0 to 255."""
    tone = np.array(HOUSINGS[rng.choice(len(HOUSINGS), p=HOUSING_RATES)], float)
    paint = tone * daylight * rng.uniform(0.75, 1.25)
    swing = rng.uniform(-0.5, 0.5)  # how far to the side the camera stands
    _mount(canvas, rng, daylight=daylight)
    _housing(canvas, rng, paint=paint, swing=swing)
    return _lamps(canvas, rng, label=label, paint=paint, swing=swing, daylight=daylight)


def _daylight(image: Image, rng: Rng, *, veil: Image, daylight: float) -> Image:
    """Add haze in the colour of the veil, (3,) float32, then an exposure that is brighter on one side."""
    height, width = image.shape[:2]
    haze = np.float32(rng.beta(1, 4) * 0.75 * daylight)
    gains = (rng.uniform(0.75, 1.2) * rng.uniform(0.8, 1.2, (3, 2))).astype(np.float32)
    smooth = cv2.resize(gains, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((image * (1 - haze) + veil * haze) * smooth[:, :, None])


def _shine(image: Image, lit: Image, *, colour: Floats, rng: Rng) -> Image:
    """Add the lit lens, its over-exposed core and the glow around it. lit: (H, W, 1) float32, 0 to 1."""
    unit = len(image) / 3.4  # about one distance between lamps, in pixels
    near = cv2.GaussianBlur(lit, (0, 0), unit * rng.uniform(0.08, 0.2))[:, :, None]
    far = cv2.GaussianBlur(lit, (0, 0), unit * rng.uniform(0.3, 0.6))[:, :, None]
    white = rng.uniform(0.2, 0.95) if rng.random() < 0.45 else 0.0
    lamp = (colour * rng.uniform(0.75, 1.0)).astype(np.float32)
    lens = lamp * (0.7 + 0.3 * near) + (255 - lamp) * white * near**2
    glow = near * (1 - lit) * rng.uniform(0, 0.9) + far * rng.uniform(0, 0.35)
    return np.asarray(image + (lens - image) * lit + lamp * glow)


def _camera(image: Image, rng: Rng) -> Pixels:
    """Add colour cast, low resolution (sometimes), shake, defocus and noise. Returns (H, W, 3) uint8."""
    height, width = image.shape[:2]
    cast = rng.normal(1, (0.04, 0.03, 0.06)).clip(0.85, 1.15)
    shot = image * cast.astype(np.float32)
    if rng.random() < 0.5:
        shrink = rng.uniform(0.45, 0.9)
        small = cv2.resize(shot, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        shot = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.2:
        shot = cv2.blur(shot, [(1, 4), (4, 1), (3, 3)][rng.integers(3)])
    shot = cv2.GaussianBlur(shot, (0, 0), rng.uniform(0.3, 0.9))
    noise = rng.standard_normal(shot.shape, np.float32) * rng.uniform(1, 6)
    return np.asarray((shot + noise).clip(0, 255).astype(np.uint8))


class TrafficLights:
    """Draws traffic-light crops: the worked example of a custom generator.

    It does not use a dataset: it gets a label and a random generator, and returns pixels. All randomness comes from
    `rng`, so the same state gives the same bytes.
    """

    def draw(self, label: str, rng: np.random.Generator) -> Pixels:
        """Draw one light with `label` lit. Returns (H, W, 3) uint8 RGB, 24 to 48 wide and 48 to 100 high."""
        if label not in LABELS:
            raise UsageError(f"expected a traffic light's label, one of {', '.join(LABELS)}, got {label!r}")
        height = int(48 + 53 * rng.beta(1.2, 2.2))
        width = int(np.clip(height * rng.uniform(0.44, 0.58), 24, 48))
        scene = SCENES[rng.choice(len(SCENES), p=[scene.rate for scene in SCENES])]
        background = _background(scene, rng, height=height, width=width)
        enlarged = cv2.resize(background, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR)
        canvas = _Canvas(np.asarray(enlarged, np.uint8), _pose(rng, height, width=width))
        colour = _light(canvas, rng, label=label, daylight=scene.daylight)
        small = cv2.resize(canvas.pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        veil = background[:, :, :3].mean(axis=(0, 1), dtype=np.float32)
        image = _daylight(small[:, :, :3], rng, veil=veil, daylight=scene.daylight)
        return _camera(_shine(image, small[:, :, 3:] / 255, colour=colour, rng=rng), rng)


def draw_dataset(root: Path, *, counts: Mapping[str, Mapping[str, int]] = COUNTS, seed: int = 0) -> None:
    """Write `root/{train,test}/{red,yellow,green}/NNN.jpg`; each depends on seed, split, label and number alone."""
    if root.exists() and any(root.iterdir()):
        raise OutputError(f"expected a new or empty folder, but {root} is not empty")
    lights = TrafficLights()
    for split, n_of_label in counts.items():
        for label, n_images in n_of_label.items():
            folder = root / split / label
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(n_images):
                rng = np.random.default_rng([seed, SPLITS.index(split), LABELS.index(label), i])
                (folder / f"{i:03d}.jpg").write_bytes(encode(lights.draw(label, rng), FORM))
