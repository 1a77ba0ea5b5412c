"""What both pages share: documents in, a template, one file out. A document may be of another version, or damaged."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.errors import OutputError, in_the_way, short_name
from synth.files import replace_file
from synth.output.root_files import REPORT, is_our_page
from synth.pictures.text import at, count, mapping, number, percent, points, score, signed, texts

if TYPE_CHECKING:
    import jinja2

VERDICT = "verdict.json"


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Return a document of a folder; None if it is not there.

    Raises:
        OutputError: it is not JSON, or not an object.
    """
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise OutputError(f"{path}: damaged, or synth did not write it")
    return document


def records(values: object) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON list; none if it is something else."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def check_page(out: Path) -> None:
    """Refuse to replace a page that is not ours.

    Raises:
        OutputError: someone else's OUT/report.html is there.
    """
    path = out / REPORT
    if path.exists() and not is_our_page(path):
        raise in_the_way(path)


def write_page(out: Path, page: str) -> Path:
    """Write OUT/report.html.

    Raises:
        OutputError: as `check_page`, or the folder can't be written.
    """
    check_page(out)
    path = out / REPORT
    replace_file(path, page.encode("utf-8", "replace"))
    return path


@functools.cache
def page_template(name: str) -> jinja2.Template:
    """Return one of the templates beside this file."""
    import jinja2  # not needed by the commands that write no page

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=percent, score=score, count=count, number=number, short=short_name)
    environment.filters.update(points=points, signed=signed)
    environment.globals.update(at=at, mapping=mapping, texts=texts, records=records, share=percent, score=score)
    return environment.get_template(name)
