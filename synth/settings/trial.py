"""Settings of a trial: what is compared, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from synth.settings.effects import Settings


class Trial(Settings):
    """The trial (`synth trial`)."""

    arms: tuple[str, ...] = Field(
        (),
        description="strategies, each of parts joined by +: none, weights[:SCHEME], logit-adjust, focal, duplicate, "
        "undersample:HOW[@SIZE], online, METHOD[@DOSE]; empty: a list of common ones",
    )
    control: str = Field("duplicate+online", description="the arm that all others are compared with")
    splits: int = Field(5, ge=2, le=1000, description="divisions of the training images, each with its own networks")
    held_out: float = Field(0.2, ge=0.02, le=0.5, description="share of the training images that a split holds out")
    shares: Literal["auto", "held out", "test", "even"] = Field(
        "auto",
        description="how often classes are where the classifier will be used: as among the images held out, as in the "
        "dataset's own test images, or evenly; auto: test, where it has images of all",
    )
    keep: Mapping[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description="so many images of a class to learn from, the others are held out: {yellow = 5}"
    )
    seeds: int = Field(1, ge=1, le=100, description="classifiers of each arm in each split")
    budgets: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 3.0), min_length=1, description="multiples of classifier.steps; the longest decides, all are shown"
    )
    doses: tuple[str, ...] = Field(
        (), description="totals for arms with new images: 2x of each class, up to the largest one, 350, majority"
    )
    judge: Literal["auto", "on", "off"] = Field(
        "auto",
        description="gates with a judge that learned from the split's own images; auto: for gan and generators of "
        "your own",
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="how often a difference may be seen where there is none")
