"""The evaluation of a GAN during its training: measures of its images, the choice of a state, a verdict on each class.

The losses of a GAN say nothing about its images, and with few real images no single measure does: the lowest KID is
chance then. So each measure has bounds, and each bound stands for one way to fail. The latest state that breaks the
fewest bounds is chosen:

    on_class    share of images that the judge assigns to their class, by networks that each left out one of their
                parents; in a class with few images, by networks that saw all of them
    sharpness   median variance of the Laplacian, as a fraction of that of real images with the same effects
    diversity   mean distance of two images in the judge's features, as a fraction of that of real images
    copies      share nearer to a real image or its mirror image than half the distance of the two closest real images
    kept        share of the variance of the real images that is left when they are encoded and decoded (R^2)
    kid         kernel distance to the real images; two halves of the real images give its mean and deviation by chance
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from synth import seeds
from synth.classifier.judge import Judge
from synth.effects.policy import Policy
from synth.gan.codes import FEW
from synth.measures import neighbours, sets
from synth.measures.copies import thumbnail
from synth.measures.texture import sharpness
from synth.settings.augment import Augment
from synth.settings.gates import DistanceGate
from synth.training.batches import Images, TrainingSet
from synth.training.inference import Floats

ON_CLASS_MIN, DIVERSITY_MIN = 0.95, 0.75
KID_SPREADS, KID_FREE = 3.0, 0.5
"""KID may exceed the mean of the real halves by three of their standard deviations, and may always be .5: with hundreds
of real images it detects even harmless differences."""
SHARPNESS_MIN, SHARPNESS_MAX = 0.5, 1.5
"""People accept traffic lights with .6. An autoencoder alone gives .15; a grid or noise gives 2 and more."""
COLLAPSED, MEMORISED = 0.3, 0.5
"""Training stops at the second evaluation in a row with less diversity than the first, if it was higher before, or with
a larger share of copies than the second."""
KNOWN_MIN, BLIND_UNDER = 0.7, 0.5
"""Bounds on the share of a class's real images that a judge recognises without having seen them. Below the first the
images are unlike one another; below the second the judge's view of drawn images is worth nothing."""
FOUND_MIN = 0.5
"""Probability of its class from which a real image counts as recognised."""
KEPT_MIN = 0.4
"""Crops of one kind of thing keep .55 and more, natural scenes .3 and less, whatever a judge says of drawn images."""
NEAR_SHARE, COPIES_MAX = DistanceGate().near_share, 0.02
"""A copy is defined as in the gate: with few real images, many independent images come as near as the two closest real
ones. A few copies are allowed, because the gate rejects them."""
MAX_REAL = 512
"""Largest number of real images of a class to compare with."""
KID_HALVES = 40
MIN_HALF = 4
USABLE, LOOK, NOT_USABLE = "usable", "look", "not usable"


