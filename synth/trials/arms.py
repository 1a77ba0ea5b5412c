"""Arms: strategies against imbalance in one vocabulary, joined by "+".

    none                       no measure against imbalance
    weights[:SCHEME]           loss weights: balanced (default), inverse, effective, sqrt
    logit-adjust               logits shifted by the log of the class frequencies (Menon et al. 2021)
    focal                      focal loss: easy images count less (Lin et al. 2017)
    duplicate                  balanced sampling: every class is drawn equally often, so images of rare ones repeat
    undersample:HOW[@SIZE]     fewer images of large classes: random, cluster, imblearn:NAME
    online                     safe effects on every image while the classifier trains
    METHOD[@DOSE]              new images as files: augment, smote, gan, mix, or package.module:Name; up to a total
                               of 350, majority ..., or 2x: twice its real images, but no class beyond the largest.
                               (duplicate@DOSE: copies as files)
    ARM#2                      the same arm with other random draws: shows the difference that chance makes

Weights and priors use the class counts of the pool, after new images were added and others dropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from synth.data.balance import SCHEMES
from synth.errors import UsageError, did_you_mean
from synth.records import ShortRepr

LOSSES = ("weights", "logit-adjust", "focal")
METHODS = ("augment", "smote", "gan", "mix")
UNDERSAMPLE = "undersample"
WORDS = ("none", *LOSSES, "duplicate", UNDERSAMPLE, "online", *METHODS)
DEFAULT = tuple(
    "none weights logit-adjust duplicate augment smote duplicate+online logit-adjust+online "
    "undersample:random+duplicate+online undersample:cluster+duplicate+online "
    "augment+duplicate+online smote+duplicate+online".split()
)


@dataclass(frozen=True, repr=False)
class Arm(ShortRepr):
    """One strategy."""

    name: str
    fill: str = ""
    """Method whose images are added; empty for none."""
    dose: str = ""
    """Total that a class is filled up to; empty for the recipe's target."""
    thin: str = ""
    """Method of undersampling; empty for none."""
    size: str = ""
    """Size that larger classes are thinned to; empty for the recipe's size."""
    balanced: bool = False
    online: bool = False
    objective: Literal["plain", "weights", "logit-adjust", "focal"] = "plain"
    """The loss."""
    scheme: str = "balanced"
    """Scheme of the loss weights."""
    draw: int = 1
    """Number of the random draws."""

    @property
    def corrects_twice(self) -> bool:
        """Whether weights or priors are combined with new or dropped images; they use the counts after these."""
        return self.objective in ("weights", "logit-adjust") and bool(self.fill or self.thin)

    def with_dose(self, dose: str) -> Arm:
        """Return the same strategy with another number of new images."""
        part = f"{self.fill}@{self.dose}" if self.dose else self.fill
        return dataclasses.replace(self, name=self.name.replace(part, f"{self.fill}@{dose}", 1), dose=dose)


def parse_arm(text: str) -> Arm:
    """Read an arm as a user types it.

    Raises:
        UsageError: an unknown word, or parts that contradict each other.
    """
    words, _, draw = text.strip().partition("#")
    if draw and not (draw.isdecimal() and int(draw) > 1):
        raise UsageError(f'arm "{text}": expected a number from 2 on after "#", got "{draw}"')
    arm = Arm(text.strip(), draw=int(draw or 1))
    for word in words.split("+"):
        arm = _with_part(arm, word.strip())
    if arm.balanced and arm.objective in ("weights", "logit-adjust"):
        reason = f"duplicate draws the classes evenly, so {arm.objective} has nothing to correct"
        raise UsageError(f'arm "{text}": {reason}: use one of the two')
    return arm


def parse_arms(texts: Iterable[str], *, control: str) -> tuple[Arm, ...]:
    """Return the arms of a trial, with the control.

    Raises:
        UsageError: as `parse_arm`, or an arm is listed twice.
    """
    names = [text.strip() for text in texts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f'arm "{twice}" is listed twice: for an A/A trial, call the second one {twice}#2')
    return tuple(map(parse_arm, names if control in names else [*names, control]))


def with_doses(arms: Sequence[Arm], doses: Sequence[str]) -> tuple[tuple[Arm, ...], dict[str, list[tuple[str, str]]]]:
    """Repeat each arm with new images for each dose; also return {its name: [(dose, name with this dose)]}."""
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
    for name in {"fill", "thin", "objective"} & part.keys():
        if (taken := getattr(arm, name)) not in ("", "plain"):
            raise UsageError(f'arm "{arm.name}": {taken} and {part[name]} can\'t be joined in one arm')
    return dataclasses.replace(arm, **part)  # type: ignore[arg-type]


def _known(arm: Arm, word: str, words: Sequence[str]) -> str:
    if word in words:
        return word
    raise UsageError(f'arm "{arm.name}": unknown part "{word}"{did_you_mean(word, words)}: {", ".join(words)}')
