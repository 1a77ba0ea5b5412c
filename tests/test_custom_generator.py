"""A generator of the user's own: held to the contract, with clear words where it breaks it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from conftest import Run

import synth
from synth.data.manifest import read_manifest
from synth.generators.base import Context
from synth.generators.registry import open_generator
from synth.runs.remake import synthetic_ids

HEAD = "import numpy as np\nimport PIL.Image\n\nclass Own:\n    def draw(self, label, rng):\n"
REUSED_CANVAS = """
import numpy as np

class Own:
    canvas = np.zeros((12, 10, 3), np.uint8)

    def draw(self, label, rng):
        self.canvas[:] = rng.integers(0, 255, self.canvas.shape)
        return self.canvas, {"kind": "noise"}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module of its own for each test: Python imports a name once."""
    monkeypatch.chdir(tmp_path)
    return f"own_{abs(hash(request.node.name))}"


def module(name: str, text: str) -> str:
    Path(f"{name}.py").write_text(text)
    return f"{name}:Own"


def test_the_pixels_are_copied_and_the_parameters_kept(lights: Path, tmp_path: Path, write: str) -> None:
    recipe = synth.Recipe(method=module(write, REUSED_CANVAS), target={"yellow": 11})
    for n_workers in (1, 2):
        synth.generate(synth.open_dataset(lights), None, recipe, tmp_path / f"out{n_workers}", n_workers=n_workers)
    rows = [row for row in read_manifest(tmp_path / "out1/manifest.jsonl") if row.synthetic]
    assert len({row.pixels_sha256 for row in rows}) == 8
    assert {row.params["kind"] for row in rows} == {"noise"}
    assert all(made.same_file for made in synth.remake(tmp_path / "out1", synthetic_ids(tmp_path / "out1")))


def test_a_class_without_real_images_is_drawn(lights: Path, tmp_path: Path, write: str) -> None:
    (lights / "train/blue").mkdir()
    recipe = synth.Recipe(method=module(write, REUSED_CANVAS), target={"blue": 5})
    summary = synth.generate(synth.open_dataset(lights), None, recipe, tmp_path / "out")
    assert summary.classes["blue"].accepted == 5
    assert synth.verify(tmp_path / "out").good


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return rng.random((9, 9))", ["attempt 0 of class yellow", "uint8 (H, W)", "float64 (9, 9)"]),
        ("return None", ["got NoneType"]),
        ("return np.zeros((9, 9, 4), np.uint8)", ["uint8 (9, 9, 4)"]),
        ("return PIL.Image.new('RGB', (9, 9))", ["got Image"]),
        ("return self.missing", ["AttributeError", "missing"]),
        ("return np.zeros((9, 9), np.uint8), {1: 2}", ["parameters as a dict"]),
        ("return np.zeros((9, 9), np.uint8), 5", ["parameters as a dict"]),
    ],
)
def test_a_broken_generator_is_one_clear_line(
    lights: Path, tmp_path: Path, write: str, body: str, words: list[str], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    method = module(write, HEAD + textwrap.indent(body, " " * 8))
    options = ("--target", "yellow=5", "--quiet", "--workers", 1)
    assert run("generate", lights, tmp_path / "out", "--method", method, *options) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for word in words:
        assert word in error


def test_other_code_does_not_resume_the_run(
    lights: Path, tmp_path: Path, write: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--target", "yellow=5", "--quiet", "--workers", 1)
    method = module(write, HEAD + "        return 1 / 0")
    assert run("generate", lights, tmp_path / "out", "--method", method, *options) == 1
    module(write, HEAD + "        return rng.integers(0, 255, (9, 9, 3), np.uint8)")
    assert run("generate", lights, tmp_path / "out", "--method", method, *options) == 1
    assert "synth undo" in capsys.readouterr().err


def test_the_digest_covers_the_file_of_a_class_that_is_exported_by_another(write: str) -> None:
    drawing = Path(write) / "drawing.py"
    drawing.parent.mkdir()
    (drawing.parent / "__init__.py").write_text(f"from {write}.drawing import Own\n")
    digests = set()
    for size in (9, 10):
        drawing.write_text(f"{HEAD}        return np.zeros(({size}, 9), np.uint8)\n")
        digests.add(open_generator(Context(synth.Recipe(method=f"{write}:Own"), {})).digest)
    assert len(digests) == 2


def test_the_shell_builds_it_once(lights: Path, tmp_path: Path, write: str, run: Run) -> None:
    init = "    def __init__(self):\n        with open('built', 'a') as file:\n            file.write('once ')\n\n"
    method = module(write, REUSED_CANVAS.replace("    def draw", f"{init}    def draw"))
    arguments = ("generate", lights, tmp_path / "out", "--method", method, "--workers", 1, "--quiet")
    assert run(*arguments, "--target", "yellow=5") == 0
    assert Path("built").read_text() == "once "
