"""What a run did, as a record and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synth.data.findings import few
from synth.records import REPEAT, SWITCHED_OFF, ShortRepr
from synth.versions import versions


@dataclass(repr=False)
class ClassSummary(ShortRepr):
    """What a run did for one class."""

    real: int
    existing: int
    """New images of earlier runs."""
    target: int
    planned: int
    distinct: int | None = None
    """Different pictures among the real images, if the plan counts these; None: it counts images."""
    attempted: int = 0
    accepted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    real_passed: int = 0
    """Real images of the class that the same gates pass, each judged by networks that did not see it."""
    real_n: int = 0
    """Real images that the gates were tried on."""
    not_judged: str = ""
    """Why the judge rejects no image of this class; empty if it does."""
    given_up: tuple[str, ...] = ()
    """Originals that gave fewer images than the others, because the gates reject nearly all that is made from them."""
    switched_off: bool = False
    """Whether too few images of the method passed: then none of them is used."""
    lost: int = 0
    """New images of earlier runs whose files are gone or changed and can't be made again."""
    note: str = ""
    """Why fewer images are planned than the target needs, or made than planned."""

    @property
    def short(self) -> int:
        """Planned images that are missing, those of earlier runs included."""
        return self.planned - self.accepted + self.lost

    @property
    def acceptance(self) -> float | None:
        """Share of the attempts that passed the gates, repeats and those of a method that was switched off included."""
        passed = self.accepted + self.rejected.get(SWITCHED_OFF, 0) + self.rejected.get(REPEAT, 0)
        return passed / self.attempted if self.attempted else None

    @property
    def real_acceptance(self) -> float | None:
        """Share of the class's real images that pass; None if none was tried."""
        return self.real_passed / self.real_n if self.real_n else None

    def lose(self, n: int) -> None:
        """Count new images of earlier runs as missing."""
        self.lost, self.existing = n, self.existing - n
        are = "image of an earlier run is" if n == 1 else "images of earlier runs are"
        self.note = "; ".join(filter(None, (f"{n} {are} lost", self.note)))

    def switch_off(self) -> None:
        """Count the accepted images as rejected."""
        self.switched_off = True
        if self.accepted:
            self.rejected[SWITCHED_OFF] = self.rejected.get(SWITCHED_OFF, 0) + self.accepted
        self.accepted = 0
        real = f", and {self.real_acceptance:.0%} of {self.real_n} held-out real images" if self.real_n else ""
        self.note = f"switched off: the gates passed {self.acceptance:.0%} of {self.attempted} images{real}"

    def count(self, *, accepted: bool, reasons: tuple[str, ...]) -> None:
        """Add one attempt."""
        self.attempted += 1
        self.accepted += accepted
        for reason in reasons:
            self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Return the class's entry in `summary.json`."""
        shares = {"acceptance": self.acceptance, "real_acceptance": self.real_acceptance}
        rounded = {name: None if share is None else round(share, 4) for name, share in shares.items()}
        lists = {"rejected": dict(sorted(self.rejected.items())), "given_up": list(self.given_up)}
        known = {name: value for name, value in vars(self).items() if name != "lost"}  # "short" counts these
        return {**known, **rounded, **lists, "short": self.short}


@dataclass(frozen=True, repr=False)
class Summary(ShortRepr):
    """What a run did."""

    run: str | None
    """None if there was nothing to do."""
    seed: int
    method: str
    classes: Mapping[str, ClassSummary]
    refused: tuple[tuple[str, str], ...]
    skipped: Mapping[str, int]
    """{kind of file: count}: files of the input that are no images of the dataset, or that nothing is made from."""
    seconds: float | None
    """None in the file of the output folder: the same run gives the same bytes."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """{data, judge, bundle: the path as seen from the output folder}, for the commands on its page."""
    warnings: tuple[str, ...] = ()
    judge: Mapping[str, Any] | None = None
    """The reference classifier: path, digest, classes, scores."""
    policy: Sequence[Mapping[str, Any]] | None = None
    """What each effect does to the judge's predictions for real images; None if it was not tested."""

    choices: str = ""
    """What was chosen from the images, as one line. It is not in the document: from the stored recipe, nothing is."""

    @property
    def short(self) -> int:
        """Planned images that are missing, over all classes."""
        return sum(entry.short for entry in self.classes.values())

    def uneven(self) -> list[str]:
        """Return a line for each class in which originals were given up."""
        return [
            f"{label}: the gates reject nearly all that is made from {few(entry.given_up)}: other originals gave more"
            for label, entry in self.classes.items()
            if entry.given_up and not entry.switched_off
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `summary.json` and of `--json`."""
        return {
            **{name: value for name, value in vars(self).items() if name != "choices"},
            "classes": {label: entry.to_json() for label, entry in self.classes.items()},
            **left_out_json(self.skipped, self.refused),
            "warnings": list(self.warnings),
            "versions": versions(),
        }


def left_out_json(skipped: Mapping[str, int], refused: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return what every summary says of the files that were not used."""
    return {
        "refused": [{"path": path, "reason": reason} for path, reason in refused],
        "skipped": [{"kind": kind, "n": n} for kind, n in skipped.items()],
    }
