"""A sheet of the policy test: real images, and below them the same images after each effect."""

from collections.abc import Sequence

from PIL import Image

from synth.gates.foreign import Foreignness
from synth.pictures.sheets import Strip, contact_sheet, tiles


def policy_sheet(found: Sequence[Foreignness]) -> Image.Image:
    """Draw the examples of each effect below the real images that they are made from."""
    strips = [Strip("real", tiles(before for before, _ in found[0].examples))]
    strips += [
        Strip(f"{each.effect}: {each.word}, AUC {each.auc:.2f}", tiles(after for _, after in each.examples))
        for each in found
    ]
    return contact_sheet(strips)
