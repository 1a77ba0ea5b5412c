"""The files at the root of an output folder: their names, whether this package wrote them, and for which run."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from synth.data.manifest import RUN_NAME
from synth.files import replace_file

CARD, RECIPE, SUMMARY, REJECTED = "README.md", "recipe.toml", "summary.json", "rejected.json"
REPORT, QUALITY = "report.html", "quality.json"
ROOT_FILES = (CARD, RECIPE, REJECTED, SUMMARY)
"""Files that every run writes; the summary, which names its run, is the last."""
CARD_MARK = "<!-- written by synth -->"
PAGE_MARK = b'<meta name="generator" content="synth">'
_PAGE_RUN = re.compile(rb'<meta name="run" content="([0-9a-f]{12})">')
_PAGE_HEAD = 2000  # bytes of a page that hold its marks


def put_root_file(out: Path, name: str, data: bytes, *, run: str) -> None:
    """Write a root file of a run. An earlier run's file is kept under the name of that run; its card is replaced."""
    owner = run_of(out)
    if name != CARD and (out / name).exists() and owner not in (None, run):
        kept = archived(out, name, str(owner))
        if not kept.exists():
            os.replace(out / name, kept)
    replace_file(out / name, data)


def restore(out: Path, run: str, *, others: Sequence[str]) -> None:
    """Remove the root files of a run, and restore those of the last of the other runs if `run` was the latest."""
    latest = run_of(out) in (run, None)
    for name in (RECIPE, REJECTED, SUMMARY):
        before = archived(out, name, others[-1]) if others else None
        if latest and before is None:
            (out / name).unlink(missing_ok=True)
        elif latest and before is not None and before.exists():
            os.replace(before, out / name)
        archived(out, name, run).unlink(missing_ok=True)


def archived(out: Path, name: str, run: str) -> Path:
    """Return the name under which an earlier run's file is kept: recipe.toml -> recipe-<run>.toml."""
    stem, _, suffix = name.partition(".")
    return out / f"{stem}-{run}.{suffix}"


def run_of(out: Path) -> str | None:
    """Return the run that the folder's summary names; None without a summary."""
    try:
        run = json.loads((out / SUMMARY).read_text("utf-8")).get("run")
    except (OSError, ValueError, AttributeError):
        return None
    return run if isinstance(run, str) and RUN_NAME.fullmatch(run) else None


def is_our_card(path: Path) -> bool:
    """Whether this package wrote the card."""
    return path.exists() and CARD_MARK in path.read_text("utf-8", errors="replace")


def is_our_page(path: Path) -> bool:
    """Whether this package wrote the page."""
    with path.open("rb") as file:
        return PAGE_MARK in file.read(_PAGE_HEAD)


def page_run(path: Path) -> str | None:
    """Return the run that a page of ours describes; None without such a page."""
    try:
        with path.open("rb") as file:
            found = _PAGE_RUN.search(file.read(_PAGE_HEAD))
    except OSError:
        return None
    return found[1].decode() if found else None


def is_our_quality(path: Path) -> bool:
    """Whether this package wrote the quality.json."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and {"classes", "judge", "bad"} <= set(document)
