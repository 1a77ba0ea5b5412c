"""Interpolation through the codes of an autoencoder: bytes, parents, sharpness, and what is refused."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Judged, contents, make_dataset, picture
from corpus import make_gan_bundle
from PIL import Image

import synth
from synth.data.manifest import read_manifest
from synth.errors import OutputError, UsageError
from synth.generators.base import Context
from synth.generators.registry import open_generator
from synth.records import Candidate
from synth.runs.remake import synthetic_ids


def recipe_for(bundle: Path | None, n: int = 60, **settings: object) -> synth.Recipe:
    values = {"method": "smote", "bundle": str(bundle or ""), "target": {"yellow": n}, "cap": 100}
    return synth.load_recipe(None, {**values, **{key.replace("__", "."): value for key, value in settings.items()}})


def candidates(data: Path, recipe: synth.Recipe, n: int, label: str = "yellow") -> list[Candidate]:
    return list(open_generator(Context(recipe, synth.open_dataset(data).train)).make(label, range(n)))


def sharpness(pixels: np.ndarray) -> float:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


@pytest.mark.parametrize("augment", ["together", "apart"])
def test_same_bytes_for_any_number_of_workers_and_after_a_kill(
    judged: Judged, codes: Path, tmp_path: Path, augment: str
) -> None:
    dataset = synth.open_dataset(judged.data)
    recipe = recipe_for(codes, 120, judge=str(judged.bundle), smote__augment=augment)

    def killed(what: str, done: int, total: int) -> None:
        if what == "images" and done > len(dataset.items) + 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synth.generate(dataset, None, recipe, tmp_path / "killed", progress=killed)
    for out, n_workers in (("one", 1), ("two", 2), ("killed", 1)):
        synth.generate(dataset, None, recipe, tmp_path / out, n_workers=n_workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "killed")
    rows = [row for row in read_manifest(tmp_path / "one/manifest.jsonl") if row.synthetic]
    assert {row.params["space"] for row in rows} == {"latent"}
    assert all("classifier" in row.scores for row in rows)
    ids = synthetic_ids(tmp_path / "one")[::20]
    assert all(made.same_file for made in synth.remake(tmp_path / "one", ids))


def test_an_attempt_does_not_depend_on_its_company(judged: Judged, codes: Path) -> None:
    generator = open_generator(Context(recipe_for(codes), synth.open_dataset(judged.data).train))
    together = list(generator.make("yellow", range(40)))
    alone = next(iter(generator.make("yellow", range(37, 38))))
    assert np.array_equal(alone.pixels, together[37].pixels)


def test_the_way_begins_and_ends_at_the_parents_themselves(judged: Judged, codes: Path) -> None:
    generator = open_generator(Context(recipe_for(codes), synth.open_dataset(judged.data).train))
    way = generator.walk("yellow", 0, n=5)
    for candidate, parent in zip((way[0], way[-1]), way[0].parents, strict=True):
        real = np.asarray(Image.open(parent.path))
        assert np.abs(candidate.pixels.astype(int) - real).max() <= 2  # JPEG readers differ by a level


def test_the_residual_keeps_the_parents_sharpness(judged: Judged, codes: Path) -> None:
    real = [np.asarray(Image.open(item.path)) for item in synth.open_dataset(judged.data).train["yellow"]]
    off = {"smote__augment": "off"}
    found = {
        name: np.median([sharpness(c.pixels) for c in candidates(judged.data, recipe_for(codes, **settings), 60)])
        for name, settings in {
            "spherical": off,
            "linear": off | {"smote__path": "linear"},
            "decoded": off | {"smote__residual": False},
        }.items()
    }
    wanted = np.median([sharpness(pixels) for pixels in real])
    assert found["decoded"] < found["linear"] < found["spherical"]
    assert found["spherical"] > 0.75 * wanted


def test_grey_images_of_any_aspect(tmp_path: Path) -> None:
    for label, n in (("red", 10), ("yellow", 4)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(n):
            grey = picture(label, index, size=(75 + index, 50)).convert("L")
            grey.save(tmp_path / "data" / label / f"{index}.png")
    make_gan_bundle(tmp_path / "data", tmp_path / "codes")
    made = candidates(tmp_path / "data", recipe_for(tmp_path / "codes"), 12)
    assert {candidate.pixels.ndim for candidate in made} == {2}
    assert all(75 <= candidate.pixels.shape[1] <= 79 and candidate.pixels.shape[0] == 50 for candidate in made)


def test_one_image_alone_goes_through_the_codes_of_its_changed_copies(judged: Judged, codes: Path) -> None:
    dataset = synth.open_dataset(judged.data)
    train = {**dataset.train, "yellow": dataset.train["yellow"][:1]}
    made = list(open_generator(Context(recipe_for(codes), train)).make("yellow", range(8)))
    assert {len(candidate.parents) for candidate in made} == {1}
    assert len({candidate.pixels_sha256 for candidate in made}) == 8


def test_neighbours_by_what_the_judge_sees(judged: Judged, codes: Path) -> None:
    for bundle in (None, codes):
        recipe = recipe_for(bundle, smote__space="features", judge=str(judged.bundle))
        made = candidates(judged.data, recipe, 20)
        assert {candidate.params["space"] for candidate in made} == {"features"}
        assert {len(candidate.parents) for candidate in made} == {2}


@pytest.mark.parametrize("parents", ["borderline", "adaptive"])
def test_parents_near_other_classes(judged: Judged, codes: Path, parents: str) -> None:
    made = candidates(judged.data, recipe_for(codes, smote__parents=parents), 200)
    uses = Counter(candidate.parents[0].id for candidate in made)
    generator = open_generator(
        Context(recipe_for(codes, smote__parents=parents), synth.open_dataset(judged.data).train)
    )
    nowhere_near = any("no image lies near another class" in line for line in generator.remarks(["yellow"]))
    assert nowhere_near == (set(uses.values()) == {10})


def test_an_unfinished_run_is_not_resumed_with_another_autoencoder(judged: Judged, codes: Path, tmp_path: Path) -> None:
    dataset = synth.open_dataset(judged.data)
    bundle = tmp_path / "codes"
    shutil.copytree(codes, bundle)

    def killed(what: str, done: int, total: int) -> None:
        if what == "images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synth.generate(dataset, None, recipe_for(bundle), tmp_path / "out", progress=killed)
    shutil.rmtree(bundle)
    make_gan_bundle(judged.data, bundle)
    with pytest.raises(OutputError, match="unfinished"):
        synth.generate(dataset, None, recipe_for(bundle), tmp_path / "out")


def test_an_autoencoder_of_other_classes_is_refused(codes: Path, tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"blue": 4, "red": 4}})
    with pytest.raises(UsageError, match='knows green, red, yellow, but not "blue"'):
        open_generator(Context(recipe_for(codes), synth.open_dataset(data).train))


def test_no_global_random_state_is_touched(judged: Judged, codes: Path) -> None:
    def state() -> tuple[object, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index, union-attr]

    before = state()
    candidates(judged.data, recipe_for(codes, smote__augment="apart"), 20)
    assert state() == before
