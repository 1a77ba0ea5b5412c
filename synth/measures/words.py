"""Four words that summarise a set of synthetic images: realistic, representative, varied, original.

Each word is based on one number, which is compared with the same number of real images: a share of .80 on class is good
if the judge recognises .82 of the real images, and bad if it recognises all of them. "yes" means at least nine tenths
of the real number: with the usual tens of held-out images, smaller differences are chance. "partly" means at least six
tenths: most of the images are good. Less is "no". Distances and kernel values are not used, since their scale has no
plain meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

YES, PARTLY = 0.9, 0.6
MIN_REAL = 0.5
"""If fewer real images pass, a good word is impossible, but "no" is still possible."""
MEASURES = {"realistic": "on_class_near_real", "representative": "coverage", "varied": "diversity"}
"""{word: the number that it is based on}; "original" is based on the share of copies."""


@dataclass(frozen=True)
class Word:
    """One of the four words for a class."""

    score: float | None
    """The number of the synthetic images, 0..1."""
    real: float | None
    """The same number of real images."""
    measure: str
    """Name of the number."""
    verdict: str | None
    """yes, partly or no; None if a number is missing, or if too few real images pass for a comparison."""


def four_words(synthetic: Mapping[str, Any], real: Mapping[str, Any]) -> dict[str, Word]:
    """Return the four words, from the measures of synthetic and of real images.

    realistic: share of images that the judge assigns to their class and that lie near real images. representative:
    share of the neighbourhoods of real images that contain a synthetic one. varied: mean distance between images,
    relative to real images and at most 1. original: share of images that are not copies; it is compared with 1, not
    with the real images, which may contain copies too.
    """
    words = {}
    for word, measure in MEASURES.items():
        score, own = (None if values[measure] is None else min(values[measure], 1.0) for values in (synthetic, real))
        words[word] = Word(score, own, measure, _verdict(score, own))
    score, own = (None if values["copies"] is None else 1 - values["copies"] for values in (synthetic, real))
    return {**words, "original": Word(score, own, "copies", _verdict(score, 1.0))}


def _verdict(score: float | None, yardstick: float | None) -> str | None:
    if score is None or not yardstick:
        return None
    if score < PARTLY * yardstick:
        return "no"
    if yardstick < MIN_REAL:
        return None
    return "yes" if score >= YES * yardstick else "partly"
