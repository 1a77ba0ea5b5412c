"""Effects: fair and independent draws, application image by image, grey and 16 bits, fills, odd sizes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from synth.effects.colour import COLOUR
from synth.effects.geometry import GEOMETRY
from synth.effects.policy import Policy
from synth.settings.augment import Augment
from synth.settings.effects import Effects

N_ATTEMPTS = 20_000
SIGMAS = 4.0
NAMES = tuple(Effects.model_fields)
COLOURS_GREY = ("temperature", "tint", "channel_gain", "sepia")
INTERPOLATIONS = ("linear", "cubic", "lanczos")

# One strong setting of each effect, for what must hold whatever the values are.
STRONG: Mapping[str, Mapping[str, float]] = {
    "crop": {"area": 0.6, "x": 0.3, "y": 0.9},
    "flip_horizontal": {},
    "flip_vertical": {},
    "quarter_turn": {"turns": 1},
    "scale": {"factor": 0.8},
    "shear": {"x": 12, "y": -5},
    "perspective": {f"{axis}{corner}": (-1) ** corner * 0.07 for corner in range(4) for axis in "xy"},
    "rotate": {"degrees": 17},
    "shift": {"x": 0.1, "y": -0.07},
    "brightness": {"factor": 0.8},
    "contrast": {"factor": 1.2},
    "saturation": {"factor": 1.5},
    "temperature": {"kelvin": 4000},
    "tint": {"amount": 0.3},
    "channel_gain": {"red": 0.8, "green": 1.1, "blue": 0.9},
    "grey": {},
    "sepia": {"amount": 0.7},
    "hue": {"degrees": 40},
    "gamma": {"gamma": 1.4},
    "blur": {"sigma": 1.2},
}


def policy(label: str = "a", *, seed: int = 0, effects: Mapping[str, Any] | None = None, **settings: Any) -> Policy:
    """A policy in which only the named effects can fire."""
    off = {name: {"p": 0} for name in NAMES}
    return Policy(Augment.model_validate({"effects": {**off, **(effects or {})}, **settings}), label, seed=seed)


def all_with(p: float, **more: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every effect with probability `p`."""
    return {name: {"p": p, **more.get(name, {})} for name in NAMES}


def one(pixels: npt.NDArray[Any], params: Mapping[str, Any], **settings: Any) -> Any:
    """The given parameters on one image."""
    return policy(**settings).apply([pixels], [params], attempts=range(1))[0]


def picture(height: int = 40, width: int = 56, *, top: int = 255, channels: int = 3) -> npt.NDArray[Any]:
    """Waves between a fifth and four fifths of the top level; `channels` 1 gives (H, W)."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9 + c) * np.cos(y / (7 + c)) for c in range(channels)], axis=2)
    levels = np.round(top * (0.5 + 0.3 * waves)).astype(np.uint8 if top == 255 else np.uint16)
    return levels[..., 0] if channels == 1 else levels


def as_table(drawn: list[Any], name: str) -> dict[str, npt.NDArray[np.float64]]:
    """Parameters of an effect that always fires, as columns."""
    return {key: np.array([params[name][key] for params in drawn]) for key in drawn[0][name]}


# ---- draws


def test_rates_are_p_and_effects_are_independent() -> None:
    """Every effect fires at its own rate, and no two effects know of each other."""
    rates = {name: 0.15 + 0.7 * i / len(NAMES) for i, name in enumerate(NAMES)}
    drawn = policy(effects={name: {"p": p} for name, p in rates.items()}).draw(range(N_ATTEMPTS))
    fired = np.array([[name in params for name in NAMES] for params in drawn])
    p = np.array(list(rates.values()))
    assert (abs(fired.mean(axis=0) - p) < SIGMAS * np.sqrt(p * (1 - p) / N_ATTEMPTS)).all()
    ties = np.corrcoef(fired.T.astype(float)) - np.eye(len(NAMES))
    assert abs(ties).max() < SIGMAS / np.sqrt(N_ATTEMPTS)


def test_never_and_always() -> None:
    """p = 0 never fires and p = 1 always does."""
    assert all(params == {} for params in policy().draw(range(2000)))
    assert all(tuple(params) == NAMES for params in policy(effects=all_with(1)).draw(range(2000)))


def ranges_of(name: str) -> dict[str, tuple[float, float]]:
    """The range in which each parameter of an effect must be uniform, by the recipe's defaults."""
    settings = getattr(Effects(), name)
    if name == "channel_gain":
        return dict.fromkeys(("red", "green", "blue"), settings.factor)
    if name == "perspective":  # at a fixed strength
        return {f"{axis}{corner}": (-0.08, 0.08) for corner in range(4) for axis in "xy"}
    free = {"x": (0.0, 1.0), "y": (0.0, 1.0)} if name == "crop" else {}
    return {key: pair for key, pair in settings if key not in ("p", "turns") and pair[0] < pair[1]} | free


