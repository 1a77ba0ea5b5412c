"""The commands and snippets of the README and of every page of the guide work as they stand.

Each page gets a folder of its own with `lights`. Its blocks run from top to bottom. Commands that take minutes
(`train`, `trial`) are only parsed: they get input that is refused right after all options were read. If a page trains a
network, a trained one from the shelf takes its place.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Run

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "assets/guide"
README = ROOT / "README.md"
PAGES = [README, *sorted(GUIDE.glob("*.md"))]
WITH_BLOCKS = [page for page in PAGES if "```" in page.read_text("utf-8")]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
SHELF = {"classifier": "judge", "autoencoder": "gan", "gan": "gan"}
"""{network: the bundle that takes its place}; a GAN contains an autoencoder."""
MAX_LINES = 200


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    language: str
    text: str

    @property
    def name(self) -> str | None:
        """The file that the first line names."""
        found = re.match(r"# (\w+\.\w+)\n", self.text)
        return found and found[1]

    def commands(self) -> Iterator[list[str]]:
        """The words of each command."""
        lines = (shlex.split(line, comments=True) for line in self.text.splitlines())
        return (words for words in lines if words)


def blocks_of(page: Path) -> list[Block]:
    return [Block(language, text) for language, text in BLOCK.findall(page.read_text("utf-8"))]


def as_synth(words: list[str]) -> list[str]:
    """The arguments of `synth` of a command that starts it in whatever way."""
    if words[0] == "torchrun":
        words = words[next(i for i, word in enumerate(words) if word.startswith("scripts/")) :]
    return ["train", "gan", *words[1:]] if words[0] == "scripts/train_gan.py" else words[1:]


def quietly(run: Run, words: list[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `synth` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(*words)
    return status, out.getvalue(), err.getvalue()


def check_options(run: Run, words: list[str], folder: Path) -> None:
    """Parse a command without its work: a trial gets one class alone, anything else no dataset."""
    lights = folder / "lights"
    if words[0] == "trial" and not lights.exists():
        lights.joinpath("red").mkdir(parents=True)
        shutil.copy(ROOT / "assets/demo-lights/train/red/000.jpg", lights / "red")
    elif words[0] != "trial":
        shutil.rmtree(lights, ignore_errors=True)
    with contextlib.chdir(folder):
        status, _, err = quietly(run, words)
    refused = "two classes" if words[0] == "trial" else "lights: no such folder"
    assert status == 1, (words, err)
    assert refused in err, (words, err)


def run_command(run: Run, words: list[str]) -> None:
    """Run a command in the working folder; `> FILE` at its end works."""
    *command, arrow, target = words if ">" in words else [*words, "", ""]
    status, out, err = quietly(run, [word for word in command[1:] if word])
    assert status == 0, (words, err)
    if arrow:
        Path(target).write_text(out)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with `lights`, and what a checkout has beside it."""
    folder = tmp_path / "work"
    shutil.copytree(ROOT / "assets/demo-lights", folder / "lights")
    (folder / "models").symlink_to(ROOT / "models")
    return folder


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.stem)
def test_the_blocks_work_in_order(
    page: Path, workplace: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    (nowhere / "models").symlink_to(ROOT / "models")
    for block in blocks_of(page):
        if block.name:
            Path(block.name).write_text(block.text)
        if block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, str(page), "exec"), {"__name__": "snippet"})
        for words in block.commands() if block.language == "sh" else ():
            if words[0] == "cp":
                subprocess.run(words, check=True)
            elif words[0] == "synth" and words[1] not in ("train", "trial"):
                run_command(run, words)
            elif words[0] in ("synth", "torchrun", "scripts/train_gan.py"):
                check_options(run, as_synth(words), nowhere)
                train, network, _, bundle, *_ = (*as_synth(words), "", "", "")
                if train == "train" and not Path(bundle).exists():
                    shutil.copytree(ROOT / "models/demo" / SHELF[network], bundle)
            else:
                assert words[:2] == ["pip", "install"] or os.access(ROOT / words[0], os.X_OK), words


@pytest.fixture
def helps(run: Run) -> dict[str, str]:
    """{command: its help}; "" stands for `synth` itself."""
    texts = {"": quietly(run, ["--help"])[1]}
    for name in ["", "train"]:
        text = texts[name].partition("Commands")[2]
        for found in re.finditer(r"^\W*([a-z]+)\s{2,}\w", text, re.MULTILINE):
            command = f"{name} {found[1]}".strip()
            texts[command] = quietly(run, [*command.split(), "--help"])[1]
    assert len(texts) > 15
    return texts


def test_the_guide_names_every_command_and_option(helps: dict[str, str]) -> None:
    options = (GUIDE / "options.md").read_text("utf-8")
    for command, text in helps.items():
        assert f"`synth {command}".rstrip() in options, command
        for option in OPTION.findall(text):
            assert f"`{option}" in options, (command, option)


def test_commands_in_the_text_exist(helps: dict[str, str]) -> None:
    for code in (code for page in PAGES for code in re.findall(r"`synth ([^`]+)`", page.read_text("utf-8"))):
        words = code.split()
        command = " ".join(words[: 2 if words[0] == "train" else 1])
        if not words[0].startswith("-") and words[0] != "COMMAND":
            assert command in helps, code
            assert set(OPTION.findall(code)) <= set(OPTION.findall(helps[command])), code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        headings = [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings_of(target)]
        assert not heading or heading in headings, link
    for name in re.findall(r"`((?:assets|scripts|models)/[\w./-]+)", text):
        assert (ROOT / name).exists(), name


def headings_of(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE) if page.suffix == ".md" else []


def test_the_index_lists_every_page() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (GUIDE / "README.md").read_text("utf-8")))
    assert listed == {page.name for page in GUIDE.glob("*.md")} - {"README.md"}


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("script", ["demo", "test", "check", "format", "install"])
def test_the_scripts_are_there(script: str) -> None:
    assert os.access(ROOT / "scripts" / script, os.X_OK)
