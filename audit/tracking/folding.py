"""Event folding: how events change their subject, so that its state follows from them alone.

An event's field with the name of a column sets that column. Apps declare other changes here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from django.core.exceptions import ValidationError

from audit.messages import catalog
from audit.messages.classes import Event, Message
from audit.messages.declarations import declaring
from audit.messages.exceptions import Invalid
from audit.messages.values import codec, stored_numbers
from audit.models.records import EventRecord

#: Values by column.
State: TypeAlias = dict[str, Any]
#: The new value of a column that an event changes without naming the value.
UNKNOWN = object()
_Evolve = TypeVar("_Evolve", bound=Callable[[State, Any], State])

_evolutions: dict[type[Message], Callable[[State, Any], State]] = {}


@dataclass(slots=True)
class Folded:
    """A subject's state, from its events. ``unreadable`` are types that could not be restored."""

    state: State = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)


def evolves(*event_classes: type[Event]) -> Callable[[_Evolve], _Evolve]:
    """Declare changes by an event to other columns than those with the names of its fields.

    The function takes the state so far and the event, and returns the new values, by column, or
    ``UNKNOWN``.
    """
    return declaring(_evolutions, *event_classes, what="folding of")


def fold(records: Iterable[EventRecord], *, columns: Iterable[str]) -> Folded:
    """Apply the events of a subject, in their order, to an empty state.

    Columns that no event has set are missing in the result: they are unknown, not empty.
    """
    folded, known = Folded(), frozenset(columns)
    for record in records:
        try:
            event = catalog.restore(record.message_type, record.schema_version, record.data)
        except (catalog.UnknownMessageType, Invalid):
            folded.unreadable.add(record.message_type)
            continue
        state = folded.state | _changes(folded.state, event, known)
        folded.state = {name: value for name, value in state.items() if value is not UNKNOWN}
    return folded


def plain_value(column: Any, value: Any) -> Any:
    """Return a value of an event in the form that rows have it in, with lists instead of tuples."""
    try:
        return stored_numbers(codec(Any).dump(column.to_python(value)))
    except ValidationError:
        return value


def _changes(state: State, event: Message, columns: frozenset[str]) -> State:
    evolve = _evolutions.get(type(event))
    changes = event.plain() | (evolve(state, event) if evolve else {})
    return {name: value for name, value in changes.items() if name in columns}
