"""A mix: which generator makes an attempt, that it makes what it would have made alone; runs, words, refusals."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import Judged, Run, contents, fill_folder, make_dataset
from corpus import make_gan_bundle

import synth
from synth.data.manifest import read_manifest
from synth.errors import BundleError, UsageError
from synth.generators.base import Context, Generator
from synth.generators.registry import GENERATORS, open_generator
from synth.records import Candidate, Row
from synth.runs.remake import synthetic_ids
from synth.settings.oversampling import MIXABLE

COUNTS = {"train": {"blue": 2, "red": 18, "yellow": 5, "green": 16}}
N_REAL = sum(COUNTS["train"].values())
OWN = "synth.demo:TrafficLights"
EVENLY = {"augment": 1, "smote": 1, "gan": 1, OWN: 1}


@dataclass(frozen=True)
class Made:
    """A dataset, and a GAN's bundle of it."""

    data: Path
    bundle: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """2 blue, 18 red, 5 yellow and 16 green images, and a network that learned nothing; read-only, made once."""
    root = tmp_path_factory.mktemp("mix")
    data = make_dataset(root / "data", COUNTS)
    return Made(data, make_gan_bundle(data, root / "lamps"))


def recipe_for(shares: Mapping[str, float], n: int = 25, **settings: object) -> synth.Recipe:
    values = {"method": "mix", "mix.shares": shares, "target": {"yellow": n}, "cap": 1000}
    return synth.load_recipe(None, {**values, **{key.replace("__", "."): value for key, value in settings.items()}})


def generator_for(data: Path, recipe: synth.Recipe) -> Generator:
    return open_generator(Context(recipe, synth.open_dataset(data).train))


def generated(data: Path, recipe: synth.Recipe, out: Path, **options: object) -> synth.Summary:
    return synth.generate(synth.open_dataset(data), None, recipe, out, **options)  # type: ignore[arg-type]


def rows_of(out: Path) -> list[Row]:
    return [row for row in read_manifest(out / "manifest.jsonl") if row.synthetic]


def made_again(out: Path, data: Path | None = None) -> list[bool]:
    return [again.same_file and again.same_pixels for again in synth.remake(out, synthetic_ids(out), data=data)]


def alike(one: Candidate, other: Candidate) -> bool:
    names = (one.method, one.attempt, one.parents, one.params) == (
        other.method,
        other.attempt,
        other.parents,
        other.params,
    )
    return names and np.array_equal(one.pixels, other.pixels)


def test_shares_are_kept_and_the_order_in_which_they_are_typed_decides_nothing(made: Made) -> None:
    n, shares = 1000, {OWN: 5.0, "augment": 3.0, "gan": 2.0}

    def methods(shares: Mapping[str, float], n: int) -> list[str]:
        generator = generator_for(made.data, recipe_for(shares, bundle=str(made.bundle)))
        return [candidate.method for candidate in generator.make("yellow", range(n))]

    drawn = methods(shares, n)
    for method, part in shares.items():
        p = part / 10
        assert abs(drawn.count(method) - n * p) < 4 * math.sqrt(n * p * (1 - p))
    assert methods(dict(reversed(shares.items())), 100) == drawn[:100]
    assert methods({name: part / 10 for name, part in shares.items()}, 100) == drawn[:100]


def test_an_attempt_is_what_its_generator_makes_alone_and_in_any_company(made: Made) -> None:
    recipe = recipe_for(EVENLY, bundle=str(made.bundle))
    together = list(generator_for(made.data, recipe).make("yellow", range(120)))
    assert [candidate.attempt for candidate in together] == list(range(120))
    assert {candidate.method for candidate in together} == set(EVENLY)
    mix = generator_for(made.data, recipe)
    for first, last in ((0, 1), (7, 8), (31, 45), (45, 46), (90, 120)):
        for candidate in mix.make("yellow", range(first, last)):
            assert alike(candidate, together[candidate.attempt])
    for method in EVENLY:
        bundle = str(made.bundle) if method in ("gan", "smote") else ""
        alone = generator_for(made.data, recipe.model_copy(update={"method": method, "bundle": bundle}))
        for candidate in [each for each in together if each.method == method][:5]:
            (again,) = alone.make("yellow", range(candidate.attempt, candidate.attempt + 1))
            assert alike(candidate, again)


def test_a_bundle_goes_to_those_that_take_one(made: Made) -> None:
    def spaces(**settings: object) -> set[str]:
        found = generator_for(made.data, recipe_for({"augment": 1, "smote": 1}, **settings)).make("yellow", range(20))
        return {candidate.params["space"] for candidate in found if candidate.method == "smote"}

    assert (spaces(), spaces(bundle=str(made.bundle))) == ({"pixel"}, {"latent"})


def test_the_originals_are_dealt_evenly_over_generators_and_runs(made: Made, tmp_path: Path) -> None:
    for n in (12, 25, 40):
        generated(made.data, recipe_for({"augment": 2, "smote": 1}, n), tmp_path / "out")
        rows = rows_of(tmp_path / "out")
        assert [row.attempt for row in rows] == list(range(len(rows)))  # with those that were rejected
        uses = Counter(row.parents[0]["path"] for row in rows)
        assert max(uses.values()) - min(uses.values()) <= 1