def test_parameters_are_uniform_and_independent() -> None:
    """Within their ranges, near both ends, uniform by Kolmogorov and Smirnov, and not tied to one another."""
    drawn = policy(effects=all_with(1, perspective={"strength": 0.08})).draw(range(N_ATTEMPTS))
    columns = []
    for name in NAMES:
        for key, (low, high) in ranges_of(name).items():
            values = (as_table(drawn, name)[key] - low) / (high - low)
            assert 0 <= values.min() < 0.001 < 0.999 < values.max() <= 1, (name, key)
            assert stats.kstest(values, "uniform").pvalue > 1e-4, (name, key)
            columns.append(values)
    assert len(columns) > len(NAMES)
    assert abs(np.corrcoef(columns) - np.eye(len(columns))).max() < SIGMAS * 1.2 / np.sqrt(N_ATTEMPTS)


def test_quarter_turns_are_drawn_evenly() -> None:
    drawn = policy(effects={"quarter_turn": {"p": 1, "turns": [1, 3]}}).draw(range(N_ATTEMPTS))
    turns = as_table(drawn, "quarter_turn")["turns"]
    assert set(turns) == {1, 3}
    assert abs((turns == 1).mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(N_ATTEMPTS)


def test_strength_bounds_the_corners() -> None:
    drawn = policy(effects={"perspective": {"p": 1, "strength": [0.02, 0.05]}}).draw(range(2000))
    assert 0.045 < max(abs(value) for params in drawn for value in params["perspective"].values()) <= 0.05


def test_firing_does_not_depend_on_the_values() -> None:
    """The values of the attempts that fire at p = .5 are as uniform as those of all."""
    drawn = policy(effects={"rotate": {"p": 0.5, "degrees": [0, 1]}}).draw(range(N_ATTEMPTS))
    values = [params["rotate"]["degrees"] for params in drawn if "rotate" in params]
    assert stats.kstest(values, "uniform").pvalue > 1e-4


def test_class_and_seed_change_the_draws() -> None:
    effects = all_with(0.5)
    base = policy(effects=effects).draw(range(200))
    assert policy(effects=effects).draw(range(200)) == base
    for other in (policy("b", effects=effects), policy(seed=1, effects=effects)):
        drawn = other.draw(range(200))
        assert not any(x == y for x, y in zip(drawn, base, strict=True))


def test_a_chunk_is_a_slice_of_all_attempts() -> None:
    drawer = policy(effects=all_with(0.5))
    assert drawer.draw(range(10, 20)) == drawer.draw(range(30))[10:20]


@pytest.mark.parametrize("changed", NAMES)
def test_an_effect_changes_no_other_draws(changed: str) -> None:
    """Taking one away, forbidding it or leaving it out leaves the others as they were."""
    full = policy(effects=all_with(0.5)).draw(range(100))
    expected = [{name: values for name, values in params.items() if name != changed} for params in full]
    without = policy(effects={**all_with(0.5), changed: {"p": 0}})
    forbidden = policy(effects=all_with(0.5), forbid=[changed])
    assert without.draw(range(100)) == forbidden.draw(range(100)) == expected
    assert policy(effects=all_with(0.5)).draw(range(100), leave_out=[changed]) == expected


def test_a_class_has_its_own_effects() -> None:
    settings = {"effects": {"rotate": {"p": 1}}, "classes": {"b": {"effects": {"rotate": {"degrees": 3}}}}}
    assert policy("b", **settings).draw(range(1)) == [{"rotate": {"degrees": 3}}]
    assert policy("a", **settings).draw(range(1)) != [{"rotate": {"degrees": 3}}]


# ---- application


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_alone_or_in_a_chunk_gives_the_same_bytes(interpolation: str) -> None:
    """Chunks of mixed sizes, of grey, colour and 16-bit images."""
    kinds = itertools.cycle([{}, {"channels": 1}, {"channels": 1, "top": 65535}])
    sources = [picture(17 + i, 60 - i, **next(kinds)) for i in range(40)]
    effects = policy(effects=all_with(0.4), interpolation=interpolation)
    params = effects.draw(range(40))
    together = effects.apply(sources, params, attempts=range(40))
    for i in range(40):
        alone = effects.apply(sources[i : i + 1], params[i : i + 1], attempts=range(i, i + 1))[0]
        assert alone.dtype == together[i].dtype
        assert np.array_equal(alone, together[i])


def test_sources_stay_as_they_were() -> None:
    source = picture()
    for name, values in STRONG.items():
        one(source, {name: values})
    assert np.array_equal(source, picture())


def test_nothing_drawn_changes_nothing() -> None:
    assert np.array_equal(one(picture(), {}), picture())
    neutral = {
        "rotate": {"degrees": 0},
        "scale": {"factor": 1},
        "brightness": {"factor": 1},
        "hue": {"degrees": 0},
    }
    assert np.array_equal(one(picture(), neutral), picture())


def test_a_shifted_mirror_is_shifted() -> None:
    """A matrix that mirrors and moves is no plain mirror."""
    values = {"flip_horizontal": {}, "shift": {"x": 0.25, "y": 0}}
    both = one(picture(), values, interpolation="linear", fill="reflect")
    assert np.array_equal(both[:, 14:], picture()[:, ::-1][:, :-14])


@pytest.mark.parametrize("top", [255, 65535])
@pytest.mark.parametrize("name", NAMES)
def test_grey_stays_grey(name: str, top: int) -> None:
    """Channels and depth stay; what only moves colour leaves grey alone; nothing else does nothing."""
    source = picture(channels=1, top=top)
    result = one(source, {name: STRONG[name]}, fill="edge")
    expected_shape = source.shape[::-1] if name == "quarter_turn" else source.shape
    assert (result.dtype, result.shape) == (source.dtype, expected_shape)
    only_colour = name in COLOUR and name not in ("brightness", "contrast", "gamma")
    assert np.array_equal(result, source) == only_colour


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COLOURS_GREY])
def test_three_equal_channels_are_treated_as_grey(name: str) -> None:
    """A grey image stored as RGB comes out as the grey one does, where an effect leaves it grey."""
    grey = picture(channels=1)
    result = one(np.dstack([grey] * 3), {name: STRONG[name]}).astype(int)
    assert abs(result - one(grey, {name: STRONG[name]})[..., None]).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_16_bits_agree_with_8_and_keep_their_steps(name: str) -> None:
    deep, flat = picture(channels=1, top=65535), picture(channels=1)
    result, expected = one(deep, {name: STRONG[name]}), one(flat, {name: STRONG[name]})
    assert np.abs(result / 65535 - expected / 255).max() < 0.01
    assert len(np.unique(result)) > 1000


