"""What the trial advised, done: the whole dataset with the arm's new images, and the recipe that makes it again."""

from __future__ import annotations

from pathlib import Path

from synth.data.dataset import Dataset
from synth.errors import UsageError
from synth.output.summary import Summary
from synth.pipeline import generate
from synth.recipe import Recipe
from synth.trials.arms import parse_arm
from synth.trials.ingredients import Part, networks_of, recipe_for, train_network
from synth.workers import Progress


def write_winner(
    dataset: Dataset,
    advised: str,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> Summary:
    """Make the dataset of an arm at `out`; where it has no new images, the real ones alone.

    Networks that it needs learn from all training images and stay in `OUT-networks`.

    Raises:
        UsageError: an arm that thins classes: those are the work of `synth undersample`.
    """
    arm, out = parse_arm(advised), Path(out)
    if arm.thin:
        raise UsageError(f"{advised} thins large classes: synth undersample writes such a dataset")
    won = recipe.model_copy(update={"trial": recipe.trial.model_copy(update={"arms": (advised,)})})
    if not arm.fill:
        alone = won.model_copy(update={"target": {}})
        return generate(dataset, None, alone, out, n_workers=n_workers, progress=progress)
    part = Part(dataset, out.with_name(f"{out.name}-networks"), recipe.seed)
    for name in networks_of([arm], recipe):
        train_network(part, recipe, name, device=device, n_workers=n_workers, progress=progress)
    settled = recipe_for(part, won, arm).model_copy(update={"output": recipe.output})
    return generate(dataset, None, settled, out, n_workers=n_workers, progress=progress)
