"""Measure each part of the GAN's recipe: the same data, seeds and steps with one part left out or replaced.

    python scripts/bench/gan_ablations.py DATA JUDGE [--class yellow] [--steps 3000] [--arms recipe,hinge,...]

Train JUDGE on the test part, so that it does not know the training images of DATA. For 256 images of the class before
any gate, the script prints minutes, ms a step, and the measures of the GAN's card. --out DIR adds a sheet of each arm.

    recipe        the whole recipe
    scratch       no autoencoder: untrained networks, codes drawn from a normal distribution
    autoencoder   no adversarial step
    no borrowing  every class learns from its own codes alone
    hinge         hinge loss and spectral normalisation (Miyato et al. 2018) in place of pairs and penalties
    deep          the other discriminator
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import spectral_norm

import synth
from synth.classifier.judge import open_judge
from synth.gan.codes import CodeBank, on_sphere
from synth.gan.evaluation import Evaluator
from synth.gan.monitor import Monitor
from synth.gan.setup import GanSetup
from synth.gan.step import BETAS, GanTask, GanTrainee
from synth.networks.autoencoder import Autoencoder, Generator
from synth.training.inference import one_thread
from synth.training.job import TrainingJob
from synth.training.loop import fit, seeded

SHOWN = ("on_class", "sharpness", "diversity", "pixel_diversity", "copies", "nearest", "real_near", "kept", "kid")


class Hinge(GanTrainee):
    """max(0, 1 - D(x)) + max(0, 1 + D(x')) against -D(x'), each layer of D with a largest singular value of 1."""

    def __init__(self, task: GanTask, generator: Generator) -> None:
        super().__init__(task, generator)
        for module in list(self.discriminator.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
                spectral_norm(module)
        optimizer = torch.optim.Adam(self.discriminator.parameters(), task.settings.rate, BETAS)
        self.optimizers = {**self.optimizers, "discriminator optimizer": optimizer}

    def discriminator_loss(self, real: Tensor, drawn: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        of_real, of_drawn = self.discriminator(torch.cat([real, drawn]), torch.cat([y, y])).chunk(2)
        return relu(1 - of_real).mean() + relu(1 + of_drawn).mean(), torch.zeros(())

    def generator_loss(self, real: Tensor, drawn: Tensor, y: Tensor) -> Tensor:
        answers: Tensor = -self.discriminator(drawn, y).mean()
        return answers


def from_scratch(task: GanTask) -> tuple[GanTask, Generator]:
    with seeded(task.seed):
        network = Autoencoder(task.data.side, task.data.n_channels, task.bank.codes.shape[1], len(task.data.classes))
    drawn = np.random.default_rng(task.seed).standard_normal(task.bank.codes.shape, np.float32)
    settings = task.settings.model_copy(update={"code_noise": 100.0})
    return replace(task, settings=settings, bank=CodeBank(on_sphere(drawn), task.bank.owners, task.bank.labels)), (
        network.generator.to(memory_format=torch.channels_last)
    )


def changed(arm: str, task: GanTask, generator: Generator) -> tuple[GanTask, Generator]:
    if arm == "scratch":
        return from_scratch(task)
    if arm == "no borrowing":
        task = replace(task, borrow=tuple(0.0 for _ in task.borrow))
    if arm == "deep":
        task = replace(task, settings=task.settings.model_copy(update={"deep": not task.settings.deep}))
    return task, generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("judge", type=Path)
    parser.add_argument("--class", dest="label", default="yellow")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--arms", default="recipe,scratch,autoencoder,no borrowing,hinge,deep")
    parser.add_argument("--autoencoder", default="", help="bundle to begin with; without, one is trained")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    dataset = synth.open_dataset(options.data)
    recipe = synth.load_recipe(None, {"gan.steps": options.steps, "bundle": options.autoencoder})
    judge = open_judge(options.judge)
    print(f"{'arm':14} {'minutes':>7} {'ms':>6}  " + "  ".join(f"{name:>8}" for name in SHOWN), flush=True)
    with tempfile.TemporaryDirectory() as folder, one_thread():
        setup = GanSetup(TrainingJob(dataset, recipe, Path(folder) / "gan", device="cpu"))
        setup.prepare()
        first, network = setup.task()
        for arm in options.arms.split(","):
            task, generator = changed(arm, first, network.generator)
            evaluator = Evaluator(judge, task.data, task.policy, seed=task.seed)
            number = dataset.classes.index(options.label)
            hashes = ["" for _ in task.data.labels]
            monitor = Monitor(Path(folder) / f"looks {arm}", task, network, evaluator, hashes, [number], [])
            begin, result = time.perf_counter(), generator
            if arm != "autoencoder":
                trainee = (Hinge if arm == "hinge" else GanTrainee)(task, copy.deepcopy(generator))
                steps = {"n_steps": task.settings.steps, "batch": task.settings.batch, "decay": task.settings.average}
                result = fit(trainee, Path(folder) / arm, **steps).network
            seconds = time.perf_counter() - begin
            evaluation = monitor.evaluate(0, result)
            found = evaluation.classes[options.label].to_json()
            numbers = "  ".join("       -" if found[name] is None else f"{found[name]:8.3f}" for name in SHOWN)
            print(f"{arm:14} {seconds / 60:7.1f} {1000 * seconds / options.steps:6.0f}  {numbers}", flush=True)
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                (options.out / f"{arm}.png").write_bytes(monitor.sheet(evaluation))


if __name__ == "__main__":
    main()
