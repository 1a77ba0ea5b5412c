"""Gates fed on purpose: each kind of bad image is rejected for the right reason, good ones pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Judged, light

import synth
from synth.classifier.judge import open_judge
from synth.data.originals import Originals
from synth.gates.gate_set import GateSet, open_gates
from synth.generators.augment import AugmentGenerator
from synth.generators.base import Context
from synth.records import Candidate, Item, Pixels, Verdict

LABEL, N = "yellow", 24


@pytest.fixture(scope="module")
def dataset(judged: Judged) -> synth.Dataset:
    return synth.open_dataset(judged.data)


@pytest.fixture(scope="module")
def gates(judged: Judged, dataset: synth.Dataset) -> GateSet:
    return gates_of(dataset, judge=str(judged.bundle))


def gates_of(dataset: synth.Dataset, **settings: object) -> GateSet:
    known = frozenset(item.pixels_sha256 for item in dataset.items)
    return open_gates(synth.load_recipe(None, settings), dataset.train, known=known, labels=[LABEL])


def candidates(images: Sequence[Pixels], parents: tuple[Item, ...] = ()) -> list[Candidate]:
    return [Candidate(pixels, LABEL, "own", attempt, parents) for attempt, pixels in enumerate(images)]


def pictures(label: str) -> list[Pixels]:
    return [light(label, i) for i in range(N)]


def noise(rng: np.random.Generator) -> Pixels:
    return rng.integers(0, 256, (36, 24, 3), np.uint8)


def weak_noise(rng: np.random.Generator) -> Pixels:
    return rng.normal(rng.uniform(60, 180), 25, (36, 24, 3)).clip(0, 255).astype(np.uint8)


def constant(rng: np.random.Generator) -> Pixels:
    return np.broadcast_to(rng.integers(0, 256, 3, np.uint8), (36, 24, 3)).copy()


def blobs(rng: np.random.Generator) -> Pixels:
    return cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (24, 36), interpolation=cv2.INTER_CUBIC)


def reasons(verdicts: Sequence[Verdict]) -> set[str]:
    return {reason for verdict in verdicts for reason in verdict.reasons}


@pytest.mark.parametrize(("draw", "reason"), [(noise, "noise"), (weak_noise, "noise"), (constant, "blank")])
def test_what_is_no_picture_is_rejected(
    gates: GateSet, draw: Callable[[np.random.Generator], Pixels], reason: str
) -> None:
    verdicts = gates.verdicts(candidates([draw(np.random.default_rng(i)) for i in range(N)]))
    assert all(reason in verdict.reasons for verdict in verdicts)


def test_what_is_far_from_all_real_images_is_rejected(gates: GateSet) -> None:
    verdicts = gates.verdicts(candidates([blobs(np.random.default_rng(i)) for i in range(N)]))
    assert not any(verdict.accepted for verdict in verdicts)
    assert reasons(verdicts) <= {"off_class", "outlier"}
    assert all(float(verdict.scores["nearest"]) > 1 for verdict in verdicts)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["red", "green"])
def test_other_classes_are_rejected_by_the_classifier(gates: GateSet, label: str) -> None:
    verdicts = gates.verdicts(candidates(pictures(label)))
    assert sum("off_class" in verdict.reasons for verdict in verdicts) >= 0.95 * N
    scores = verdicts[0].scores
    assert scores["classifier"] == scores["classes"][LABEL]  # type: ignore[index]
    assert max(scores["classes"], key=scores["classes"].get) == label  # type: ignore[arg-type, union-attr]


def test_new_pictures_of_the_class_pass(gates: GateSet) -> None:
    verdicts = gates.verdicts(candidates(pictures(LABEL)))
    assert sum(verdict.accepted for verdict in verdicts) >= 0.9 * N, reasons(verdicts)


def test_copies_are_rejected_and_declared_ones_pass(gates: GateSet, dataset: synth.Dataset) -> None:
    originals = Originals(synth.Recipe().data)
    items = [item for item in dataset.items if item.label == LABEL]  # of the test split too: that would be a leak
    copies = [Candidate(originals.pixels(item), LABEL, "own", i) for i, item in enumerate(items)]
    assert all("copy" in verdict.reasons for verdict in gates.verdicts(copies))
    declared = [replace(copy, file=b"the file") for copy in copies if copy.attempt < 10]
    assert all("copy" not in verdict.reasons for verdict in gates.verdicts(declared))


def test_near_copies_are_rejected_unless_they_are_declared_variations(gates: GateSet, dataset: synth.Dataset) -> None:
    item = dataset.train[LABEL][0]
    pixels = Originals(synth.Recipe().data).pixels(item).copy()
    pixels[0, 0] ^= 1
    (undeclared,) = gates.verdicts(candidates([pixels]))
    (declared,) = gates.verdicts([replace(c, from_parent_pixels=True) for c in candidates([pixels], parents=(item,))])
    assert "near_copy" in undeclared.reasons
    assert 0 <= float(undeclared.scores["copy"]) < 0.01  # type: ignore[arg-type]
    assert declared.accepted


def test_between_two_parents_what_saving_again_would_give_is_refused(gates: GateSet, dataset: synth.Dataset) -> None:
    first, second = dataset.train[LABEL][:2]
    originals = Originals(synth.Recipe().data)
    a, b = (originals.pixels(item).astype(float) for item in (first, second))
    b = cv2.resize(b, a.shape[1::-1])
    between = [((1 - step) * a + step * b).round().astype(np.uint8) for step in (0.01, 0.5)]
    made = [replace(c, from_parent_pixels=True) for c in candidates(between, parents=(first, second))]
    near, far = gates.verdicts(made)
    assert "near_copy" in near.reasons
    assert "near_copy" not in far.reasons


def test_the_safe_policy_passes(gates: GateSet, dataset: synth.Dataset, judged: Judged) -> None:
    made = list(AugmentGenerator(Context(synth.Recipe(seed=3), dataset.train)).make(LABEL, range(200)))
    passed = [verdict for verdict in gates.verdicts(made) if verdict.accepted]
    assert len(passed) >= 0.95 * len(made)
    n_passed, n = gates.real_passed(LABEL)
    assert n == 20
    assert n_passed >= 0.9 * n


def test_a_candidate_gets_the_same_answer_in_any_company(gates: GateSet, dataset: synth.Dataset) -> None:
    made = list(AugmentGenerator(Context(synth.Recipe(seed=3), dataset.train)).make(LABEL, range(70)))
    together = gates.verdicts(made)
    assert [verdict for candidate in made for verdict in gates.verdicts([candidate])] == together
    assert gates.verdicts(made[::-1])[::-1] == together


def test_without_a_judge_blanks_noise_and_copies_are_seen(dataset: synth.Dataset) -> None:
    bare = gates_of(dataset)
    images = [constant(np.random.default_rng(0)), noise(np.random.default_rng(0)), *pictures("red")[:1]]
    blank, grainy, red = bare.verdicts(candidates(images))
    assert (blank.reasons, grainy.reasons, red.reasons) == (("blank",), ("noise",), ())
    assert set(red.scores) == {"contrast", "grain", "copy"}


def test_sizes_out_of_all_proportion_are_rejected(dataset: synth.Dataset) -> None:
    bare = gates_of(dataset)
    big = cv2.resize(light(LABEL, 1), None, fx=6, fy=6)
    (verdict,) = bare.verdicts(candidates([big]))
    assert verdict.reasons == ("size",)
    assert float(verdict.scores["size"]) > 4  # type: ignore[arg-type]


def test_sixteen_bit_and_grey_images_are_judged(gates: GateSet) -> None:
    grey = cv2.cvtColor(light(LABEL, 1), cv2.COLOR_RGB2GRAY)
    wide = grey.astype(np.uint16) * 257
    first, second = gates.verdicts(candidates([grey, wide]))
    assert first.scores["classifier"] == second.scores["classifier"]
    assert first.scores["contrast"] == pytest.approx(second.scores["contrast"], abs=1e-4)


def test_a_class_that_the_judge_does_not_know_well_is_not_judged_by_it(judged: Judged, dataset: synth.Dataset) -> None:
    settings = {"judge": str(judged.bundle), "gate.classifier.held_out_min": 1.0, "gate.classifier.score_min": 1.0}
    gates = gates_of(dataset, **settings)
    verdicts = gates.verdicts(candidates(pictures("red")))
    assert "off_class" not in reasons(verdicts)
    assert "the judge does not know yellow (" in gates.warnings([LABEL])[0]
    assert gates.not_judged(LABEL) in gates.warnings([LABEL])[0]


def test_a_judge_of_other_classes_is_refused(judged: Judged, dataset: synth.Dataset) -> None:
    with pytest.raises(synth.SynthError, match='not "blue"'):
        open_gates(synth.Recipe(judge=str(judged.bundle)), dataset.train, labels=["blue"])


def rewritten(bundle: Path, out: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Copy a judge's bundle, with changed records of its training images."""
    shutil.copytree(bundle, out)
    records = [json.loads(line) for line in (out / "images.jsonl").read_text().splitlines()]
    for record in records:
        change(record)
    (out / "images.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return out


def test_an_untypical_parent_does_not_take_its_children_with_it(
    judged: Judged, dataset: synth.Dataset, tmp_path: Path
) -> None:
    usual, odd = dataset.train[LABEL][:2]

    def change(record: dict[str, Any]) -> None:
        if record["sha256"] == odd.sha256:
            record["scores"] = dict.fromkeys(record["scores"], 0.0)

    gates = gates_of(dataset, judge=str(rewritten(judged.bundle, tmp_path / "judge", change)))
    red = Candidate(light("red", 3), LABEL, "own", 0, (usual,), from_parent_pixels=True)
    of_usual, of_odd, drawn = gates.verdicts(
        [red, replace(red, parents=(odd,)), replace(red, from_parent_pixels=False)]
    )
    assert "off_class" in of_usual.reasons
    assert "off_class" not in of_odd.reasons
    assert "off_class" in drawn.reasons
    (warning,) = gates.warnings([LABEL])
    assert odd.id in warning
    n_passed, n = gates.real_passed(LABEL)
    assert n_passed >= 0.9 * n


def test_a_judge_that_finds_a_class_everywhere_does_not_judge_it(
    judged: Judged, dataset: synth.Dataset, tmp_path: Path
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["scores"][LABEL] = 0.4

    gates = gates_of(dataset, judge=str(rewritten(judged.bundle, tmp_path / "judge", change)))
    (verdict,) = gates.verdicts(candidates(pictures("red")[:1]))
    assert "off_class" not in verdict.reasons
    assert float(verdict.scores["classifier"]) < 0.2  # type: ignore[arg-type]
    assert gates.not_judged(LABEL) == "20 of 20 real images pass, and 100% of the images of other classes"
    assert not gates.not_judged("red")


def test_networks_that_saw_the_parent_never_score_its_child_in_small_classes_either(
    judged: Judged, dataset: synth.Dataset, tmp_path: Path
) -> None:
    bundle = rewritten(judged.bundle, tmp_path / "judge", lambda record: None)
    info = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**info, "few": 1000}))
    gates, judge = gates_of(dataset, judge=str(bundle)), open_judge(bundle)
    made = list(AugmentGenerator(Context(synth.Recipe(seed=3), dataset.train)).make(LABEL, range(20)))
    unseen = [judge.unseen_by([parent.sha256 for parent in candidate.parents]) for candidate in made]
    assert not any(set(members) & set(judge.whole) for members in unseen)
    expected = judge.predict([candidate.pixels for candidate in made], unseen).probabilities
    own = expected[:, judge.classes.index(LABEL)].astype(float).round(4)
    assert [verdict.scores["classifier"] for verdict in gates.verdicts(made)] == own.tolist()
