"""Sentences about a result that the terminal and the page share: the same words for the same result."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.errors import short_name
from synth.pictures.text import at, count, mapping, number, texts
from synth.records import REPEAT, SWITCHED_OFF

NAMED = 4
"""Classes that a sentence names; the others are counted."""
REASONS = {
    "blank": "blank: all pixels are nearly the same",
    "noise": "noise: far more fine detail than real images have",
    "size": "much larger or smaller than real images of the class",
    "off_class": "the judge does not recognise the class",
    "copy": "exact copy of a real image",
    "near_copy": "closer to a real image than real images are to each other",
    "outlier": "far from all real images of the class",
    REPEAT: "the same as an earlier new image",
    SWITCHED_OFF: "its method was switched off for the class",
}
"""{reason to reject a candidate: what it means}."""
NOT_KNOWN = "not known"
VERDICTS = ("yes", "partly", "no")
"""Answers of a check: whether the new images reach the number of real ones; any other answer is "not known"."""


@dataclass(frozen=True)
class Told:
    """A result in words."""

    good: bool | None
    """None: neither good nor bad."""
    word: str
    """The result in short."""
    text: str
    """The rest; empty if the word says it all."""

    @property
    def line(self) -> str:
        """The whole in one line."""
        return f"{self.word} {self.text}".strip()


def tell_plan(classes: Mapping[str, Any]) -> Told:
    """Tell whether the classes of a summary reached their targets, and why not."""
    short = [label for label in classes if _count(classes, label, "short") > 0]
    below = [label for label in classes if label not in short and missing(classes, label)]
    planned = sum(_count(classes, label, "planned") for label in classes)
    text = _named(short, lambda label: _why_short(classes, label))
    if short and below:
        text += f" Below target as planned: {_named(below, lambda label: _why_below(classes, label))}"
    if short:
        return Told(False, f"Fell short in {_n_classes(len(short))}.", text)
    if below:
        word = f"Below target in {_n_classes(len(below))}."
        return Told(None, word, _named(below, lambda label: _why_below(classes, label)))
    if planned:
        return Told(True, "Fulfilled.", "Every class has as many images as its target.")
    return Told(None, "Nothing was planned.", "Every class already has as many images as its target.")


def _named(labels: Sequence[str], tell: Callable[[str], str]) -> str:
    more = f" {len(labels) - NAMED} more in the table." if len(labels) > NAMED else ""
    return "; ".join(tell(label) for label in labels[:NAMED]) + "." + more


def _why_short(classes: Mapping[str, Any], label: str) -> str:
    entry = mapping(classes, label)
    text = f"{label} got {count(entry.get('accepted'))} of {count(entry.get('planned'))} planned images"
    if entry.get("switched_off") is True:
        return f"{text}: {entry.get('note') or REASONS[SWITCHED_OFF]}"
    if note := entry.get("note"):
        return f"{text}: {note}"
    reason = main_reason(entry)
    return (
        f"{text}; the most common reason for rejection: {REASONS.get(reason, short_name(reason))}" if reason else text
    )


def _why_below(classes: Mapping[str, Any], label: str) -> str:
    note = str(mapping(classes, label).get("note") or "")
    text = f"{label} has {count(_now(classes, label))} of {count(_target(classes, label))} images"
    return f"{text} ({note})" if note else text


def main_reason(entry: Mapping[str, Any]) -> str:
    """Return the most common reason of a run against a candidate of a class; empty if there is none."""
    counts = {word: number(n) or 0 for word, n in mapping(entry, "rejected").items() if word != SWITCHED_OFF}
    return max(counts, key=lambda word: counts[word], default="")


def _count(classes: Mapping[str, Any], label: str, key: str) -> int:
    return int(number(mapping(classes, label).get(key)) or 0)


def _now(classes: Mapping[str, Any], label: str) -> int:
    entry = mapping(classes, label)
    real = "real" if number(entry.get("distinct")) is None else "distinct"
    return sum(int(number(entry.get(key)) or 0) for key in (real, "existing", "accepted"))


def missing(classes: Mapping[str, Any], label: str) -> int:
    """Return how many images a class of a summary lacks to its target, as planned or not."""
    return max(_target(classes, label) - _now(classes, label), 0)


def _target(classes: Mapping[str, Any], label: str) -> int:
    return _count(classes, label, "target")


def _n_classes(n: int) -> str:
    return "1 class" if n == 1 else f"{n} classes"


def tell_quality(quality: Mapping[str, Any] | None) -> Told:
    """Tell what a check found: in how many classes each word has which answer."""
    found: dict[str, Counter[str]] = {}
    for entry in mapping(quality, "classes").values():
        if number(mapping(entry, "synthetic").get("n")):
            for word, answer in mapping(entry, "words").items():
                found.setdefault(word, Counter())[verdict_word(answer)] += 1
    text = " ".join(f"{short_name(word).capitalize()}: {_answers(counts)}." for word, counts in found.items())
    if bad := texts(at(quality, "bad")):
        return Told(False, f"Do not use the new images of {_listed(bad)}.", text)
    answers = sum(found.values(), Counter[str]())
    if set(answers) == {"yes"}:
        return Told(True, "Like real images.", text)
    return Told(None, "Unlike real images in some measures." if answers["no"] or answers["partly"] else "", text)


def verdict_word(answer: object) -> str:
    """Return the answer of a check for one word of one class: yes, partly, no, or not known."""
    word = str(at(answer, "verdict"))
    return word if word in VERDICTS else NOT_KNOWN


def _answers(counts: Counter[str]) -> str:
    order = [word for word in (*VERDICTS, NOT_KNOWN) if counts[word]]
    return order[0] if len(order) == 1 else ", ".join(f"{word} in {counts[word]}" for word in order)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more
