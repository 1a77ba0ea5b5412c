"""The shape of the package: imports point one way, torch stays out, public names are what they say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import synth

PACKAGE = Path(synth.__file__).parent
GROUND = "errors records seeds files workers versions".split()
"""Loose files that every room may import."""
ROOMS = """
settings networks data effects measures pictures training classifier autoencoder gan gates generators undersampling
output pages runs quality trials sampler demo cli
""".split()
"""A room imports only rooms that stand before it."""
LOOSE = {"__init__", "__main__", *GROUND}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


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
            found |= names & set(MODULES) or {base}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("synth").removeprefix(".") for alias in node.names if alias.name[:5] == "synth"
            }
    return found - {""}


def room_of(module: str) -> str:
    return module.partition(".")[0]


def test_rooms_and_loose_files_are_those_of_the_list() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ROOMS)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"__init__"}))
def test_a_room_imports_only_rooms_before_it(module: str) -> None:
    order = [*GROUND, *ROOMS, "__main__"]
    room = room_of(module)
    before = {*order[: order.index(room)], *(set(GROUND) - {room} if room in GROUND else {room})}
    imported = {room_of(name) for name in imports_of(MODULES[module])}
    assert imported <= before, f"{module} imports {imported - before}"


def test_no_imports_run_in_a_circle() -> None:
    graph = {module: imports_of(path) for module, path in MODULES.items() if module != "__init__"}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_comes_in_what_goes_out_and_where_to_start(room: str) -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8")))
    assert text is not None
    assert "In: " in text
    assert "Out: " in text
    starts = re.findall(r"`(\w+)`", text.partition("Start with")[2])
    assert starts
    assert all(f"{room}.{name}" in MODULES for name in starts)


@pytest.mark.parametrize(("library", "home"), [("albumentations", "effects/texture.py"), ("typer", "cli/")])
def test_a_library_stays_in_its_room(library: str, home: str) -> None:
    imports = re.compile(rf"^\s*(import|from) {library}\b", re.MULTILINE)
    users = [module for module, path in MODULES.items() if imports.search(path.read_text("utf-8"))]
    assert users
    assert all(MODULES[module].relative_to(PACKAGE).as_posix().startswith(home) for module in users), users


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
    "generate DATA OUT --method synth.demo:TrafficLights",
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
