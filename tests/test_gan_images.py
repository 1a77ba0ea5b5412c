"""Images that a GAN's bundle draws: bytes, parents, forms, what is said of them, and what is refused."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import Judged, Run, contents, fill_folder, make_dataset, picture
from corpus import make_gan_bundle
from PIL import Image

import synth
from synth.data.manifest import read_manifest
from synth.errors import BundleError, GeneratorError, OutputError, UsageError
from synth.gan.trained import open_gan
from synth.generators.base import Context, Generator
from synth.generators.registry import open_generator
from synth.records import Candidate, Row
from synth.runs.remake import synthetic_ids

COUNTS = {"train": {"blue": 2, "red": 18, "yellow": 5, "green": 16}, "test": {"red": 3, "yellow": 2}}


@dataclass(frozen=True)
class Made:
    """A dataset, and a GAN's bundle of it."""

    data: Path
    bundle: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """2 blue, 18 red, 5 yellow and 16 green images, and a network that learned nothing; read-only, made once."""
    root = tmp_path_factory.mktemp("gan")
    data = make_dataset(root / "data", COUNTS)
    return Made(data, make_gan_bundle(data, root / "lamps"))


def recipe_for(bundle: Path, n: int = 25, **settings: object) -> synth.Recipe:
    values = {"method": "gan", "bundle": str(bundle), "target": {"yellow": n}, "cap": 100}
    return synth.load_recipe(None, {**values, **{key.replace("__", "."): value for key, value in settings.items()}})


def generator_for(data: Path, recipe: synth.Recipe) -> Generator:
    return open_generator(Context(recipe, synth.open_dataset(data).train))


def candidates(data: Path, recipe: synth.Recipe, n: int = 20, label: str = "yellow") -> list[Candidate]:
    return list(generator_for(data, recipe).make(label, range(n)))


def generated(data: Path, recipe: synth.Recipe, out: Path, **options: Any) -> synth.Summary:
    return synth.generate(synth.open_dataset(data), None, recipe, out, **options)


def rows_of(out: Path) -> list[Row]:
    return [row for row in read_manifest(out / "manifest.jsonl") if row.synthetic]


def sources(made: list[Candidate]) -> set[str]:
    return {candidate.params["codes_of"] for candidate in made}


def test_same_bytes_for_any_number_of_workers_and_after_a_kill(made: Made, tmp_path: Path) -> None:
    recipe = recipe_for(made.bundle, 160)
    n_real = sum(map(sum, (counts.values() for counts in COUNTS.values())))

    def killed(what: str, done: int, total: int) -> None:
        if what == "images" and done > n_real + 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generated(made.data, recipe, tmp_path / "killed", progress=killed)
    for out, n_workers in (("one", 1), ("two", 2), ("killed", 1)):
        generated(made.data, recipe, tmp_path / out, n_workers=n_workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "killed")
    ids = synthetic_ids(tmp_path / "one")
    assert len(ids) == 155
    assert all(again.same_file for again in synth.remake(tmp_path / "one", ids))


def test_an_attempt_does_not_depend_on_its_company(made: Made) -> None:
    together = candidates(made.data, recipe_for(made.bundle), 70)
    generator = generator_for(made.data, recipe_for(made.bundle))
    for attempt in (0, 31, 37, 69):
        (alone,) = generator.make("yellow", range(attempt, attempt + 1))
        assert np.array_equal(alone.pixels, together[attempt].pixels)
        assert (alone.params, alone.parents) == (together[attempt].params, together[attempt].parents)


