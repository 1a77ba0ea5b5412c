"""Settings of the methods that make new images: the autoencoder and interpolation, the GAN, and a mix of methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synth.errors import did_you_mean
from synth.settings.effects import Pair, Settings, within

MIX = "mix"
MIXED = ("augment", "smote", "gan")
"""Methods of the package that can have a share in a mix."""


class Autoencoder(Settings):
    """The autoencoder (`synth train autoencoder`)."""

    size: Literal[0, 32, 48, 64, 96, 128] = Field(
        0, description="side of the square images in pixels: 32, 48, 64, 96, 128; 0: chosen from the images"
    )
    code: int = Field(64, ge=2, le=1024, description="numbers in the code of an image")
    steps: int = Field(900, ge=1, description="optimisation steps")
    batch: int = Field(16, ge=2, description="images in a step")
    rate: float = Field(2e-3, gt=0, description="highest learning rate (AdamW, one cycle)")
    balance: float = Field(
        0.5, ge=0, le=1, description="a class of n images is drawn as if it had n ** (1 - balance): 1 is evenly"
    )
    pixel_weight: float = Field(2.0, ge=0, description="weight of the absolute difference of levels")
    gradient_weight: float = Field(1.0, ge=0, description="weight of the absolute difference of gradients")
    feature_weight: float = Field(
        0.5, ge=0, description="weight of the absolute difference of a small classifier's first two maps; 0: without it"
    )
    code_noise: float = Field(0.1, ge=0, description="noise on the codes while training, relative to their size")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the training arithmetic; auto: bfloat16 on a GPU that has it"
    )


class Smote(Settings):
    """Interpolation between an image and a near one of its class (SMOTE, Chawla et al. 2002)."""

    space: Literal["auto", "latent", "pixel", "features"] = Field(
        "auto",
        description="where neighbours are near: codes of the autoencoder, pixels, or what the judge sees; "
        "auto: latent with a bundle, pixel without",
    )
    k_neighbors: int = Field(5, ge=1, description="nearest images of the class to choose from; n - 1 where n is small")
    parents: Literal["plain", "borderline", "adaptive"] = Field(
        "plain",
        description="plain: each image equally often; borderline: only those near other classes (Han et al. 2005); "
        "adaptive: the more often, the nearer other classes are (ADASYN, He et al. 2008)",
    )
    m_neighbors: int = Field(10, ge=1, description="nearest images of all classes that tell what is borderline")
    step: Annotated[Pair, within(0, 1)] = Field(
        (0.0, 1.0), description="how far from the first parent to the second, drawn evenly"
    )
    path: Literal["spherical", "linear"] = Field(
        "spherical", description="between two codes, and two residuals: along a great circle, or straight"
    )
    residual: bool = Field(
        True, description="add back what the decoder loses of the two parents, interpolated like their codes"
    )
    augment: Literal["together", "apart", "off"] = Field(
        "apart",
        description="the safe effects change: the new image as a whole; each parent on its own; or nothing",
    )
    reach: float = Field(
        2.0,
        ge=0,
        description="a neighbour farther than so many times the class's own spread is not one; 0: no limit",
    )


class Gan(Settings):
    """The conditional GAN (`synth train gan`), and the images that it draws (`--method gan`)."""

    steps: int = Field(5000, ge=1, description="optimisation steps, after those of the autoencoder that it begins as")
    batch: int = Field(16, ge=2, description="real images in a step, drawn evenly from the classes, and drawn ones")
    rate: float = Field(
        3e-4, gt=0, description="learning rate (Adam); falls to a tenth over the last 40 % of the steps"
    )
    deep: bool = Field(False, description="a discriminator with two convolutions at each size")
    penalty: float = Field(0.4, ge=0, description="weight of R1 and R2, the discriminator's squared slopes")
    borrow: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto",
        description="share of a class's images that are drawn from codes of other classes while training; "
        "auto: 0.2, and 0.33 for classes with fewer than 15 images",
    )
    code_noise: float = Field(0.3, ge=0, description="noise on the mixed codes, relative to their size")
    colour: float = Field(
        0.25, ge=0, le=1, description="DiffAugment: largest change of brightness, saturation and contrast"
    )
    shift: float = Field(0.1, ge=0, le=0.5, description="DiffAugment: largest shift, as a share of the side")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights that draw the images")
    bank: int = Field(700, ge=2, description="codes of real images of each class that the bundle carries")
    looks: int = Field(8, ge=1, description="so many times while it trains its images are measured, and a sheet drawn")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the training arithmetic; auto: bfloat16 on a GPU that has it"
    )
    codes: Literal["auto", "own", "borrowed"] = Field(
        "auto",
        description="what images are drawn from: own: codes of the class itself; borrowed: of other classes; "
        "auto: own from 15 images on",
    )
    augment: Literal["auto"] | bool = Field(
        "auto", description="the safe effects change each drawn image; auto: of classes with fewer than 15 images"
    )


def _mixed(shares: Mapping[str, float]) -> Mapping[str, float]:
    if not shares:
        raise ValueError("expected at least one method with its share, got none")
    for method in shares:
        if ":" not in method and method not in MIXED:
            expected = f"expected {', '.join(MIXED)} or package.module:Name{did_you_mean(method, MIXED)}"
            raise ValueError(f'can\'t mix "{method}": {expected}')
    return shares


class Mix(Settings):
    """New images of several generators in one run (`--method mix`)."""

    shares: Annotated[
        Mapping[str, Annotated[float, Field(gt=0, le=1e9)]],
        AfterValidator(_mixed),
    ] = Field(
        {"augment": 1.0, "smote": 1.0},
        description="how often each method is drawn, relative to the others: augment, smote, gan, package.module:Name",
    )

    @property
    def parts(self) -> dict[str, float]:
        """{method: its part of 1}, by name: the order in which they were typed decides nothing."""
        total = sum(self.shares.values())
        return {method: share / total for method, share in sorted(self.shares.items())}
