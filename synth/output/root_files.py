"""The files at the root of an output folder: their names, whether this package wrote them, and for which run."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.files import RUN_NAME, naming, replace_file
from synth.settings import exclusion

CARD, RECIPE, SUMMARY, REJECTED = "README.md", exclusion.RECIPE, "summary.json", "rejected.json"
REPORT, QUALITY = "report.html", "quality.json"
ROOT_FILES = (CARD, RECIPE, REJECTED, SUMMARY)
"""Files that every run writes; the summary, which names its run, is the last."""
CARD_MARK = "<!-- written by synth -->"
PAGE_MARK = b'<meta name="generator" content="synth">'
_PAGE_RUN = re.compile(rb'<meta name="run" content="([0-9a-f]{12})">')
_KEPT = re.compile(r"(recipe|summary|rejected)(-[0-9a-f]{12})?\.(toml|json)")
_PAGE_HEAD = 2000


def put_root_file(out: Path, name: str, data: bytes, *, run: str) -> None:
    """Write a root file of a run. An earlier run's file is kept under the name of that run; its card is replaced."""
    owner = run_of(out)
    if name != CARD and (out / name).exists() and owner not in (None, run):
        kept = archived(out, name, str(owner))
        if not kept.exists():
            with naming(kept):
                os.replace(out / name, kept)
    replace_file(out / name, data)


def replacements(out: Path, run: str, *, runs: Sequence[str]) -> dict[str, str | None]:
    """Return what takes the place of a run's root files when it is taken out: {file: file of the run before, or None}.

    Empty if a later run's files are there.

    Args:
        runs: all runs of the folder, oldest first.
    """
    if run_of(out) not in (run, None):
        return {}
    before = [other for other in runs if other != run]
    kept = {name: archived(out, name, before[-1]) if before else None for name in (RECIPE, REJECTED, SUMMARY)}
    return {name: path.name if path is not None and path.exists() else None for name, path in kept.items()}


def restore(out: Path, run: str, places: Mapping[str, str | None]) -> None:
    """Put the files of the run before in the place of a run's, as `replacements` said. It may be repeated."""
    for name, before in places.items():
        with naming(out / name):
            if before is None:
                (out / name).unlink(missing_ok=True)
            elif (out / before).exists():
                os.replace(out / before, out / name)
    for name in (RECIPE, REJECTED, SUMMARY):
        with naming(archived(out, name, run), "remove"):
            archived(out, name, run).unlink(missing_ok=True)


def is_root_file(name: str) -> bool:
    """Whether a name is that of a file that a run writes, or under which an earlier run's file is kept."""
    return _KEPT.fullmatch(name) is not None


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
    return PAGE_MARK in _head(path)


def page_run(path: Path) -> str | None:
    """Return the run that a page of ours describes; None without such a page."""
    found = _PAGE_RUN.search(_head(path))
    return found[1].decode() if found else None


def _head(path: Path) -> bytes:
    """Return the bytes of a page that hold its marks; none if there is no page."""
    try:
        with path.open("rb") as file:
            return file.read(_PAGE_HEAD)
    except OSError:
        return b""


def is_our_quality(path: Path) -> bool:
    """Whether this package wrote the quality.json."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and {"classes", "judge", "bad"} <= set(document)
