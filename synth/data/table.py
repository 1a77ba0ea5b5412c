"""Read the rows of a CSV or JSON Lines table as text, exactly as it is written there. No cell is interpreted."""

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import DatasetError

DELIMITERS = (",", ";", "\t")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table."""

    line: int
    """Line of the file on which the row begins; a CSV's header is line 1."""
    cells: Mapping[str, str]
    """{column: text}; an empty cell is ""."""
    problem: str = ""
    """Why the row can't be used."""


def read_table(path: Path, column: str) -> Iterator[TableRow]:
    """Yield the rows of a .csv or .jsonl file.

    Args:
        path: the file; UTF-8 or UTF-16. Fields of a CSV are separated by commas, semicolons or tabs.
        column: a column that the table must have; it tells which character separates the fields.

    Raises:
        DatasetError: the file can't be read, is in another encoding, or is not a table.
    """
    try:
        text = _decode(path.read_bytes(), path)
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror}") from None
    yield from _csv_rows(text, path, column) if path.suffix == ".csv" else _json_rows(text, path)


def _decode(data: bytes, path: Path) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and len(data) > 1 and 0 in data[:2]:  # UTF-16 without a mark, since a table begins with ASCII
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"{path}: line {line} is not {encoding or 'UTF-8'} (byte 0x{data[error.start]:02x})"
        raise DatasetError(f"{what}: save the table as UTF-8") from None


def _csv_rows(text: str, path: Path, column: str) -> Iterator[TableRow]:
    records = _records(text, _delimiter(text, column), path)
    _, header = next(records, (1, []))
    if twice := next((name for name in header if name and header.count(name) > 1), None):
        raise DatasetError(f'{path}: the header has the column "{twice}" twice')
    for line, fields in records:
        problem = ""
        if len(fields) > len(header):
            in_field = any(fields[len(header) :])
            advice = (
                "a field that contains the separator needs quotes" if in_field else "end the row without a separator"
            )
            problem = f"{len(fields)} fields, but the header has {len(header)} columns: {advice}"
        padded = [*fields, *[""] * (len(header) - len(fields))]
        if any(fields):  # spreadsheets leave rows of separators alone
            yield TableRow(line, dict(zip(header, padded, strict=False)), problem)


def _delimiter(text: str, column: str) -> str:
    header = next(iter(text.splitlines()), "")
    return next((mark for mark in DELIMITERS if column in (name.strip('"') for name in header.split(mark))), ",")


def _records(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record begins, and its fields."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        hint = " (is a quote not closed?)" if "end of data" in str(error) else ""
        raise DatasetError(f"{path}:{line}: not a row of a CSV file: {error}{hint}") from None


def _json_rows(text: str, path: Path) -> Iterator[TableRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            # Numbers stay as they are written: 1e3 is no 1000.0.
            record = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(record, dict):
            raise DatasetError(f"{path}:{number}: expected an object with file_name and label")
        yield TableRow(number, {str(name): _json_text(value) for name, value in record.items()})


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, list | dict) else json.dumps(value)
