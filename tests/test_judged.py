"""Runs with a judge: the same for any number of workers and after a kill; methods that don't work are switched off."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from conftest import Judged, Run, contents

import synth
from synth.classifier.judge import open_judge
from synth.data.manifest import read_manifest
from synth.gates.choices import with_choices
from synth.gates.policy_test import probe_effects, warnings_of

HUE = {"augment.effects.hue.p": 1.0, "augment.effects.hue.degrees": [120, 180]}


def recipe_of(judged: Judged, **settings: object) -> synth.Recipe:
    return synth.load_recipe(None, {"judge": str(judged.bundle), "target": {"yellow": 140}, "seed": 4, **settings})


SWITCHED_OFF = {**HUE, "gate.acceptance_min": 0.99}


@pytest.mark.parametrize("extra", [{}, SWITCHED_OFF], ids=["safe", "switched off"])
def test_workers_and_kills_change_nothing(
    judged: Judged, tmp_path: Path, extra: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = synth.open_dataset(judged.data)
    recipe = recipe_of(judged, **extra)
    one = synth.generate(dataset, None, recipe, tmp_path / "one")
    synth.generate(dataset, None, recipe, tmp_path / "two", n_workers=2)
    monkeypatch.chdir(tmp_path)
    for stop_at in (20, 90, 91) if extra else (20, 90, 160, 190):

        def killed(what: str, done: int, total: int, stop_at: int = stop_at) -> None:
            if done >= stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            synth.generate(dataset, None, recipe, tmp_path / "killed", progress=killed)
        assert not (tmp_path / "killed").exists()
    synth.generate(dataset, None, recipe, tmp_path / "killed")
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "killed")
    assert (one.short == 0) == (not extra)


def test_a_kill_while_images_are_taken_back_changes_nothing(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synth.output.staging import Staging

    dataset, recipe = synth.open_dataset(judged.data), recipe_of(judged, **HUE, **{"gate.classifier.score_min": 0.9})
    synth.generate(dataset, None, recipe, tmp_path / "whole")

    def killed(self: Staging, labels: object) -> None:
        monkeypatch.undo()
        done(self, labels)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    done = Staging.withdraw
    monkeypatch.setattr(Staging, "withdraw", killed)
    with pytest.raises(KeyboardInterrupt):
        synth.generate(dataset, None, recipe, tmp_path / "killed")
    synth.generate(dataset, None, recipe, tmp_path / "killed")
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def test_a_method_that_passes_under_half_is_switched_off(
    judged: Judged, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("off_class.py").write_text(
        textwrap.dedent("""
        import sys
        import numpy as np
        sys.path.insert(0, "HERE")
        from conftest import light

        class Mostly:
            def draw(self, label, rng):
                return light("green" if rng.random() < 0.7 else label, int(rng.integers(10**6)))
        """).replace("HERE", str(Path(__file__).parent))
    )
    options = ("--method", "off_class:Mostly", "--target", "yellow=120", "--judge", judged.bundle, "--workers", 1)
    assert run("generate", judged.data, tmp_path / "out", *options, "--json", "--quiet") == 3
    summary = json.loads(capsys.readouterr().out)
    yellow = summary["classes"]["yellow"]
    assert yellow["switched_off"]
    assert yellow["accepted"] == 0
    assert yellow["short"] == yellow["planned"] == 100
    assert yellow["attempted"] == 64
    assert 0.1 < yellow["acceptance"] < 0.5 < yellow["real_acceptance"]
    assert "switched off" in yellow["note"]
    assert sum(yellow["rejected"].values()) >= 64
    rows = [row for row in read_manifest(tmp_path / "out/manifest.jsonl") if row.synthetic]
    assert {row.path for row in rows} == {None}
    assert {row.verdict for row in rows} == {"rejected"}
    assert {("switched_off",), ("off_class",)} <= {row.reasons for row in rows}
    assert synth.verify(tmp_path / "out").good
    assert not list((tmp_path / "out").rglob("*mostly*"))
    assert run("generate", judged.data, tmp_path / "kept", *options, "--set", "gate.acceptance_min=0", "--quiet") == 0
    assert len(list((tmp_path / "kept").rglob("*mostly*"))) == 100


def test_the_manifest_holds_scores_and_the_summary_the_judge(judged: Judged, tmp_path: Path) -> None:
    summary = synth.generate(synth.open_dataset(judged.data), None, recipe_of(judged), tmp_path / "out")
    rows = [row for row in read_manifest(tmp_path / "out/manifest.jsonl") if row.synthetic]
    for row in rows:
        assert {"contrast", "grain", "classifier", "classes", "nearest"} <= set(row.scores)
        assert row.scores["classifier"] == row.scores["classes"]["yellow"]  # type: ignore[index]
    document = json.loads((tmp_path / "out/summary.json").read_text())
    assert document["judge"]["digest"] == json.loads((judged.bundle / "bundle.json").read_text())["weights_sha256"]
    assert document["judge"]["scores"] == json.loads((judged.bundle / "scores.json").read_text())
    assert {test["effect"] for test in document["policy"]} >= {"rotate", "brightness", "blur"}
    assert not any(test["loses"] for test in document["policy"])
    yellow = summary.classes["yellow"]
    assert yellow.acceptance == yellow.accepted / yellow.attempted
    assert all(made.same_file for made in synth.remake(tmp_path / "out", rows[0].id))


def test_rejected_candidates_are_kept_as_thumbnails(judged: Judged, tmp_path: Path) -> None:
    synth.generate(synth.open_dataset(judged.data), None, recipe_of(judged, **HUE), tmp_path / "out")
    shown = json.loads((tmp_path / "out/rejected.json").read_text())["images"]
    assert shown
    assert {image["class"] for image in shown} == {"yellow"}
    assert all(image["reasons"] and image["thumbnail"] and "hue" in image["params"] for image in shown)


def test_the_policy_test_names_the_effect_that_loses_the_class(
    judged: Judged, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, judge = synth.open_dataset(judged.data), open_judge(judged.bundle)
    tests = probe_effects(dataset.train, with_choices(recipe_of(judged, **HUE), dataset.train)[0], judge)
    assert {test.effect for test in tests if test.loses} == {"hue"}
    (line,) = warnings_of(tests)
    assert '"hue"' in line
    assert all(f"{test.label} in " in line for test in tests if test.loses)
    sets = [word for key, value in HUE.items() for word in ("--set", f"{key}={value}")]
    assert run("policy", judged.data, "--judge", judged.bundle, *sets, "--quiet", "--seed", 4) == 0
    assert line.split(";")[0] in capsys.readouterr().out.replace("\n", " ")
    assert (
        run("policy", judged.data, "--judge", judged.bundle, *sets, "--quiet", "--strict", "--json", "--seed", 4) == 4
    )
    printed = json.loads(capsys.readouterr().out)["policy"]
    assert [test.to_json() for test in tests] == printed


def test_every_effect_can_be_tested(judged: Judged) -> None:
    dataset, judge = synth.open_dataset(judged.data), open_judge(judged.bundle)
    tests = probe_effects(dataset.train, synth.Recipe(), judge, classes=["yellow"], every=True)
    assert {"flip_vertical", "hue", "grey", "perspective"} <= {test.effect for test in tests}


def test_preview_shows_scores(judged: Judged, tmp_path: Path, run: Run) -> None:
    options = ("--class", "yellow", "--judge", judged.bundle, "--quiet")
    assert run("preview", judged.data, *options, "--out", tmp_path / "with.png") == 0
    assert run("preview", judged.data, *options[:2], "--quiet", "--out", tmp_path / "without.png") == 0
    assert (tmp_path / "with.png").stat().st_size > (tmp_path / "without.png").stat().st_size
