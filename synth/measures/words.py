"""Four words that sum up a set of synthetic images: realistic, representative, varied, original.

Each rests on one number, and is judged against the same number for real images: a share of .80 on class is good where
the judge finds .82 of the real ones, and bad where it finds all of them. "yes" from nine tenths of the real number on:
with the usual tens of held-out images smaller differences are chance. "partly" from six tenths on: most of the images
are still what they should be. Below, "no". No thresholds on distances or kernel values, which have no scale that people
know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

YES, PARTLY = 0.9, 0.6
MIN_REAL = 0.5
"""Where most of the real images fail, passing like them is no praise; failing far more often still says no."""
WORDS = ("realistic", "representative", "varied", "original")


@dataclass(frozen=True)
class Word:
    """One word about a class."""

    score: float | None
    """Of the synthetic images, 0..1."""
    real: float | None
    """The same for real images."""
    measure: str
    """Name of the number that it rests on."""
    verdict: str | None
    """yes, partly or no; None where a number is missing, or nothing can be said since real images fail as well."""

    def to_json(self) -> dict[str, Any]:
        """The word's entry in `quality.json`."""
        return dict(vars(self))


def four_words(synthetic: Mapping[str, Any], real: Mapping[str, Any]) -> dict[str, Word]:
    """The words for the measures of synthetic images and of real ones.

    realistic: share of images that the judge calls their class and that lie near real ones. representative: share of
    the real neighbourhoods that are reached. varied: mean distance between images; more than the real ones have is no
    merit, so it counts as 1. original: share of images that are no copies; copies among the real images excuse none,
    so this word is judged against 1.
    """
    return {
        "realistic": _word("on_class_near_real", synthetic, real),
        "representative": _word("coverage", synthetic, real),
        "varied": _word("diversity", synthetic, real),
        "original": _original(synthetic["copies"], real["copies"]),
    }


def _word(measure: str, synthetic: Mapping[str, Any], real: Mapping[str, Any]) -> Word:
    score, yardstick = (None if values[measure] is None else min(values[measure], 1.0) for values in (synthetic, real))
    return Word(score, yardstick, measure, _verdict(score, yardstick))


def _original(copies: float | None, real_copies: float | None) -> Word:
    score, real = (None if share is None else 1 - share for share in (copies, real_copies))
    return Word(score, real, "copies", _verdict(score, 1.0))


def _verdict(score: float | None, yardstick: float | None) -> str | None:
    if score is None or not yardstick:
        return None
    if score < PARTLY * yardstick:
        return "no"
    if yardstick < MIN_REAL:
        return None
    return "yes" if score >= YES * yardstick else "partly"
