"""Commands for the reader of a page, to run in the folder of the page: all paths are relative to it.

So they hold wherever the folder goes together with what lies beside it, and the page does not depend on the machine.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from synth.output.root_files import RECIPE

DATA = "DATA"
"""Stands for the input folder on the page of a folder that does not name it."""
EXCLUDE = "exclude.txt"
"""The list beside the page of an inspection."""
METHODS = ("augment", "smote", "gan", "mix")
LOSSES = ("weights", "logit-adjust", "focal")
EFFECTS = "synth recipe augment"
NOT_METHODS = ("none", "online", "undersample", *LOSSES)
"""Parts of an arm that make no new images; `duplicate` does so only with a dose."""


@dataclass(frozen=True)
class Step:
    """What to do next."""

    text: str
    command: str = ""


def words(*parts: str) -> str:
    """Return a command line; empty parts are left out."""
    return " ".join(shlex.quote(part) for part in parts if part)


@dataclass(frozen=True)
class RunCommands:
    """Commands about an output folder."""

    paths: Mapping[str, str]
    """{data, judge, bundle}, as the summary has them."""
    method: str
    has_recipe: bool
    only_new: bool
    """Whether the real images are not in the folder."""

    @property
    def data(self) -> str:
        """The input folder."""
        return self.paths.get("data", DATA)

    @property
    def judge(self) -> str:
        """The judge of the run, or the place of a new one."""
        return self.paths.get("judge", "../judge")

    def _recipe(self) -> tuple[str, ...]:
        return ("--recipe", RECIPE) if self.has_recipe else ()

    def _networks(self) -> tuple[str, ...]:
        given = ((f"--{name}", self.paths[name]) for name in ("bundle", "judge") if name in self.paths)
        return tuple(part for pair in given for part in pair)

    @property
    def _undersampled(self) -> bool:
        return self.method.startswith("undersample:")

    def again(self, out: str) -> str:
        """Return the command of the run, with another output folder."""
        verb = "undersample" if self._undersampled else "generate"
        return words("synth", verb, self.data, out, *self._recipe(), *self._networks())

    def steps(self, *, judged: bool, short: bool, checked: bool, tried: bool) -> list[Step]:
        """Return what to do next.

        Args:
            judged: a judge scored the candidates. short: a class fell short. checked, tried: there are results of a
                check, and of a trial.
        """
        if self._undersampled:
            return [Step("Fill the rare classes:", words("synth", "generate", ".", "../balanced")), self._trial()]
        recipe, networks = self._recipe(), self._networks()
        found = []
        if short:
            preview = words("synth", "preview", self.data, *recipe, *networks, "--out", "../preview.png")
            found.append(Step("Look at the rejected pictures and their reasons, then try other settings:", preview))
        if not judged:
            train = words("synth", "train", "classifier", self.data, self.judge, *recipe)
            found.append(Step("Train a judge, then generate again with --judge:", train))
        if not checked:
            where = (self.data, "--synthetic", ".") if self.only_new else (".",)
            check = words("synth", "check", *where, "--judge", self.judge)
            found.append(Step("Compare the new images with real ones:", check))
        return [*found, Step("Train on this folder: it has one folder per class.") if tried else self._trial()]

    def _trial(self) -> Step:
        without = [part for name in ("judge", "bundle") if name in self.paths for part in ("--set", f"{name}=")]
        arms = "--control", "none", "--arms", f"{self.method},duplicate+online"
        command = words("synth", "trial", self.data, "../verdict", *self._recipe(), *without, *arms)
        return Step("Find out whether the new images help:", command)


def inspection_steps(data: str, *, n_out: int, n_open: int) -> list[Step]:
    """Return what to do after an inspection.

    Args:
        n_out: images that the exclude list leaves out. n_open: those that a person has to decide on.
    """
    exclude = ("--exclude", EXCLUDE) if n_out or n_open else ()
    decide = f"Decide on {n_open} images: in {EXCLUDE}, remove # from the lines of those to leave out."
    return [
        *([Step(decide)] if n_open else []),
        Step("See how many new images each class would get:", words("synth", "plan", data, *exclude)),
        Step("Train a judge:", words("synth", "train", "classifier", data, "../judge", *exclude)),
        Step("Make new images:", words("synth", "generate", data, "../balanced", *exclude, "--judge", "../judge")),
        Step("Find out whether new images help:", words("synth", "trial", data, "../verdict", *exclude)),
    ]


def trial_command(data: str, out: str, *, arms: Sequence[str], control: str) -> str:
    """Return the command of a trial whose recipe is in the folder of the page."""
    compared = "--arms", ",".join(arms), "--control", control
    return words("synth", "trial", data, out, "--recipe", RECIPE, *compared)


def trial_steps(data: str, advised: str, again: Callable[[str], str]) -> list[Step]:
    """Return how to do what a trial advises, and how to be more certain.

    Args:
        again: the command of the trial, for a given output folder.
    """
    recipe, found = ("--recipe", RECIPE), []
    for part in advised.partition("#")[0].split("+"):
        method, _, dose = part.partition("@")
        head, _, rest = method.partition(":")
        if head == "undersample":
            size = ("--size", dose) if dose else ()
            thin = words("synth", "undersample", data, "../thinned", *recipe, "--method", rest, *size)
            found.append(Step("Make the large classes smaller:", thin))
        elif method in METHODS or dose or (rest and head not in NOT_METHODS):
            found += _fill_steps(data, method, dose)
        elif method == "duplicate":
            found.append(Step("In your training, draw every class equally often."))
        elif method == "online":
            found.append(
                Step("In your training, change every image a little each time, with effects such as these:", EFFECTS)
            )
        elif head == "weights":
            weights = words("synth", "weights", data, "--scheme", rest or "balanced")
            found.append(Step("In your training, weight the loss:", weights))
        elif head in LOSSES:
            found.append(Step(f"In your training, use this loss: {head}."))
    if not found:
        found.append(Step("Train on the dataset as it is."))
    certain = f"{again('../verdict-2')} --splits 10"
    return [*found, Step("To be more certain, use more splits:", certain)]


def _fill_steps(data: str, method: str, dose: str) -> list[Step]:
    recipe, judge = ("--recipe", RECIPE), ("--judge", "../judge")
    target = ("--target", dose) if dose else ()
    bundle = ("--bundle", "../gan") if method == "gan" else ()
    steps = [Step("Train a judge:", words("synth", "train", "classifier", data, "../judge", *recipe))]
    if bundle:
        steps.append(Step("Train the GAN:", words("synth", "train", "gan", data, "../gan", *recipe, *judge)))
    options = ("--method", method, *target, *bundle, *judge)
    return [*steps, Step("Make the images:", words("synth", "generate", data, "../balanced", *recipe, *options))]
