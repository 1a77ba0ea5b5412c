"""Rare-class images that provably help: a class folder in, a balanced class folder out.

Every synthetic image is a pure function of its attempt: (dataset, recipe, run seed, class, attempt number).

    import synth

    dataset = synth.open_dataset("lights")
    recipe = synth.Recipe(target={"yellow": 350}, seed=7)
    summary = synth.generate(dataset, None, recipe, "lights-balanced")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth.autoencoder.latent_space import LatentSpace, open_latent_space
    from synth.classifier.judge import Judge, open_judge
    from synth.data.balance import ClassPlan, Plan, class_weights, make_plan
    from synth.data.dataset import Dataset, open_dataset
    from synth.data.findings import Finding
    from synth.data.health import Inspection, inspect
    from synth.demo.run import run_demo
    from synth.errors import SynthError
    from synth.gates.policy_test import EffectTest, probe_effects
    from synth.output.audit import Audit, verify
    from synth.output.summary import Summary
    from synth.pages.inspection import InspectionFiles, write_inspection
    from synth.pages.report import write_report
    from synth.quality.check import Quality, check
    from synth.records import Candidate, Item, Row
    from synth.runs.generate import generate
    from synth.runs.preview import preview
    from synth.runs.remake import Remade, remake
    from synth.runs.removal import Undone
    from synth.runs.settle import plan_for
    from synth.runs.train import train
    from synth.runs.undersample import undersample
    from synth.runs.undo import undo
    from synth.sampler.image_smote import ImageSMOTE
    from synth.settings.recipe import Recipe, dump_recipe, load_recipe
    from synth.training.bundle import Bundle
    from synth.trials.results import Verdict
    from synth.trials.trial import trial

_HOMES = {
    "synth.data.balance": ("ClassPlan", "Plan", "class_weights", "make_plan"),
    "synth.data.dataset": ("Dataset", "open_dataset"),
    "synth.data.findings": ("Finding",),
    "synth.data.health": ("Inspection", "inspect"),
    "synth.demo.run": ("run_demo",),
    "synth.errors": ("SynthError",),
    "synth.sampler.image_smote": ("ImageSMOTE",),
    "synth.classifier.judge": ("Judge", "open_judge"),
    "synth.gates.choices": ("with_choices",),
    "synth.gates.foreign": ("Foreignness", "foreignness"),
    "synth.gates.policy_test": ("EffectTest", "probe_effects"),
    "synth.autoencoder.latent_space": ("LatentSpace", "open_latent_space"),
    "synth.output.audit": ("Audit", "verify"),
    "synth.runs.preview": ("preview",),
    "synth.runs.removal": ("Undone",),
    "synth.runs.undo": ("undo",),
    "synth.pages.inspection": ("InspectionFiles", "write_inspection"),
    "synth.pages.report": ("write_report",),
    "synth.output.summary": ("Summary",),
    "synth.runs.undersample": ("undersample",),
    "synth.runs.generate": ("generate",),
    "synth.runs.settle": ("plan_for",),
    "synth.quality.check": ("Quality", "check"),
    "synth.settings.recipe": ("Recipe", "dump_recipe", "load_recipe"),
    "synth.records": ("Candidate", "Item", "Row"),
    "synth.runs.remake": ("Remade", "remake"),
    "synth.training.bundle": ("Bundle",),
    "synth.runs.train": ("train",),
    "synth.trials.trial": ("trial",),
    "synth.trials.results": ("Verdict",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Audit",
    "Bundle",
    "Candidate",
    "ClassPlan",
    "Dataset",
    "EffectTest",
    "Finding",
    "Foreignness",
    "ImageSMOTE",
    "Inspection",
    "InspectionFiles",
    "Item",
    "Judge",
    "LatentSpace",
    "Plan",
    "Quality",
    "Recipe",
    "Remade",
    "Row",
    "Summary",
    "SynthError",
    "Undone",
    "Verdict",
    "check",
    "class_weights",
    "dump_recipe",
    "foreignness",
    "generate",
    "inspect",
    "load_recipe",
    "make_plan",
    "open_dataset",
    "open_judge",
    "open_latent_space",
    "plan_for",
    "preview",
    "probe_effects",
    "remake",
    "run_demo",
    "train",
    "trial",
    "undersample",
    "undo",
    "verify",
    "with_choices",
    "write_inspection",
    "write_report",
]


def __getattr__(name: str) -> Any:
    # Lazy, so that `synth --help` and a worker import only what they need.
    if name not in _HOME_OF:
        raise AttributeError(f"module 'synth' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
