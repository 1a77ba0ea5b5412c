"""What remains of a GAN's training: the best of its states, a verdict on each class, pictures, and the bundle."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synth.autoencoder.training import image_lines
from synth.gan import pictures
from synth.gan.card import card
from synth.gan.evaluation import NOT_USABLE, Evaluation, to_json, verdict
from synth.gan.monitor import Monitor, half
from synth.gan.setup import GanSetup
from synth.gan.step import GanTask
from synth.networks.autoencoder import Autoencoder, Generator
from synth.records import Item
from synth.settings.recipe import Recipe, dump_recipe
from synth.training import bundle as bundles
from synth.training.bundle import GAN, Bundle, publish
from synth.training.card import curves
from synth.training.loop import STATS, Fit, read_stats
from synth.versions import NETWORKS, versions

EVALUATIONS = "looks.jsonl"
MEASURES = ("on_class", "sharpness", "diversity", "copies", "kept", "kid")
"""Curves of `measures.png`."""


def steps_folder(work: Path, batch: int) -> Path:
    """Where the adversarial steps with so many images leave checkpoint and losses."""
    return work / f"batch-{batch}"


@dataclass(frozen=True)
class GanResult:
    """What a bundle is made from."""

    beginning: GanSetup
    task: GanTask
    watch: Monitor
    fitted: Fit
    recipe: Recipe

    def publish(self, work: Path, out: Path, network: Autoencoder, *, seconds: float) -> Bundle:
        """Take the best state, and put the bundle together."""
        n_seen = self.fitted.n_images_seen
        if not any(evaluate.n_images_seen == n_seen for evaluate in self.watch.evaluations(n_seen)):
            self.watch.evaluate(n_seen, self.fitted.network)  # training stopped between two looks
        chosen = self.watch.chosen(n_seen)
        network.generator.load_state_dict(self.watch.state(chosen))
        verdicts = self._verdicts(chosen)
        info = self._info(verdicts)
        document = {
            "drawn": {
                "chosen": chosen.n_images_seen,
                "classes": {label: {**found, **verdicts[label]} for label, found in _all(chosen).items()},
            },
            "seconds": round(seconds, 1),
            "n_images_seen": n_seen,
        }
        files = {
            bundles.SCORES: json.dumps(document, indent=1, allow_nan=False).encode(),
            bundles.IMAGES: image_lines(self.beginning.items),
            bundles.CARD: card(info, document).encode(),
            bundles.RECIPE: dump_recipe(self.recipe).encode(),
            **self._pictures(work, network.generator, chosen),
        }
        return publish(work, out, info=info, tensors=self._tensors(network), files=files)

    def _tensors(self, network: Autoencoder) -> dict[str, Tensor]:
        bank = self.task.bank
        numbers = {"owners": bank.owners, "labels": bank.labels}
        return {
            **half(network.state_dict()),
            "bank.codes": torch.from_numpy(bank.codes).half(),
            **{f"bank.{name}": torch.from_numpy(values).long() for name, values in numbers.items()},
        }

    def _verdicts(self, chosen: Evaluation) -> dict[str, dict[str, Any]]:
        counts = dict(zip(self.beginning.classes, self.beginning.counts, strict=True))
        verdicts = {}
        for label, found in chosen.classes.items():
            refused = self.beginning.refused.get(label)
            word, reasons = (NOT_USABLE, [refused]) if refused else verdict(found, counts[label])
            verdicts[label] = {"verdict": word, "reasons": reasons}
        return verdicts

    def _info(self, verdicts: Mapping[str, Any]) -> dict[str, Any]:
        beginning, task = self.beginning, self.task
        asked, used = self.recipe.gan.batch, task.settings.batch
        return {
            "kind": GAN,
            "run": beginning.run,
            "classes": list(self.beginning.classes),
            "side": task.side,
            "network": {"code": task.bank.codes.shape[1], "channels": task.n_channels},
            "members": [],
            "counts": dict(zip(self.beginning.classes, beginning.counts, strict=True)),
            "sizes": _sizes(beginning.items),
            "verdicts": verdicts,
            "settings": task.settings.model_dump(mode="json"),
            "seed": task.seed,
            "versions": versions(NETWORKS),
            "stopped": {GAN: self.fitted.stopped} if self.fitted.stopped else {},
            "remarks": [f"out of memory: {used} images in a step instead of {asked}"] if used != asked else [],
        }

    def _pictures(self, work: Path, generator: Generator, chosen: Evaluation) -> dict[str, bytes]:
        watch, scene = self.watch, self.watch.scene
        evaluations = watch.evaluations(self.fitted.n_images_seen)
        states = []
        for evaluate in evaluations:
            state = copy.deepcopy(generator)
            state.load_state_dict(watch.state(evaluate))
            states.append((evaluate.n_images_seen, state))
        stats = read_stats(steps_folder(work, self.task.settings.batch) / STATS)
        measured = {
            label: [{"n_images_seen": evaluate.n_images_seen, **_curve(evaluate, label)} for evaluate in evaluations]
            for label in watch.minded
        }
        lines = [{"n_images_seen": evaluate.n_images_seen, "classes": _all(evaluate)} for evaluate in evaluations]
        return {
            STATS: "".join(f"{json.dumps(line)}\n" for line in stats).encode(),
            EVALUATIONS: "".join(f"{json.dumps(line)}\n" for line in lines).encode(),
            "samples.png": watch.sheet(chosen),
            "borrowing.png": pictures.borrowing(scene, generator),
            "walks.png": pictures.walks(scene, generator),
            "training.png": pictures.over_time(scene, states),
            "curves.png": curves({GAN: stats}),
            "measures.png": curves(measured),
        }


def _all(evaluate: Evaluation) -> dict[str, Any]:
    return {label: to_json(found) for label, found in evaluate.classes.items()}


def _curve(evaluate: Evaluation, label: str) -> dict[str, float]:
    found = evaluate.classes[label]
    values = {name: getattr(found, name) for name in MEASURES}
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _sizes(items: Sequence[Item]) -> dict[str, list[int]]:
    """The median size of each class's images: {class: [width, height]}."""
    by_class: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for item in items:
        by_class[item.label].append((item.width, item.height))
    return {label: np.median(sizes, axis=0).astype(int).tolist() for label, sizes in by_class.items()}
