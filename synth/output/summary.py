"""What a run did, as a record, as JSON, and as the card that lies in the output folder."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "simplejpeg", "albumentations")
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
    """Why fewer are planned than the target needs."""

    @property
    def short(self) -> int:
        """Planned images that are missing."""
        return self.planned - self.accepted

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
                    "rejected": entry.rejected,
                    "short": entry.short,
                    "note": entry.note,
                }
                for label, entry in self.classes.items()
            },
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
            "warnings": list(self.warnings),
            "seconds": self.seconds,
            "versions": versions(),
        }


def versions() -> dict[str, str]:
    """Versions of all that decides about pixels."""
    found = {"synth": importlib.metadata.version("synth-images"), "python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in LIBRARIES}


def is_our_card(path: Path) -> bool:
    """Did this package write the card there?"""
    return path.exists() and CARD_MARK in path.read_text("utf-8", errors="replace")


def card(summary: Mapping[str, Any], totals: Mapping[str, tuple[int, int]]) -> str:
    """The data card (Hugging Face's form) from `summary.json` and {class: (real, synthetic)} in the training split."""
    rows = [f"| {_cell(label)} | {real} | {synthetic} |" for label, (real, synthetic) in totals.items()]
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


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
