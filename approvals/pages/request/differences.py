"""What a request would change: each value of its subject now, when asked, and as proposed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import DateTimeField

from approvals.models import ApprovalRequest
from approvals.sealing import values
from approvals.sealing.values import Values
from audit.messages.classes import Command
from audit.pages.labels import shown
from audit.pages.safe_text import many_lines, one_line
from audit.subjects import types

_LONGEST = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value as it is shown: on one line, and in full where that leaves something out.

    ``note`` is what is stored, where something else is shown for it.
    """

    short: str
    full: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value of the subject."""

    name: str
    now: Cell
    asked: Cell
    proposed: Cell | None
    has_changed: bool
    would_change: bool

    @property
    def is_empty(self) -> bool:
        """Whether it held nothing, holds nothing, and is to hold nothing."""
        held = {cell.short for cell in (self.now, self.asked, self.proposed) if cell}
        return held == {shown(None)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """All values of the subject. ``is_creation`` is where there was none when it was asked for."""

    rows: list[Difference]
    is_creation: bool
    is_tried: bool
    is_silent: bool

    @property
    def telling(self) -> list[Difference]:
        """The rows that say something."""
        return [row for row in self.rows if not row.is_empty]

    @property
    def empty(self) -> list[str]:
        """The names of those that do not."""
        return [row.name for row in self.rows if row.is_empty]


def differences(
    request: ApprovalRequest, command: Command, *, tried_values: Values = None
) -> Differences | None:
    """Compare the subject of a verified request; None where it is about no row.

    What it was when it was asked for is part of what is sealed, so nobody has altered it since.
    What is proposed is what the command itself says of the subject's columns; where the command
    was tried, it is what came of that.
    """
    subject = command.subject_reference()
    found = types.subject_type(subject.type) if subject else None
    if subject is None or found is None:
        return None
    fields = types.subject_fields(found)
    now, asked = values.present_values(subject), request.subject_values
    proposed = _said(command, fields) if tried_values is None else tried_values
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
    """Names the rows that columns point to: one query for each such column."""

    def __init__(self, fields: Mapping[str, Any], known: Iterable[dict[str, Any]]) -> None:
        states = list(known)
        self._moments = {
            name for name, column in fields.items() if isinstance(column, DateTimeField)
        }
        self._names = {
            name: _labels(column.related_model, {state.get(name) for state in states} - {None})
            for name, column in fields.items()
            if column.is_relation
        }

    def cell(self, name: str, value: Any) -> Cell:
        """Show a value, by its name where it points to something that has one."""
        label = self._names.get(name, {}).get(str(value))
        if label is not None:
            return Cell(short=one_line(label, longest=_LONGEST), note=str(value))
        if name in self._moments and isinstance(value, str):
            value = datetime.fromisoformat(value)
        short, full = one_line(shown(value), longest=_LONGEST), many_lines(shown(value))
        return Cell(short=short, full=full if full != short else "")


def _labels(model: Any, identifiers: set[Any]) -> dict[str, str]:
    rows = model._base_manager.filter(pk__in=identifiers) if identifiers else ()
    return {str(row.pk): str(row) for row in rows}


def _said(command: Command, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what a command says of the columns of its subject."""
    key = command.subject.id_field if command.subject else ""
    said = command.proposed_values()
    return values.as_values({name: said[name] for name in fields if name in said and name != key})


def _difference(
    name: str, *, now: Values, asked: Values, proposed: Values, names: _Names
) -> Difference:
    before, then = (now or {}).get(name), (asked or {}).get(name)
    is_proposed = proposed is not None and name in proposed
    after = proposed[name] if proposed is not None and is_proposed else None
    return Difference(
        name=name.removesuffix("_id").replace("_", " "),
        now=names.cell(name, before),
        asked=names.cell(name, then),
        proposed=names.cell(name, after) if is_proposed else None,
        has_changed=before != then,
        would_change=is_proposed and after != before,
    )