@pytest.mark.parametrize("name", ["brightness", "contrast", "channel_gain"])
def test_bright_levels_saturate_and_do_not_wrap(name: str) -> None:
    strong = {"factor": 3, "red": 3, "green": 3, "blue": 3}
    assert one(picture(), {name: strong}).max() == 255
    if name != "channel_gain":
        assert one(picture(channels=1, top=65535), {name: strong}).max() == 65535


# ---- what enters the frame

FILL_COLOUR = "#4080c0"


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({}, (0x40, 0x80, 0xC0)),
        ({"channels": 1}, round(0.299 * 0x40 + 0.587 * 0x80 + 0.114 * 0xC0)),
        ({"channels": 1, "top": 65535}, round(257 * (0.299 * 0x40 + 0.587 * 0x80 + 0.114 * 0xC0))),
    ],
)
def test_fill_with_a_colour(kind: dict[str, int], expected: Any, interpolation: str) -> None:
    settings = {"fill": FILL_COLOUR, "interpolation": interpolation}
    source = picture(**kind)
    moved = one(source, {"shift": {"x": 0.25, "y": 0}}, **settings)
    assert (moved[:, :14] == expected).all()
    assert np.array_equal(moved[:, 14:], source[:, :-14])
    assert (one(source, {"scale": {"factor": 0.5}}, **settings)[:5] == expected).all()
    tilted = one(source, {"perspective": {f"{a}{c}": 0.3 * (c == 0) for c in range(4) for a in "xy"}}, **settings)
    assert (tilted[0, 0] == expected).all()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("kind", [{}, {"channels": 1}, {"channels": 1, "top": 65535}])
def test_fill_with_the_edge_or_its_reflection(kind: dict[str, int], interpolation: str) -> None:
    source = picture(**kind)
    right = {"shift": {"x": 0.25, "y": 0}}
    edge = one(source, right, fill="edge", interpolation=interpolation)
    assert np.array_equal(edge[:, :14], np.repeat(source[:, :1], 14, axis=1))
    reflected = one(source, right, fill="reflect", interpolation=interpolation)
    assert np.array_equal(reflected[:, :14], source[:, 14:0:-1])


def test_interpolations_differ_in_sharpness() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    spread = [one(noise, {"rotate": {"degrees": 9}}, interpolation=kind).std() for kind in INTERPOLATIONS]
    assert spread == sorted(spread)
    assert spread[0] < 0.95 * spread[1]


# ---- odd input

SHAPES = [(2, 2), (2, 2, 3), (2, 300, 3), (300, 2), (1, 1), (1, 1, 3), (1, 50, 3), (50, 1)]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 100, 255])
def test_tiny_and_constant_images(shape: tuple[int, ...], level: int, interpolation: str) -> None:
    """Each effect alone, then all at random: no crash, and geometry leaves a constant image constant."""
    source = np.full(shape, level, np.uint8)
    for name in (*GEOMETRY, "blur"):
        assert (one(source, {name: STRONG[name]}, interpolation=interpolation) == level).all()
    effects = policy(effects=all_with(0.5), interpolation=interpolation)
    for result in effects.apply([source] * 20, effects.draw(range(20)), attempts=range(20)):
        assert result.dtype == np.uint8
        assert sorted(result.shape) == sorted(shape)


def test_the_effects_act_in_the_order_of_the_recipe() -> None:
    assert (*GEOMETRY, *COLOUR, "blur") == NAMES == tuple(STRONG)
