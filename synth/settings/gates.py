"""Settings of the judge and of the gates: what a new image has to pass."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synth.settings.effects import Settings


class Classifier(Settings):
    """The reference classifier (`synth train classifier`)."""

    backbone: str = Field(
        "small",
        description="small (trained from scratch, keeps where things are), efficientnet-lite0, torchvision:NAME",
    )
    tune: Literal["head", "all"] = Field(
        "head", description="of a pretrained backbone: train a linear head on its frozen features, or all of it"
    )
    size: int = Field(0, ge=0, le=1024, description="side of the square input in pixels; 0: chosen from the images")
    steps: int = Field(300, ge=1, description="optimisation steps of each network")
    batch: int = Field(64, ge=2, description="images in a step, drawn evenly from the classes")
    rate: float = Field(3e-3, gt=0, description="highest learning rate (AdamW, one cycle)")
    folds: int = Field(5, ge=2, le=20, description="networks that each leave out one fold of the training images")
    few: int = Field(
        15, ge=0, description="a class with fewer images is gated by networks that learned from all of them"
    )
    seeds: int = Field(3, ge=1, le=20, description="how many such networks there are, where a class has few images")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the training arithmetic; auto: bfloat16 on a GPU that has it"
    )


class IntegrityGate(Settings):
    """Is there a picture at all?"""

    contrast_min: float = Field(
        0.005, ge=0, le=1, description="standard deviation of the levels, as a fraction of the top level"
    )
    grain_margin: float = Field(
        1.0,
        ge=0,
        description="noise: so much more of the finest detail (log of energies) than the grainiest real images",
    )
    size_factor: float = Field(
        4.0, ge=1, description="a side may be so many times shorter or longer than the class's real images are"
    )


class ClassifierGate(Settings):
    """Does a judge that did not learn from its parents see the class?"""

    score_min: float = Field(0.2, ge=0, le=1, description="lowest probability of the class; lenient on purpose")
    held_out_min: float = Field(
        0.5, ge=0, le=1, description="a class of which fewer held-out real images pass is not judged by it"
    )


class DistanceGate(Settings):
    """Neither a copy of a real image nor far from all of them?"""

    copies: Literal["auto", "exact", "near", "off"] = Field(
        "auto",
        description="what is refused: exact copies of real images, or also images much nearer to a real one than real "
        "ones are to each other; auto: near, but for declared variations of one parent exact, of two hardly more",
    )
    near_share: float = Field(
        0.5, ge=0, description="near: closer than so many times the distance of the two closest real images"
    )
    spread_max: float = Field(
        2.0, gt=0, description="outlier: so many times farther from the nearest real image than real ones are"
    )


class Gate(Settings):
    """What a candidate has to pass."""

    acceptance_min: float = Field(
        0.5, ge=0, le=1, description="a method that passes less is switched off for the class; 0: never"
    )
    integrity: IntegrityGate = IntegrityGate()
    classifier: ClassifierGate = ClassifierGate()
    distance: DistanceGate = DistanceGate()
