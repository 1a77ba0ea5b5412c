"""Looks at a GAN while it trains: its images of each class measured, the best state chosen, and a verdict on it.

The losses of a GAN say nothing about its images, and with a few real images no single measure does: the lowest KID is
chance there. So a state has to stay within bounds, each of which stands for one way to fail, and the latest state that
breaks the fewest of them is taken:

    on_class    share that the judge calls their class, by networks that saw neither of their parents
    sharpness   median variance of the Laplacian, of what the real images with the same effects have
    diversity   mean distance of two of them in the judge's features, of what real images have
    copies      share nearer to a real image, or its mirror image, than half of what the two closest real ones are apart
    kept        share of what varies among its real images that comes back when they are encoded and drawn (R^2)
    kid         kernel distance to the real images; two halves of the real ones have it too, with a mean and a spread
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synth import seeds
from synth.classifier.judge import Judge
from synth.effects.policy import Policy
from synth.gan.codes import FEW, Ints
from synth.measures import neighbours, sets
from synth.measures.copies import thumbnail
from synth.measures.subset import evenly_spaced
from synth.measures.texture import sharpness
from synth.settings.gates import DistanceGate
from synth.settings.recipe import Augment
from synth.training.batches import Images
from synth.training.inference import Floats

ON_CLASS_MIN, DIVERSITY_MIN = 0.95, 0.75
KID_SPREADS, KID_FREE = 3.0, 0.5
"""KID may exceed that of real halves by so many of its standard deviations, and may be this in any case: with hundreds
of real images even harmless differences are seen."""
SHARPNESS_MIN, SHARPNESS_MAX = 0.5, 1.5
"""Of traffic lights people accept what has .6; an autoencoder alone gives .15, and a grid or noise 2 and more."""
COLLAPSED, MEMORISED = 0.3, 0.5
"""Diversity under which, where it was higher before, and share of copies above which training is stopped at the second
look in a row."""
KNOWN_MIN, BLIND_UNDER = 0.7, 0.5
"""Share of a class's real images that a judge finds when it has not seen them: under the first they are unlike one
another, under the second its view of drawn ones is worth nothing."""
FOUND_MIN = 0.5
"""A real image is found where its class has this probability."""
KEPT_MIN = 0.4
"""Crops of one kind of thing keep .55 and more, natural scenes .3 and less, whatever a judge says of what is drawn."""
NEAR_SHARE, COPIES_MAX = DistanceGate().near_share, 0.02
"""What is a copy, as for the gate: of independent images many come as near as the two closest real ones where those are
few. A few may be copies, for the gate refuses them."""
MAX_REAL = 512
"""So many real images of a class stand for all of it."""
KID_HALVES = 40
MIN_HALF = 4
USABLE, LOOK, NOT_USABLE = "usable", "look", "not usable"


@dataclass(frozen=True)
class ClassEvaluation:
    """What was measured on the drawn images of a class; None where it can't be known."""

    n: int
    on_class: float | None
    sharpness: float | None
    diversity: float | None
    pixel_diversity: float | None
    copies: float | None
    nearest: float | None
    """Distance of the image that is nearest to a real one, of the distance of the two closest real ones."""
    real_near: int
    """Real images that are the nearest one to some drawn image."""
    kid: float | None
    kid_real: float | None
    """Mean over halves of the real images."""
    kid_real_spread: float | None
    real_known: float | None
    """Share of the real images that the judge finds when it has not seen them."""
    kept: float | None

    def broken(self) -> list[str]:
        """Which bounds it breaks, each in words."""
        words = []
        if self.on_class is not None and self.on_class < ON_CLASS_MIN:
            words.append(f"the judge finds the class in {self.on_class:.0%} only (needed: {ON_CLASS_MIN:.0%})")
        if self.diversity is not None and self.diversity < DIVERSITY_MIN:
            words.append(f"{self.diversity:.2f} of the diversity of real images (needed: {DIVERSITY_MIN})")
        if self.copies is not None and self.copies > COPIES_MAX:
            words.append(f"{self.copies:.1%} are much nearer to a real image than real ones are to each other")
        if self.kid is not None and self.kid > (limit := self.kid_limit()):
            words.append(f"KID {self.kid:.2f} (needed: at most {limit:.2f})")
        if self.sharpness is not None and not SHARPNESS_MIN <= self.sharpness <= SHARPNESS_MAX:
            bounds = f"{SHARPNESS_MIN} to {SHARPNESS_MAX}"
            words.append(f"{self.sharpness:.2f} of the sharpness of real images (needed: {bounds})")
        if self.kept is not None and self.kept < KEPT_MIN:
            share = f"only {max(self.kept, 0):.0%} of what varies among the real images comes back from their codes"
            words.append(f"{share} (needed: {KEPT_MIN:.0%}): they are too many-sided for this network")
        return words

    def kid_limit(self) -> float:
        """What two halves of the real images stay under, nearly always, but never less than is harmless."""
        return max((self.kid_real or 0.0) + KID_SPREADS * (self.kid_real_spread or 0.0), KID_FREE)


