"""What a run did, as a record, as JSON, and as the card that lies in the output folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.pictures.text import table_cell
from synth.records import SWITCHED_OFF
from synth.versions import versions

CARD_MARK = "<!-- written by synth -->"


@dataclass
class ClassSummary:
    """What one class got."""

    real: int
    existing: int
    """New images of earlier runs."""
    target: int
    planned: int
    attempted: int = 0
    accepted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    note: str = ""
    """Why fewer are planned than the target needs, or made than were planned."""
    real_acceptance: float | None = None
    """Share of the class's real images that the same gates pass, each unseen by those who judge it."""
    switched_off: bool = False
    """The method passed too seldom: none of its images is used."""

    @property
    def short(self) -> int:
        """Planned images that are missing."""
        return self.planned - self.accepted

    @property
    def acceptance(self) -> float | None:
        """Share of the attempts that passed the gates, also where the method was switched off afterwards."""
        withdrawn = self.rejected.get(SWITCHED_OFF, 0)
        return (self.accepted + withdrawn) / self.attempted if self.attempted else None

    def switch_off(self) -> None:
        """Take back what passed."""
        self.switched_off = True
        if self.accepted:
            self.rejected[SWITCHED_OFF] = self.rejected.get(SWITCHED_OFF, 0) + self.accepted
        self.accepted = 0
        real = "" if self.real_acceptance is None else f", of held-out real images {self.real_acceptance:.0%}"
        self.note = f"switched off: the gates passed {self.acceptance:.0%} of {self.attempted} images{real}"

    def count(self, *, accepted: bool, reasons: tuple[str, ...]) -> None:
        """Add one attempt."""
        self.attempted += 1
        self.accepted += accepted
        for reason in reasons:
            self.rejected[reason] = self.rejected.get(reason, 0) + 1


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    run: str | None
    """None where there was nothing to do."""
    seed: int
    method: str
    classes: Mapping[str, ClassSummary]
    refused: tuple[tuple[str, str], ...]
    seconds: float | None
    """None in the file of the output folder: the same run gives the same bytes."""
    warnings: tuple[str, ...] = ()
    judge: Mapping[str, Any] | None = None
    """The reference classifier: path, digest, classes, scores."""
    policy: tuple[Mapping[str, Any], ...] | None = None
    """What each effect does to the judge's view of real images; None where it was not tested."""

    @property
    def short(self) -> int:
        """Planned images that are missing, over all classes."""
        return sum(entry.short for entry in self.classes.values())

    def to_json(self) -> dict[str, Any]:
        """The document of `summary.json` and of `--json`."""
        return {
            "run": self.run,
            "seed": self.seed,
            "method": self.method,
            "classes": {
                label: {
                    "real": entry.real,
                    "existing": entry.existing,
                    "target": entry.target,
                    "planned": entry.planned,
                    "attempted": entry.attempted,
                    "accepted": entry.accepted,
                    "rejected": dict(sorted(entry.rejected.items())),
                    "acceptance": _rounded(entry.acceptance),
                    "real_acceptance": _rounded(entry.real_acceptance),
                    "switched_off": entry.switched_off,
                    "short": entry.short,
                    "note": entry.note,
                }
                for label, entry in self.classes.items()
            },
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
            "warnings": list(self.warnings),
            "judge": None if self.judge is None else dict(self.judge),
            "policy": None if self.policy is None else [dict(test) for test in self.policy],
            "seconds": self.seconds,
            "versions": versions(),
        }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def is_our_card(path: Path) -> bool:
    """Did this package write the card there?"""
    return path.exists() and CARD_MARK in path.read_text("utf-8", errors="replace")


def card(summary: Mapping[str, Any], totals: Mapping[str, tuple[int, int]]) -> str:
    """The data card (Hugging Face's form) from `summary.json` and {class: (real, synthetic)} in the training split."""
    rows = [f"| {table_cell(label)} | {real} | {synthetic} |" for label, (real, synthetic) in totals.items()]
    return "\n".join(
        [
            "---",
            "license: other",
            "task_categories:",
            "- image-classification",
            "tags:",
            "- synthetic",
            "---",
            CARD_MARK,
            "# Image dataset with synthetic images",
            "",
            "Real images, and synthetic ones made from real training images. Training split:",
            "",
            "| class | real | synthetic |",
            "|---|---|---|",
            *rows,
            "",
            f"* Last run: `{summary['run']}`, method `{summary['method']}`, seed {summary['seed']}, "
            f"synth {summary['versions']['synth']}.",
            "* `manifest.jsonl` has one line per image: whether it is synthetic, from which parents, with which",
            "  parameters and scores. `recipe.toml` holds every setting. `synth verify` checks all files, and",
            "  `synth verify --remake ID` makes one image again.",
            "* Synthetic images are in the training split only. Images of other splits are untouched, and no parents.",
            "* The licence of the parents holds for their derivatives: it is the owner's to state.",
            "* Limits: a synthetic image shows nothing that is not in its parents or its simulator. Whether these",
            "  images help a classifier is a question for held-out real images.",
            "",
        ]
    )
