"""Parts of a GAN's training: its discriminator, its losses, one step, several processes, and looks at its images."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import Judged, in_two_processes, picture
from torch import Tensor, nn

import synth
from synth.classifier.judge import open_judge
from synth.data.network_input import network_input
from synth.data.originals import Originals
from synth.gan import evaluation as evaluations
from synth.gan.codes import FEW, CodeBank, on_sphere
from synth.gan.evaluation import (
    LOOK,
    NOT_USABLE,
    USABLE,
    ClassEvaluation,
    Evaluation,
    Evaluator,
    choose,
    trouble,
    verdict,
)
from synth.gan.step import DECAY_FROM, DECAY_TO, GanTask, GanTrainee, falling
from synth.measures.copies import thumbnail
from synth.networks.autoencoder import SIDES, STYLE, Generator
from synth.networks.diffaugment import N_DRAWS, augmented
from synth.networks.discriminator import HIDDEN, Discriminator
from synth.settings.augment import Augment
from synth.settings.oversampling import Gan
from synth.training import loop
from synth.training.batches import Images, TrainingSet, read_inputs, safe_policy
from synth.training.distributed import SINGLE, ProcessGroup, joined_group
from synth.training.inference import one_thread
from synth.training.loop import CHECK, STATS, fit, read_stats, seeded

CPU = torch.device("cpu")
N_CODE = 6
LABELS = ("red", "green")
STEPS, RATE = 5, 0.1
EXACT = 1e-9
"""Rounding in double precision is 1e-16 of a number, and no sum here has more than 1e5 terms."""


def gan_task(*, group: ProcessGroup = SINGLE, n_channels: int = 3, **settings: Any) -> GanTask:
    """Six red and four green images of 32 x 32, and a bank of made-up codes."""
    labels = np.repeat([0, 1], [6, 4])
    inputs = [network_input(np.asarray(picture(LABELS[label], i)), 32) for i, label in enumerate(labels.tolist())]
    codes = on_sphere(np.random.default_rng(0).standard_normal((20, N_CODE), np.float32))
    owners = np.arange(20) // 2
    return GanTask(
        Gan(**{"steps": STEPS, "batch": 4, "deep": False, **settings}),
        safe_policy(synth.Recipe(), without=("blur",)),
        seed=7,
        data=TrainingSet(LABELS, np.stack(inputs), labels, n_channels),
        bank=CodeBank(codes, owners, labels[owners]),
        borrow=(0.0, 0.5),
        lenders=(0, 1),
        device=CPU,
        group=group,
    )


def a_generator(n_channels: int = 3) -> Generator:
    with seeded(1):
        return Generator(32, n_channels, N_CODE, 2)


def some_images(n: int, side: int = 32, n_channels: int = 3) -> Tensor:
    """In double precision, so that what is equal but for rounding is equal to EXACT on any processor."""
    return torch.from_numpy(np.random.default_rng(4).uniform(-1, 1, (n, n_channels, side, side)))


def states_of(*modules: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for module in modules for value in module.state_dict().values()]


def same(first: Tensor, second: Tensor) -> bool:
    """Equal but for rounding, in double precision."""
    return torch.allclose(first, second, rtol=EXACT, atol=EXACT)


def equal(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(autouse=True)
def on_one_thread() -> Iterator[None]:
    """As trainings are."""
    with one_thread():
        yield


class TestDiscriminator:
    """An image and a class -> one number."""

    @pytest.mark.parametrize("deep", [True, False])
    @pytest.mark.parametrize("n_channels", [1, 3])
    @pytest.mark.parametrize("side", SIDES)
    def test_every_side(self, side: int, n_channels: int, *, deep: bool) -> None:
        with seeded(0):
            network = Discriminator(side, n_channels, 3, deep=deep).double()
        x, y = some_images(3, side, n_channels).requires_grad_(True), torch.tensor([0, 2, 1])
        answers = network(x, y)
        assert answers.shape == (3,)
        assert answers.isfinite().all()
        (slopes,) = torch.autograd.grad(answers.sum(), x)
        assert (slopes.abs().amax(dim=(0, 1)) > 0).all()  # every pixel counts
        with torch.no_grad():
            alone = [network(x[i : i + 1], y[i : i + 1]) for i in range(3)]
        assert same(torch.cat(alone), answers)

    def test_deep_has_more_layers(self) -> None:
        sizes = [sum(p.numel() for p in Discriminator(48, 3, 2, deep=deep).parameters()) for deep in (False, True)]
        assert sizes[0] < sizes[1]

    def test_classes_differ_by_a_projection(self) -> None:
        """D(x, a) - D(x, b) = (v_a - v_b) . h, where h is read off with unit vectors for classes."""
        with seeded(0):
            network = Discriminator(32, 3, HIDDEN + 1, deep=False).double()
            vectors = torch.randn(HIDDEN + 1, HIDDEN, dtype=torch.double)
        x = some_images(2)

        def answers(weight: Tensor) -> Tensor:
            network.of_class.weight.data.copy_(weight)
            with torch.no_grad():
                rows = [network(image.expand(HIDDEN + 1, -1, -1, -1), torch.arange(HIDDEN + 1)) for image in x]
            return torch.stack(rows)  # (2, classes)

        units = answers(torch.eye(HIDDEN + 1, HIDDEN, dtype=torch.double))
        h = units[:, :-1] - units[:, -1:]
        assert same(units[:, -1], network.answer(h)[:, 0])  # without a class only the image counts
        assert same(answers(vectors) - units[:, -1:], h @ vectors.T)


class TestDiffAugment:
    """Changes that gradients pass through."""

    random = torch.from_numpy(np.random.default_rng(3).random((4, N_DRAWS)))
    middle = torch.full((4, N_DRAWS), 0.5, dtype=torch.double)

    def test_nothing_changes_nothing(self) -> None:
        x = some_images(4)
        assert same(augmented(x, self.random, colour=0, shift=0), x)
        assert same(augmented(x, self.middle, colour=0.5, shift=0.3), x)

    def test_the_same_draws_give_the_same_image_in_any_company(self) -> None:
        x = some_images(4)
        before = x.clone()
        whole = augmented(x, self.random, colour=0.25, shift=0.1)
        assert torch.equal(whole, augmented(x, self.random, colour=0.25, shift=0.1))
        assert torch.equal(x, before)
        for i in range(4):
            alone = augmented(x[i : i + 1], self.random[i : i + 1], colour=0.25, shift=0.1)
            assert same(alone[0], whole[i])
        assert not torch.allclose(whole, augmented(x, self.random.flip(0), colour=0.25, shift=0.1), atol=0.1)

    @pytest.mark.parametrize(("draw", "part"), [(0.0, -1.0), (0.75, 0.5), (1.0 - 2**-53, 1.0)])
    def test_levels_change_by_the_colour_at_most(self, draw: float, part: float) -> None:
        x, change = some_images(4), 0.3 * part
        grey = x.mean(1, keepdim=True)
        mean = x.mean((1, 2, 3), keepdim=True)
        expected = (x + change, grey + (1 + change) * (x - grey), mean + (1 + change) * (x - mean))
        for which, wanted in enumerate(expected):  # brightness, saturation, contrast
            draws = self.middle.clone()
            draws[:, which] = draw
            assert same(augmented(x, draws, colour=0.3, shift=0), wanted)

    @pytest.mark.parametrize(
        ("shift", "draws", "offsets"),
        [
            (0.1, (0.0, 0.5), (-3, 0)),
            (0.1, (0.5, 1 - 2**-20), (0, 3)),
            (0.25, (0.0, 0.999), (-8, 8)),
            (0.01, (0.0, 0.999), (0, 0)),
        ],
    )
    def test_a_shift_moves_what_is_shown_and_repeats_the_border(
        self, shift: float, draws: tuple[float, float], offsets: tuple[int, int]
    ) -> None:
        x = some_images(1)
        values = torch.tensor([[0.5, 0.5, 0.5, *draws]])
        rows, columns = (np.clip(np.arange(32) + offset, 0, 31) for offset in offsets)
        shifted = augmented(x, values, colour=0, shift=shift)
        assert same(shifted[0], x[0][:, rows][:, :, columns])

    def test_shifts_are_even_and_reach_as_far_as_asked(self) -> None:
        places = torch.arange(32.0).expand(1, 1, 32, 32) / 16 - 1
        draws = torch.from_numpy(np.random.default_rng(5).random((3500, N_DRAWS)).astype(np.float32))
        moved = augmented(places.expand(3500, -1, -1, -1), draws, colour=0, shift=0.1)[:, 0, 0, 16] * 16
        counts = np.bincount(moved.round().long().numpy() + 3, minlength=7)
        assert len(counts) == 7
        assert counts.min() > 400

    def test_gradients_pass(self) -> None:
        x = some_images(4).requires_grad_(True)
        (slopes,) = torch.autograd.grad(augmented(x, self.random, colour=0.25, shift=0.1).square().sum(), x)
        assert slopes.isfinite().all()
        assert (slopes[:, :, 5:-5, 5:-5].abs() > 0).all()
        wide = some_images(1, 8).requires_grad_(True)
        assert torch.autograd.gradcheck(
            lambda image: augmented(image, self.random[:1], colour=0.25, shift=0.1), (wide,)
        )

    def test_grey_images(self) -> None:
        x = some_images(4, n_channels=1)
        draws = self.middle.clone()
        draws[:, 1] = 0.9  # they have no saturation
        assert same(augmented(x, draws, colour=0.5, shift=0), x)
        three = augmented(x.expand(-1, 3, -1, -1), self.random, colour=0.5, shift=0.1)
        one = augmented(x, self.random, colour=0.5, shift=0.1)
        assert one.shape == x.shape
        assert same(one.expand(-1, 3, -1, -1), three)


class TestLosses:
    """Against the formulas on the page, image by image in double precision."""

    y = torch.tensor([0, 1, 1, 0])

    def trainee(self) -> GanTrainee:
        trainee = GanTrainee(gan_task(penalty=0.7), a_generator())
        trainee.discriminator.double()
        return trainee

    def pairs(self, trainee: GanTrainee) -> list[tuple[float, float, float]]:
        """D of the real image, D of the drawn one, and both squared slopes."""
        return [
            (a, b, c + d)
            for (a, c), (b, d) in zip(
                *([answer(trainee, x[i : i + 1], self.y[i : i + 1]) for i in range(4)] for x in self.images()),
                strict=True,
            )
        ]

    def images(self) -> tuple[Tensor, Tensor]:
        x = some_images(8)
        return x[:4], x[4:]

    def test_of_the_discriminator(self) -> None:
        trainee = self.trainee()
        losses = trainee.discriminator_loss(*self.images(), self.y)
        loss, penalty = (value.item() for value in losses)
        pairs = self.pairs(trainee)
        assert loss == pytest.approx(np.mean([math.log1p(math.exp(b - a)) for a, b, _ in pairs]), rel=EXACT)
        assert penalty == pytest.approx(0.7 / 2 * np.mean([slopes for *_, slopes in pairs]), rel=EXACT)
        losses[1].backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in trainee.discriminator.maps.parameters())

    def test_of_the_generator(self) -> None:
        trainee = self.trainee()
        loss = trainee.generator_loss(*self.images(), self.y).item()
        expected = np.mean([math.log1p(math.exp(a - b)) for a, b, _ in self.pairs(trainee)])
        assert loss == pytest.approx(expected, rel=EXACT)

    def test_the_generator_learns_from_drawn_images_alone(self) -> None:
        real, drawn = (x.requires_grad_(True) for x in self.images())
        self.trainee().generator_loss(real, drawn, self.y).backward()  # type: ignore[no-untyped-call]
        assert real.grad is None
        assert drawn.grad is not None
        assert (drawn.grad.abs().amax((1, 2, 3)) > 0).all()


def answer(trainee: GanTrainee, x: Tensor, y: Tensor) -> tuple[float, float]:
    """D of one image, and the squared norm of its slope there."""
    x = x.detach().clone().requires_grad_(True)
    value = trainee.discriminator(x, y)
    (slope,) = torch.autograd.grad(value.sum(), x)
    return float(value.detach()), float(slope.square().sum())


def test_the_learning_rate_falls_late_and_straight() -> None:
    rates = [falling(number, 200) for number in range(200)]
    begin = round(200 * DECAY_FROM)
    assert rates[:begin] == [1.0] * begin
    assert rates[-1] == pytest.approx(DECAY_TO, abs=0.01)
    falls = [a - b for a, b in itertools.pairwise(rates[begin:])]
    assert falls == pytest.approx([(1 - DECAY_TO) / (200 * (1 - DECAY_FROM))] * len(falls))
    assert 0 < falling(0, 1) <= 1


class TestStep:
    """A few steps on tiny images."""

    @pytest.mark.parametrize(("n_channels", "deep"), [(3, False), (1, True)])
    def test_both_networks_learn(self, n_channels: int, *, deep: bool) -> None:
        trainee = GanTrainee(gan_task(n_channels=n_channels, deep=deep), a_generator(n_channels))
        before = {name: states_of(module) for name, module in trainee.modules.items()}
        losses = [trainee.step(number) for number in range(3)]
        assert set(trainee.modules) == {"generator", "discriminator"}
        for name, module in trainee.modules.items():
            after = states_of(module)
            assert all(value.isfinite().all() for value in after)
            still = {
                key for key, a, b in zip(module.state_dict(), before[name], after, strict=True) if torch.equal(a, b)
            }
            assert still <= {"answer.bias"}, name  # it cancels in D(x') - D(x): what it gets is rounding, or nothing
            assert all(parameter.requires_grad for parameter in module.parameters())
        for values in losses:
            assert set(values) == {"discriminator", "penalty", "generator"}
            assert all(value.shape == () and not value.requires_grad for value in values.values())
        assert float(losses[0]["discriminator"]) == pytest.approx(math.log(2), abs=0.2)

    def test_the_rate_is_set_at_each_step(self) -> None:
        trainee = GanTrainee(gan_task(rate=1e-3), a_generator())
        for number in (0, STEPS - 1):
            trainee.step(number)
            rates = {group["lr"] for optimizer in trainee.optimizers.values() for group in optimizer.param_groups}
            assert rates == {1e-3 * falling(number, STEPS)}

    def test_a_step_follows_from_its_number_and_the_seed(self) -> None:
        def after(number: int, **changes: Any) -> list[Tensor]:
            trainee = GanTrainee(replace(gan_task(), **changes), a_generator())
            trainee.step(number)
            return states_of(*trainee.modules.values())

        assert equal(after(2), after(2))
        assert not equal(after(2), after(1))
        assert not equal(after(2), after(2, seed=8))
        assert not equal(after(2), after(2, borrow=(1.0, 1.0)))

    def test_the_first_discriminator_is_of_the_seed_and_global_randomness_stays(self) -> None:
        def states() -> tuple[Any, ...]:
            return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index,union-attr]

        before = states()
        first, again = (GanTrainee(gan_task(), a_generator()) for _ in range(2))
        other = GanTrainee(replace(gan_task(), seed=8), a_generator())
        assert equal(states_of(first.discriminator), states_of(again.discriminator))
        assert not equal(states_of(first.discriminator), states_of(other.discriminator))
        first.step(0)
        assert states() == before

    def test_killed_and_resumed_it_gives_the_same_bits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        n_steps = CHECK + STEPS
        task = gan_task(steps=n_steps)
        whole = GanTrainee(task, a_generator())
        fitted = fit(whole, tmp_path / "whole", n_steps=n_steps, batch=4, decay=0.9)
        monkeypatch.setattr(loop, "SECONDS", 0)  # a checkpoint at every look
        with pytest.raises(KeyboardInterrupt):
            fit(Killed(task, a_generator()), tmp_path / "killed", n_steps=n_steps, batch=4, decay=0.9)
        resumed = GanTrainee(task, a_generator())
        again = fit(resumed, tmp_path / "killed", n_steps=n_steps, batch=4, decay=0.9)
        assert equal(states_of(again.network), states_of(fitted.network))
        assert equal(states_of(resumed.discriminator), states_of(whole.discriminator))
        assert not equal(states_of(fitted.network), states_of(whole.generator))  # it is the average
        assert read_stats(tmp_path / "killed" / STATS) == read_stats(tmp_path / "whole" / STATS)


class Killed(GanTrainee):
    """Does not live to see the end."""

    def step(self, number: int) -> Mapping[str, Tensor]:
        if number == CHECK + 2:
            raise KeyboardInterrupt
        return super().step(number)


class Still:
    """Learns nothing, fast."""

    averaged = "network"

    def __init__(self) -> None:
        self.modules: Mapping[str, nn.Module] = {"network": nn.Linear(1, 1)}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {}

    def step(self, number: int) -> Mapping[str, Tensor]:
        return {"loss": torch.tensor(1.0)}


def test_a_reason_stops_the_training(tmp_path: Path) -> None:
    seen: list[int] = []

    def check(n_seen: int, network: nn.Module) -> str:
        seen.append(n_seen)
        return "enough" if len(seen) == 2 else ""

    fitted = fit(Still(), tmp_path, n_steps=5 * CHECK, batch=4, on_check=check)
    assert (fitted.stopped, fitted.n_images_seen) == ("enough", 8 * CHECK)
    assert seen == [4 * CHECK, 8 * CHECK]
    assert not fitted.network.training
    assert len(read_stats(tmp_path / STATS)) == 2
    whole = fit(Still(), tmp_path / "whole", n_steps=CHECK + 1, batch=4, on_check=lambda n_seen, network: None)
    assert (whole.stopped, whole.n_images_seen) == ("", 4 * (CHECK + 1))


def test_a_look_that_was_killed_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0)  # a checkpoint at every look

    def killed(n_seen: int, network: nn.Module) -> str:
        if n_seen == 4 * 2 * CHECK:
            raise KeyboardInterrupt
        return ""

    with pytest.raises(KeyboardInterrupt):
        fit(Still(), tmp_path, n_steps=3 * CHECK, batch=4, on_check=killed)
    seen: list[int] = []
    fit(Still(), tmp_path, n_steps=3 * CHECK, batch=4, on_check=lambda n_seen, network: seen.append(n_seen))
    assert seen == [4 * 2 * CHECK, 4 * 3 * CHECK]


class TestTeam:
    """Processes that train together."""

    def test_alone_there_is_nothing_to_share(self) -> None:
        module = nn.Linear(2, 1)
        module(torch.ones(1, 2)).sum().backward()
        before = module.weight.grad.clone()  # type: ignore[union-attr]
        SINGLE.average(module)
        SINGLE.wait()
        assert torch.equal(module.weight.grad, before)  # type: ignore[arg-type]
        assert SINGLE.means({"a": torch.tensor(2.0), "b": torch.tensor(3)}) == {"a": 2.0, "b": 3.0}
        assert (SINGLE.broadcast("words"), SINGLE.leads, ProcessGroup(1, 2).leads) == ("words", True, False)
        with joined_group() as group:
            assert group == SINGLE

    def test_two_take_half_of_each_batch(self, tmp_path: Path) -> None:
        together = tmp_path / "together"
        in_two_processes(lambda rank: take_part(together))
        first, second = (safetensors.torch.load((together / f"{rank}.safetensors").read_bytes()) for rank in (0, 1))
        assert set(first) == set(second)
        assert all(torch.equal(values, second[name]) for name, values in first.items())
        expected = {
            "told": "0 says",
            "means": {"a": 0.5, "b": 2.0},
            "mean gradient": [[1.5, 1.5]],
            "stopped": "enough",
            "n_images_seen": 4 * STEPS,
        }
        for rank in (0, 1):
            found = json.loads((together / f"{rank}.json").read_text())
            assert found == {**expected, "looks": 1 - rank, "leads": rank == 0}
        assert len(read_stats(together / "fit" / STATS)) == 1
        alone = few_steps(tmp_path / "alone", SINGLE)[0]
        rounding = STEPS * 4 * 32 * 32 * 2.0**-24  # of float32, in each step, in sums over the pixels of a batch
        assert read_stats(together / "fit" / STATS)[0] == pytest.approx(
            read_stats(tmp_path / "alone" / STATS)[0],
            rel=rounding,
            abs=2e-6,  # the file has 6 decimals
        )
        for name, module in GanTrainee(gan_task(), a_generator()).modules.items():
            begun = module.state_dict()
            moved = torch.cat([(alone[f"{name}/{key}"] - value).flatten() for key, value in begun.items()])
            apart = torch.cat([(alone[f"{name}/{key}"] - first[f"{name}/{key}"]).flatten() for key in begun])
            weights = torch.cat([value.flatten() for value in begun.values()])
            assert float(moved.norm()) > 1e-3 * float(weights.norm())
            assert float(apart.norm()) < rounding * float(moved.norm()), name


def few_steps(folder: Path, group: ProcessGroup) -> tuple[dict[str, Tensor], loop.Fit, int]:
    """All weights after a few steps, what the loop gave, and how often this process was asked to look.

    The steps are plain ones, proportional to the gradient: Adam divides by its size, so where a gradient is 0 but for
    rounding it would take whole steps after that rounding.
    """
    seen = []

    def check(n_seen: int, network: nn.Module) -> str:
        seen.append(n_seen)
        return "enough"

    trainee = GanTrainee(gan_task(group=group, rate=RATE, penalty=5.0), a_generator())
    trainee.optimizers = {
        f"{name} optimizer": torch.optim.SGD(module.parameters(), RATE) for name, module in trainee.modules.items()
    }
    with one_thread():
        fitted = fit(trainee, folder, n_steps=STEPS, batch=4, on_check=check if group.leads else None, group=group)
    modules = {**trainee.modules, "average": fitted.network}
    weights = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    return {key: value.detach().clone().contiguous() for key, value in weights.items()}, fitted, len(seen)


def take_part(folder: Path) -> None:
    """What each of the two processes does."""
    with joined_group() as group:
        module = nn.Linear(2, 1, bias=False)
        (module(torch.ones(1, 2)).sum() * (group.rank + 1)).backward()
        group.average(module)
        weights, fitted, n_looks = few_steps(folder / "fit", group)
        found = {
            "told": group.broadcast(f"{group.rank} says"),
            "means": group.means({"a": torch.tensor(float(group.rank)), "b": torch.tensor(2)}),
            "mean gradient": module.weight.grad.tolist(),  # type: ignore[union-attr]
            "stopped": fitted.stopped,
            "n_images_seen": fitted.n_images_seen,
            "looks": n_looks,
            "leads": group.leads,
        }
        group.wait()
    (folder / f"{group.rank}.json").write_text(json.dumps(found))
    (folder / f"{group.rank}.safetensors").write_bytes(safetensors.torch.save(weights))


GOOD = ClassEvaluation(256, 0.99, 1.0, 0.9, 0.9, 0.0, 1.4, 30, 0.2, 0.1, 0.05, 1.0, 0.6)


def looks_of(*found: ClassEvaluation, label: str = "red") -> list[Evaluation]:
    return [Evaluation(100 * (number + 1), {label: each, "other": GOOD}) for number, each in enumerate(found)]


BROKEN: Mapping[str, tuple[Mapping[str, float], str]] = {
    "off class": ({"on_class": evaluations.ON_CLASS_MIN - 0.01}, "finds the class in 94%"),
    "alike": ({"diversity": evaluations.DIVERSITY_MIN - 0.01}, "0.74 of the diversity"),
    "copies": ({"copies": evaluations.COPIES_MAX + 0.01}, "3.0% are much nearer to a real image"),
    "far": ({"kid": 0.6 + (evaluations.KID_SPREADS + 0.2) * 0.05, "kid_real": 0.6}, "KID 0.76 .* at most 0.75"),
    "far from many": ({"kid": evaluations.KID_FREE + 0.01}, "KID 0.51 .* at most 0.50"),
    "many-sided": ({"kept": evaluations.KEPT_MIN - 0.1}, "only 30% of what varies"),
    "soft": ({"sharpness": evaluations.SHARPNESS_MIN - 0.01}, "0.49 of the sharpness"),
    "noisy": ({"sharpness": evaluations.SHARPNESS_MAX + 0.01}, "1.51 of the sharpness"),
}


class TestLooks:
    """What is made of the numbers."""

    def test_a_good_look_breaks_no_bound(self) -> None:
        assert GOOD.broken() == []
        unknown = replace(GOOD, on_class=None, sharpness=None, diversity=None, copies=None, kid=None)
        assert unknown.broken() == []

    @pytest.mark.parametrize("what", BROKEN)
    def test_each_bound(self, what: str) -> None:
        changes, words = BROKEN[what]
        found = replace(GOOD, **changes)  # type: ignore[arg-type]
        (reason,) = found.broken()
        assert re.search(words, reason)
        assert verdict(found, FEW) == (NOT_USABLE, [reason])

    def test_what_a_good_look_is_worth(self) -> None:
        assert verdict(GOOD, FEW) == (USABLE, [])
        word, reasons = verdict(replace(GOOD, on_class=None), 100)
        assert (word, len(reasons)) == (LOOK, 1)
        assert "no judge knows this class" in reasons[0]
        word, reasons = verdict(replace(GOOD, real_known=0.6), 5)
        assert word == NOT_USABLE
        assert "60% of the real images: they are unlike" in reasons[0]

    def test_with_few_real_images_only_the_class_can_be_known(self) -> None:
        soft, off = replace(GOOD, sharpness=0.1), replace(GOOD, on_class=0.5)
        for found, expected in ((GOOD, LOOK), (soft, LOOK), (off, NOT_USABLE), (replace(GOOD, on_class=None), LOOK)):
            word, reasons = verdict(found, FEW - 1)
            assert word == expected
            assert "14 real images" in reasons[-1]
            assert reasons[:-1] == found.broken()

    def test_what_is_kept_of_images_that_are_drawn_again(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
        mean = np.broadcast_to(np.rint(images.mean(axis=0)).astype(np.uint8), images.shape)
        assert evaluations.kept_share(images, images) == 1
        assert evaluations.kept_share(images, mean) == pytest.approx(0, abs=1e-3)
        assert evaluations.kept_share(images[:1], images[:1]) is None

    def test_the_latest_of_the_best_is_chosen(self) -> None:
        off, soft_and_off = replace(GOOD, on_class=0.5), replace(GOOD, on_class=0.5, sharpness=0.1)
        for found, expected in (
            ([GOOD, off, soft_and_off], 100),
            ([off, GOOD, GOOD, off], 300),
            ([soft_and_off, off, soft_and_off], 200),
            ([off], 100),
        ):
            assert choose(looks_of(*found), ["red"]).n_images_seen == expected
        assert choose(looks_of(GOOD, off), ["other"]).n_images_seen == 200  # nobody minds red
        assert choose(looks_of(off, replace(off, on_class=0.1)), ["red"]).n_images_seen == 200

    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            ({"diversity": 0.29}, "collapse: images of red have 0.29"),
            ({"diversity": 0.0}, "collapse: images of red have 0.00"),
            ({"copies": 0.51}, "memorisation: 51% of the images of red"),
        ],
    )
    def test_trouble_takes_two_looks_in_a_row(self, bad: Mapping[str, float], words: str) -> None:
        ill = replace(GOOD, **bad)  # type: ignore[arg-type]
        for found in ([ill], [ill, GOOD], [ill, GOOD, ill], [ill, ill, GOOD], [GOOD, GOOD], []):
            assert trouble(looks_of(*found), ["red"]) == ""
        for found in ([GOOD, ill, ill], [ill, GOOD, ill, ill]):
            assert words in trouble(looks_of(*found), ["red"])
            assert words in trouble(looks_of(*found), ["other", "red"])
            assert trouble(looks_of(*found), ["other"]) == ""

    def test_only_what_was_there_can_collapse(self) -> None:
        alike, copies = replace(GOOD, diversity=0.1), replace(GOOD, copies=0.9)
        assert trouble(looks_of(alike, alike, alike), ["red"]) == ""
        assert "memorisation" in trouble(looks_of(copies, copies), ["red"])

    def test_what_is_not_known_is_no_trouble(self) -> None:
        unknown = replace(GOOD, diversity=None, copies=None)
        at_the_bounds = replace(GOOD, diversity=0.3, copies=0.5)
        for found in (unknown, at_the_bounds):
            assert trouble(looks_of(found, found), ["red"]) == ""


Real = Mapping[str, tuple[Images, list[str]]]


@pytest.fixture(scope="module")
def real(judged: Judged) -> Real:
    """Images of each class, and hashes of their files."""
    found = synth.open_dataset(judged.data).train
    sources = Originals(synth.Recipe().data)
    return {label: (read_inputs(items, sources, 32), [item.sha256 for item in items]) for label, items in found.items()}


@pytest.fixture(scope="module")
def with_flips(judged: Judged, real: Real) -> Evaluator:
    """It knows the real images, and that their mirror images are of their class."""
    recipe = synth.load_recipe(overrides={"augment.effects.flip_horizontal.p": 0.5})
    return measurer(judged, real, safe_policy(recipe, without=("blur",)))


def measurer(judged: Judged, real: Real, policy: Augment) -> Evaluator:
    judge = open_judge(judged.bundle)
    labels = np.concatenate([np.full(len(real[label][0]), n) for n, label in enumerate(judge.classes)])
    inputs = np.concatenate([real[label][0] for label in judge.classes])
    return Evaluator(judge, TrainingSet(judge.classes, inputs, labels), policy, seed=3)


class TestMeasurer:
    """Real images, and worse, in the place of drawn ones."""

    def test_real_images_are_copies_of_themselves(self, with_flips: Evaluator, real: Real) -> None:
        images, hashes = real["red"]
        n = len(images)
        found = with_flips.measure("red", images, [(each, each) for each in hashes])
        assert (found.n, found.copies, found.nearest, found.real_near) == (n, 1.0, 0.0, n)
        assert found.diversity == pytest.approx(1, abs=1e-6)
        assert found.pixel_diversity == pytest.approx(1, abs=1e-6)
        assert found.kid is not None
        assert found.kid < found.kid_limit()
        assert found.on_class is not None
        assert found.on_class > 0.9
        again = with_flips.measure("red", images, [(each, each) for each in hashes])
        assert again == found
        assert trouble([Evaluation(1, {"red": found}), Evaluation(2, {"red": again})], ["red"]).startswith(
            "memorisation: 100%"
        )

    def test_mirror_images_are_copies_where_flips_are_allowed(
        self, judged: Judged, with_flips: Evaluator, real: Real
    ) -> None:
        images, hashes = real["green"]
        mirrored, parents = np.ascontiguousarray(images[:, :, ::-1]), [(each, each) for each in hashes]
        assert with_flips.measure("green", mirrored, parents).copies == 1.0
        without = safe_policy(synth.Recipe(), without=("blur", "flip_horizontal"))
        copies = measurer(judged, real, without).measure("green", mirrored, parents).copies
        assert copies is not None
        assert copies < 0.5

    def test_distances_are_told_by_the_two_closest_real_images(self, with_flips: Evaluator, real: Real) -> None:
        images, hashes = real["yellow"]
        flat = np.stack([thumbnail(image) for image in images]).astype(np.float64)
        mirrors = np.stack([thumbnail(image[:, ::-1]) for image in images]).astype(np.float64)
        closest = min(
            float(np.linalg.norm(flat[a] - other[b]))
            for a, b in itertools.combinations(range(len(images)), 2)
            for other in (flat, mirrors)
        )
        changed = images[4:5].astype(int) + np.where(images[4:5] < 128, 40, -40)
        away = np.stack([thumbnail(image) for image in changed.astype(np.uint8)]).astype(np.float64)
        nearest = min(float(np.linalg.norm(away[0] - other)) for other in (*flat, *mirrors))
        found = with_flips.measure("yellow", changed.astype(np.uint8), [hashes[4:5]])
        assert found.nearest == pytest.approx(nearest / closest, rel=3072 * 2.0**-24)  # float32: a sum of 3072 squares
        assert found.copies == float(nearest < closest)

    def test_images_of_another_class_are_seen(self, with_flips: Evaluator, real: Real) -> None:
        images, hashes = real["green"]
        found = with_flips.measure("red", images, [(each, each) for each in hashes])
        assert found.on_class is not None
        assert found.on_class < 0.2
        assert found.kid is not None
        assert found.kid > found.kid_limit()
        assert found.copies is not None
        assert found.copies < 0.2
        assert verdict(found, 40)[0] == NOT_USABLE

    def test_noise_is_no_light(self, with_flips: Evaluator, real: Real) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), np.uint8)
        parents = [real["red"][1][:2]] * 24
        found = {label: with_flips.measure(label, noise, parents) for label in real}
        shares = sorted(each.on_class or 0 for each in found.values())
        assert sum(shares) == pytest.approx(1)
        assert shares[1] < 0.5  # they can't be of two classes
        for each in found.values():
            assert each.copies == 0
            assert each.kid is not None
            assert each.kid > each.kid_limit()
            assert each.sharpness is not None
            assert each.sharpness > 2

    def test_one_image_many_times_has_no_diversity(self, with_flips: Evaluator, real: Real) -> None:
        images, hashes = real["red"]
        found = with_flips.measure("red", np.repeat(images[:1], 20, axis=0), [(hashes[0], hashes[0])] * 20)
        assert (found.diversity, found.pixel_diversity, found.real_near) == (0, 0, 1)
        assert any("0.00 of the diversity" in words for words in found.broken())

    def test_blurred_images_are_soft(self, with_flips: Evaluator, real: Real) -> None:
        images, hashes = real["red"]
        blurred = np.stack([cv2.blur(image, (5, 5)) for image in images])
        found = with_flips.measure("red", blurred, [(each, each) for each in hashes])
        assert found.sharpness is not None
        assert found.sharpness < evaluations.SHARPNESS_MIN


def test_a_class_may_lie_between_two() -> None:
    """`Generator.drawn` with the embedding of a class gives its image, and with a mix of two something between."""
    generator = a_generator().eval()
    codes = torch.from_numpy(gan_task().bank.codes[:3])
    with torch.inference_mode():
        red, green = (generator.embedding(torch.full((3,), number)) for number in (0, 1))
        assert red.shape == (3, STYLE)
        ends = [generator.decode(codes, embedded) for embedded in (red, green)]
        middle = generator.decode(codes, (red + green) / 2)
        assert torch.equal(ends[1], generator(codes, torch.ones(3, dtype=torch.long)))
    whole = (ends[0] - ends[1]).flatten(1).norm(dim=1)
    assert all(((middle - end).flatten(1).norm(dim=1) < whole).all() for end in ends)