@dataclass(frozen=True)
class Evaluation:
    """All classes at one moment of the training."""

    n_images_seen: int
    classes: Mapping[str, ClassEvaluation]

    def n_broken(self, minded: Sequence[str]) -> int:
        """Bounds that are broken, over the classes that matter."""
        return sum(len(self.classes[label].broken()) for label in minded)


def choose(evaluations: Sequence[Evaluation], minded: Sequence[str]) -> Evaluation:
    """The latest look with the fewest broken bounds."""
    return min(reversed(evaluations), key=lambda evaluate: evaluate.n_broken(minded))


def trouble(evaluations: Sequence[Evaluation], minded: Sequence[str]) -> str:
    """Why training on would be of no use; empty where it is."""
    if len(evaluations) < 2:
        return ""
    for label in minded:
        *earlier, before, now = (evaluate.classes[label] for evaluate in evaluations)
        alike = [found.diversity is not None and found.diversity < COLLAPSED for found in (*earlier, before, now)]
        if alike[-2] and alike[-1] and not all(alike):
            return f"collapse: images of {label} have {now.diversity:.2f} of the diversity of real ones"
        if all((found.copies or 0.0) > MEMORISED for found in (before, now)):
            return f"memorisation: {now.copies:.0%} of the images of {label} are copies"
    return ""


def verdict(found: ClassEvaluation, n_real: int) -> tuple[str, list[str]]:
    """What can be said of a class's images: usable, look (at the sheet: numbers can't decide), not usable; and why."""
    reasons = found.broken()
    unlike = found.real_known is not None and found.real_known < KNOWN_MIN
    if unlike:
        share = f"{found.real_known:.0%} of the real images"
        reasons.append(f"a judge that has not seen them finds {share}: they are unlike one another")
    if n_real < FEW:
        few = f"with {n_real} real images no number is worth much: look at the sheet"
        off_class = found.on_class is not None and found.on_class < ON_CLASS_MIN
        return (NOT_USABLE if off_class or unlike else LOOK), [*reasons, few]
    if found.on_class is None:
        return LOOK, [*reasons, "no judge knows this class well enough: look at the sheet"]
    return (NOT_USABLE if reasons else USABLE), reasons


@dataclass(frozen=True)
class _Reference:
    """The real images of a class."""

    features: Floats
    thumbnails: Floats
    """Also of their mirror images, where those are images of the class too."""
    n: int
    closest: float
    """Distance of the two closest of them, at 32 x 32 pixels, RMSE of levels 0..1."""
    spread: float
    """Mean distance of two of them."""
    sharpness: float
    kid: tuple[float, float] | None
    known: float | None
    """Share that the judge finds when it has not seen them."""