def test_images_lie_in_their_classes_folder_and_name_their_parents(made: Made, tmp_path: Path) -> None:
    summary = generated(made.data, recipe_for(made.bundle, target={"yellow": 25, "red": 30}), tmp_path / "out")
    assert {label: entry.accepted for label, entry in summary.classes.items()} == {
        "blue": 0,
        "green": 0,
        "red": 12,
        "yellow": 20,
    }
    assert len(list((tmp_path / "out/train/yellow").glob("yellow-gan-*.jpg"))) == 20
    train = {item.id: item for items in synth.open_dataset(made.data).train.values() for item in items}
    rows = rows_of(tmp_path / "out")
    assert {len(row.parents) for row in rows} <= {1, 2}
    for row in rows:
        parents = [train[parent["path"]] for parent in row.parents]
        assert {parent.label for parent in parents} == {row.params["codes_of"]}
        assert [parent["sha256"] for parent in row.parents] == [parent.sha256 for parent in parents]
        assert 0 <= row.params["step"] <= 1
    assert synth.verify(tmp_path / "out").good


def test_few_images_borrow_and_many_do_not(made: Made) -> None:
    auto, own, borrowed = (recipe_for(made.bundle, gan__codes=how) for how in ("auto", "own", "borrowed"))
    assert sources(candidates(made.data, auto)) == {"red", "green"}
    assert sources(candidates(made.data, auto, label="red")) == {"red"}
    assert sources(candidates(made.data, own)) == {"yellow"}
    assert sources(candidates(made.data, borrowed, label="red")) == {"green"}


