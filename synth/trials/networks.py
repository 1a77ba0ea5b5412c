"""The networks of a split: a classifier as judge, an autoencoder, a GAN. They learn from the split's own images alone.

FOLDER/classifier, autoencoder, gan   bundles, those that the arms need
FOLDER/gan.failed                     why a network could not be trained
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from synth.errors import TrainingError
from synth.files import replace_file
from synth.runs.train import train
from synth.settings.recipe import Recipe
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.progress_files import ProgressFile
from synth.trials.splits import SplitData
from synth.workers import Progress

NETWORKS = ("classifier", "autoencoder", "gan")
"""In the order of their training: a GAN starts from the other two."""


def networks_of(arms: Sequence[Arm], recipe: Recipe) -> tuple[str, ...]:
    """Return the networks that the arms need in each split, in the order of their training."""
    generators = {generator_network(arm, recipe) for arm in arms}
    if "gan" in generators:
        return NETWORKS
    judge = {"classifier"} if any(is_judged(arm, recipe) for arm in arms) else set()
    return tuple(name for name in NETWORKS if name in generators | judge)


def generator_network(arm: Arm, recipe: Recipe) -> str:
    """Return the network that the generator of an arm needs; empty if it needs none."""
    methods = _methods(arm, recipe)
    if "gan" in methods:
        return "gan"
    return "autoencoder" if "smote" in methods and recipe.smote.space == "latent" else ""


def is_judged(arm: Arm, recipe: Recipe) -> bool:
    """Whether a judge scores the new images of an arm."""
    if recipe.trial.judge != "auto":
        return bool(arm.fill) and recipe.trial.judge == "on"
    return any(method == "gan" or ":" in method for method in _methods(arm, recipe))


def _methods(arm: Arm, recipe: Recipe) -> tuple[str, ...]:
    return recipe.model_copy(update={"method": arm.fill}).methods


def train_in_split(context: TrialContext, task: tuple[int, str], *, then: Callable[[], None] | None = None) -> None:
    """Train one network of one split; `then` is called after each report of progress."""
    split, name = task
    progress = ProgressFile(progress_path(context.data[split], name), name, then)
    train_network(context.data[split], context.recipe, name, device=context.device, progress=progress)


def train_network(
    data: SplitData, recipe: Recipe, name: str, *, device: str, n_workers: int = 1, progress: Progress | None = None
) -> None:
    """Train one network of a split, or resume its training.

    If it can't be trained on this data, a note takes its place, and the arms that need it get no new images.
    """
    if is_trained(data, name):
        return
    data.folder.mkdir(parents=True, exist_ok=True)
    start = {"bundle": "", "judge": "", "seed": data.seed}
    if name == "gan":
        start |= {"bundle": bundle_path(data, "autoencoder"), "judge": bundle_path(data, "classifier")}
    out = data.folder / name
    try:
        settled = recipe.model_copy(update=start)
        train(name, data.dataset, settled, out, n_workers=n_workers, device=device, progress=progress)
    except TrainingError as error:
        replace_file(_note_path(data, name), str(error).encode())


def is_trained(data: SplitData, name: str) -> bool:
    """Whether the training of a network is over, also if it failed."""
    return (data.folder / name).exists() or _note_path(data, name).exists()


def bundle_path(data: SplitData, name: str, *, needed: bool = False) -> str:
    """Return the bundle of a network; empty if there is none.

    Raises:
        TrainingError: the network is needed, but could not be trained.
    """
    if needed and _note_path(data, name).exists():
        raise TrainingError(_note_path(data, name).read_text("utf-8"))
    out = data.folder / name
    return str(out) if out.exists() else ""


def progress_path(data: SplitData, name: str) -> Path:
    """Return the file in which the training of a network reports its progress."""
    return data.folder / f"{name}.tick"


def _note_path(data: SplitData, name: str) -> Path:
    return data.folder / f"{name}.failed"
