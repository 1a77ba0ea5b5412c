"""The manifest: one JSON line for each image of an output folder, and one for each rejected candidate.

Reading raises an error with the line number for a line that is not a row, or for a path outside the folder. Rows are
streamed; only their ids stay in memory.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any

import orjson

from synth.errors import ManifestError
from synth.files import RUN_NAME
from synth.records import Row

MANIFEST = "manifest.jsonl"
_KEYS = tuple("class" if name == "label" else name for name in Row._fields)
_NEW_KEYS = Row._field_defaults
"""{key that older manifests lack: its default}."""
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
_HASH = re.compile(r"[0-9a-f]{64}")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def row_line(row: Row) -> bytes:
    """Return a row as a line of JSON; NaN and Infinity become null."""
    return orjson.dumps(dict(zip(_KEYS, row, strict=True)), option=_OPTIONS)


def parse_row(line: bytes, where: str) -> Row:
    """Parse a line; `where` is its place in error messages.

    Raises:
        ManifestError: not JSON, a missing key, a path outside the folder, or a wrong hash.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{where}: not JSON ({error})") from None
    if missing := sorted(set(_KEYS).difference(_NEW_KEYS, record if isinstance(record, dict) else ())):
        hint = "if synth did not write this file, move it away"
        raise ManifestError(f"{where}: not a manifest row, missing {', '.join(missing[:4])}; {hint}")
    record = {**_NEW_KEYS, **record}
    _check_record(record, where)
    return Row(
        label=record["class"],
        parents=tuple(record["parents"]),
        reasons=tuple(record["reasons"]),
        **{key: record[key] for key in _KEYS if key not in ("class", "parents", "reasons")},
    )


_TYPES: Mapping[str, type | UnionType] = {
    "id": str,
    "run": str,
    "class": str,
    "split": str,
    "synthetic": bool,
    "method": str | None,
    "attempt": int | None,
    "seed": int | None,
    "parents": list,
    "params": dict,
    "scores": dict,
    "reasons": list,
    "pixels_sha256": str,
    "group": str | None,
}


def _check_record(record: Mapping[str, Any], where: str) -> None:
    for key, kind in _TYPES.items():
        if not isinstance(record[key], kind):
            raise ManifestError(f"{where}: {key} can't be {record[key]!r}")
    if not RUN_NAME.fullmatch(record["run"]):
        raise ManifestError(f"{where}: run {record['run']!r} is not the name of a run")
    if record["path"] is not None:
        check_path(record["path"], where)
    for parent in record["parents"]:
        check_path(parent.get("path") if isinstance(parent, dict) else None, where)
    if record["sha256"] is not None and not _HASH.fullmatch(str(record["sha256"])):
        raise ManifestError(f"{where}: sha256 is not a hash")
    if record["verdict"] not in ("accepted", "rejected"):
        raise ManifestError(f"{where}: verdict must be accepted or rejected")


def check_path(path: object, where: str) -> None:
    """Check that a path is below its folder.

    Raises:
        ManifestError: not text, absolute, with `..`, a backslash, a NUL byte or a drive letter.
    """
    if not isinstance(path, str) or not path:
        raise ManifestError(f"{where}: path is not text")
    if path.startswith("/") or ".." in path.split("/") or "\\" in path or "\0" in path or _DRIVE.match(path):
        raise ManifestError(f"{where}: path {path!r} leads outside the folder")


def read_manifest(path: Path) -> Iterator[Row]:
    """Yield the rows.

    Raises:
        ManifestError: a damaged or hostile line, or a repeated id; the message has file and line.
    """
    seen: set[str] = set()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            row = parse_row(line, f"{path.name}:{number}")
            if row.id in seen:
                raise ManifestError(f"{path.name}:{number}: the id {row.id!r} appears twice")
            seen.add(row.id)
            yield row