def test_safe_effects_change_what_was_drawn_of_few_images_or_where_asked_for(made: Made, tmp_path: Path) -> None:
    mapped = {"flip_horizontal": {"yellow": "red"}}
    bare = candidates(made.data, recipe_for(made.bundle, gan__augment=False), 40)
    changed = candidates(made.data, recipe_for(made.bundle, augment__label_map=mapped), 40)
    for asked, label, expected in (("auto", "red", False), (True, "red", True), ("auto", "yellow", True)):
        found = candidates(made.data, recipe_for(made.bundle, gan__augment=asked), 10, label)
        assert any("effects" in each.params for each in found) == expected
    fired = {name for each in changed for name in each.params.get("effects", {})}
    assert fired == {
        "scale",
        "rotate",
        "shift",
        "brightness",
        "contrast",
    }  # no blur, and no flip that makes it a red one
    for before, after in zip(bare, changed, strict=True):
        effects = after.params["effects"]
        assert after.params == before.params | {"effects": effects}
        assert after.parents == before.parents
        assert np.array_equal(before.pixels, after.pixels) == (not effects)
    generated(made.data, recipe_for(made.bundle), tmp_path / "out")
    assert all(again.same_file for again in synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out")))


def test_an_albumentations_transform_does_not_depend_on_the_company(made: Made) -> None:
    forbidden = ("flip_horizontal", "scale", "shift", "brightness", "contrast")  # rotate alone: half of them draw none
    noise = {"augment__forbid": forbidden, "augment__transforms": [{"name": "GaussNoise", "p": 1.0}]}
    recipe = recipe_for(made.bundle, gan__augment=True, **noise)
    together = candidates(made.data, recipe, 12)
    assert {bool(each.params["effects"]) for each in together} == {False, True}
    generator = generator_for(made.data, recipe)
    for each in together:
        (alone,) = generator.make("yellow", range(each.attempt, each.attempt + 1))
        assert np.array_equal(alone.pixels, each.pixels)


def test_size_and_encoding_follow_the_class(made: Made, tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 3}})
    sizes = [(60, 40), (20, 70), (33, 33)]
    (data / "yellow").mkdir()
    for index, size in enumerate(sizes):
        picture("yellow", index, size=size).save(data / f"yellow/{index}.webp", quality=70)
    generated(data, recipe_for(made.bundle, 30), tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert {(row.width, row.height) for row in rows} == set(sizes)
    assert {Path(str(row.path)).suffix for row in rows} == {".webp"}
    assert {row.params["encoded_as"][0] for row in rows} == {"webp"}
    assert all(again.same_file for again in synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out")))


def test_grey_and_sixteen_bits(tmp_path: Path, made: Made) -> None:
    data = make_dataset(tmp_path / "data", {"": {"green": 2}})
    for label, form in (("red", "grey"), ("yellow", "16-bits")):
        (data / label).mkdir()
        for index in range(6):
            grey = picture(label, index).convert("L")
            wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
            (wide if form == "16-bits" else grey).save(data / label / f"{index}.png")
    for label, dtype, n_dimensions in (("green", np.uint8, 3), ("red", np.uint8, 2), ("yellow", np.uint16, 2)):
        found = candidates(data, recipe_for(made.bundle), 5, label)
        assert {(each.pixels.dtype, each.pixels.ndim) for each in found} == {(np.dtype(dtype), n_dimensions)}
    generated(data, recipe_for(made.bundle, target={"yellow": 12, "red": 12}), tmp_path / "out")
    assert all(again.same_file for again in synth.remake(tmp_path / "out", synthetic_ids(tmp_path / "out")))
    shutil.rmtree(data / "green")
    bundle = make_gan_bundle(data, tmp_path / "grey")
    assert candidates(data, recipe_for(bundle, gan__codes="own"), 1, "red")[0].pixels.ndim == 2
    assert candidates(made.data, recipe_for(bundle, gan__codes="own"), 1, "red")[0].pixels.shape == (36, 24)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_empty_class_folders_are_filled_from_the_bundle_alone(
    made: Made, tmp_path: Path, run: Run, n_workers: int
) -> None:
    for label in ("red", "yellow"):
        (tmp_path / "data" / label).mkdir(parents=True)
    options = ("--method", "gan", "--bundle", made.bundle, "--target", "yellow=20", "--quiet", "--workers", n_workers)
    assert run("generate", tmp_path / "data", tmp_path / "out", *options) == 0
    rows = rows_of(tmp_path / "out")
    assert {(Path(str(row.path)).parent.name, row.width, row.height) for row in rows} == {("yellow", 24, 36)}
    assert run("verify", tmp_path / "out", "--remake", 20) == 0


def test_new_images_alone_are_made_again_without_the_data(made: Made, tmp_path: Path, run: Run) -> None:
    data = Path(shutil.copytree(made.data, tmp_path / "data"))
    generated(data, recipe_for(made.bundle, output__only_new=True), tmp_path / "out")
    shutil.rmtree(data)
    assert run("verify", tmp_path / "out", "--remake", 20) == 0


def test_a_judge_asks_the_networks_that_saw_no_parent(judged: Judged, tmp_path: Path) -> None:
    bundle = make_gan_bundle(judged.data, tmp_path / "lamps")
    summary = generated(judged.data, recipe_for(bundle, 30, judge=str(judged.bundle)), tmp_path / "out")
    assert summary.classes["yellow"].attempted >= 10
    assert all("classifier" in row.scores for row in rows_of(tmp_path / "out"))
    rejected = json.loads((tmp_path / "out/rejected.json").read_text())["images"]
    assert all(entry["thumbnail"] for entry in rejected)


REFUSED: Mapping[str, tuple[tuple[object, ...], str]] = {
    "too few": (("--target", "blue=9"), "gan can't draw blue: 2 training images are too few: at least 5 are needed"),
    "unknown": (("--target", "amber=9"), 'knows blue, green, red, yellow, but not "amber"'),
    "too few, before anything": (("--target", "blue=9", "--dry-run"), "use --method augment or --method smote instead"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_class_that_can_not_be_drawn_is_refused_before_anything_is_written(
    made: Made, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    data = Path(shutil.copytree(made.data, tmp_path / "data"))
    fill_folder(data / "train/amber", "amber", 2)
    options, words = REFUSED[case]
    command = ("generate", data, tmp_path / "out", "--method", "gan", "--bundle", made.bundle, "--quiet")
    assert run(*command, *options) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert run(*command, "--target", "yellow=9") == 0  # what is not asked for is not minded


def test_without_a_lender_only_own_codes_draw_a_small_class(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 14, "yellow": 6}})
    bundle = make_gan_bundle(data, tmp_path / "lamps")
    with pytest.raises(UsageError, match="yellow: 6 training images are few, and no other class has 15"):
        generated(data, recipe_for(bundle), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert generated(data, recipe_for(bundle, gan__codes="own"), tmp_path / "out").short == 0


def test_a_bundle_is_needed(made: Made, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", made.data, tmp_path / "out", "--method", "gan", "--quiet") == 2
    assert "gan needs a trained network: synth train gan DATA BUNDLE" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_bundles_of_another_kind(made: Made, judged: Judged, tmp_path: Path) -> None:
    autoencoder = make_gan_bundle(made.data, tmp_path / "codes", kind="autoencoder")
    with pytest.raises(BundleError, match="kind 'autoencoder', expected 'gan'"):
        generator_for(made.data, recipe_for(autoencoder))
    with pytest.raises(BundleError, match="kind 'classifier', expected 'autoencoder' or 'gan'"):
        generator_for(made.data, recipe_for(judged.bundle, method="smote"))


def test_smote_goes_through_its_codes(made: Made) -> None:
    found = candidates(made.data, recipe_for(made.bundle, method="smote"), 5)
    assert {candidate.params["space"] for candidate in found} == {"latent"}
    assert {len(candidate.parents) for candidate in found} == {2}


def test_the_global_random_state_is_left_alone(made: Made) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index,union-attr]

    before = states()
    candidates(made.data, recipe_for(made.bundle))
    assert states() == before


class TestWords:
    """What a person is told."""

    def test_verdicts_and_lenders(self, made: Made, tmp_path: Path) -> None:
        verdicts = {
            "yellow": {"verdict": "look", "reasons": ["5 images tell little"]},
            "red": {"verdict": "not usable", "reasons": ["half are copies", "soft"]},
            "green": {"verdict": "look", "reasons": []},
        }
        bundle = make_gan_bundle(made.data, tmp_path / "lamps", verdicts=verdicts)
        target = {"yellow": 6, "red": 19, "green": 17}
        summary = generated(made.data, recipe_for(bundle, target=target), tmp_path / "out")
        sheet = bundle / "samples.png"
        assert summary.warnings[-4:] == (
            f"green: the numbers can't decide: look at {sheet}",
            "red: do not use these images (half are copies; soft)",
            f"yellow: the numbers can't decide with 5 images: look at {sheet} (5 images tell little)",
            "yellow: drawn from codes of green, red, which lend it places, sizes and light",
        )

    def test_held_out_images_that_the_network_learned_from(self, made: Made, tmp_path: Path) -> None:
        assert not any(
            "held out" in line for line in generated(made.data, recipe_for(made.bundle), tmp_path / "a").warnings
        )
        data = Path(shutil.copytree(made.data, tmp_path / "data"))
        for path in sorted((data / "train/red").iterdir())[:9]:
            path.rename(data / "test/red" / path.name)
        for out, method in (("b", "gan"), ("c", "smote")):
            warnings = generated(data, recipe_for(made.bundle, method=method), tmp_path / out).warnings
            words = f"the network in {made.bundle} learned from 9 images that are held out here"
            assert any(line.startswith(words) for line in warnings)

    def test_the_page_shows_both_parents(self, made: Made, tmp_path: Path) -> None:
        generated(made.data, recipe_for(made.bundle), tmp_path / "out")
        page = (tmp_path / "out/report.html").read_text()
        pairs = [[p["path"].rpartition("/")[2] for p in row.parents] for row in rows_of(tmp_path / "out")]
        told = [pair for pair in pairs if len(pair) == 2 and f"by gan, made from {pair[0]} and {pair[1]}" in page]
        assert told
        assert "codes of red, step 0." in page
        assert "Real training image yellow-" in page
        assert "between its parents:" in page

    def test_the_preview_shows_ways(self, made: Made) -> None:
        recipe = recipe_for(made.bundle, classes=["yellow"])
        with_ways, without = (synth.preview(synth.open_dataset(made.data), recipe, n=n) for n in (5, 2))
        assert with_ways.height > 1.3 * without.height
        everything = synth.preview(synth.open_dataset(made.data), recipe_for(made.bundle, target=1), n=2)
        assert 2.8 * without.height < everything.height < 3.2 * without.height  # all but blue
        with pytest.raises(UsageError, match="can't draw blue"):
            synth.preview(synth.open_dataset(made.data), recipe_for(made.bundle, classes=["blue"]))

    def test_a_way_leads_evenly_from_code_to_code(self, made: Made) -> None:
        generator = generator_for(made.data, recipe_for(made.bundle))
        way = next(way for way in (generator.walk("yellow", attempt, n=5) for attempt in range(9)) if way)
        assert [candidate.params["step"] for candidate in way] == [0, 0.25, 0.5, 0.75, 1]
        assert len({candidate.pixels_sha256 for candidate in way}) == 5
        assert len({candidate.parents for candidate in way}) == 1


@pytest.fixture
def bundle(made: Made, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(made.bundle, tmp_path / "lamps"))


SAYS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "no sizes": ({"sizes": None}, "sizes must be an object, got None"),
    "a size missing": ({"sizes": {"red": [24, 36]}}, "sizes must be"),
    "a huge size": ({"sizes": {label: [24, 10**9] for label in COUNTS["train"]}}, r"sizes\.blue\.1 must be less than"),
    "a size of text": ({"sizes": dict.fromkeys(COUNTS["train"], "ab")}, r"sizes\.blue must be"),
    "half a pixel": (
        {"sizes": {label: [24, 0.5] for label in COUNTS["train"]}},
        r"sizes\.blue\.1 must be a valid integer",
    ),
    "a count too many": ({"counts": {**COUNTS["train"], "red": 19}}, 'lists 18 images of "red", not 19'),
    "a negative count": ({"counts": {**COUNTS["train"], "red": -1}}, r"counts\.red must be greater than or equal to 0"),
    "a count of text": ({"counts": {**COUNTS["train"], "red": "18"}}, r"counts\.red must be a valid integer"),
    "a class more": ({"counts": {**COUNTS["train"], "amber": 0}}, "counts must be"),
    "other classes": ({"classes": ["a", "b", "c", "d"]}, "is not a class"),
    "an unknown verdict": ({"verdicts": {"red": {"verdict": "fine", "reasons": []}}}, "verdict must be 'usable'"),
    "verdicts of others": ({"verdicts": {"amber": {"verdict": "look", "reasons": []}}}, "verdicts must be"),
    "odd reasons": ({"verdicts": {"red": {"verdict": "look", "reasons": [3]}}}, r"reasons\.0 must be a valid string"),
    "no settings": ({"settings": None}, "settings must be an object, got None"),
    "endless noise": ({"settings": {"code_noise": 10**400}}, "code_noise must be"),
    "noise of truth": ({"settings": {"code_noise": True}}, "code_noise must be"),
    "noise below": ({"settings": {"code_noise": -0.1}}, "code_noise must be"),
}


@pytest.mark.parametrize("change", SAYS)
def test_what_bundle_json_says_is_checked(bundle: Path, change: str) -> None:
    values, words = SAYS[change]
    info = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**info, **values}))
    with pytest.raises(BundleError, match=words) as error:
        open_gan(bundle)
    assert "\n" not in str(error.value)


