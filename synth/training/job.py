"""A training job: the images and settings to train with, the device, and the bundle that comes out."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from synth.data.dataset import Dataset
from synth.files import staging_folder
from synth.records import Item
from synth.settings.base import Settings
from synth.settings.recipe import Recipe, dump_recipe
from synth.training.bundle import CARD, IMAGES, RECIPE, SCORES, Bundle, publish, run_id
from synth.training.card import curves
from synth.training.loop import STATS, Check, json_lines
from synth.versions import NETWORKS, versions
from synth.workers import Progress

CURVES = "curves.png"


@dataclass(frozen=True)
class TrainingJob:
    """One network to train."""

    dataset: Dataset
    recipe: Recipe
    out: Path
    """The folder of the bundle."""
    n_workers: int = 1
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    progress: Progress | None = None
    tensorboard: str | Path | None = None
    """Folder for TensorBoard's files; None: do not write them."""

    @property
    def work(self) -> Path:
        """The folder to train in, which outlives a kill."""
        return staging_folder(self.out)

    @functools.cached_property
    def items(self) -> tuple[Item, ...]:
        """The training images, class by class."""
        return tuple(item for items in self.dataset.train.values() for item in items)

    def run_id(self, *settings: Settings | Mapping[str, Any]) -> str:
        """Return a hash of all that decides the weights: images, these settings, seed, versions."""
        parts = [part.model_dump(mode="json") if isinstance(part, Settings) else part for part in settings]
        return run_id(self.items, self.dataset.classes, parts, seed=self.recipe.seed)

    def reporter(self, what: str, total: int) -> Check:
        """Return a check that reports the number of images seen."""
        return lambda n_seen, _: self.progress(what, n_seen, total) if self.progress else None

    def publish(
        self,
        info: Mapping[str, Any],
        *,
        tensors: Mapping[str, Tensor],
        scores: Mapping[str, Any],
        n_images_seen: int,
        stats: Mapping[str, Sequence[Mapping[str, float]]],
        card: Callable[[Mapping[str, Any], Mapping[str, Any]], str],
        files: Mapping[str, bytes],
        images: Sequence[Mapping[str, Any]] = (),
    ) -> Bundle:
        """Write the bundle, and remove `work`.

        Args:
            info: the part of bundle.json that depends on the kind: kind, run, side, network, settings, stopped
                ({network: why it stopped early}) and more.
            scores: the part of scores.json that depends on the kind.
            stats: {network: lines of its stats.jsonl}.
            card: gives README.md from bundle.json and scores.json.
            files: pictures, and files that only this kind of bundle has.
            images: for each training image, what its line of images.jsonl says besides path, hash and class.
        """
        info = {
            "members": [],
            **info,
            "classes": list(self.dataset.classes),
            "counts": dict(self.dataset.train_counts),
            "seed": self.recipe.seed,
            "versions": versions(NETWORKS),
        }
        document = {**scores, "seconds": None, "n_images_seen": n_images_seen}
        records = [
            {"path": item.id, "sha256": item.sha256, "class": item.label, **more}
            for item, more in zip(self.items, images or [{}] * len(self.items), strict=True)
        ]
        common = {
            SCORES: json.dumps(document, indent=1, allow_nan=False).encode(),
            IMAGES: json_lines(records),
            CARD: card(info, document).encode(),
            RECIPE: dump_recipe(self.recipe).encode(),
        }
        if any(stats.values()):
            lines = [
                {**({"network": name} if len(stats) > 1 else {}), **line} for name in stats for line in stats[name]
            ]
            common |= {STATS: json_lines(lines), CURVES: curves(stats)}
        return publish(self.work, self.out, info=info, tensors=tensors, files={**common, **files})