def test_same_bytes_for_any_number_of_workers_and_after_a_kill(made: Made, tmp_path: Path) -> None:
    recipe = recipe_for(EVENLY, 105, bundle=str(made.bundle))

    def killed(what: str, done: int, total: int) -> None:
        if what == "images" and done > N_REAL + 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generated(made.data, recipe, tmp_path / "killed", progress=killed)
    for out, n_workers in (("one", 1), ("two", 2), ("killed", 1)):
        generated(made.data, recipe, tmp_path / out, n_workers=n_workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "killed")
    assert {row.method for row in rows_of(tmp_path / "one")} == set(EVENLY)
    assert made_again(tmp_path / "one") == [True] * 100


def test_files_and_rows_carry_the_generators_name_and_the_run_that_of_the_mix(made: Made, tmp_path: Path) -> None:
    summary = generated(made.data, recipe_for({"augment": 1, OWN: 3}), tmp_path / "out")
    assert (summary.method, summary.short) == ("mix", 0)
    assert f"mix: 25 % augment, 75 % {OWN}" in summary.warnings
    for row in rows_of(tmp_path / "out"):
        slug = str(row.method).rpartition(":")[2]
        assert row.id == f"yellow/{slug}/{row.attempt:06d}"
        assert Path(str(row.path)).name.startswith(f"yellow-{slug.lower()}-{row.attempt:06d}-")
    page = (tmp_path / "out/report.html").read_text()
    assert "method mix" in page
    assert ">augment<" in page
    assert synth.verify(tmp_path / "out").good


def test_runs_of_a_mix_and_of_its_generators_fill_one_folder_and_are_taken_out_again(
    made: Made, tmp_path: Path
) -> None:
    out, bundle = tmp_path / "out", str(made.bundle)
    runs = []
    for n, settings in enumerate(
        [
            {"method": "augment"},
            {"mix.shares": {"augment": 1, "smote": 2}},
            {"method": "smote"},
            {"mix.shares": {"augment": 1, "gan": 1}, "bundle": bundle},
            {"method": "augment"},
        ]
    ):
        runs.append(generated(made.data, recipe_for(EVENLY, 15 + 10 * n, **settings), out).run)
    rows = rows_of(out)
    assert len({row.id for row in rows}) == len(rows)
    assert len({row.path for row in rows if row.path}) == 50
    assert synth.verify(out).good
    assert all(made_again(out))
    before = {path: data for path, data in contents(out).items() if "yellow-" in path}
    synth.undo(out, run=runs[3])
    gone = {row.path for row in rows if row.run == runs[3]}
    assert gone & before.keys()
    assert {path: data for path, data in contents(out).items() if "yellow-" in path} == {
        path: data for path, data in before.items() if path not in gone
    }
    assert all(made_again(out))


def test_drawn_images_are_made_again_without_the_data_the_others_from_their_parents(made: Made, tmp_path: Path) -> None:
    data = Path(shutil.copytree(made.data, tmp_path / "data"))
    recipe = recipe_for({"augment": 1, "gan": 1}, bundle=str(made.bundle), output__only_new=True)
    generated(data, recipe, tmp_path / "out")
    assert all(made_again(tmp_path / "out", data))
    shutil.rmtree(data)
    for row in rows_of(tmp_path / "out"):
        if row.method == "gan":
            assert synth.remake(tmp_path / "out", row.id)[0].same_file
        else:
            with pytest.raises(OSError, match="name the input folder with --data"):
                synth.remake(tmp_path / "out", row.id)


def test_rejected_candidates_of_every_generator_are_shown(made: Made, tmp_path: Path, judged: Judged) -> None:
    bundle = make_gan_bundle(judged.data, tmp_path / "lamps")
    shares = {"augment": 1, "gan": 1}
    recipe = recipe_for(
        shares,
        40,
        bundle=str(bundle),
        judge=str(judged.bundle),
        gate__classifier__score_min=0.9999,
        gate__acceptance_min=0,
        tries=3,
        augment__effects__brightness__p=0.5,
        augment__effects__brightness__factor=0,
    )
    summary = generated(judged.data, recipe, tmp_path / "out")
    rejected = {row.id: row.method for row in rows_of(tmp_path / "out") if row.reasons}
    shown = json.loads((tmp_path / "out/rejected.json").read_text())["images"]
    assert {rejected[entry["id"]] for entry in shown if entry["thumbnail"]} == set(shares)
    assert summary.policy is not None  # a mix with augment tests its policy too
    assert synth.verify(tmp_path / "out").good