@dataclass(frozen=True)
class Evaluator:
    """Compares drawn images with the real ones that they were learned from."""

    judge: Judge
    classes: Sequence[str]
    seed: int
    _references: dict[str, _Reference] = field(default_factory=dict)

    def learn(self, inputs: Images, labels: Ints, policy: Augment) -> None:
        """Measure the real images: (N, S, S, 3) uint8, and (N,) class numbers."""
        for number, label in enumerate(self.classes):
            chosen = np.array(evenly_spaced(np.flatnonzero(labels == number).tolist(), MAX_REAL), np.intp)
            if len(chosen):
                self._references[label] = self._reference(label, inputs[chosen], policy)

    def measure(
        self, label: str, images: Images, parents: Sequence[Sequence[str]], *, kept: float | None = None
    ) -> ClassEvaluation:
        """Measure drawn images of a class.

        Args:
            images: (n, S, S, 3) uint8.
            parents: for each, hashes of its parents' files.
            kept: see `kept_share`.
        """
        real, judge = self._references[label], self.judge
        few = label in judge.few
        members = [judge.whole if few else judge.unseen_by(each) for each in parents]
        called = judge.predict(list(images), members).probabilities.argmax(1)
        on_class = float((called == judge.classes.index(label)).mean())
        features = self._features(images)
        thumbnails = np.stack([thumbnail(image) for image in images])
        apart, which = neighbours.two_nearest(thumbnails, real.thumbnails)
        rng = seeds.generator(self.seed, label, stream="look", attempt=0)
        return ClassEvaluation(
            n=len(images),
            on_class=None if real.known is None or real.known < BLIND_UNDER else on_class,
            sharpness=_ratio(_sharpness(images), real.sharpness),
            diversity=sets.diversity(features, real.features, rng=rng) if real.n > 1 else None,
            pixel_diversity=_ratio(_spread(thumbnails), real.spread),
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
        return self.judge.predict(list(images), [self.judge.whole[:1]] * len(images)).features

    def _reference(self, label: str, images: Images, policy: Augment) -> _Reference:
        features = self._features(images)
        effects = Policy(policy, label, seed=self.seed)
        changed = effects.apply(list(images), effects.draw(range(len(images))), attempts=range(len(images)))
        thumbnails = np.stack([thumbnail(image) for image in images])
        mirrored = "flip_horizontal" in effects.effects
        mirrors = np.stack([thumbnail(image[:, ::-1]) for image in images]) if mirrored else thumbnails[:0]
        return _Reference(
            features,
            np.concatenate([thumbnails, mirrors]),
            len(images),
            _closest(thumbnails, mirrors),
            _spread(thumbnails),
            _sharpness(np.stack(changed).astype(np.uint8)),
            self._halves(label, features),
            self.judge.held_out_share(label, FOUND_MIN),
        )

    def _halves(self, label: str, features: Floats) -> tuple[float, float] | None:
        """Mean and standard deviation of the KID of two halves."""
        n = len(features)
        if n // 2 < MIN_HALF:
            return None
        values = []
        for number in range(KID_HALVES):
            order = seeds.permutation(self.seed, label, stream="halves", attempt=number, n=n)
            rng = seeds.generator(self.seed, label, stream="halves kid", attempt=number)
            value = sets.kid(features[order[: n // 2]], features[order[n // 2 :]], rng=rng).value
            values.append(value or 0.0)
        return float(np.mean(values)), float(np.std(values))


def kept_share(images: Images, drawn_again: Images) -> float | None:
    """Share of the variance of images (n, S, S, 3) about their mean that is there in what was drawn from their codes.

    None where they do not vary.
    """
    levels, again = images.astype(np.float32), drawn_again.astype(np.float32)
    variance = float(np.square(levels - levels.mean(axis=0)).mean())
    return 1 - float(np.square(levels - again).mean()) / variance if variance else None


def _ratio(value: float, of: float) -> float | None:
    return value / of if of and np.isfinite(of) else None


def _sharpness(images: Images) -> float:
    return float(np.median([sharpness(image.astype(np.float32) / 255) for image in images]))


def _spread(thumbnails: Floats) -> float:
    """Mean distance of two images."""
    n = len(thumbnails)
    if n < 2:
        return 0.0
    total = sum(float(distances.sum()) for _, distances in neighbours.distance_blocks(thumbnails, thumbnails))
    return total / (n * (n - 1))


def _closest(thumbnails: Floats, mirrors: Floats) -> float:
    """Distance of the two closest different images, one of which may be mirrored; 0 where there are no two."""
    n = len(thumbnails)
    others = np.concatenate([thumbnails, mirrors])
    closest = np.inf
    for rows, distances in neighbours.distance_blocks(thumbnails, others):
        own = np.arange(rows.start, rows.stop)
        for column in range(0, len(others), n):
            distances[own - rows.start, own + column] = np.inf
        closest = min(closest, float(distances[distances > 0].min(initial=np.inf)))
    return closest if np.isfinite(closest) else 0.0


def to_json(found: ClassEvaluation) -> dict[str, Any]:
    """Its numbers, rounded."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in vars(found).items()}
