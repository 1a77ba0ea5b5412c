"""The commands that ask a judge: policy, check."""

from pathlib import Path
from typing import Annotated

from typer import Option

from synth.cli import console
from synth.cli.options import (
    DO_NOT_USE,
    Classes,
    Common,
    Data,
    Judge,
    Out,
    Printing,
    Seed,
    Strict,
    Workers,
    n_processes,
)
from synth.cli.score_printing import print_policy, print_quality
from synth.errors import UsageError


def policy(
    data: Data,
    judge: Judge = None,
    every: Annotated[bool, Option("--all", help="Test all effects, not only those of the recipe.")] = False,
    classes: Classes = None,
    seed: Seed = None,
    *,
    common: Common,
) -> int:
    """Test which effects keep the class.

    Each effect changes real images. The judge classifies them before and after. An effect loses the class if the judge
    then sees the class in fewer images.

    Example: synth policy lights --judge judge --all
    """
    recipe = common.recipe({"judge": judge, "classes": classes, "seed": seed})
    if not recipe.judge:
        raise UsageError(
            "the policy test needs a judge: run synth train classifier DATA BUNDLE, then add --judge BUNDLE"
        )
    dataset = common.dataset(data, recipe)
    from synth.classifier.judge import open_judge  # torch is imported only when the data could be read
    from synth.gates.policy_test import probe_effects

    tests = probe_effects(dataset.train, recipe, open_judge(recipe.judge), classes=recipe.classes, every=every)
    common.show({"policy": [test.to_json() for test in tests]}, lambda: print_policy(tests))
    return common.status(incomplete=bool(dataset.refused), do_not_use=any(test.loses for test in tests))


def check(
    out: Out,
    synthetic: Annotated[
        Path | None, Option(help="Class folders of images made elsewhere; OUT is then the real data.")
    ] = None,
    judge: Judge = None,
    seed: Seed = None,
    workers: Workers = None,
    strict: Strict = False,
    *,
    printing: Printing,
) -> int:
    """Compare synthetic images with held-out real ones.

    OUT gets the measurements as quality.json and in its report. For class folders made elsewhere, run synth check DATA
    --synthetic DIR; then the measurements are only printed. Without a judge, one is trained and kept in OUT-judge.

    Example: synth check balanced --judge judge
    """
    from synth.quality.check import check as check_quality
    from synth.training.bundle import CLASSIFIER, open_bundle

    if judge:
        open_bundle(judge, CLASSIFIER)
    with printing.progress() as report:
        quality = check_quality(
            out,
            synthetic=synthetic,
            judge=judge,
            seed=seed or 0,
            n_workers=n_processes(workers),
            progress=report,
            say=None if printing.quiet else console.note,
        )
    printing.show(quality.to_json(), lambda: print_quality(quality))
    return DO_NOT_USE if quality.bad and strict else 0
