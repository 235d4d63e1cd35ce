"""What commands changed in a row, field by field, from the row's history."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet

from audit.words import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a row, before and after a command. Where the row is new, nothing was before."""

    field: str
    before: str
    after: str


def changes_by_command(
    instance: Model, *, start: datetime | None, end: datetime | None
) -> dict[UUID, list[Change]]:
    """Compare each history row of a time with the one before it; two queries at most.

    None is open. A model that keeps no history has no changes.
    """
    rows = _history(instance)
    if rows is None:
        return {}
    within = rows if end is None else rows.filter(history_date__lte=end)
    previous = None
    if start is not None:
        within = within.filter(history_date__gte=start)
        previous = rows.filter(history_date__lt=start).last()
    found: dict[UUID, list[Change]] = {}
    for row in within:
        found.setdefault(row.history_command_id, []).extend(_changes(previous, row))
        previous = row
    return found


def _history(instance: Model) -> QuerySet[Any] | None:
    options = instance._meta
    name = getattr(options, "simple_history_manager_attribute", None)
    if name is None:
        return None
    rows: QuerySet[Any] = getattr(type(instance), name).filter(**{options.pk.attname: instance.pk})
    return rows.order_by("history_date", "history_id")


def _changes(previous: Any, row: Any) -> Iterator[Change]:
    for field in row.tracked_fields:
        before = getattr(previous, field.attname, None)
        after = getattr(row, field.attname)
        if before != after and not field.primary_key:
            yield Change(
                field=str(field.verbose_name),
                before=shown(before) if previous else "",
                after=shown(after),
            )