def test_the_command_line(lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--method", "mix", "--set", "mix.shares={augment=3,smote=1}", "--target", "yellow=43", "--cap", 100)
    assert run("generate", lights, tmp_path / "out", *options, "--quiet", "--workers", 1) == 0
    counts = Counter(row.method for row in rows_of(tmp_path / "out"))
    assert counts.keys() == {"augment", "smote"}
    assert counts["augment"] > counts["smote"]
    assert run("verify", tmp_path / "out", "--remake", 40) == 0
    assert run("preview", lights, *options[:4], "--out", tmp_path / "sheet.png", "--quiet") == 0
    assert run("undo", tmp_path / "out") == 0
    assert not (tmp_path / "out").exists()
    capsys.readouterr()
    assert run("recipe", "mix", "--set", "mix.shares={augment=3,'a.b:C'=1}") == 0
    (tmp_path / "recipe.toml").write_text(capsys.readouterr().out)
    assert synth.load_recipe(tmp_path / "recipe.toml").mix.shares == {"augment": 3, "a.b:C": 1}


REFUSED: Mapping[str, tuple[str, str]] = {
    "unknown": ("{smot=1}", 'mix.shares: can\'t mix "smot": expected augment, smote, gan or package.module:Name; did'),
    "near": ("{augmnet=1}", 'did you mean "augment"?'),
    "the control": ("{duplicate=1,augment=1}", 'can\'t mix "duplicate"'),
    "itself": ("{mix=1}", 'can\'t mix "mix"'),
    "nothing": ("{}", "expected at least one method with its share, got none"),
    "zero": ("{augment=0,smote=1}", "mix.shares.augment: Input should be greater than 0, got 0"),
    "no number": ("{augment=nan}", "mix.shares.augment: Input should be"),
    "no table": ("augment", "mix.shares: Input should be a valid"),
    "without a bundle": ("{augment=1,gan=1}", "gan needs a trained network: synth train gan DATA BUNDLE"),
    "own, not there": ("{augment=1,'nowhere:Name'=1}", 'method "nowhere:Name": ModuleNotFoundError'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_mixed_is_refused_before_anything_is_written(
    lights: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    shares, words = REFUSED[case]
    command = ("generate", lights, tmp_path / "out", "--method", "mix", "--set", f"mix.shares={shares}", "--quiet")
    assert run(*command) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_every_method_but_the_control_can_be_mixed() -> None:
    assert set(MIXABLE) == set(GENERATORS) - {"mix", "duplicate"}


def test_classes_and_bundles_that_one_of_them_refuses(made: Made, tmp_path: Path) -> None:
    shares = {"augment": 1, "gan": 1}
    with pytest.raises(UsageError, match="gan can't draw blue: 2 training images are too few"):
        generated(made.data, recipe_for(shares, bundle=str(made.bundle), target={"blue": 9}), tmp_path / "out")
    with pytest.raises(UsageError, match=r"augment and synth\.demo:TrafficLights work without a trained network"):
        generator_for(made.data, recipe_for({"augment": 1, OWN: 1}, bundle=str(made.bundle)))
    autoencoder = make_gan_bundle(made.data, tmp_path / "codes", kind="autoencoder")
    with pytest.raises(BundleError, match="kind 'autoencoder', expected 'gan'"):
        generator_for(made.data, recipe_for(EVENLY, bundle=str(autoencoder)))


@pytest.mark.parametrize(("shares", "n_new"), [({OWN: 1}, 6), ({OWN: 1, "augment": 1}, 0)])
def test_a_class_without_images_is_filled_where_no_generator_needs_one(
    tmp_path: Path, shares: Mapping[str, float], n_new: int
) -> None:
    fill_folder(tmp_path / "data/red", "red", 4)
    (tmp_path / "data/yellow").mkdir()
    summary = generated(tmp_path / "data", recipe_for(shares, 6), tmp_path / "out")
    assert summary.classes["yellow"].accepted == n_new


def test_what_decides_about_the_images_is_in_the_digest(made: Made, tmp_path: Path) -> None:
    shares = {"augment": 1, "smote": 1}
    lamps = make_gan_bundle(make_dataset(tmp_path / "data", {"": {"red": 18, "yellow": 6}}), tmp_path / "others")
    recipes = [recipe_for(shares), recipe_for({"augment": 1, "smote": 2}), recipe_for({"augment": 1})]
    recipes += [recipe_for(shares, bundle=str(bundle)) for bundle in (made.bundle, lamps)]
    train = {label: items for label, items in synth.open_dataset(made.data).train.items() if label in ("red", "yellow")}
    digests = [open_generator(Context(recipe, train)).digest for recipe in recipes]
    assert len(set(digests)) == len(digests)
    assert open_generator(Context(recipe_for({"smote": 2, "augment": 2}), train)).digest == digests[0]


def test_ways_and_originals_on_the_sheet(made: Made) -> None:
    recipe = recipe_for({"augment": 1, "smote": 1, "gan": 1}, bundle=str(made.bundle), classes=["yellow"])
    mix = generator_for(made.data, recipe)
    methods = {each.attempt: each.method for each in mix.make("yellow", range(20))}
    ways = {attempt: mix.walk("yellow", attempt, n=4) for attempt in methods}
    assert all(not way for attempt, way in ways.items() if methods[attempt] == "augment")
    assert {way[0].method for way in ways.values() if way} == {"smote", "gan"}
    assert all(mix.reads_parents("yellow", attempt) == (method != "gan") for attempt, method in methods.items())
    assert synth.preview(synth.open_dataset(made.data), recipe, n=6, rows=2, captions=True).size[0] > 6 * 100