Tensors = dict[str, torch.Tensor]
REWRITES: Mapping[str, tuple[Callable[[Tensors], object], str]] = {
    "no codes": (lambda t: t.pop("bank.codes"), "codes of 16 numbers"),
    "longer codes": (lambda t: t.update({"bank.codes": torch.zeros(41, 17).half()}), "codes of 16 numbers"),
    "whole numbers": (lambda t: t.update({"bank.codes": torch.zeros(41, 16).long()}), "codes of 16 numbers"),
    "not finite": (lambda t: t["bank.codes"][7].fill_(float("inf")), "not finite"),
    "no owners": (lambda t: t.pop("bank.owners"), "an owner and a class"),
    "fewer labels": (lambda t: t.update({"bank.labels": t["bank.labels"][1:]}), "an owner and a class"),
    "labels of floats": (lambda t: t.update({"bank.labels": t["bank.labels"].float()}), "an owner and a class"),
    "an owner beyond": (lambda t: t["bank.owners"][0].fill_(41), "owners beyond the 41 images"),
    "an owner below": (lambda t: t["bank.owners"][0].fill_(-1), "owners beyond the 41 images"),
    "labels that fall": (lambda t: t["bank.labels"].copy_(t["bank.labels"].flip(0)), "must ascend"),
    "another's code": (lambda t: t["bank.owners"][0].fill_(40), "of the codes' owners"),
    "a class without": (
        lambda t: t.update({name: t[name][2:] for name in ("bank.codes", "bank.owners", "bank.labels")}),
        "every class that has images",
    ),
    "none at all": (
        lambda t: t.update({name: t[name][:0] for name in ("bank.codes", "bank.owners", "bank.labels")}),
        "every class that has images",
    ),
    "a network's weights": (lambda t: t.pop("generator.to_image.bias"), "do not fit"),
    "one more": (lambda t: t.update(extra=torch.zeros(1)), "do not fit"),
}


