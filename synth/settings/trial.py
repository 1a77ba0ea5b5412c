"""Settings of a trial."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from synth.settings.base import Settings


class Trial(Settings):
    """The trial (`synth trial`)."""

    arms: tuple[str, ...] = Field(
        (),
        description="strategies to compare, with + between the parts of one: none, weights[:SCHEME], logit-adjust, "
        "focal, duplicate, undersample:HOW[@SIZE], online, METHOD[@DOSE]; empty: a list of common ones",
    )
    control: str = Field("duplicate+online", description="arm that all others are compared with")
    splits: int = Field(5, ge=2, le=1000, description="splits of the training images; each trains its own networks")
    held_out: float = Field(0.2, ge=0.02, le=0.5, description="share of the training images that each split holds out")
    shares: Literal["auto", "held out", "test", "even"] = Field(
        "auto",
        description="class frequencies where the classifier will be used; held out: as in the held-out images; test: "
        "as in the dataset's test images; even: all equal; auto: test if every class has test images, else held out",
    )
    keep: Mapping[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description="training images to keep per class; the others are held out: {yellow = 5}"
    )
    seeds: int = Field(1, ge=1, le=100, description="number of classifiers of each arm in each split")
    budgets: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 3.0), min_length=1, description="training lengths as multiples of classifier.steps; the longest decides"
    )
    doses: tuple[str, ...] = Field(
        (), description="totals per class in arms with new images: 2x (no class beyond the largest), 350, majority"
    )
    judge: Literal["auto", "on", "off"] = Field(
        "auto", description="gates with a judge trained on the split's images; auto: for gan and your own generators"
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="significance level of the tests")
