"""The README's commands and snippets work as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `lights`, and the files that the README shows."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "assets/demo-lights", folder / "lights")
    (folder / "recipe.toml").write_text(blocks("toml")[0])
    for text in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", text)
        if name:
            (folder / name[1]).write_text(text)
    return folder


def commands() -> list[str]:
    lines = [line.partition("#")[0].strip() for text in blocks("sh") for line in text.splitlines()]
    return [line for line in lines if line.startswith("synth ")]


@pytest.mark.xdist_group("readme")
def test_the_commands_run_in_order(workplace: Path) -> None:
    assert len(commands()) >= 10
    for command in commands():
        words = command.split()[1:]
        result = subprocess.run(
            (sys.executable, "-m", "synth", *words), cwd=workplace, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, (command, result.stderr)
    assert (workplace / "sheet.png").exists()
    assert not (workplace / "balanced").exists()
    assert {path.parent.name for path in (workplace / "drawn").rglob("*squares*")} == {"yellow"}


@pytest.mark.xdist_group("readme")
def test_the_snippets_run(workplace: Path) -> None:
    for text in blocks("python"):
        result = subprocess.run(
            (sys.executable, "-c", text), cwd=workplace, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("script", ["demo", "test", "check", "format", "install"])
def test_the_scripts_are_there(script: str) -> None:
    assert os.access(ROOT / "scripts" / script, os.X_OK)


def test_the_files_that_the_readme_names_exist() -> None:
    for name in re.findall(r"(?:\(|`)((?:assets|scripts|models)/[\w./-]+)", README):
        assert (ROOT / name).exists(), name