@dataclass(frozen=True)
class ClassEvaluation:
    """Measures of the drawn images of a class; None where a measure is unknown."""

    n: int
    on_class: float | None
    sharpness: float | None
    diversity: float | None
    pixel_diversity: float | None
    copies: float | None
    nearest: float | None
    """Smallest distance of a drawn to a real image, as a fraction of the distance of the two closest real images."""
    real_near: int
    """Number of real images that are the nearest one to some drawn image."""
    kid: float | None
    kid_real: float | None
    """Mean over halves of the real images."""
    kid_real_spread: float | None
    """Standard deviation over halves of the real images."""
    real_known: float | None
    """Share of the real images that the judge recognises without having seen them."""
    kept: float | None

    def broken(self) -> list[str]:
        """Return a sentence for each bound that the measures break."""
        limit, kept = self.kid_limit(), None if self.kept is None else max(self.kept, 0.0)
        found, sharp = "the judge finds the class in {:.0%} only", f"(needed: {SHARPNESS_MIN} to {SHARPNESS_MAX})"
        back = "only {:.0%} of what varies among the real images comes back from their codes"
        bounds = [
            (
                self.on_class,
                ON_CLASS_MIN,
                1,
                f"{found} (needed: {ON_CLASS_MIN:.0%})",
            ),
            (self.diversity, DIVERSITY_MIN, inf, f"{{:.2f}} of the diversity of real images (needed: {DIVERSITY_MIN})"),
            (self.copies, 0, COPIES_MAX, "{:.1%} are much nearer to a real image than real ones are to each other"),
            (self.kid, -inf, limit, f"KID {{:.2f}} (needed: at most {limit:.2f})"),
            (self.sharpness, SHARPNESS_MIN, SHARPNESS_MAX, f"{{:.2f}} of the sharpness of real images {sharp}"),
            (kept, KEPT_MIN, 1, f"{back} (needed: {KEPT_MIN:.0%}): they vary too much for this network"),
        ]
        return [text.format(x) for x, low, high, text in bounds if x is not None and not low <= x <= high]

    def kid_limit(self) -> float:
        """Return the KID that two halves of the real images hardly ever exceed, but at least `KID_FREE`."""
        return max((self.kid_real or 0.0) + KID_SPREADS * (self.kid_real_spread or 0.0), KID_FREE)

    def to_json(self) -> dict[str, Any]:
        """Return the measures by name, rounded."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Evaluation:
    """All classes at one moment of the training."""

    n_images_seen: int
    classes: Mapping[str, ClassEvaluation]

    def n_broken(self, labels: Sequence[str]) -> int:
        """Return the number of bounds that these classes break."""
        return sum(len(self.classes[label].broken()) for label in labels)

    def to_json(self) -> dict[str, Any]:
        """Return the measures by class."""
        return {label: found.to_json() for label, found in self.classes.items()}


def choose(evaluations: Sequence[Evaluation], labels: Sequence[str]) -> Evaluation:
    """Return the latest evaluation at which these classes break the fewest bounds."""
    return min(reversed(evaluations), key=lambda evaluation: evaluation.n_broken(labels))


def trouble(evaluations: Sequence[Evaluation], labels: Sequence[str]) -> str:
    """Return why further training is useless for one of these classes; empty if it is not."""
    if len(evaluations) < 2:
        return ""
    for label in labels:
        *earlier, before, now = (evaluation.classes[label] for evaluation in evaluations)
        alike = [found.diversity is not None and found.diversity < COLLAPSED for found in (*earlier, before, now)]
        if alike[-2] and alike[-1] and not all(alike):
            return f"collapse: images of {label} have {now.diversity:.2f} of the diversity of real ones"
        if all((found.copies or 0.0) > MEMORISED for found in (before, now)):
            return f"memorisation: {now.copies:.0%} of the images of {label} are copies"
    return ""


def verdict(found: ClassEvaluation, n_real: int) -> tuple[str, list[str]]:
    """Return the verdict on a class and its reasons: usable, look (a person must look at the sheet), not usable."""
    reasons = found.broken()
    unlike = found.real_known is not None and found.real_known < KNOWN_MIN
    if unlike:
        share = f"{found.real_known:.0%} of the real images"
        reasons.append(f"a judge that has not seen them finds {share}: they are unlike one another")
    if n_real < FEW:
        few = f"with {n_real} real images the numbers say little: look at the sheet"
        off_class = found.on_class is not None and found.on_class < ON_CLASS_MIN
        return (NOT_USABLE if off_class or unlike else LOOK), [*reasons, few]
    if found.on_class is None:
        return LOOK, [*reasons, "no judge knows this class well enough: look at the sheet"]
    return (NOT_USABLE if reasons else USABLE), reasons


@dataclass(frozen=True)
class _Reference:
    """Measures of the real images of a class."""

    features: Floats
    thumbnails: Floats
    """Also of their mirror images, if the effects mirror images of the class."""
    n: int
    closest: float
    """Distance of the two closest images, at 32 x 32 pixels, RMSE of levels 0..1."""
    spread: float
    """Mean distance of two images."""
    sharpness: float
    kid: tuple[float, float] | None
    known: float | None
    """Share that the judge recognises without having seen them."""


class Evaluator:
    """Compares drawn images with the real images that the GAN learns from."""

    def __init__(self, judge: Judge, data: TrainingSet, policy: Augment, *, seed: int) -> None:
        """Measure the real images. Args: policy: the effects on them during the training."""
        self._judge, self._policy, self._seed = judge, policy, seed
        self._references = {
            label: self._reference(label, data.inputs[data.some(number, MAX_REAL)])
            for number, label in enumerate(data.classes)
            if data.counts[number]
        }

    def measure(
        self, label: str, images: Images, parents: Sequence[Sequence[str]], *, kept: float | None = None
    ) -> ClassEvaluation:
        """Measure drawn images of a class.

        Args:
            images: (n, S, S, 3) uint8.
            parents: for each image, the SHA-256 of its parents' files.
            kept: see `kept_share`.
        """
        real, judge = self._references[label], self._judge
        few = label in judge.few
        members = [judge.whole if few else judge.unseen_by(each) for each in parents]
        assigned = judge.predict(list(images), members).probabilities.argmax(1)
        on_class = float((assigned == judge.classes.index(label)).mean())
        features = self._features(images)
        thumbnails = np.stack([thumbnail(image) for image in images])
        apart, which = neighbours.two_nearest(thumbnails, real.thumbnails)
        rng = seeds.generator(self._seed, label, stream="look", attempt=0)
        return ClassEvaluation(
            n=len(images),
            on_class=None if real.known is None or real.known < BLIND_UNDER else on_class,
            sharpness=_ratio(_sharpness(images), real.sharpness),
            diversity=sets.diversity(features, real.features, rng=rng) if real.n > 1 else None,
            pixel_diversity=_ratio(sets.mean_distance(thumbnails) or 0.0, real.spread),
            copies=float((apart[:, 0] < NEAR_SHARE * real.closest).mean()),
            nearest=_ratio(float(apart[:, 0].min()), real.closest),
            real_near=len(np.unique(which[:, 0] % real.n)),
            kid=sets.kid(features, real.features, rng=rng).value if real.kid else None,
            kid_real=real.kid[0] if real.kid else None,
            kid_real_spread=real.kid[1] if real.kid else None,
            real_known=real.known,
            kept=kept,
        )

    def _features(self, images: Images) -> Floats:
        return self._judge.predict(list(images), [self._judge.whole[:1]] * len(images)).features

    def _reference(self, label: str, images: Images) -> _Reference:
        features = self._features(images)
        effects = Policy(self._policy, label, seed=self._seed)
        changed = effects.apply(list(images), effects.draw(range(len(images))), attempts=range(len(images)))
        thumbnails = np.stack([thumbnail(image) for image in images])
        mirrored = "flip_horizontal" in effects.effects
        mirrors = np.stack([thumbnail(image[:, ::-1]) for image in images]) if mirrored else thumbnails[:0]
        return _Reference(
            features,
            np.concatenate([thumbnails, mirrors]),
            len(images),
            _closest(thumbnails, mirrors),
            sets.mean_distance(thumbnails) or 0.0,
            _sharpness(np.stack(changed).astype(np.uint8)),
            self._kid_of_halves(label, features),
            self._judge.held_out_share(label, FOUND_MIN),
        )

    def _kid_of_halves(self, label: str, features: Floats) -> tuple[float, float] | None:
        """Return mean and standard deviation of the KID of two halves; None with too few images."""
        n = len(features)
        if n // 2 < MIN_HALF:
            return None
        values = []
        for number in range(KID_HALVES):
            order = seeds.permutation(self._seed, label, stream="halves", attempt=number, n=n)
            rng = seeds.generator(self._seed, label, stream="halves kid", attempt=number)
            value = sets.kid(features[order[: n // 2]], features[order[n // 2 :]], rng=rng).value
            values.append(value or 0.0)
        return float(np.mean(values)), float(np.std(values))


def kept_share(images: Images, decoded: Images) -> float | None:
    """Return the share of the variance of images (n, S, S, 3) that is left after encoding and decoding.

    The variance is about their mean image. None if the images do not vary.
    """
    levels, again = images.astype(np.float32), decoded.astype(np.float32)
    variance = float(np.square(levels - levels.mean(axis=0)).mean())
    return 1 - float(np.square(levels - again).mean()) / variance if variance else None


def _ratio(value: float, of: float) -> float | None:
    return value / of if of and np.isfinite(of) else None


def _sharpness(images: Images) -> float:
    return float(np.median([sharpness(image.astype(np.float32) / 255) for image in images]))


def _closest(thumbnails: Floats, mirrors: Floats) -> float:
    """Return the smallest distance of two different images, one of which may be mirrored; 0 if all are equal."""
    n = len(thumbnails)  # at most MAX_REAL, so all distances are in one block
    ((_, distances),) = neighbours.distance_blocks(thumbnails, np.concatenate([thumbnails, mirrors]))
    for own in range(0, distances.shape[1], n):
        np.fill_diagonal(distances[:, own : own + n], np.inf)
    closest = float(distances[distances > 0].min(initial=np.inf))
    return closest if np.isfinite(closest) else 0.0
