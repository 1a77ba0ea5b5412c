"""The commands that measure effects and images: policy, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from synth.gates.policy_test import EffectTest


def policy(
    data: Data,
    judge: Judge = None,
    every: Annotated[bool, Option("--all", help="Test all effects, not only those of the recipe.")] = False,
    classes: Classes = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, Option(help="PNG file for a sheet: real images, and the same images after each effect.")
    ] = None,
    *,
    common: Common,
) -> int:
    """Test what each effect does to real images.

    How foreign is each effect: can a simple classifier tell changed images from real ones (AUC 1), or not (AUC 0.5)?
    With a judge, also: does the effect keep the class? It loses the class if the judge then sees it in fewer images.

    Example: synth policy lights --all --out effects.png
    """
    from synth.data.balance import check_classes
    from synth.gates.choices import with_choices
    from synth.gates.foreign import foreignness
    from synth.runs.policy_sheet import policy_sheet
    from synth.runs.preview import save_sheet

    recipe = common.recipe({"judge": judge, "classes": classes, "seed": seed})
    dataset = common.dataset(data, recipe)
    check_classes(recipe.classes, dataset.classes)
    recipe, line = with_choices(recipe, dataset.train)
    found = foreignness(dataset.train, recipe, every=every)
    sheet = str(save_sheet(policy_sheet(found), out, outside=dataset.root)) if out else None
    tests: tuple[EffectTest, ...] = ()
    if recipe.judge:
        from synth.classifier.judge import open_judge  # torch is imported only for a judge
        from synth.gates.policy_test import probe_effects

        tests = probe_effects(dataset.train, recipe, open_judge(recipe.judge), classes=recipe.classes, every=every)
    document = {
        "foreign": [each.to_json() for each in found],
        "policy": [test.to_json() for test in tests],
        "sheet": sheet,
        "notes": [line] if line else [],
    }
    common.show(document, lambda: print_policy(found, tests, line, sheet))
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
