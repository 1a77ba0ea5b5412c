"""Which judge answers: the one that is named, else the one of the run, else one trained on the spot."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from synth.classifier.judge import Judge, open_judge
from synth.classifier.training import train_classifier
from synth.data.dataset import Dataset
from synth.settings.recipe import Recipe
from synth.training.bundle import INFO
from synth.training.job import TrainingJob
from synth.workers import Progress


@contextlib.contextmanager
def judge_for(
    dataset: Dataset,
    recipe: Recipe,
    judge: Judge | str | Path | None,
    *,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[Judge]:
    """The judge for a dataset.

    Args:
        judge: opened, or the folder of its bundle; None: that of the recipe if it is still there, else a reference
            classifier trained on the real training images for this once, which takes about a minute.

    Raises:
        BundleError, UsageError: as `open_judge`. TrainingError: as `train_classifier`.
    """
    if isinstance(judge, Judge):
        yield judge
        return
    named = judge or (recipe.judge if recipe.judge and (Path(recipe.judge) / INFO).is_file() else None)
    if named:
        yield open_judge(named)
        return
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(dataset, recipe, Path(folder) / "judge", n_workers, progress=progress)
        yield Judge(train_classifier(job))
