"""Changes by a request: the values that its execution would change, or has changed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from approvals.decisions.rehearsal import Tried
from approvals.models import ApprovalRequest, State
from approvals.pages.request.differences import Cell, Difference, Differences
from approvals.pages.request.rules import rules_change
from approvals.people.changes import changes_of
from approvals.requests.presentation import Presented
from audit.messages import catalog
from audit.messages.classes import Command, Event
from audit.messages.exceptions import Invalid
from audit.models.records import EventRecord
from audit.pages.changes import history_of, names_of, revisions, shown_value
from audit.pages.labels import field_label, shown, words
from audit.pages.safe_text import many_lines, one_line
from audit.subjects import types

_LONGEST = 120
_MOST_EVENTS = 100
# By subject type: the number of a policy's version changes with any other value.
_FOLLOWING = {"policy": "version"}


class ChangedValue(NamedTuple):
    """A value before and after."""

    name: str
    before: Cell
    after: Cell


class Changes(NamedTuple):
    """The changed values, the others, and how they are known.

    ``outdated`` are values that have changed since the request, and that it leaves as they are.
    """

    rows: list[ChangedValue]
    others: list[tuple[str, Cell]]
    note: str = ""
    is_known: bool = True
    outdated: list[Difference] = []


def would_change(
    presented: Presented,
    command: Command,
    *,
    tried: Tried | None,
    compared: Differences | None,
) -> Changes:
    """Return the changes that a waiting request would make, by a rehearsal or its own values."""
    proposed = [each for each in compared.rows if each.would_change] if compared else []
    rows = [ChangedValue(each.name, each.now, each.proposed) for each in proposed if each.proposed]
    if tried is not None and tried.would_work:
        rows = _merged(rows, _of_events(presented.request, tried.events, is_done=False))
    if not rows and compared is None:
        rows = _of_command(presented)
    names = {row.name for row in rows}
    rest = [each for each in (compared.rows if compared else []) if each.name not in names]
    return Changes(
        rows=_without_following(rows, presented.request),
        others=[(each.name, each.now) for each in rest if not each.is_empty],
        note=tried.words if tried else "",
        is_known=tried is not None and not tried.is_unfinished,
        outdated=[each for each in rest if each.has_changed],
    )


def has_changed(presented: Presented) -> Changes:
    """Return the changes that the execution of a request made; none if it was not executed."""
    request = presented.request
    if request.state != State.EXECUTED:
        return Changes([], [], note="Not executed: nothing was changed.")
    emitted = _emitted(request)
    rows, others = _of_history(request)
    rows = _merged(rows, _of_events(request, emitted, is_done=True))
    if not rows:
        rows = [] if presented.request.subject_type else _of_command(presented)
    told = ", ".join(words(each.message_type) for each in emitted)
    rows = _without_following(rows, request)
    return Changes(rows, others, note=f"Executed: {told or 'no events'}.")


def _without_following(rows: list[ChangedValue], request: ApprovalRequest) -> list[ChangedValue]:
    return [row for row in rows if row.name != _FOLLOWING.get(request.subject_type)]


def _merged(rows: list[ChangedValue], more: Iterable[ChangedValue]) -> list[ChangedValue]:
    names = {row.name for row in rows}
    return [*rows, *(row for row in more if row.name not in names)]


def _of_events(
    request: ApprovalRequest, emitted: Sequence[Event], *, is_done: bool
) -> Iterator[ChangedValue]:
    asked = request.subject_values or {}
    for name, before, after in changes_of(emitted, is_done=is_done):
        yield ChangedValue(name, _cell(before or shown(asked.get(name))), _cell(after))
    if rules := rules_change(emitted):
        yield ChangedValue("approvals", _cell(rules.before or shown(None)), _cell(rules.after))


def _of_command(presented: Presented) -> list[ChangedValue]:
    nothing = shown(None)
    given = [each for each in presented.fields if each[1] != nothing]
    return [ChangedValue(name, _cell(nothing), _cell(value)) for name, value in given]


def _of_history(request: ApprovalRequest) -> tuple[list[ChangedValue], list[tuple[str, Cell]]]:
    """Return what the history rows of the command say: the changed values, and the others."""
    found = types.subject_type(request.subject_type)
    history = history_of(found.model) if found else None
    if found is None or history is None:
        return [], []
    model: type[Model] = found.model
    written = history.filter(
        **{model._meta.pk.attname: request.subject_id}, history_command_id=request.command_id
    )
    made = revisions(list(written))
    changes = [change for revision in made for change in revision.changes]
    first = {change.field: change.before for change in reversed(changes)}
    last = {change.field: change.after for change in changes}
    rows = [
        ChangedValue(name, _cell(before or shown(None)), _cell(last[name]))
        for name, before in first.items()
        if (before or shown(None)) != last[name]
    ]
    others = _kept(made[-1].row, set(last)) if made else []
    return rows[::-1], others


def _kept(row: Any, changed: set[str]) -> list[tuple[str, Cell]]:
    kept = [
        (field, getattr(row, field.attname))
        for field in row.tracked_fields
        if not field.primary_key and field_label(field) not in changed
    ]
    names = names_of(kept)
    told = [(field_label(field), shown_value(field, value, names)) for field, value in kept]
    return [(name, _cell(text)) for name, text in told if text != shown(None)]


def _emitted(request: ApprovalRequest) -> list[Event]:
    """Return the events of the execution, as far as they are readable.

    The first attempt is the request itself.
    """
    about = {"command_id": request.command_id, "attempt__gt": 1}
    records = EventRecord.objects.filter(**about).order_by("position")
    return list(filter(None, map(_restored, records[:_MOST_EVENTS])))


def _restored(record: EventRecord) -> Event | None:
    try:
        message = catalog.restore(record.message_type, record.schema_version, record.data)
    except (catalog.UnknownMessageType, Invalid):
        return None
    return message if isinstance(message, Event) else None


def _cell(text: str) -> Cell:
    short, full = one_line(text, longest=_LONGEST), many_lines(text)
    return Cell(short=short, full=full if full != short else "")
