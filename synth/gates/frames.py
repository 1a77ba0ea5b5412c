"""Do the images have a frame at a fixed place, such as a bezel or the edge of a card?

Then no real image is turned, moved or enlarged, not even a little. An effect that does this cuts the frame off or tilts
it, and a network learns from it what it never meets. Such an effect is off if even a quarter of it is told from real
images by the layout of the outer part alone. All images are blurred first, since each movement smooths fine noise.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from synth.data.folds import groups_of
from synth.data.images import to_uint8
from synth.data.originals import Originals
from synth.effects.policy import Policy
from synth.gates.symmetries import MIN_IMAGES, Choice
from synth.measures.subset import evenly_spaced
from synth.measures.told_apart import layout_of, products, stacked, told_apart
from synth.records import Floats, Item, Pixels
from synth.settings.augment import Augment
from synth.settings.effects import Effects, Movement

N_IMAGES = 240
"""Images that are asked, at most."""
MARGIN = 0.15
"""Share of each side that belongs to the outer part."""
BLUR = 1.0
"""Standard deviation, in pixels."""
WEAK, FOREIGN = 0.25, 0.9
"""Part of an effect that is tried; it is off if the whole interval of the AUC lies above the second."""


def movements_of(items: Sequence[Item], originals: Originals, augment: Augment, asked: Sequence[str]) -> list[Choice]:
    """Return a choice about each of the effects rotate, scale and shift that is asked for. With few images they are on.

    Args:
        items: from `sample_of`.
        augment: the ranges of the effects, and what enters the frame.
    """
    if not asked:
        return []
    items = evenly_spaced(items, N_IMAGES)
    groups = groups_of(items).numbers
    if len(np.unique(groups)) < MIN_IMAGES:
        return [Choice(name, True, "few images") for name in asked]
    sources = [originals.pixels(item) for item in items]
    real = stacked([_margin(pixels) for pixels in sources])
    found = []
    with threadpool_limits(limits=1):  # the sums of another number of threads would be other ones
        for name in asked:
            moved = stacked([_margin(pixels) for pixels in _moved(sources, name, augment)])
            apart = told_apart(products(real, moved), groups)
            found.append(Choice(name, apart.interval[0] <= FOREIGN, f"AUC {apart.auc:.2f}"))
    return found


def _margin(pixels: Pixels) -> list[Floats]:
    """Return the layout of the outer part of an image; the inner part gets the mean colour of the outer one."""
    masked: Pixels = np.asarray(cv2.GaussianBlur(to_uint8(pixels), (0, 0), BLUR), np.uint8)
    height, width = pixels.shape[:2]
    down, across = max(round(MARGIN * height), 1), max(round(MARGIN * width), 1)
    outer = np.ones((height, width), bool)
    outer[down : height - down, across : width - across] = False
    masked[~outer] = masked[outer].mean(axis=0)
    return layout_of(masked)


def _moved(sources: Sequence[Pixels], name: str, augment: Augment) -> list[Pixels]:
    """Apply a part of an effect, and no other, to all sources."""
    effect: Movement = getattr(augment.effects, name)
    ranges = {
        key: tuple(effect.still + WEAK * (value - effect.still) for value in pair) for key, pair in effect if key != "p"
    }
    alone = Effects.model_validate({other: {"p": 0} for other in Effects.model_fields} | {name: {"p": 1, **ranges}})
    policy = Policy(Augment(effects=alone, fill=augment.fill, zoom_max=augment.zoom_max), "", seed=0)
    attempts = range(len(sources))
    return policy.apply(sources, policy.draw(attempts), attempts=attempts)
