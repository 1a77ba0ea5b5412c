"""The settings of every effect, with their ranges and defaults.

The defaults are the safe policy: a little rotation, scale, shift, brightness, contrast and blur, each with probability
.5, so that some images keep their geometry. With `p = "auto"` the images decide: mirrors and quarter turns are on if
the images have them (`synth.gates.symmetries`); rotate, scale and shift are off if the images have a fixed frame
(`synth.gates.frames`). Other effects that can change a class (hue, shear ...) have `p = 0`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from synth.settings.base import Pair, Settings, within

SAFE_P = 0.5
AUTO: Literal["auto"] = "auto"


def _probability_or_auto(value: object) -> object:
    if value != AUTO and not (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1):
        raise ValueError(f'expected "auto" or a number 0..1, got {value!r:.40}')
    return value


Probability = Annotated[float, Field(ge=0, le=1)]
ChosenProbability = Annotated[float | Literal["auto"], BeforeValidator(_probability_or_auto)]
Degrees = Annotated[Pair, within(-180, 180)]
Skew = Annotated[Pair, within(-60, 60)]
Factor = Annotated[Pair, within(0, 4)]
Share = Annotated[Pair, within(-1, 1)]


class Effect(Settings):
    """One change of an image. A single number stands for a range of that number alone."""

    p: Probability = Field(0.0, description="probability that it is applied, 0..1")


class ChosenEffect(Effect):
    """An effect that suits some datasets only."""

    undecided_p: ClassVar[float] = SAFE_P
    """p of an undecided effect with too few images to tell."""
    p: ChosenProbability = Field(  # type: ignore[assignment]
        AUTO, description='probability that it is applied, 0..1; "auto": chosen from the images'
    )


class Symmetry(ChosenEffect):
    """An effect that some datasets have by nature, and that changes the class in others."""

    undecided_p: ClassVar[float] = 0.0


class Movement(ChosenEffect):
    """An effect that moves the whole image in its frame. Images with a frame of their own at a fixed place show it."""

    still: ClassVar[float] = 0.0
    """The value of its ranges that changes nothing."""


class FlipHorizontal(Symmetry):
    """Swap left and right."""


class FlipVertical(Symmetry):
    """Swap top and bottom."""


class QuarterTurn(Symmetry):
    """Rotate by a multiple of 90 degrees."""

    turns: tuple[Annotated[int, Field(ge=1, le=3)], ...] = Field(
        (1, 2, 3), min_length=1, description="numbers of anticlockwise quarter turns to draw from"
    )


class Crop(Effect):
    """Cut out a part and enlarge it to the whole frame."""

    area: Annotated[Pair, within(0.01, 1)] = Field((0.7, 1.0), description="share of the area kept, 0.01..1")


class Scale(Movement):
    """Zoom about the centre."""

    still: ClassVar[float] = 1.0

    factor: Annotated[Pair, within(0.1, 10)] = Field((1.0, 1.1), description="zoom factor; above 1 enlarges")


class Shear(Effect):
    """Slant the axes about the centre (skew)."""

    x: Skew = Field((-10.0, 10.0), description="slant of vertical lines, degrees; positive moves the top to the right")
    y: Skew = Field((0.0, 0.0), description="slant of horizontal lines, degrees; positive moves the left side down")


class Perspective(Effect):
    """Move each corner on its own, like a change of viewpoint."""

    strength: Annotated[Pair, within(0, 0.24)] = Field(
        (0.02, 0.08), description="largest move of a corner, as a share of width and height"
    )


class Rotate(Movement):
    """Rotate about the centre."""

    degrees: Degrees = Field((-10.0, 10.0), description="angle, degrees, anticlockwise")


class Shift(Movement):
    """Move the image in its frame."""

    x: Share = Field((-0.04, 0.04), description="move to the right, as a share of the width")
    y: Share = Field((-0.04, 0.04), description="move down, as a share of the height")


class Brightness(Effect):
    """Multiply all levels."""

    factor: Factor = Field((0.75, 1.25), description="1 changes nothing")


class Contrast(Effect):
    """Scale the levels about their mean grey."""

    factor: Factor = Field((0.75, 1.25), description="1 changes nothing, 0 gives plain grey")


class Saturation(Effect):
    """Blend with the grey version of the image."""

    factor: Factor = Field((0.75, 1.25), description="1 changes nothing, 0 gives a grey image")


class Hue(Effect):
    """Rotate the hue (HSV). It destroys labels if colour separates the classes."""

    degrees: Degrees = Field((-18.0, 18.0), description="angle on the colour circle, degrees, in steps of 2")


class Temperature(Effect):
    """Colour temperature of the light (black body): warm below 6600 K, cool above."""

    kelvin: Annotated[Pair, within(3000, 15000)] = Field((4500.0, 10000.0), description="temperature, 3000..15000")


class Tint(Effect):
    """Shift between green and magenta."""

    amount: Annotated[Pair, within(-0.9, 0.9)] = Field(
        (-0.1, 0.1), description="positive is magenta, negative is green"
    )


class ChannelGain(Effect):
    """Multiply red, green and blue by one factor each."""

    factor: Factor = Field((0.9, 1.1), description="range of each of the three factors")


class Grey(Effect):
    """Remove the colour; the image keeps three equal channels."""


class Sepia(Effect):
    """Tone the image brown like an old photograph."""

    amount: Annotated[Pair, within(0, 1)] = Field((1.0, 1.0), description="0 changes nothing, 1 is full sepia")


class Gamma(Effect):
    """Raise the levels (0..1) to a power."""

    gamma: Annotated[Pair, within(0.1, 10)] = Field((0.8, 1.25), description="exponent; above 1 darkens")


class Blur(Effect):
    """Gaussian blur."""

    sigma: Annotated[Pair, within(0, 20)] = Field((0.3, 0.8), description="standard deviation, pixels")


class Effects(Settings):
    """The effects in the order in which they run: geometry (one matrix), colour (one matrix, one table), blur."""

    crop: Crop = Crop()
    flip_horizontal: FlipHorizontal = FlipHorizontal()
    flip_vertical: FlipVertical = FlipVertical()
    quarter_turn: QuarterTurn = QuarterTurn()
    scale: Scale = Scale()
    shear: Shear = Shear()
    perspective: Perspective = Perspective()
    rotate: Rotate = Rotate()
    shift: Shift = Shift()
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

    @property
    def undecided(self) -> tuple[str, ...]:
        """Effects that are still to be chosen from the images."""
        return tuple(name for name, effect in self if effect.p == AUTO)

    def decided(self, choices: Mapping[str, float]) -> "Effects":
        """Return the effects with these probabilities of undecided ones; the others get their `undecided_p`."""
        chosen: dict[str, Any] = {
            name: effect.model_copy(update={"p": choices.get(name, effect.undecided_p)})
            for name, effect in self
            if isinstance(effect, ChosenEffect) and effect.p == AUTO
        }
        return self.model_copy(update=chosen)


SYMMETRIES = tuple(name for name, effect in Effects() if isinstance(effect, Symmetry))
MOVEMENTS = tuple(name for name, effect in Effects() if isinstance(effect, Movement))
