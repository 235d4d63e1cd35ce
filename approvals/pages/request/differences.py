"""Differences: each value of a subject now, when requested, and as proposed."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import DateTimeField

from approvals.models import ApprovalRequest
from approvals.sealing import values
from approvals.sealing.values import Values
from audit.messages.classes import Command
from audit.pages.labels import shown, shown_in
from audit.pages.safe_text import many_lines, one_line
from audit.subjects import types

_LONGEST = 120


class Cell(NamedTuple):
    """A value on one line, and in full if the line is incomplete.

    ``note`` is the stored value if its label is shown instead.
    """

    short: str
    full: str = ""
    note: str = ""


class Difference(NamedTuple):
    """One value of the subject."""

    name: str
    now: Cell
    asked: Cell
    proposed: Cell | None
    has_changed: bool
    would_change: bool

    @property
    def is_empty(self) -> bool:
        """True if it was, is and would be empty."""
        held = {cell.short for cell in (self.now, self.asked, self.proposed) if cell}
        return held == {shown(None)}


class Differences(NamedTuple):
    """All values of the subject. ``is_creation``: it did not exist at the time of the request."""

    rows: list[Difference]
    is_creation: bool
    is_tried: bool
    is_silent: bool


def differences(
    request: ApprovalRequest, command: Command, *, tried_values: Values = None
) -> Differences | None:
    """Compare the subject of a verified request; return None without a subject.

    The values at the time of the request are sealed, so they are unaltered. The proposed values are
    the command's own, or the result of the test run.
    """
    subject = command.subject_reference()
    found = types.subject_type(subject.type) if subject else None
    if subject is None or found is None:
        return None
    fields = types.subject_fields(found)
    now, asked = values.present_values(subject), request.subject_values
    proposed = _proposed(command, fields) if tried_values is None else tried_values
    names = _Names(fields, filter(None, (now, asked, proposed)))
    return Differences(
        rows=[
            _difference(name, now=now, asked=asked, proposed=proposed, names=names)
            for name, column in fields.items()
            if not column.primary_key and (asked is not None or name in (proposed or {}))
        ],
        is_creation=asked is None,
        is_tried=tried_values is not None,
        is_silent=not proposed,
    )


class _Names:
    """The labels of the rows that columns point to: one query for each such column."""

    def __init__(self, fields: Mapping[str, Any], known: Iterable[dict[str, Any]]) -> None:
        states = list(known)
        self._fields = fields
        self._names = {
            name: _labels(column.related_model, {state.get(name) for state in states} - {None})
            for name, column in fields.items()
            if column.is_relation
        }

    def cell(self, name: str, value: Any) -> Cell:
        """Return a value to show; of a row that it points to, the label."""
        label = self._names.get(name, {}).get(str(value))
        if label is not None:
            return Cell(short=one_line(label, longest=_LONGEST), note=str(value))
        if isinstance(self._fields[name], DateTimeField) and isinstance(value, str):
            # It may be malformed, or infinite.
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        text = shown_in(self._fields[name], value)
        short, full = one_line(text, longest=_LONGEST), many_lines(text)
        return Cell(short=short, full=full if full != short else "")


def _labels(model: Any, identifiers: set[Any]) -> dict[str, str]:
    rows = model._base_manager.filter(pk__in=identifiers) if identifiers else ()
    return {str(row.pk): str(row) for row in rows}


def _proposed(command: Command, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command's values of the columns of its subject."""
    key = command.subject.id_field if command.subject else ""
    proposed = command.proposed_values()
    return values.as_values(
        {name: value for name, value in proposed.items() if name in fields and name != key}
    )


def _difference(
    name: str, *, now: Values, asked: Values, proposed: Values, names: _Names
) -> Difference:
    before, then = (now or {}).get(name), (asked or {}).get(name)
    is_proposed = name in (proposed or {})
    after = (proposed or {}).get(name)
    return Difference(
        name=name.removesuffix("_id").replace("_", " "),
        now=names.cell(name, before),
        asked=names.cell(name, then),
        proposed=names.cell(name, after) if is_proposed else None,
        has_changed=before != then,
        would_change=is_proposed and after != before,
    )
