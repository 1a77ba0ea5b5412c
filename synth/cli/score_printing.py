"""What was measured: scores of networks, effects, synthetic images and trials, on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.cli import console
from synth.errors import short_name

if TYPE_CHECKING:
    from synth.gates.foreign import Foreignness
    from synth.gates.policy_test import EffectTest
    from synth.quality.check import Quality
    from synth.trials.results import Verdict


def print_scores(scores: Mapping[str, Any]) -> None:
    """Print the scores of a classifier for each class, out of fold: by networks that did not learn from the image."""
    names = ("precision", "recall", "f1", "average_precision")
    rows = [
        [label, found["n"], *(_interval(found[name], found["intervals"].get(name)) for name in names)]
        for label, found in scores["classes"].items()
    ]
    console.table(["class", "images", "precision", "recall", "F1", "average precision"], rows)
    for label, found in scores["classes"].items():
        if found["note"]:
            console.say(f"{label}: {found['note']}")
    shown = (("macro-F1", "macro_f1"), ("balanced accuracy", "balanced_accuracy"), ("worst recall", "worst_recall"))
    found = ", ".join(f"{name} {_number(scores[key])}" for name, key in shown)
    console.say(f"{found} (out of fold: by networks that did not learn from the image)")


def print_reconstruction(found: Mapping[str, Any]) -> None:
    """Print how well an autoencoder reconstructs the training images of each class."""
    rows = [[label, s["n"], _number(s["error"]), _number(s["sharpness"])] for label, s in found["classes"].items()]
    console.table(["class", "n", "error", "sharpness"], rows)


def print_drawn(found: Mapping[str, Any]) -> None:
    """Print the measurements of the images of a GAN, with a verdict for each class."""
    columns = ("on_class", "sharpness", "diversity", "copies", "kept", "kid")
    rows = [
        [label, s["n"], *(_number(s[name]) for name in columns), s["verdict"]] for label, s in found["classes"].items()
    ]
    console.table(["class", "n", "on class", "sharpness", "diversity", "copies", "kept", "KID", "verdict"], rows)
    for label, entry in found["classes"].items():
        if entry["reasons"]:
            console.say(f"{label}: {'; '.join(entry['reasons'])}")


def print_policy(found: Sequence[Foreignness], tests: Sequence[EffectTest], line: str, sheet: str | None) -> None:
    """Print how foreign each effect is to the dataset, and what the judge sees before and after it.

    Args:
        line: which symmetries were chosen; may be empty.
        sheet: path of the sheet, if there is one.
    """
    rows = [[f.effect, f.n, f"{f.auc:.2f} ({f.interval[0]:.2f}-{f.interval[1]:.2f})", f.word] for f in found]
    console.table(["effect", "n", "told from real images (AUC)", ""], rows)
    console.say("AUC 0.50: changed images can't be told from real ones; 1.00: they always can")
    console.say("it does not say which effects help a classifier: synth trial does")
    for text in (line, f"sheet: {sheet}" if sheet else ""):
        if text:
            console.say(text)
    if tests:
        _print_tests(tests)


def _print_tests(tests: Sequence[EffectTest]) -> None:
    """Print in how many real images the judge sees the class, before and after each effect."""
    from synth.gates.policy_test import warnings_of  # it needs torch, which the policy test has imported

    rows = [
        [t.label, t.effect, t.n, f"{t.before:.0%}", f"{t.after:.0%}", "loses the class" if t.loses else ""]
        for t in tests
    ]
    console.table(["class", "effect", "n", "on class before", "on class after", ""], rows)
    for line in warnings_of(tests):
        console.say(line)


def print_quality(quality: Quality) -> None:
    """Print the measurements of synthetic images, and the same of real training images."""
    from synth.pages.sentences import tell_quality, verdict_word

    document = quality.to_json()
    for label, found in document["classes"].items():
        made, real = found["synthetic"], found["real"]
        if not made["n"]:
            continue
        kind = "held-out" if real["held_out"] == "test" else "training"
        counts = (made["n"], "new "), (real["n"], f"{kind} ")
        n_new, n_real = (f"{count} {what}image{'s' if count != 1 else ''}" for count, what in counts)
        console.say(f"{label}: {n_new}, compared with {n_real}")
        rows = [
            [word, verdict_word(entry), _number(entry["score"]), _number(entry["real"]), entry["measure"]]
            for word, entry in found["words"].items()
        ]
        console.table(["", "like real", "new", "real", "measure"], rows)
        if found["note"]:
            console.say(f"note: {found['note']}")
    for warning in quality.judge.get("warnings", ()):
        console.say(f"note: {warning}")
    console.say(tell_quality(document).line)


def print_verdict(verdict: Verdict, out: Path, *, next_step: bool) -> None:
    """Print the arms of a trial as a table, then the advice.

    Args:
        out: the folder of the trial.
        next_step: print how to make the dataset of the advised arm.
    """
    from synth.pages.trial_page import telling_classes, worst_class
    from synth.trials.arms import parse_arm

    document = verdict.to_json()
    telling = telling_classes(document)
    rarest = telling[:1]
    rows = [
        [
            name,
            _points(arm.macro_f1),
            _points((worst_class(document["arms"][name], telling, "recall") or ("", None))[1]),
            *(_points(arm.classes[label]["f1"]) for label in rarest),
            _points(arm.fitted),
            *_compared(verdict, name),
        ]
        for name, arm in verdict.arms.items()
    ]
    of_rarest = [f"F1 of {short_name(label)}" for label in rarest]
    console.table(["arm", "macro-F1", "worst recall", *of_rarest, "fit", "against control", ""], rows)
    console.say("all in percentage points; fit: balanced accuracy on the real training images")
    for note in dict.fromkeys(found.note for found in verdict.deciding.comparisons if found.macro and found.note):
        console.say(f"* {note}")
    if verdict.test:
        found = ", ".join(f"{name} {_points(scores['macro_f1'])}" for name, scores in verdict.test["arms"].items())
        console.say(f"macro-F1 on the dataset's own test images: {found}")
    console.say(verdict.advice)
    took = "nothing to do: it is complete" if verdict.seconds is None else f"{verdict.seconds:.0f} s"
    console.say(f"verdict: {out / 'report.html'} ({took})")
    if next_step:
        arm = parse_arm(verdict.advised)
        files = f"the same command with --write FOLDER writes the dataset of the arm {verdict.advised}"
        console.say(f"next: {files if arm.fill or arm.thin else f'the page says how to train with the arm {arm.name}'}")


def _compared(verdict: Verdict, arm: str) -> tuple[str, str]:
    """Return the difference of an arm's macro-F1 to the control with its interval, and the verdict in a word."""
    found = verdict.deciding.macro(arm)
    if found is None:
        return "", "the control"
    interval = found.delta.interval
    bounds = f" ({_points(interval[0], sign=True)} to {_points(interval[1], sign=True)})" if interval else ""
    difference = "" if found.delta.mean is None else f"{_points(found.delta.mean, sign=True)}{bounds}"
    return difference, f"{found.verdict}{' *' if found.note else ''}"


def _points(value: float | None, *, sign: bool = False) -> str:
    from synth.trials.advice import as_points  # its neighbours import NumPy, which help does not need

    return "not known" if value is None else as_points(value, sign=sign)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(value: float | None, bounds: Sequence[float] | None) -> str:
    """Return a score with its interval; bundles of earlier versions hold some without a width, which say nothing."""
    shown = f" ({bounds[0]:.2f}-{bounds[1]:.2f})" if bounds and bounds[0] < bounds[1] else ""
    return f"{_number(value)}{shown}"
