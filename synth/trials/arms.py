"""Arms: strategies against imbalance in one vocabulary, joined by "+".

    none                       nothing is done
    weights[:SCHEME]           loss weights: balanced (default), inverse, effective, sqrt
    logit-adjust               logits shifted by the log of how often classes are (Menon et al. 2021)
    focal                      easy images count less (Lin et al. 2017)
    duplicate                  classes drawn evenly, so that images of rare ones come again and again
    undersample:HOW[@SIZE]     fewer images of large classes: random, cluster, imblearn:NAME
    online                     the safe effects on every image while the classifier learns
    METHOD[@DOSE]              new images as files: augment, smote, gan, mix, or package.module:Name; up to a total
                               of 350, majority ..., or 2x: twice its real images, but no class beyond the largest.
                               (duplicate@DOSE: copies as files)
    ARM#2                      the same arm with other random draws: how much differs where nothing does

Weights and priors are those of the pool, after new images have come and others have gone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from synth.data.balance import SCHEMES
from synth.errors import UsageError, did_you_mean

LOSSES = ("weights", "logit-adjust", "focal")
METHODS = ("augment", "smote", "gan", "mix")
UNDERSAMPLE = "undersample"
WORDS = ("none", *LOSSES, "duplicate", UNDERSAMPLE, "online", *METHODS)
CONTROL = "duplicate+online"
DEFAULT = (
    "none",
    "weights",
    "logit-adjust",
    "duplicate",
    "augment",
    "smote",
    CONTROL,
    "logit-adjust+online",
    "undersample:random+duplicate+online",
    "undersample:cluster+duplicate+online",
    "augment+duplicate+online",
    "smote+duplicate+online",
)


@dataclass(frozen=True)
class Arm:
    """One strategy."""

    name: str
    fill: str = ""
    """Method whose images are added; empty: none are."""
    dose: str = ""
    """Total up to which it fills a class; empty: the recipe's target."""
    thin: str = ""
    """How large classes lose images; empty: they keep them."""
    size: str = ""
    """What they are thinned to; empty: the recipe's size."""
    balanced: bool = False
    online: bool = False
    objective: Literal["plain", "weights", "logit-adjust", "focal"] = "plain"
    """What the classifier makes small."""
    scheme: str = "balanced"
    """Of the weights."""
    draw: int = 1
    """Which random draws it takes."""

    @property
    def corrects_twice(self) -> bool:
        """Whether weights or priors meet counts that filling or thinning has changed: those are the ones they take."""
        return self.objective in ("weights", "logit-adjust") and bool(self.fill or self.thin)

    @property
    def filling(self) -> str:
        """Names the new images: arms with the same words share them."""
        return f"{self.fill}@{self.dose}" if self.dose else self.fill

    def with_dose(self, dose: str) -> Arm:
        """The same strategy with another number of new images."""
        return dataclasses.replace(self, name=self.name.replace(self.filling, f"{self.fill}@{dose}", 1), dose=dose)


def parse_arm(text: str) -> Arm:
    """Read an arm as it is typed.

    Raises:
        UsageError: an unknown word, or parts that contradict one another.
    """
    words, _, draw = text.strip().partition("#")
    if draw and not (draw.isdecimal() and int(draw) > 1):
        raise UsageError(f'arm "{text}": expected a number from 2 on after "#", got "{draw}"')
    arm = Arm(text.strip(), draw=int(draw or 1))
    for word in words.split("+"):
        arm = _with_part(arm, word.strip())
    if arm.balanced and arm.objective in ("weights", "logit-adjust"):
        raise UsageError(
            f'arm "{text}": classes that duplicate draws evenly leave {arm.objective} nothing to correct: take one'
        )
    return arm


def parse_arms(texts: Iterable[str], *, control: str) -> tuple[Arm, ...]:
    """The arms of a trial, the control among them.

    Raises:
        UsageError: as `parse_arm`, or an arm twice.
    """
    names = [text.strip() for text in texts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f'arm "{twice}" stands twice: for an A/A trial name the second {twice}#2')
    return tuple(map(parse_arm, names if control in names else [*names, control]))


def with_doses(arms: Sequence[Arm], doses: Sequence[str]) -> tuple[tuple[Arm, ...], dict[str, list[tuple[str, str]]]]:
    """Each arm with new images once for each dose; and {name of such an arm: [(dose, name of its arm)]}."""
    every: list[Arm] = []
    ladders: dict[str, list[tuple[str, str]]] = {}
    for arm in arms:
        steps = [arm.with_dose(dose) for dose in doses] if doses and arm.fill and not arm.dose else [arm]
        every += steps
        if len(steps) > 1:
            ladders[arm.name] = [(step.dose, step.name) for step in steps]
    return tuple(every), ladders


def _with_part(arm: Arm, word: str) -> Arm:
    head, _, rest = word.partition(":")
    if word == "none":
        part: dict[str, object] = {}
    elif head in LOSSES and (not rest or head == "weights"):
        part = {"objective": head, "scheme": _known(arm, rest or "balanced", SCHEMES)}
    elif word == "duplicate":
        part = {"balanced": True}
    elif word == "online":
        part = {"online": True}
    elif head == UNDERSAMPLE and rest:
        how, _, size = rest.partition("@")
        part = {"thin": how, "size": size}
    else:
        method, _, dose = word.partition("@")
        if method == UNDERSAMPLE:
            raise UsageError(f'arm "{arm.name}": expected undersample:random or undersample:cluster')
        if ":" not in method or head in WORDS:
            _known(arm, method, (*METHODS, "duplicate") if dose else WORDS)
        part = {"fill": method, "dose": dose}
    taken = next((name for name in ("fill", "thin", "objective") if name in part and _is_taken(arm, name)), None)
    if taken:
        raise UsageError(f'arm "{arm.name}": {getattr(arm, taken)} and {part[taken]} can\'t be joined in one arm')
    return dataclasses.replace(arm, **part)  # type: ignore[arg-type]


def _is_taken(arm: Arm, name: str) -> bool:
    return getattr(arm, name) not in ("", "plain")


def _known(arm: Arm, word: str, words: Sequence[str]) -> str:
    if word in words:
        return word
    raise UsageError(f'arm "{arm.name}": unknown part "{word}"{did_you_mean(word, words)}: {", ".join(words)}')
