"""The settings of every effect, with their ranges and defaults.

The defaults are the safe policy: mirror, a little rotation, scale, shift, brightness, contrast and blur, each with
probability .5, so that some images stay unwarped. Everything that can change a class (hue, vertical flip, quarter
turns ...) is there with `p = 0`.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Settings(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def within(low: float, high: float) -> AfterValidator:
    """Both ends of a range lie within these bounds."""

    def check(value: tuple[float, float]) -> tuple[float, float]:
        if not (low <= value[0] <= value[1] <= high):
            raise ValueError(f"expected low <= high within {low:g}..{high:g}, got {list(value)}")
        return value

    return AfterValidator(check)


def _colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError(f'expected a colour like "#ffffff", got "{value}"')
    return value.lower()


FILL_WORDS = ("reflect", "edge")


def valid_fill(value: str) -> str:
    """A word for what enters the frame, or a colour."""
    if value in FILL_WORDS:
        return value
    if not value.startswith("#"):
        raise ValueError(f'expected {", ".join(FILL_WORDS)} or a colour like "#ffffff", got "{value}"')
    return _colour(value)


Pair = Annotated[tuple[float, float], BeforeValidator(_pair)]
Probability = Annotated[float, Field(ge=0, le=1)]
Degrees = Annotated[Pair, within(-180, 180)]
Skew = Annotated[Pair, within(-60, 60)]
Factor = Annotated[Pair, within(0, 4)]
Share = Annotated[Pair, within(-1, 1)]
Colour = Annotated[str, AfterValidator(_colour)]


class Effect(Settings):
    """One named change of an image; a single number stands for a range of that number alone."""

    p: Probability = Field(0.0, description="how often it is applied, 0..1")


class FlipHorizontal(Effect):
    """Mirror left and right."""


class FlipVertical(Effect):
    """Mirror top and bottom."""


class QuarterTurn(Effect):
    """Turn by a multiple of 90 degrees."""

    turns: tuple[Annotated[int, Field(ge=1, le=3)], ...] = Field(
        (1, 2, 3), min_length=1, description="anticlockwise quarter turns to draw from"
    )


class Crop(Effect):
    """Cut out a part and stretch it to the whole frame."""

    area: Annotated[Pair, within(0.01, 1)] = Field((0.7, 1.0), description="share of the area kept, 0.01..1")


class Scale(Effect):
    """Zoom about the centre."""

    factor: Annotated[Pair, within(0.1, 10)] = Field((0.85, 1.15), description="zoom; above 1 enlarges")


class Shear(Effect):
    """Skew: slant the axes about the centre."""

    x: Skew = Field((-10.0, 10.0), description="slant of vertical lines, degrees; above 0 the top moves to the right")
    y: Skew = Field((0.0, 0.0), description="slant of horizontal lines, degrees; above 0 the left side moves down")


class Perspective(Effect):
    """Skew: move each corner on its own, as a change of viewpoint does."""

    strength: Annotated[Pair, within(0, 0.24)] = Field(
        (0.02, 0.08), description="farthest that a corner moves, share of width and height"
    )


class Rotate(Effect):
    """Rotate about the centre."""

    degrees: Degrees = Field((-10.0, 10.0), description="angle, anticlockwise")


class Shift(Effect):
    """Move the picture in its frame."""

    x: Share = Field((-0.08, 0.08), description="to the right, share of the width")
    y: Share = Field((-0.08, 0.08), description="downwards, share of the height")


class Brightness(Effect):
    """Multiply all levels."""

    factor: Factor = Field((0.75, 1.25), description="1 changes nothing")


class Contrast(Effect):
    """Spread the levels about their mean grey."""

    factor: Factor = Field((0.75, 1.25), description="1 changes nothing, 0 gives plain grey")


class Saturation(Effect):
    """Blend with the grey picture."""

    factor: Factor = Field((0.75, 1.25), description="1 changes nothing, 0 gives grey")


class Hue(Effect):
    """Turn the hue (HSV). Where colour is what tells the classes apart this destroys labels."""

    degrees: Degrees = Field((-18.0, 18.0), description="turn of the colour circle, in steps of 2")


class Temperature(Effect):
    """Light of a black body: warm below, cool above 6600 K."""

    kelvin: Annotated[Pair, within(3000, 15000)] = Field((4500.0, 10000.0), description="3000..15000")


class Tint(Effect):
    """Shift between green and magenta."""

    amount: Annotated[Pair, within(-0.9, 0.9)] = Field((-0.1, 0.1), description="above 0 magenta, below green")


class ChannelGain(Effect):
    """Multiply red, green and blue by a factor of their own."""

    factor: Factor = Field((0.9, 1.1), description="range of each of the three factors")


class Grey(Effect):
    """Take the colour away; three equal channels stay."""


class Sepia(Effect):
    """Old-photograph brown."""

    amount: Annotated[Pair, within(0, 1)] = Field((1.0, 1.0), description="0 nothing, 1 full sepia")


class Gamma(Effect):
    """Bend the levels: level ** gamma, on 0..1."""

    gamma: Annotated[Pair, within(0.1, 10)] = Field((0.8, 1.25), description="above 1 darkens")


class Blur(Effect):
    """Gaussian blur."""

    sigma: Annotated[Pair, within(0, 20)] = Field((0.3, 0.8), description="standard deviation, pixels")


SAFE_P = 0.5


class Effects(Settings):
    """The effects in the order in which they act: geometry (one matrix), colour (one matrix, one table), blur."""

    crop: Crop = Crop()
    flip_horizontal: FlipHorizontal = FlipHorizontal(p=SAFE_P)
    flip_vertical: FlipVertical = FlipVertical()
    quarter_turn: QuarterTurn = QuarterTurn()
    scale: Scale = Scale(p=SAFE_P)
    shear: Shear = Shear()
    perspective: Perspective = Perspective()
    rotate: Rotate = Rotate(p=SAFE_P)
    shift: Shift = Shift(p=SAFE_P)
    brightness: Brightness = Brightness(p=SAFE_P)
    contrast: Contrast = Contrast(p=SAFE_P)
    saturation: Saturation = Saturation()
    temperature: Temperature = Temperature()
    tint: Tint = Tint()
    channel_gain: ChannelGain = ChannelGain()
    grey: Grey = Grey()
    sepia: Sepia = Sepia()
    hue: Hue = Hue()
    gamma: Gamma = Gamma()
    blur: Blur = Blur(p=SAFE_P)
