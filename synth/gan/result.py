"""The result of a GAN's training: its best state, a verdict on each class, sheets, and the bundle."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synth.autoencoder.latent_space import BANK
from synth.gan import pictures
from synth.gan.card import card
from synth.gan.evaluation import NOT_USABLE, Evaluation, choose, verdict
from synth.gan.monitor import Monitor, half
from synth.gan.setup import GanSetup
from synth.networks.autoencoder import Autoencoder, Generator
from synth.records import Item
from synth.training.bundle import GAN, Bundle
from synth.training.card import curves
from synth.training.loop import STATS, Fit, json_lines, read_stats

EVALUATIONS = "looks.jsonl"
MEASURES = ("on_class", "sharpness", "diversity", "copies", "kept", "kid")
"""Curves of `measures.png`."""


@dataclass(frozen=True)
class GanResult:
    """What a bundle is made from."""

    setup: GanSetup
    monitor: Monitor
    fitted: Fit

    def publish(self, network: Autoencoder) -> Bundle:
        """Choose the best state, and write the bundle."""
        setup, monitor, task, n_seen = self.setup, self.monitor, self.monitor.task, self.fitted.n_images_seen
        if not any(evaluation.n_images_seen == n_seen for evaluation in monitor.evaluations(n_seen)):
            monitor.evaluate(n_seen, self.fitted.network)  # training stopped between two evaluations
        chosen = choose(monitor.evaluations(n_seen), monitor.chosen_for)
        network.generator.load_state_dict(monitor.state(chosen))
        verdicts = self._verdicts(chosen)
        planned, batch = setup.job.recipe.gan.batch, task.settings.batch
        remarks = [] if batch == planned else [f"out of memory: {batch} images in a step instead of {planned}"]
        drawn = {label: {**found, **verdicts[label]} for label, found in chosen.to_json().items()}
        return setup.job.publish(
            {
                "kind": GAN,
                "run": setup.run,
                "side": task.data.side,
                "network": {"code": task.bank.codes.shape[1], "channels": task.data.n_channels},
                "sizes": {label: _median_size(items) for label, items in setup.job.dataset.train.items() if items},
                "verdicts": verdicts,
                "settings": task.settings.model_dump(mode="json"),
                "stopped": {GAN: self.fitted.stopped} if self.fitted.stopped else {},
                "remarks": remarks,
            },
            tensors=self._tensors(network),
            scores={"drawn": {"chosen": chosen.n_images_seen, "classes": drawn}},
            n_images_seen=n_seen,
            stats={GAN: read_stats(setup.steps_folder(batch) / STATS)},
            card=card,
            files=self._files(network.generator, chosen),
        )

    def _tensors(self, network: Autoencoder) -> dict[str, Tensor]:
        bank = self.monitor.task.bank
        return {
            **half(network.state_dict()),
            f"{BANK}codes": torch.from_numpy(bank.codes).half(),
            f"{BANK}owners": torch.from_numpy(bank.owners).long(),
            f"{BANK}labels": torch.from_numpy(bank.labels).long(),
        }

    def _verdicts(self, chosen: Evaluation) -> dict[str, dict[str, Any]]:
        verdicts = {}
        for label, found in chosen.classes.items():
            refused = self.setup.refused.get(label)
            n_real = self.setup.job.dataset.train_counts[label]
            word, reasons = (NOT_USABLE, [refused]) if refused else verdict(found, n_real)
            verdicts[label] = {"verdict": word, "reasons": reasons}
        return verdicts

    def _files(self, generator: Generator, chosen: Evaluation) -> Mapping[str, bytes]:
        monitor, data = self.monitor, self.monitor.sheet_data
        evaluations = monitor.evaluations(self.fitted.n_images_seen)
        states = []
        for evaluation in evaluations:
            state = copy.deepcopy(generator)
            state.load_state_dict(monitor.state(evaluation))
            states.append((evaluation.n_images_seen, state))
        measures = {label: [_point(each, label) for each in evaluations] for label in monitor.chosen_for}
        lines = [{"n_images_seen": each.n_images_seen, "classes": each.to_json()} for each in evaluations]
        return {
            EVALUATIONS: json_lines(lines),
            "samples.png": monitor.sheet(chosen),
            "borrowing.png": pictures.borrowing(data, generator),
            "walks.png": pictures.walks(data, generator),
            "training.png": pictures.over_time(data, states),
            "measures.png": curves(measures),
        }


def _point(evaluation: Evaluation, label: str) -> dict[str, float]:
    values = {name: getattr(evaluation.classes[label], name) for name in MEASURES}
    known = {name: float("nan") if value is None else value for name, value in values.items()}
    return {"n_images_seen": evaluation.n_images_seen, **known}


def _median_size(items: Sequence[Item]) -> list[int]:
    """Return the median [width, height] of images."""
    size: list[int] = np.median([(item.width, item.height) for item in items], axis=0).astype(int).tolist()
    return size
