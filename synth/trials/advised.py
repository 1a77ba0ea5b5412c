"""What the trial advised, done: the dataset that the arm learns from, and the recipe that makes it again."""

from __future__ import annotations

from pathlib import Path

from synth.data.dataset import Dataset
from synth.errors import UsageError
from synth.output.summary import Summary
from synth.runs.generate import generate
from synth.runs.selection import Selection
from synth.runs.undersample import undersample
from synth.settings.recipe import Recipe
from synth.trials.arms import parse_arm
from synth.trials.split_data import SplitData, networks_of, recipe_for, train_network
from synth.trials.undersampled import undersampling_of
from synth.workers import Progress


def write_advised(
    dataset: Dataset,
    advised: str,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> Summary | Selection:
    """Make the dataset of an arm at `out`; where it has no new images, the real ones alone.

    Networks that it needs learn from all training images and stay in `OUT-networks`.

    Raises:
        UsageError: an arm that both thins classes and fills them: that takes two commands.
    """
    arm, out = parse_arm(advised), Path(out)
    if arm.thin and arm.fill:
        raise UsageError(f"{advised}: first synth undersample {out}-thinned, then synth generate from there")
    won = recipe.model_copy(update={"trial": recipe.trial.model_copy(update={"arms": (advised,)})})
    if arm.thin:
        thinned = won.model_copy(update={"undersample": undersampling_of(recipe, arm)})
        return undersample(dataset, thinned, out, n_workers=n_workers, progress=progress)
    if not arm.fill:
        alone = won.model_copy(update={"target": {}})
        return generate(dataset, None, alone, out, n_workers=n_workers, progress=progress)
    part = SplitData(dataset, out.with_name(f"{out.name}-networks"), recipe.seed)
    for name in networks_of([arm], recipe):
        train_network(part, recipe, name, device=device, n_workers=n_workers, progress=progress)
    settled = recipe_for(part, won, arm).model_copy(update={"output": recipe.output})
    return generate(dataset, None, settled, out, n_workers=n_workers, progress=progress)
