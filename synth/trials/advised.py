"""Do what a trial advises: write the dataset that the arm learns from, and the recipe that makes it again."""

from pathlib import Path

from synth.data.dataset import Dataset
from synth.errors import UsageError
from synth.output.summary import Summary
from synth.runs.generate import generate
from synth.runs.selection import Selection
from synth.runs.undersample import undersample
from synth.settings.recipe import Recipe
from synth.trials.arms import parse_arm
from synth.trials.networks import networks_of, train_network
from synth.trials.splits import SplitData
from synth.trials.synthetic_images import recipe_of
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
    """Write the dataset of an arm to `out`; of an arm without new images, the real ones alone.

    The networks that it needs learn from all training images and are kept in `OUT-networks`.

    Raises:
        UsageError: an arm that both undersamples and adds images: this takes two commands.
    """
    arm, out = parse_arm(advised), Path(out)
    if arm.thin and arm.fill:
        raise UsageError(f"{advised}: run synth undersample first, to {out}-thinned, then synth generate from there")
    settled = recipe.model_copy(update={"trial": recipe.trial.model_copy(update={"arms": (advised,)})})
    if arm.thin:
        settled = settled.model_copy(update={"undersample": undersampling_of(recipe, arm)})
        return undersample(dataset, settled, out, n_workers=n_workers, progress=progress)
    if arm.fill:
        data = SplitData(dataset, out.with_name(f"{out.name}-networks"), recipe.seed)
        for name in networks_of([arm], recipe):
            train_network(data, recipe, name, device=device, n_workers=n_workers, progress=progress)
        settled = recipe_of(data, settled, arm).model_copy(update={"output": recipe.output})
    else:
        settled = settled.model_copy(update={"target": {}})
    return generate(dataset, None, settled, out, n_workers=n_workers, progress=progress)
