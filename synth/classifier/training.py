"""The reference classifier: cross-fitted networks, their out-of-fold scores, and the bundle that holds them.

1. The training images are cut into folds; images of a group, or of the same picture, stay together.
2. One network for each fold learns from the others; further ones learn from all images.
3. Every training image is scored by the network that left it out: those are the scores that are reported.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from synth import workers
from synth.classifier.ensemble import ClassifierTask, Member, TrainedMember, load_member, train_member
from synth.classifier.frozen_features import train_heads
from synth.data.dataset import Dataset
from synth.data.folds import folds_of, groups_of
from synth.data.network_input import fitting_side
from synth.data.originals import Originals
from synth.errors import TrainingError
from synth.measures.scores import Scores, score
from synth.networks.build import SMALL, default_side
from synth.networks.pretrained import open_backbone, weights_digest
from synth.records import Item
from synth.settings.gates import Classifier
from synth.settings.recipe import Recipe, dump_recipe
from synth.training import bundle as bundles
from synth.training.batches import read_inputs, safe_policy
from synth.training.bundle import CLASSIFIER, Bundle, publish, run_id, training_folder
from synth.training.card import card, confusion_sheet, curves
from synth.training.device import choose_device
from synth.training.loop import STATS, read_stats
from synth.versions import NETWORKS, versions
from synth.workers import Progress


def train_classifier(
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> Bundle:
    """Train the reference classifier on the training images of a dataset; the same call again resumes.

    Raises:
        TrainingError: fewer than two classes with images, or the losses were not finite.
        OutputError: something else stands at `out`. LockedError: another training is at work there.
        UsageError: a backbone or device that is not there.
    """
    started = time.monotonic()
    out = Path(out)
    items = [item for items in dataset.train.values() for item in items]
    known = [label for label, found in dataset.train.items() if found]
    if len(known) < 2:
        raise TrainingError(f"a classifier needs training images of two classes at least, got {len(known)}")
    where = choose_device(device)
    settings = [part.model_dump(mode="json") for part in (recipe.classifier, safe_policy(recipe))]
    run = run_id(items, dataset.classes, settings, seed=recipe.seed)
    with training_folder(out, run) as work:
        groups = groups_of(items)
        design = _design(items, groups, dataset.classes, recipe, work=work, device=str(where))
        _train(design, n_workers=n_workers if where.type == "cpu" else 1, progress=progress)
        trained = [load_member(work / member.name) for member in design.members]
        probabilities = _out_of_fold(design, trained)
        scores = score(design.labels, probabilities, dataset.classes, groups=groups, seed=recipe.seed)
        seen = sum(member.n_images_seen for member in trained)
        document = {
            "out_of_fold": scores.to_json(),
            "seconds": round(time.monotonic() - started, 1),
            "n_images_seen": seen,
        }
        info = _info(design, recipe, dataset.classes, items, trained=trained, run=run)
        return publish(
            work,
            out,
            info=info,
            tensors=_tensors(design, trained),
            files=_files(design, items, probabilities, scores, document=document, info=info, recipe=recipe),
        )


def _design(
    items: Sequence[Item],
    groups: npt.NDArray[np.int64],
    classes: Sequence[str],
    recipe: Recipe,
    *,
    work: Path,
    device: str,
) -> ClassifierTask:
    settings = recipe.classifier
    side = side_of(items, settings)
    counts = Counter(item.label for item in items)
    n_whole = settings.seeds if min(counts.values()) < settings.few else 1
    folds = folds_of(items, settings.folds, seed=recipe.seed, groups=groups)
    members = [Member(f"fold-{fold}", fold) for fold in sorted(set(folds.tolist()))]
    members += [Member(f"whole-{number}", None) for number in range(n_whole)]
    return ClassifierTask(
        settings,
        safe_policy(recipe),
        recipe.seed,
        side,
        len(classes),
        read_inputs(items, Originals(recipe.data), side),
        np.array([classes.index(item.label) for item in items]),
        folds,
        tuple(members),
        work,
        device,
    )


def _train(design: ClassifierTask, *, n_workers: int, progress: Progress | None) -> None:
    settings = design.settings
    if is_frozen(settings):
        train_heads(design, n_workers=n_workers, progress=progress)
        return
    total = len(design.members) * settings.steps * settings.batch

    def report() -> None:
        if progress:
            stats = [read_stats(design.work / member.name / STATS) for member in design.members]
            progress("training", sum(int(lines[-1]["n_images_seen"]) for lines in stats if lines), total)

    indices = range(len(design.members))
    if n_workers == 1:
        for index in indices:
            train_member(design, index, on_check=lambda _: report())
    else:
        for _ in workers.run(train_member, design, indices, n_workers=n_workers, on_wait=report):
            report()


def _out_of_fold(design: ClassifierTask, trained: Sequence[TrainedMember]) -> npt.NDArray[np.float32]:
    """(N, C): of each image, by the network that left it out."""
    probabilities = np.zeros((len(design.labels), design.n_classes), np.float32)
    for member, result in zip(design.members, trained, strict=True):
        probabilities[design.held_out(member)] = result.held_out
    return probabilities


def _tensors(design: ClassifierTask, trained: Sequence[TrainedMember]) -> dict[str, Tensor]:
    pairs = zip(design.members, trained, strict=True)
    return {f"{member.name}/{key}": value for member, result in pairs for key, value in result.state.items()}


def _info(
    design: ClassifierTask,
    recipe: Recipe,
    classes: Sequence[str],
    items: Sequence[Item],
    *,
    trained: Sequence[TrainedMember],
    run: str,
) -> dict[str, Any]:
    settings = design.settings
    counts = Counter(item.label for item in items)
    return {
        "kind": CLASSIFIER,
        "run": run,
        "classes": list(classes),
        "side": design.side,
        "network": {"backbone": settings.backbone, "tune": settings.tune, "digest": _backbone_digest(settings)},
        "members": [{"name": member.name, "fold": member.fold} for member in design.members],
        "few": settings.few,
        "counts": {label: counts[label] for label in classes},
        "settings": settings.model_dump(mode="json"),
        "seed": recipe.seed,
        "versions": versions(NETWORKS),
        "stopped": {m.name: t.stopped for m, t in zip(design.members, trained, strict=True) if t.stopped},
    }


def side_of(items: Sequence[Item], settings: Classifier) -> int:
    """Side of the square that the network sees: as set, as its backbone likes it, or as it fits the images."""
    return settings.size or default_side(settings.backbone) or fitting_side([(i.width, i.height) for i in items])


def is_frozen(settings: Classifier) -> bool:
    """Are heads trained on the features of a backbone that stays as it is?"""
    return settings.backbone != SMALL and settings.tune == "head"


def _backbone_digest(settings: Classifier) -> str:
    """What the heads depend on, without having it in the bundle."""
    return weights_digest(open_backbone(settings.backbone)) if is_frozen(settings) else ""


def _files(
    design: ClassifierTask,
    items: Sequence[Item],
    probabilities: npt.NDArray[np.float32],
    scores: Scores,
    *,
    document: Mapping[str, Any],
    info: Mapping[str, Any],
    recipe: Recipe,
) -> dict[str, bytes]:
    classes = info["classes"]
    predicted = probabilities.argmax(1)
    lines = [
        json.dumps(
            {
                "path": item.id,
                "sha256": item.sha256,
                "class": item.label,
                "fold": int(design.folds[index]),
                "predicted": classes[predicted[index]],
                "scores": {label: round(float(p), 4) for label, p in zip(classes, probabilities[index], strict=True)},
            }
        )
        for index, item in enumerate(items)
    ]
    stats = {member.name: read_stats(design.work / member.name / STATS) for member in design.members}
    files = {
        bundles.SCORES: json.dumps(document, indent=1, allow_nan=False).encode(),
        bundles.IMAGES: "".join(f"{line}\n" for line in lines).encode(),
        bundles.CARD: card(info, document).encode(),
        bundles.RECIPE: dump_recipe(recipe).encode(),
    }
    sheet = confusion_sheet(items, probabilities, scores, Originals(recipe.data))
    if sheet:
        files["confusions.png"] = sheet
    if any(stats.values()):
        rows = [json.dumps({"network": name, **line}) for name, lines in stats.items() for line in lines]
        files |= {STATS: "".join(f"{row}\n" for row in rows).encode(), "curves.png": curves(stats)}
    return files