@pytest.mark.parametrize("change", REWRITES)
def test_the_bank_must_fit(bundle: Path, change: str) -> None:
    rewrite, words = REWRITES[change]
    tensors = safetensors.torch.load((bundle / "weights.safetensors").read_bytes())
    rewrite(tensors)
    data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})
    (bundle / "weights.safetensors").write_bytes(data)
    info = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**info, "weights_sha256": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(BundleError, match=words) as error:
        open_gan(bundle)
    assert "\n" not in str(error.value)


LINES: Mapping[str, tuple[object, str]] = {
    "no object": ([], "one JSON record"),
    "no hash": ({"sha256": "x"}, "one JSON record"),
    "a number for a hash": ({"sha256": 5}, "one JSON record"),
    "no path": ({"path": None}, "one JSON record"),
    "not to be written": ({"path": "\ud800"}, "one JSON record"),
    "a path outside": ({"path": "../../secret.jpg"}, r"images\.jsonl:1: path .* leads outside"),
    "an unknown class": ({"class": "amber"}, "'amber' is not a class"),
    "another class": ({"class": "red"}, 'lists 1 images of "blue", not 2'),
}


@pytest.mark.parametrize("change", LINES)
def test_the_list_of_images_is_checked(bundle: Path, change: str) -> None:
    values, words = LINES[change]
    first, *rest = (bundle / "images.jsonl").read_text().splitlines()
    changed = {**json.loads(first), **values} if isinstance(values, dict) else values
    (bundle / "images.jsonl").write_text("\n".join([json.dumps(changed), *rest]))
    with pytest.raises(BundleError, match=words) as error:
        open_gan(bundle)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values",
    [{"rows": [0, 10**6]}, {"rows": [-1, 0]}, {"rows": 5}, {"size": [16384, 16384]}, {"step": 2}, {"mode": "CMYK"}],
)
def test_a_row_of_another_network_is_not_made_again(made: Made, values: Mapping[str, Any]) -> None:
    generator = generator_for(made.data, recipe_for(made.bundle))
    (candidate,) = generator.make("yellow", range(1))
    with pytest.raises(GeneratorError, match="draws no image"):
        generator.remake("yellow", 0, parents=(), params={**candidate.params, **values})


def test_an_unfinished_run_is_not_resumed_with_another_network(made: Made, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made.bundle, tmp_path / "lamps"))

    def killed(what: str, done: int, total: int) -> None:
        if what == "images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generated(made.data, recipe_for(bundle), tmp_path / "out", progress=killed)
    shutil.rmtree(bundle)
    other = make_dataset(tmp_path / "other", {"": {"red": 18, "yellow": 5}})
    make_gan_bundle(other, bundle)
    with pytest.raises(OutputError, match="unfinished"):
        generated(made.data, recipe_for(bundle), tmp_path / "out")
