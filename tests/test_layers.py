"""The shape of the package: imports point one way, torch stays out, public names are what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import synth

PACKAGE = Path(synth.__file__).parent
LAYERS = """
errors versions measures.subset pictures.text records seeds settings.effects settings.gates settings.oversampling settings.undersampling settings.trial settings.recipe
data.manifest files workers gan.codes
data.encoding data.images data.tree data.metadata data.listing data.dataset data.duplicates data.findings data.health
data.balance data.originals data.network_input data.folds
pictures.sheets
effects.parameters effects.geometry effects.colour effects.texture effects.policy
networks.base networks.small networks.heads networks.pretrained networks.build networks.autoencoder
networks.discriminator networks.diffaugment
measures.grain measures.intervals measures.neighbours measures.scores measures.sets measures.texture measures.copies
measures.detection measures.paired
trials.results trials.advice trials.budgets trials.verdict
training.device training.distributed training.inference training.loop training.bundle training.batches
classifier.supervised classifier.losses classifier.ensemble classifier.linear_head classifier.frozen_features classifier.learner training.card
classifier.training autoencoder.perceptual_loss autoencoder.reconstruction
autoencoder.step autoencoder.training gan.step
classifier.judge classifier.judges autoencoder.latent_space
training.tensorboard gan.code_bank gan.card gan.evaluation gan.pictures gan.monitor
gan.setup gan.result gan.training train
gan.trained
generators.base generators.parents generators.duplicate generators.augment generators.neighbour_pairs generators.interpolation
generators.varied generators.feature_space generators.smote generators.gan generators.custom generators.mix
generators.registry
undersampling.clusters undersampling.samplers undersampling.choice
gates.base gates.integrity gates.classifier gates.distance gates.panel
measures.words
output.summary output.staging pages.text pages.params_text pages.confusion pages.thumbnails
pages.captions pages.album pages.report
output.writer runs.preflight runs.preview runs.undersample
output.audit runs.undo
runs.rejected runs.tasks runs.rounds runs.fill gates.policy_test runs.generate
pictures.charts pages.trial_page
trials.arms trials.search trials.splits trials.card trials.split_data trials.images trials.context
trials.time_estimates trials.undersampled trials.progress_files trials.runs trials.scheduler trials.design trials.publish trials.examples
trials.trial trials.advised
runs.remake quality.samples quality.class_quality quality.check demo.traffic_lights demo.run
sampler.image_rows sampler.image_smote
cli.console cli.printing cli.trial_printing cli.options cli.data_commands cli.judge_commands cli.trial_commands cli.app
""".split()
"""A file imports only what stands before it."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    """Modules of this package that a file imports, also inside functions, but not for types alone."""
    found = set()
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "synth":
            base = node.module.removeprefix("synth").removeprefix(".")
            names = {f"{base}.{alias.name}".strip(".") for alias in node.names}
            found |= names & set(LAYERS) or {base}
    return found - {""}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=module_of)
def test_a_file_imports_only_what_stands_above_it(path: Path) -> None:
    name = module_of(path)
    if path.name == "__init__.py":
        return
    assert name in LAYERS
    above = set(LAYERS[: LAYERS.index(name)])
    assert imports_of(path) <= above, f"{name} imports {imports_of(path) - above}"


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("albumentations", "effects/texture.py"),
        ("typer", "cli.py commands.py judge_commands.py options.py trial_commands.py"),
    ],
)
def test_a_library_stays_in_its_room(library: str, home: str) -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if f"import {library}" in path.read_text("utf-8")
    }
    assert users == set(home.split())


def test_public_names_are_sorted_and_there() -> None:
    assert synth.__all__ == sorted(synth.__all__)
    assert all(getattr(synth, name).__doc__ for name in synth.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = synth.nothing


COMMANDS = [
    "--help",
    "inspect DATA",
    "weights DATA",
    "plan DATA",
    "preview DATA --out OUT.png",
    "generate DATA OUT --workers 1 --set augment.transforms=[{name='GaussNoise',p=0.5}]",
    "generate DATA OUT --method synth.demo.run:TrafficLights",
    "generate DATA OUT-2 --method smote",
    "generate DATA OUT-mix --method mix",
    "undersample DATA OUT-3 --method cluster --size minority",
    "verify OUT --remake 1",
    "undo OUT",
    "recipe augment",
]


WITHOUT_TORCH = """
import sys
from synth.cli import app as cli
try:
    cli.main()
except SystemExit as end:
    assert end.code in (0, None), end.code
assert "torch" not in sys.modules
"""
HEAVY = {"numpy", "cv2", "PIL", "pydantic", "rich.console", "torch"}


def test_no_command_imports_torch(lights: Path, tmp_path: Path) -> None:
    for command in COMMANDS:
        words = [word.replace("DATA", str(lights)).replace("OUT", str(tmp_path / "out")) for word in command.split()]
        arguments = (sys.executable, "-c", WITHOUT_TORCH, *words)
        result = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert result.returncode == 0, (command, result.stderr)


def test_help_loads_no_heavy_library() -> None:
    script = f"{WITHOUT_TORCH}\nheavy = {HEAVY} & set(sys.modules)\nassert not heavy, heavy"
    subprocess.run((sys.executable, "-c", script, "--help"), check=True, capture_output=True)
