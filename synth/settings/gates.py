"""Settings of the judge and of the gates that every new image has to pass."""

from typing import Literal

from pydantic import Field

from synth.settings.base import Precision, Settings


class Classifier(Settings):
    """The reference classifier (`synth train classifier`)."""

    backbone: str = Field(
        "small",
        description="small (trained from scratch, keeps spatial positions), efficientnet-lite0 or torchvision:NAME",
    )
    tune: Literal["head", "all"] = Field(
        "head", description="with a pretrained backbone; head: a linear head on its frozen features; all: all layers"
    )
    size: int = Field(0, ge=0, le=1024, description="side of the square input in pixels; 0: chosen from the images")
    steps: int = Field(300, ge=1, description="optimisation steps of each network")
    batch: int = Field(64, ge=2, description="images in a batch, sampled evenly from the classes")
    rate: float = Field(3e-3, gt=0, description="peak learning rate (AdamW, one-cycle schedule)")
    folds: int = Field(5, ge=2, le=20, description="cross-validation folds; one network is trained without each fold")
    few: int = Field(
        15, ge=0, description="a GAN in training asks networks that saw all images about a class with fewer images"
    )
    seeds: int = Field(3, ge=1, le=20, description="number of networks that are trained on all images")
    precision: Precision = "auto"


class IntegrityGate(Settings):
    """Rejects images that are blank, noisy or far from the usual size."""

    contrast_min: float = Field(
        0.005, ge=0, le=1, description="lowest standard deviation of the levels, as a fraction of the top level"
    )
    grain_margin: float = Field(
        1.0, ge=0, description="largest excess of fine detail over the grainiest real images, as a log of energies"
    )
    size_factor: float = Field(
        4.0, ge=1, description="how many times shorter or longer a side may be than in the class's real images"
    )


class ClassifierGate(Settings):
    """Rejects images whose class is improbable to a judge that did not learn from their parents."""

    score_min: float = Field(
        0.2,
        ge=0,
        le=1,
        description="lowest probability of the class; lenient on purpose. A changed image may also keep half of what "
        "its parent scores",
    )
    held_out_min: float = Field(
        0.5,
        ge=0,
        le=1,
        description="the gate skips a class if its held-out real images pass no more often than others, "
        "or certainly (95 % interval) less often than this",
    )


class DistanceGate(Settings):
    """Rejects copies of real images, and images that are far from all real images of the class."""

    copies: Literal["auto", "exact", "near", "off"] = Field(
        "auto",
        description="copies to reject; exact: the same pixels as a real image; near: also images much nearer to a real "
        "image than real images are to each other; auto: near, but exact for images made from the pixels of one parent "
        "and little more than exact for those of two",
    )
    near_share: float = Field(
        0.5, ge=0, description="near: below this fraction of the distance between the two closest real images"
    )
    spread_max: float = Field(
        2.0, gt=0, description="largest distance to the nearest real image, relative to that between real images"
    )


class Gate(Settings):
    """The gates that every new image has to pass."""

    acceptance_min: float = Field(
        0.5,
        ge=0,
        le=1,
        description="the method stops for a class if its images pass less than this often, relative to held-out real "
        "images, and if that is beyond chance",
    )
    integrity: IntegrityGate = IntegrityGate()
    classifier: ClassifierGate = ClassifierGate()
    distance: DistanceGate = DistanceGate()
