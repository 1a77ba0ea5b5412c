"""The training loop that all networks share. A training can be killed at any moment; the same command resumes it.

    every step        the trainee takes one optimisation step, and its averaged weights follow:
                      w_avg <- b w_avg + (1 - b) w,  b = min(decay, (1 + t) / (10 + t))
    every CHECK steps the losses are checked and written to stats.jsonl, and now and then a checkpoint is saved
    not finite        training stops, and the weights of the last good check are the result

All random numbers of a step follow from the seed and the number of the step, so no random state has to be saved.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from synth.errors import TrainingError
from synth.files import replace_file
from synth.training.distributed import SINGLE, ProcessGroup

Check = Callable[[int, nn.Module], str | None]
"""Called with the number of images seen and the averaged network. A text that it returns is the reason to stop."""
CHECK = 25  # steps between two checks of the losses, which make a GPU wait
SECONDS = 20.0  # between two checkpoints
STATS, CHECKPOINT = "stats.jsonl", "checkpoint.safetensors"


class Trainee(Protocol):
    """A network in training, with all that a checkpoint has to hold."""

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    averaged: str
    """The module whose averaged weights are the result."""

    def step(self, number: int) -> Mapping[str, Tensor]:
        """Take optimisation step `number`, and return the losses by name: detached scalars."""


@dataclass(frozen=True)
class Fit:
    """The result of a training."""

    network: nn.Module
    """The averaged weights, in evaluation mode."""
    n_images_seen: int
    stopped: str = ""
    """Why training ended early; empty if it did not."""


def fit(
    trainee: Trainee,
    folder: Path,
    *,
    n_steps: int,
    batch: int,
    decay: float = 0.99,
    on_check: Check | None = None,
    group: ProcessGroup = SINGLE,
) -> Fit:
    """Train, or continue from the checkpoint in the folder.

    Args:
        folder: for `stats.jsonl` and the checkpoint.
        batch: images in a step, to count progress in images.
        decay: of the averaged weights.
        on_check: called at each check, by the first process of the group.
        group: processes that take the same steps; only the first one writes.

    Raises:
        TrainingError: the losses were not finite at the first check.
    """
    folder.mkdir(parents=True, exist_ok=True)
    average = AveragedModel(trainee.modules[trainee.averaged], multi_avg_fn=ramped_average(decay))
    parts = {**trainee.modules, "average": average}
    start = load_checkpoint(folder / CHECKPOINT, parts, trainee.optimizers)
    group.wait()
    if group.leads:
        _cut_stats(folder / STATS, start * batch)
    good, saved = (start, _copy(average)), time.monotonic()
    for module in trainee.modules.values():
        module.train()
    for number in range(start, n_steps):
        losses = trainee.step(number)
        average.update_parameters(trainee.modules[trainee.averaged])
        done = number + 1
        if done % CHECK and done < n_steps:
            continue
        values = group.means(losses)
        if not (all(map(math.isfinite, values.values())) and is_finite(average)):
            return _stopped(average, good, number=done * batch, batch=batch)
        good = (done, _copy(average))
        reason = ""
        if group.leads:
            _add_stats(folder / STATS, {"n_images_seen": done * batch, **values})
            reason = (on_check(done * batch, average.module) if on_check else None) or ""
            if time.monotonic() - saved > SECONDS:  # after the check, so that a run killed during it repeats it
                save_checkpoint(folder / CHECKPOINT, parts, trainee.optimizers, step=done)
                saved = time.monotonic()
        if reason := group.broadcast(reason):
            return Fit(average.module.eval(), done * batch, reason)
    return Fit(average.module.eval(), n_steps * batch)


def one_cycle(number: int, n_steps: int, *, warm_up: float = 0.2) -> float:
    """Return the learning rate of a step as a fraction of the highest: a cosine up and down (Smith and Topin 2018)."""
    x = (number + 0.5) / n_steps
    if x < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * x / warm_up)) / 2
    return 0.0001 + (1 + math.cos(math.pi * (x - warm_up) / (1 - warm_up))) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def ramped_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Return the update of an exponential moving average whose memory grows with the steps taken, up to `decay`."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], n: Tensor | int) -> None:
        beta = min(decay, (1 + int(n)) / (10 + int(n)))
        torch._foreach_lerp_(averaged, current, 1 - beta)

    return update


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw first weights from a seed, and leave torch's global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def is_finite(module: nn.Module) -> bool:
    """Return whether all weights are finite."""
    return all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())


def _stopped(average: nn.Module, good: tuple[int, dict[str, Tensor]], *, number: int, batch: int) -> Fit:
    step, state = good
    if not step:
        raise TrainingError(f"the loss was not finite within {number} images: try a lower learning rate")
    average.load_state_dict(state)
    reason = f"the loss was not finite at {number} images; the state at {step * batch} images is kept"
    return Fit(average.module.eval(), step * batch, reason)  # type: ignore[union-attr]


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def save_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer], *, step: int
) -> None:
    """Write all that a training needs to continue."""
    tensors = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{key}": torch.as_tensor(value) for key, value in state.items()}
    copies = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    replace_file(path, safetensors.torch.save(copies, {"step": str(step)}))


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> int:
    """Load modules and optimizers from a checkpoint, and return the number of steps taken; 0 without a checkpoint."""
    if not path.exists():
        return 0
    tensors, metadata = read_tensors(path)
    for name, module in modules.items():
        module.load_state_dict({key: tensors[f"{name}/{key}"] for key in module.state_dict()})
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            owner, _, rest = key.partition("/")
            if owner == name:
                index, _, field = rest.partition("/")
                state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        _lay_out(optimizer)
    return int(metadata["step"])


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118  (not a dict)


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Give each state the memory layout of its parameter: a fused step relies on it, and files do not keep it."""
    for parameter, held in optimizer.state.items():
        for key, value in held.items():
            if value.shape == parameter.shape:
                held[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def json_lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Return records as JSON, one a line."""
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


def read_stats(path: Path) -> list[dict[str, float]]:
    """Return the lines of a `stats.jsonl`, without a last one that is cut off."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _add_stats(path: Path, values: Mapping[str, float]) -> None:
    with path.open("ab") as file:
        file.write(json_lines([{name: round(value, 6) for name, value in values.items()}]))


def _cut_stats(path: Path, n_images: int) -> None:
    """Drop the lines after the last checkpoint of a killed run: their steps are repeated."""
    replace_file(path, json_lines(line for line in read_stats(path) if line["n_images_seen"] <= n_images))
