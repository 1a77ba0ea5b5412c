"""The effects of a recipe for one class: draw(attempts) -> parameters, apply(pixels, parameters) -> pixels.

Parameters are drawn for a whole chunk and then applied image by image, exactly as the manifest records them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from synth.effects import colour, geometry, inside, texture
from synth.effects.parameters import EffectBatch, Floats, Params, by_effect, draw_effect
from synth.records import Alpha, Pixels
from synth.settings.augment import Augment, ClassPolicy
from synth.settings.effects import AUTO, Effect, Effects

FLIPS = ("flip_horizontal", "flip_vertical")
OPAQUE = "#ffffff"


class Policy:
    """The effects of one class."""

    def __init__(self, settings: Augment, label: str, *, seed: int) -> None:
        """Select the effects that can occur.

        Raises:
            UsageError: a transform or pipeline that albumentations does not accept, or that is forbidden.
        """
        forbidden = settings.forbidden_for(label)
        self.label, self.seed = label, seed
        self.interpolation, self.zoom_max = settings.interpolation, settings.zoom_max
        self.fill = "inside" if settings.fill == AUTO else settings.fill
        effects = settings.effects_for(label)
        self.effects: dict[str, Effect] = {
            name: effect for name, effect in effects if effect.p > 0 and name not in forbidden
        }
        transforms = settings.transforms_for(label)
        self._transforms = (
            texture.Transforms(transforms, settings.pipeline, forbidden=forbidden)
            if transforms or settings.pipeline
            else None
        )

    def draw(self, attempts: range, *, leave_out: Sequence[str] = ()) -> list[Params]:
        """Draw the parameters of each attempt of a range; the caller decides about the effects in `leave_out`."""
        drawn: list[dict[str, Any]] = [{} for _ in attempts]
        for name, effect in self.effects.items():
            if name in leave_out:
                continue
            fires, values = draw_effect(name, effect, seed=self.seed, label=self.label, attempts=attempts)
            indices = np.flatnonzero(fires)
            columns = {key: value[indices].tolist() for key, value in values.items()}
            for row, index in enumerate(indices.tolist()):
                drawn[index][name] = {key: column[row] for key, column in columns.items()}
        return list(drawn)

    def apply(self, sources: Sequence[Pixels], params: Sequence[Params], *, attempts: range) -> list[Pixels]:
        """Apply each attempt's parameters to its source.

        Each kind of effect runs over all images before the next kind starts. For small images this is twice as fast as
        one image after the other, because code and tables stay in the processor's caches.

        Returns: pixels with the dtype and channels of the source; the source itself if no effect changes it.
        """
        batches = by_effect(params)
        transforms = colour.compose(batches, sources)
        warped = self._warped(batches, sources, fill=self.fill)
        coloured = [colour.recolour(*each) for each in zip(warped, transforms, strict=True)]
        blurred = [texture.blur(pixels, drawn) for pixels, drawn in zip(coloured, params, strict=True)]
        if self._transforms is None:
            return blurred
        return [
            self._transforms.apply(pixels, seed=self.seed, label=self.label, attempt=attempt)
            for pixels, attempt in zip(blurred, attempts, strict=True)
        ]

    def move(self, layers: Sequence[Pixels], params: Sequence[Params], *, attempts: Sequence[int]) -> list[Pixels]:
        """Move transparency, or the colours below it, as `apply` moves pixels, without a change of colours.

        A colour that fills the border is opaque.
        """
        fill = OPAQUE if self.fill.startswith("#") else self.fill
        warped = self._warped(by_effect(params), layers, fill=fill)
        blurred = [texture.blur(layer, drawn) for layer, drawn in zip(warped, params, strict=True)]
        if self._transforms is None:
            return blurred
        return [
            self._transforms.move(layer, seed=self.seed, label=self.label, attempt=attempt)
            for layer, attempt in zip(blurred, attempts, strict=True)
        ]

    def _warped(self, batches: Sequence[EffectBatch], sources: Sequence[Pixels], *, fill: str) -> list[Pixels]:
        """Apply the geometric effects."""
        matrices, sizes = self._composed(batches, sources)
        kinds = geometry.kinds_of(matrices, sizes)
        return [
            geometry.warp(*each, interpolation=self.interpolation, fill=fill)
            for each in zip(sources, matrices, sizes.astype(int).tolist(), kinds, strict=True)
        ]

    def _composed(self, batches: Sequence[EffectBatch], sources: Sequence[Pixels]) -> tuple[Floats, Floats]:
        """Return the matrix and the output size of each image."""
        sizes = np.array([(pixels.shape[1], pixels.shape[0]) for pixels in sources], np.float64)
        if self.fill != "inside" or not any(name in inside.NEUTRAL for name, _, _ in batches):
            return geometry.compose(batches, sizes)
        return inside.compose_inside(batches, sizes, zoom_max=self.zoom_max)


def with_hidden(pixels: Pixels, hidden: Pixels, alpha: Alpha) -> Pixels:
    """Return an image with other colours where it is fully transparent.

    Readers that drop transparency see these colours, so they must stay as in the originals.
    """
    clear = alpha == 0
    return cast(Pixels, np.where(clear if pixels.ndim == 2 else clear[:, :, None], hidden, pixels))


def mirror_classes(settings: Augment, flip: str) -> Mapping[str, str]:
    """Return the label map of a flip, both ways: a mirrored "left" is a "right", and a mirrored "right" a "left"."""
    given = {key: value for name, pairs in settings.label_map.items() if name == flip for key, value in pairs.items()}
    return {**{value: key for key, value in given.items()}, **given}


def mapped_flips(settings: Augment, label: str) -> list[str]:
    """Return the flips that turn an image of the class into one of another class."""
    return [flip for flip in FLIPS if mirror_classes(settings, flip).get(label, label) != label]


def alone(augment: Augment, label: str, *, every: bool = False) -> Iterator[tuple[str, Augment]]:
    """Yield each effect that can fire for a class, as a policy with that effect alone, always on.

    Args:
        every: all effects, with their ranges, not only those that can fire.
    """
    own, forbidden = augment.effects_for(label), {*augment.forbidden_for(label), *mapped_flips(augment, label)}
    common = augment.model_dump(include={"interpolation", "fill", "zoom_max"})
    off = {name: {**effect.model_dump(), "p": 0.0} for name, effect in own}
    for name, effect in own:
        if every or (effect.p > 0 and name not in forbidden):
            yield name, Augment(effects=Effects.model_validate({**off, name: {**off[name], "p": 1.0}}), **common)
    for transform in augment.transforms_for(label):
        if transform.get("name") not in forbidden:
            policy = ClassPolicy(transforms=({**transform, "p": 1.0},))
            settings = Augment(effects=Effects.model_validate(off), classes={label: policy}, **common)
            yield str(transform.get("name")), settings
