"""Files of the report: CSV or JSON lines, with what the log lacks as lines of their own."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from approvals.pages.reports.lines import Line, Report
from audit.pages.exports import inert

_COLUMNS = (
    *("governs", "condition", "tenant", "policies", "group", "quorum"),
    *("person", "person_id", "reason", "since", "until", "not_recorded"),
)


class ReportFormat(NamedTuple):
    """A format of the file, and the function that writes it."""

    name: Literal["csv", "jsonl"]
    label: str
    content_type: str
    write: Callable[[Report], bytes]


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    nothing = dict.fromkeys(_COLUMNS)
    for line in report.lines:
        yield nothing | _values(line)
    for gap in report.gaps:
        yield nothing | {"not_recorded": gap}


def _values(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in _COLUMNS[:-1]}


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _cell(value: Any) -> Any:
    """Return a cell that no spreadsheet evaluates as a formula."""
    plain = "" if value is None else _plain(value)
    is_formula = isinstance(plain, str) and plain[:1] in inert.FORMULA and plain
    return f"'{plain}" if is_formula else plain


def _as_csv(report: Report) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in _rows(report):
        writer.writerow([_cell(value) for value in row.values()])
    return inert.in_csv(text.getvalue().encode(), is_json=[False] * len(_COLUMNS))


def _as_json(report: Report) -> bytes:
    lines = (
        json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False)
        for row in _rows(report)
    )
    return inert.in_json("".join(f"{line}\n" for line in lines).encode())


FORMATS: dict[str, ReportFormat] = {
    each.name: each
    for each in (
        ReportFormat("csv", "CSV, for spreadsheets", "text/csv; charset=utf-8", _as_csv),
        ReportFormat("jsonl", "JSON lines", "application/jsonl", _as_json),
    )
}
