"""The reference classifier: cross-fitted networks, their out-of-fold scores, and the bundle that holds them.

1. The training images are split into folds; images of a group, or of the same picture, stay together.
2. For each fold one network learns from the other folds; further networks learn from all images.
3. Every training image is scored by the network that left it out. These scores are reported.
"""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth import workers
from synth.classifier.card import card, confusion_sheet
from synth.classifier.ensemble import ClassifierTask, Member, TrainedMember, load_member, train_member
from synth.classifier.frozen_features import train_heads
from synth.data.folds import folds_of, groups_of
from synth.data.network_input import fitting_side
from synth.data.originals import Originals
from synth.errors import TrainingError
from synth.measures.scores import score
from synth.networks.build import SMALL, default_side
from synth.networks.pretrained import open_backbone, weights_digest
from synth.records import Item
from synth.settings.gates import Classifier
from synth.training.batches import read_training_set, safe_policy
from synth.training.bundle import CLASSIFIER, Bundle, complete_bundle, training_folder
from synth.training.device import choose_device
from synth.training.job import TrainingJob
from synth.training.loop import STATS, read_stats

Floats = npt.NDArray[np.float32]


def train_classifier(job: TrainingJob) -> Bundle:
    """Train the reference classifier; the same job again resumes, or returns the complete bundle.

    Raises:
        TrainingError: fewer than two classes with images, or the losses were not finite.
        OutputError: `job.out` holds something else. LockedError: another training holds the folder.
        UsageError: a backbone that is not installed, or a device that is missing.
    """
    items, settings = job.items, job.recipe.classifier
    n_known = len({item.label for item in items})
    if n_known < 2:
        raise TrainingError(f"a classifier needs training images of at least two classes, got {n_known}")
    device = choose_device(job.device)
    run = job.run_id(settings, safe_policy(job.recipe))
    with training_folder(job.out, run) as work:
        if work is None:
            return complete_bundle(job.out, CLASSIFIER)
        groups = groups_of(items)
        if groups.n < 2:
            raise TrainingError(f"all {len(items)} training images show one picture: a classifier has nothing to learn")
        task = _task(job, groups.numbers, work, device=str(device))
        _train(task, job, n_workers=job.n_workers if device.type == "cpu" else 1)
        trained = {member: load_member(work / member.name) for member in task.members}
        probabilities = _out_of_fold(task, trained.values())
        classes = job.dataset.classes
        scores = score(task.data.labels, probabilities, classes, groups=groups.numbers, seed=job.recipe.seed)
        sheet = confusion_sheet(items, probabilities, scores=scores, originals=Originals(job.recipe.data))
        digest = weights_digest(open_backbone(settings.backbone)) if is_frozen(settings) else ""
        return job.publish(
            {
                "kind": CLASSIFIER,
                "run": run,
                "side": task.data.side,
                "network": {"backbone": settings.backbone, "tune": settings.tune, "digest": digest},
                "members": [{"name": member.name, "fold": member.fold} for member in task.members],
                "few": settings.few,
                "warnings": list(groups.warnings),
                "settings": settings.model_dump(mode="json"),
                "stopped": {member.name: result.stopped for member, result in trained.items() if result.stopped},
            },
            tensors={f"{m.name}/{key}": value for m, result in trained.items() for key, value in result.state.items()},
            scores={"out_of_fold": scores.to_json()},
            n_images_seen=sum(result.n_images_seen for result in trained.values()),
            stats={member.name: read_stats(work / member.name / STATS) for member in task.members},
            card=card,
            files={"confusions.png": sheet} if sheet else {},
            images=[
                {
                    "fold": int(fold),
                    "predicted": classes[row.argmax()],
                    "scores": {label: round(float(p), 4) for label, p in zip(classes, row, strict=True)},
                }
                for fold, row in zip(task.folds, probabilities, strict=True)
            ],
        )


def _task(job: TrainingJob, groups: npt.NDArray[np.int64], work: Path, *, device: str) -> ClassifierTask:
    recipe, settings, items = job.recipe, job.recipe.classifier, job.items
    fewest = min(n for n in job.dataset.train_counts.values() if n)
    n_whole = settings.seeds if fewest < settings.few else 1
    folds = folds_of(items, settings.folds, seed=recipe.seed, groups=groups)
    members = [Member(f"fold-{fold}", fold) for fold in sorted(set(folds.tolist()))]
    members += [Member(f"whole-{number}", None) for number in range(n_whole)]
    data = read_training_set(items, job.dataset.classes, recipe, side=side_of(items, settings))
    return ClassifierTask(settings, safe_policy(recipe), recipe.seed, data, folds, tuple(members), work, device)


def _train(task: ClassifierTask, job: TrainingJob, *, n_workers: int) -> None:
    settings = task.settings
    if is_frozen(settings):
        report_features = functools.partial(job.progress, CLASSIFIER) if job.progress else None
        train_heads(task, n_workers=n_workers, report=report_features)
        return
    total = len(task.members) * settings.steps * settings.batch

    def report() -> None:
        stats = [read_stats(task.work / member.name / STATS) for member in task.members]
        if job.progress:
            job.progress(CLASSIFIER, sum(int(lines[-1]["n_images_seen"]) for lines in stats if lines), total)

    indices = range(len(task.members))
    if n_workers == 1:
        for index in indices:
            train_member(task, index, on_check=lambda *_: report())
    else:
        for _ in workers.run(train_member, task, indices, n_workers=n_workers, on_wait=report):
            report()


def _out_of_fold(task: ClassifierTask, trained: Iterable[TrainedMember]) -> Floats:
    """Return probabilities (N, C), of each image by the network that left it out."""
    probabilities = np.zeros((len(task.folds), len(task.data.classes)), np.float32)
    for member, result in zip(task.members, trained, strict=True):
        probabilities[task.held_out(member)] = result.held_out
    return probabilities


def side_of(items: Sequence[Item], settings: Classifier) -> int:
    """Return the side of a network's input: as set, else the backbone's own, else one that fits the images."""
    return settings.size or default_side(settings.backbone) or fitting_side([(i.width, i.height) for i in items])


def is_frozen(settings: Classifier) -> bool:
    """Return whether heads are trained on the features of a frozen backbone."""
    return settings.backbone != SMALL and settings.tune == "head"
