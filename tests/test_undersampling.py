"""Fewer images of large classes: which go, which stay, and that nothing else is touched."""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Judged, Run, contents, make_dataset, picture, tree_state
from PIL import Image

import synth
from synth.data.dataset import open_dataset
from synth.errors import OutputError, UsageError
from synth.records import Item
from synth.runs.undersample import undersample
from synth.settings.recipe import load_recipe
from synth.settings.undersampling import Undersample
from synth.undersampling.choice import Features, limit_of, select
from synth.undersampling.clusters import evenly_ranked, quotas, select_by_cluster

Capture = pytest.CaptureFixture[str]
Train = Mapping[str, tuple[Item, ...]]
COUNTS = {"red": 30, "green": 12, "yellow": 4}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 red, 12 green and 4 yellow pictures for training, 3 red ones for testing; read-only."""
    counts = {"train": COUNTS, "test": {"red": 3, "green": 1, "yellow": 1}}
    return make_dataset(tmp_path_factory.mktemp("many") / "data", counts, suffix=".png")


@pytest.fixture(scope="module")
def train(many: Path) -> Train:
    return open_dataset(many).train


def kept_items(
    train: Train, settings: Undersample, *, seed: int, features: Features | None = None
) -> dict[str, tuple[Item, ...]]:
    return {label: found.kept for label, found in select(train, settings, seed=seed, features=features).items()}


def names(items: Sequence[Item]) -> list[str]:
    return [item.id for item in items]


def looks(items: Sequence[Item]) -> np.ndarray:
    """A few numbers of each image."""
    return np.array([[item.mean, item.std, *np.frombuffer(item.dhash[:4], np.uint8) / 255] for item in items])


@pytest.mark.parametrize(
    ("size", "limit"),
    [("2x", 8), ("1.6x", 6), ("10x", 40), ("minority", 4), ("median", 12), ("mean", 16), (7, 7), ("7", 7)],
)
def test_sizes(size: int | str, limit: int, train: Train) -> None:
    assert limit_of(size, [*COUNTS.values(), 0]) == limit
    kept = kept_items(train, Undersample(size=size), seed=0)
    assert {label: len(items) for label, items in kept.items()} == {c: min(n, limit) for c, n in COUNTS.items()}


@pytest.mark.parametrize("size", ["meann", "0.5x", 0, "-3", "", "x", "0x"])
def test_a_size_of_nonsense(size: int | str) -> None:
    with pytest.raises(UsageError, match=r'undersample\.size ".*": expected minority, median'):
        limit_of(size, [3, 4])


@pytest.mark.parametrize("method", ["random", "cluster", "imblearn:NearMiss", "imblearn:RandomUnderSampler"])
def test_the_same_images_stay_in_any_order(method: str, train: Train) -> None:
    settings = Undersample(method=method, size=6)
    kept = kept_items(train, settings, seed=1, features=looks)
    shuffled = {
        label: tuple(random.Random(0).sample(items, len(items))) for label, items in reversed(list(train.items()))
    }
    again = kept_items(shuffled, settings, seed=1, features=looks)
    assert {c: sorted(names(items)) for c, items in again.items()} == {c: names(items) for c, items in kept.items()}
    assert {c: len(items) for c, items in kept.items()} == {"red": 6, "green": 6, "yellow": 4}


def test_a_smaller_size_keeps_a_part_of_a_larger_one(train: Train) -> None:
    sets = [set(names(kept_items(train, Undersample(size=n), seed=0)["red"])) for n in range(1, 31)]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(sets))


def test_the_seed_gives_other_images(train: Train) -> None:
    kept = {tuple(names(kept_items(train, Undersample(size=5), seed=seed)["red"])) for seed in range(5)}
    assert len(kept) == 5


def test_only_named_classes_are_thinned(train: Train) -> None:
    found = select(train, Undersample(size="minority"), seed=0, classes=["green"])
    assert {label: len(entry.kept) for label, entry in found.items()} == {"red": 30, "green": 4, "yellow": 4}
    assert [label for label, entry in found.items() if not entry.whole] == ["green"]
    with pytest.raises(UsageError, match='did you mean "green"'):
        select(train, Undersample(), seed=0, classes=["gren"])


@pytest.fixture
def repeated(tmp_path: Path) -> Path:
    """12 red pictures, the first three of which are also there resized and darker; 4 yellow ones."""
    root = make_dataset(tmp_path / "repeated", {"": {"yellow": 4}})
    (root / "red").mkdir()
    for index in range(12):
        image = picture("red", index, size=(48, 48))
        image.save(root / "red" / f"red-{index:03d}.png")
        if index < 3:
            image.resize((96, 96), Image.Resampling.BICUBIC).save(root / "red" / f"red-{index:03d}-large.png")
            image.point(lambda level: 0.8 * level).save(root / "red" / f"red-{index:03d}-darker.png")
    return root


@pytest.mark.parametrize("method", ["random", "cluster", "imblearn:NearMiss"])
@pytest.mark.parametrize("size", [5, 12, 14])
def test_near_duplicates_go_first(method: str, size: int, repeated: Path) -> None:
    found = select(open_dataset(repeated).train, Undersample(method=method, size=size), seed=0, features=looks)["red"]
    pictures = {Path(item.id).name[:7] for item in found.kept}
    assert (len(found.kept), len(pictures)) == (size, min(size, 12))
    assert found.duplicates == 18 - max(size, 12)


def test_a_class_that_is_not_too_large_keeps_its_near_duplicates(repeated: Path) -> None:
    found = select(open_dataset(repeated).train, Undersample(size=18), seed=0)["red"]
    assert (found.whole, len(found.kept), found.duplicates) == (True, 18, 0)


def test_only_big_clusters_are_thinned_and_keep_centre_and_rim() -> None:
    rng = np.random.default_rng(0)
    sizes, centres = (100, 40, 3, 5), 100 * np.eye(4)
    points = np.concatenate([centres[i] + rng.normal(size=(n, 4)) for i, n in enumerate(sizes)])
    kept = select_by_cluster(points, 30, clusters=4)
    members = [np.arange(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(4)]
    assert [len(set(kept) & set(own.tolist())) for own in members] == [11, 11, 3, 5]
    for own in members[:2]:
        far = np.linalg.norm(points[own] - points[own].mean(axis=0), axis=1)
        assert {int(own[far.argmin()]), int(own[far.argmax()])} <= set(kept)
    assert kept == select_by_cluster(points, 30, clusters=4)


def test_clusters_of_equal_images() -> None:
    assert len(select_by_cluster(np.zeros((20, 3)), 7)) == 7
    assert select_by_cluster(np.zeros((3, 3)), 1, clusters=50) != []


@pytest.mark.parametrize(
    ("sizes", "wanted", "kept"),
    [([10, 1, 2], 6, [3, 1, 2]), ([10, 9, 2], 7, [3, 2, 2]), ([5, 5], 10, [5, 5]), ([4, 4, 4], 2, [1, 1, 0])],
)
def test_shares_of_clusters(sizes: list[int], wanted: int, kept: list[int]) -> None:
    assert quotas(sizes, wanted) == kept


def test_ranks_are_even() -> None:
    assert evenly_ranked(9, 5) == [0, 2, 4, 6, 8]
    assert (evenly_ranked(9, 0), evenly_ranked(9, 1), evenly_ranked(9, 2)) == ([], [0], [0, 8])
    for n in range(1, 20):
        for wanted in range(2, n + 1):
            ranks = evenly_ranked(n, wanted)
            assert (len(set(ranks)), ranks[0], ranks[-1]) == (wanted, 0, n - 1)


@pytest.mark.parametrize("name", ["NearMiss", "RandomUnderSampler", "TomekLinks", "OneSidedSelection"])
def test_samplers_keep_what_the_library_keeps(name: str, train: Train) -> None:
    samplers = pytest.importorskip("imblearn.under_sampling")
    kept = kept_items(train, Undersample(method=f"imblearn:{name}", size=8), seed=3, features=looks)
    items = [item for label in sorted(train) for item in train[label]]
    labels = [item.label for item in items]
    cleans = name in ("TomekLinks", "OneSidedSelection")
    sampler = getattr(samplers, name)(sampling_strategy=["green", "red"] if cleans else {"green": 8, "red": 8})
    if "random_state" in sampler.get_params():
        sampler.set_params(random_state=synth.seeds.derived(3, "undersample") % 2**32)
    sampler.fit_resample(looks(items), labels)
    expected = {items[i].id for i in sampler.sample_indices_}
    assert {item.id for found in kept.values() for item in found} == expected


def test_samplers_have_options(train: Train) -> None:
    settings = Undersample(method="imblearn:NearMiss", size=6, options={"version": 3})
    plain = settings.model_copy(update={"options": {}})
    kept = [kept_items(train, s, seed=0, features=looks)["red"] for s in (settings, plain)]
    assert kept[0] != kept[1]
    assert len(kept[0]) == len(kept[1]) == 6


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "clustr"}, 'expected random, cluster or imblearn:NAME.*did you mean "cluster"'),
        ({"method": "imblearn"}, "imblearn:NAME"),
        ({"method": "imblearn:NearMis"}, 'did you mean "NearMiss"'),
        ({"method": "imblearn:ClusterCentroids"}, "makes new points"),
        ({"method": "imblearn:NearMiss", "options": {"verson": 3}}, "imblearn:NearMiss: .*verson"),
        ({"method": "imblearn:NearMiss", "options": {"n_neighbors": 50}}, "imblearn:NearMiss: "),
        ({"method": "cluster", "size": "meann"}, 'did you mean "mean"'),
    ],
)
def test_errors_are_one_line(settings: Mapping[str, object], words: str, train: Train) -> None:
    with pytest.raises(UsageError, match=words) as error:
        kept_items(train, Undersample.model_validate({"size": 5, **settings}), seed=0, features=looks)
    assert "\n" not in str(error.value)


def test_a_missing_library_is_named(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn", None)
    with pytest.raises(UsageError, match="pip install imbalanced-learn"):
        kept_items(train, Undersample(method="imblearn:NearMiss"), seed=0)


def test_clusters_need_features(train: Train) -> None:
    with pytest.raises(UsageError, match="needs features"):
        kept_items(train, Undersample(method="cluster", size=5), seed=0)


@pytest.mark.parametrize("clusters", [0, "some"])
def test_clusters_are_auto_or_a_number(clusters: object) -> None:
    with pytest.raises(UsageError, match=r'undersample\.clusters: expected "auto" or a number'):
        load_recipe(None, {"undersample.clusters": clusters})


def test_a_folder_with_fewer_images(many: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    before = tree_state(many)
    out = tmp_path / "out"
    assert run("undersample", many, out, "--size", "2x", "--json", "--quiet") == 0
    document = json.loads(capsys.readouterr().out)
    assert tree_state(many) == before
    assert document["out"] == str(out)
    assert document["classes"]["red"] == {"real": 30, "kept": 8, "wanted": 8, "duplicates": 0, "method": "random"}
    assert document["classes"]["yellow"] == {"real": 4, "kept": 4, "wanted": None, "duplicates": 0, "method": None}
    thinned = open_dataset(out)
    assert thinned.counts["red"] == {"train": 8, "test": 3}
    assert all((many / item.id).read_bytes() == (out / item.id).read_bytes() for item in thinned.items)
    assert {"summary.json", "recipe.toml", "README.md", "manifest.jsonl"} < set(os.listdir(out))
    assert load_recipe(out / "recipe.toml").undersample == Undersample(size="2x")


def test_what_the_folder_is_good_for(many: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert run("undersample", many, out, "--size", "2x") == 0
    assert f"next: synth generate {out}" in capsys.readouterr().out
    assert run("verify", out) == 0
    assert run("report", out) == 0
    assert "thinned from 30 real images" in (out / "report.html").read_text()
    assert run("generate", out, tmp_path / "filled", "--quiet") == 0
    assert run("verify", tmp_path / "filled") == 0
    assert synth.open_dataset(tmp_path / "filled").synthetic["yellow"] == 4
    assert run("undo", out) == 0
    assert not list(out.rglob("*.png"))


def test_the_same_bytes_twice_and_as_the_library(many: Path, tmp_path: Path, run: Run) -> None:
    options = ("--method", "cluster", "--size", 6, "--seed", 4, "--quiet")
    assert run("undersample", many, tmp_path / "a", *options, "--workers", 1) == 0
    assert run("undersample", many, tmp_path / "b", *options, "--workers", 2) == 0
    recipe = load_recipe(None, {"undersample.method": "cluster", "undersample.size": 6, "seed": 4})
    synth.undersample(synth.open_dataset(many), recipe, tmp_path / "c")
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")


def test_nothing_is_written_over(many: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run("undersample", many, out, "--quiet") == 0  # an empty folder may be there
    before = tree_state(out)
    assert run("undersample", many, out, "--quiet", "--size", "2x") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "holds files, and nothing is overwritten" in error
    assert tree_state(out) == before
    assert os.listdir(tmp_path) == ["out"]


def test_the_input_is_no_output(many: Path, tmp_path: Path) -> None:
    dataset, before = synth.open_dataset(many), tree_state(many)
    for out, words in ((many, "is the input itself"), (many / "new", "lie inside one another")):
        with pytest.raises(OutputError, match=words):
            undersample(dataset, synth.Recipe(), out)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        undersample(dataset, synth.Recipe(), tmp_path / "file")
    assert tree_state(many) == before


def test_an_interrupted_run_goes_on(many: Path, tmp_path: Path) -> None:
    dataset, recipe = synth.open_dataset(many), load_recipe(None, {"undersample.size": "2x"})

    def interrupt(what: str, done: int, total: int) -> None:
        if what == "originals":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undersample(dataset, recipe, tmp_path / "out", progress=interrupt)
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="unfinished run that does not fit"):
        undersample(dataset, synth.Recipe(seed=1), tmp_path / "out")
    undersample(dataset, recipe, tmp_path / "out")
    undersample(dataset, recipe, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert sorted(os.listdir(tmp_path)) == ["out", "whole"]


def test_hard_links(many: Path, tmp_path: Path, run: Run) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 6, "yellow": 2}})
    assert run("undersample", data, tmp_path / "out", "--size", 3, "--set", "output.link=hard", "--quiet") == 0
    kept = sorted((tmp_path / "out/red").iterdir())
    assert len(kept) == 3
    assert all(path.samefile(data / "red" / path.name) for path in kept)


def test_a_list_alone(many: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    listed = tmp_path / "kept.txt"
    assert run("undersample", many, "--list", listed, "--size", "2x", "--quiet") == 0
    assert os.listdir(tmp_path) == ["kept.txt"]
    run("undersample", many, tmp_path / "out", "--size", "2x", "--quiet")
    paths = listed.read_text().splitlines()
    assert paths == [item.id for item in open_dataset(tmp_path / "out").items]
    assert run("undersample", many, "--list", listed, "--quiet") == 1
    assert run("undersample", many, "--list", many / "kept.txt", "--quiet") == 1
    assert run("undersample", many, "--list", tmp_path / "no/kept.txt", "--quiet") == 1
    assert listed.read_text().splitlines() == paths


def test_a_dry_run_writes_nothing(many: Path, tmp_path: Path, run: Run, capsys: Capture) -> None:
    for place in ((tmp_path / "out",), ("--list", tmp_path / "list"), ()):
        assert run("undersample", many, *place, "--dry-run", "--size", "median", "--json", "--quiet") == 0
        document = json.loads(capsys.readouterr().out)
        assert {label: entry["kept"] for label, entry in document["classes"].items()} == {
            "green": 12,
            "red": 12,
            "yellow": 4,
        }
        assert document["out"] is None
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either an output folder OUT or --list FILE"),
        (("OUT", "--list", "FILE"), "give either"),
        (("OUT", "--method", "randon"), 'did you mean "random"'),
        (("OUT", "--size", "lots"), "expected minority, median, mean"),
        (("OUT", "--class", "redd"), 'did you mean "red"'),
    ],
)
def test_wrong_words_are_one_line(
    arguments: tuple[str, ...], words: str, many: Path, tmp_path: Path, run: Run, capsys: Capture
) -> None:
    places = {"OUT": tmp_path / "out", "FILE": tmp_path / "list"}
    assert run("undersample", many, *(places.get(word, word) for word in arguments), "--quiet") == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not os.listdir(tmp_path)


def test_help_has_an_example(run: Run, capsys: Capture) -> None:
    assert run("undersample", "--help") == 0
    assert "Example: synth undersample" in capsys.readouterr().out


def test_clusters_by_what_a_judge_sees(judged: Judged, tmp_path: Path, run: Run, capsys: Capture) -> None:
    options = ("--method", "cluster", "--size", "minority", "--quiet", "--list")
    assert run("undersample", judged.data, *options, tmp_path / "pixels") == 0
    assert run("undersample", judged.data, *options, tmp_path / "judge", "--judge", judged.bundle) == 0
    lists = [(tmp_path / name).read_text().splitlines() for name in ("pixels", "judge")]
    assert len(lists[0]) == len(lists[1]) == 60 + 24
    assert lists[0] != lists[1]
