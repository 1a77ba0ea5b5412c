"""Settings of the methods that make new images: autoencoder and interpolation, GAN, and a mix of methods."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synth.errors import did_you_mean
from synth.settings.base import Pair, Precision, Settings, within

MIX = "mix"
MIXABLE = ("augment", "smote", "gan")
"""Methods of this package that a mix can contain."""
METHODS = (*MIXABLE, MIX, "duplicate")
"""Methods of this package."""


def _check_method(name: str) -> str:
    if ":" not in name and name not in METHODS:
        expected = f"expected {', '.join(METHODS)} or package.module:Name{did_you_mean(name, METHODS)}"
        raise ValueError(f'unknown method "{name}": {expected}')
    return name


Method = Annotated[str, AfterValidator(_check_method)]
"""The name of a method: one of this package, or `package.module:Name`."""


class Autoencoder(Settings):
    """The autoencoder (`synth train autoencoder`)."""

    size: Literal[0, 32, 48, 64, 96, 128] = Field(
        0, description="side of the square images in pixels: 32, 48, 64, 96, 128; 0: chosen from the images"
    )
    code: int = Field(64, ge=2, le=1024, description="length of the code of an image")
    steps: int = Field(900, ge=1, description="optimisation steps")
    batch: int = Field(16, ge=2, description="images in a batch")
    rate: float = Field(2e-3, gt=0, description="peak learning rate (AdamW, one-cycle schedule)")
    balance: float = Field(
        0.5, ge=0, le=1, description="a class of n images is sampled like n ** (1 - balance) images; 1: all evenly"
    )
    pixel_weight: float = Field(2.0, ge=0, description="loss weight of the absolute difference of levels")
    gradient_weight: float = Field(1.0, ge=0, description="loss weight of the absolute difference of gradients")
    feature_weight: float = Field(
        0.5, ge=0, description="loss weight of the absolute difference of a small classifier's first two maps"
    )
    code_noise: float = Field(0.1, ge=0, description="noise on the codes during training, relative to their size")
    precision: Precision = "auto"


class Smote(Settings):
    """Interpolation between an image and a near neighbour of its class (SMOTE, Chawla et al. 2002)."""

    space: Literal["auto", "latent", "pixel", "features"] = Field(
        "auto",
        description="space of the neighbours; latent: codes of the autoencoder; features: those of the judge; "
        "auto: latent with a bundle, pixel without",
    )
    k_neighbors: int = Field(5, ge=1, description="number of nearest images of the class to choose from; at most n - 1")
    parents: Literal["plain", "borderline", "adaptive"] = Field(
        "plain",
        description="choice of first parents; plain: all equally often; borderline: only images near other classes "
        "(Han et al. 2005); adaptive: more often the nearer other classes are (ADASYN, He et al. 2008)",
    )
    m_neighbors: int = Field(10, ge=1, description="nearest images of all classes that decide what is borderline")
    step: Annotated[Pair, within(0, 1)] = Field(
        (0.0, 1.0), description="position between the first parent (0) and the second (1), uniform in this range"
    )
    path: Literal["spherical", "linear"] = Field(
        "spherical", description="path between two codes, and between two residuals: a great circle or a straight line"
    )
    residual: bool = Field(
        True, description="add the reconstruction errors of the two parents, interpolated like their codes"
    )
    augment: Literal["together", "apart", "off"] = Field(
        "apart", description="what the safe effects change; together: the new image; apart: each parent; off: nothing"
    )
    reach: float = Field(
        2.0, ge=0, description="largest distance of a neighbour, as a multiple of the class's spread; 0: no limit"
    )


class Gan(Settings):
    """The conditional GAN (`synth train gan`) and its images (`--method gan`)."""

    steps: int = Field(5000, ge=1, description="optimisation steps, after those of the autoencoder that it starts from")
    batch: int = Field(
        16, ge=2, description="real images, sampled evenly from the classes, and as many generated images"
    )
    rate: float = Field(
        3e-4, gt=0, description="learning rate (Adam); it falls to a tenth over the last 40 % of the steps"
    )
    deep: bool = Field(False, description="two convolutions at each size of the discriminator instead of one")
    penalty: float = Field(0.4, ge=0, description="weight of R1 and R2, the squared gradients of the discriminator")
    borrow: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto",
        description="share of a class's images that are generated from codes of other classes during training; "
        "auto: 0.2, and 0.33 for classes with fewer than 15 images",
    )
    code_noise: float = Field(0.3, ge=0, description="noise on the mixed codes, relative to their size")
    colour: float = Field(
        0.25, ge=0, le=1, description="DiffAugment: largest change of brightness, saturation and contrast"
    )
    shift: float = Field(0.1, ge=0, le=0.5, description="DiffAugment: largest shift, as a share of the side")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights that generate the images")
    bank: int = Field(700, ge=2, description="number of codes of real images that the bundle stores for each class")
    looks: int = Field(8, ge=1, description="how often its images are measured and shown during training")
    precision: Precision = "auto"
    codes: Literal["auto", "own", "borrowed"] = Field(
        "auto",
        description="codes that new images are generated from; own: of the class itself; borrowed: of other classes; "
        "auto: own for classes with 15 images or more",
    )
    augment: Literal["auto"] | bool = Field(
        "auto", description="whether the safe effects change each image; auto: in classes with fewer than 15 images"
    )


def _check_mix(shares: Mapping[str, float]) -> Mapping[str, float]:
    if not shares:
        raise ValueError("expected at least one method with its share, got none")
    for method in shares:
        if ":" not in method and method not in MIXABLE:
            expected = f"expected {', '.join(MIXABLE)} or package.module:Name{did_you_mean(method, MIXABLE)}"
            raise ValueError(f'can\'t mix "{method}": {expected}')
    return shares


class Mix(Settings):
    """A mix of several methods in one run (`--method mix`)."""

    shares: Annotated[Mapping[str, Annotated[float, Field(gt=0, le=1e9)]], AfterValidator(_check_mix)] = Field(
        {"augment": 1.0, "smote": 1.0},
        description="relative frequency of each method: augment, smote, gan, package.module:Name",
    )

    @property
    def parts(self) -> dict[str, float]:
        """Return {method: its share of 1}, sorted by name, so that the order in the recipe does not matter."""
        total = sum(self.shares.values())
        return {method: share / total for method, share in sorted(self.shares.items())}
