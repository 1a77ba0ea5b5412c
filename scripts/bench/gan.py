"""Measure what a step of the GAN's training costs beyond its arithmetic, in one run on one thread.

    python scripts/bench/gan.py [--data FOLDER] [--rounds 5] [--steps 50] [--deep | --no-deep] [--side 32]

FOLDER is a dataset. The default is drawn traffic lights. Every round times, one after the other:

    fit     `GanTrainee` in `loop.fit`, as users train: batches with the safe effects, codes and DiffAugment's draws
            from seeds, checks, statistics, losses
    bare    the same networks, losses, batch size and augmentation in the plain torch loop below: images and codes are
            tensors that exist already, Adam is fused, weights are averaged

The script prints milliseconds a step, and the median over the rounds of the ratio within a round, by the clock and by
processor time. Other programs on the machine change processor time less. The ratio should be at most 1.15.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import torch
from torch import Tensor
from torch.nn.functional import softplus

import synth
from synth.demo.traffic_lights import draw_dataset
from synth.gan.setup import GanSetup
from synth.gan.step import BETAS, GanTask, GanTrainee, falling
from synth.networks.autoencoder import Generator
from synth.networks.diffaugment import N_DRAWS, augmented
from synth.networks.discriminator import Discriminator
from synth.training.inference import one_thread, to_tensor
from synth.training.job import TrainingJob
from synth.training.loop import fit

LIMIT = 1.15
N_BATCHES = 32
"""Made before the plain loop, and taken in turn."""


@dataclass(frozen=True)
class Batch:
    """What a step needs, as tensors."""

    x: Tensor
    y: Tensor
    codes: tuple[Tensor, Tensor]


def batches_of(task: GanTask) -> list[Batch]:
    random = torch.Generator().manual_seed(0)
    size = task.settings.batch
    bank = torch.from_numpy(task.bank.codes)

    def batch() -> Batch:
        chosen = torch.randint(len(task.data.labels), (size,), generator=random).numpy()
        x = to_tensor(task.data.inputs[chosen], task.device, n_channels=task.data.n_channels)
        first, second = (bank[torch.randint(len(bank), (size,), generator=random)] for _ in range(2))
        return Batch(x, torch.from_numpy(task.data.labels[chosen]), (first, second))

    return [batch() for _ in range(N_BATCHES)]


def bare(task: GanTask, generator: Generator, batches: list[Batch], n_steps: int) -> None:
    """Train with a plain loop that keeps only the weights."""
    settings = task.settings
    torch.manual_seed(0)
    g = copy.deepcopy(generator).train().requires_grad_(True)
    d = Discriminator(task.data.side, task.data.n_channels, len(task.data.classes), deep=settings.deep)
    d = d.to(memory_format=torch.channels_last)
    average = [parameter.detach().clone() for parameter in g.parameters()]
    of_g, of_d = (torch.optim.Adam(module.parameters(), settings.rate, BETAS, fused=True) for module in (g, d))

    def seen(x: Tensor) -> Tensor:
        return augmented(x, torch.rand(len(x), N_DRAWS), colour=settings.colour, shift=settings.shift)

    for number in range(n_steps):
        for group in (*of_g.param_groups, *of_d.param_groups):
            group["lr"] = settings.rate * falling(number, n_steps)
        batch = batches[number % len(batches)]
        y = batch.y
        real = seen(batch.x)
        with torch.no_grad():
            drawn = seen(g(batch.codes[0], y))
        both = torch.cat([real, drawn]).requires_grad_(True)
        answers = d(both, torch.cat([y, y]))
        of_real, of_drawn = answers.chunk(2)
        (slopes,) = torch.autograd.grad(answers.sum(), both, create_graph=True)
        loss = softplus(of_drawn - of_real).mean() + settings.penalty / 2 * slopes.square().sum() / len(y)
        of_d.zero_grad()
        loss.backward()
        of_d.step()

        d.requires_grad_(False)
        with torch.no_grad():
            of_real = d(real, y)
        loss = softplus(of_real - d(seen(g(batch.codes[1], y)), y)).mean()
        of_g.zero_grad()
        loss.backward()
        of_g.step()
        d.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(average, list(g.parameters()), 1 - settings.average)


def fitted(task: GanTask, generator: Generator, folder: Path, n_steps: int) -> None:
    settings = task.settings
    trainee = GanTrainee(task, copy.deepcopy(generator))
    fit(trainee, folder, n_steps=n_steps, batch=settings.batch, decay=settings.average)


def seconds(call: Callable[[], None]) -> tuple[float, float]:
    """By the clock, and of this process."""
    begin = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def begun(data: Path, work: Path, settings: dict[str, object]) -> tuple[GanTask, Generator]:
    """Return the task and the generator that both loops start from; the autoencoder does not affect their speed."""
    quick = {"autoencoder.steps": 1, "autoencoder.feature_weight": 0}
    recipe = synth.load_recipe(None, {**quick, **settings})
    setup = GanSetup(TrainingJob(synth.open_dataset(data), recipe, work, device="cpu"))
    setup.prepare()
    task, network = setup.task()
    return task, network.generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50, help="in a round, of each of the two")
    parser.add_argument(
        "--deep", action=argparse.BooleanOptionalAction, help="the discriminator; default: the recipe's"
    )
    parser.add_argument("--side", type=int, default=0, help="of the images; default: chosen from them")
    options = parser.parse_args()
    settings: dict[str, object] = {"gan.steps": options.steps, "autoencoder.size": options.side}
    settings |= {} if options.deep is None else {"gan.deep": options.deep}
    rounds: list[dict[str, tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as folder, one_thread():
        root = Path(folder)
        if not options.data:
            draw_dataset(root / "data")
        task, generator = begun(options.data or root / "data", root / "work", settings)
        batches = batches_of(task)
        for index in range(options.rounds + 1):  # the first is for caches
            calls: dict[str, Callable[[], None]] = {
                "fit": lambda i=index: fitted(task, generator, root / f"fit-{i}", options.steps),
                "bare": lambda: bare(task, generator, batches, options.steps),
            }
            order = list(calls) if index % 2 else list(calls)[::-1]
            rounds.append({name: seconds(calls[name]) for name in order})
    rounds = rounds[1:]
    deep = "deep" if task.settings.deep else "not deep"
    print(
        f"{options.rounds} rounds of {options.steps} steps, batch {task.settings.batch}, side {task.data.side}, {deep}"
    )
    for name in ("fit", "bare"):
        each = [1000 * found[name][0] / options.steps for found in rounds]
        print(f"{name:5} {statistics.median(each):6.1f} ms a step")
    for which, words in enumerate(("clock", "processor time")):
        ratios = sorted(found["fit"][which] / found["bare"][which] for found in rounds)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"fit takes {statistics.median(ratios):.2f}x the {words} of bare ({spread}; at most {LIMIT} is the aim)")


if __name__ == "__main__":
    main()
