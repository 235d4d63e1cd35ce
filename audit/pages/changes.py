"""Changes of rows, field by field, from the history of their tables."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Model, OuterRef, QuerySet, Subquery

from audit.messages.characters import visible
from audit.pages.labels import field_label, shown, shown_in
from audit.tracking.history import history_model

_ADDED, _DELETED = "+", "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field of a row, before and after; ``before`` is empty if the row is new."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A history row, and the changes of its object since the history row before it."""

    row: Any
    changes: list[Change]

    @property
    def key(self) -> str:
        """The primary key of the object."""
        return str(_key(self.row))

    @property
    def at(self) -> datetime:
        """The time when it was written, by the clock of the database."""
        at: datetime = self.row.history_date
        return at

    @property
    def command_id(self) -> UUID | None:
        """The command that made the changes; None for an unlogged change."""
        command_id: UUID | None = self.row.history_command_id
        return command_id

    @property
    def words(self) -> str:
        """The kind of change."""
        kinds = {_ADDED: "added", "~": "changed", _DELETED: "removed"}
        name = self.row.instance_type._meta.verbose_name if self.row.part_of else "row"
        return f"{name} {kinds.get(self.row.history_type, 'malformed')}"


#: The names of rows that foreign keys refer to, by model and key.
Names: TypeAlias = dict[tuple[type[Model], Any], str]


def history_of(model: type[Model]) -> QuerySet[Any] | None:
    """Return the history that the database writes, oldest first; None if it writes none."""
    history: Any = history_model(model)
    return history._default_manager.order_by("history_date", "history_id") if history else None


def revisions(rows: Sequence[Any]) -> list[Revision]:
    """Compare history rows of one model, oldest first, each with the one before it.

    The row before the oldest one of each object is read as well: one query, and one for each table
    that the changed fields refer to.
    """
    previous = _rows_before(rows)
    pairs = []
    for row in rows:
        is_new = row.history_type == _ADDED
        pairs.append((None if is_new else previous.get(_key(row)), row))
        previous[_key(row)] = row
    changed = [change for pair in pairs for change in _differences(*pair)]
    names = names_of((field, value) for field, *values in changed for value in values)
    return [Revision(row=row, changes=list(_changes(before, row, names))) for before, row in pairs]


def _key(row: Any) -> Any:
    return getattr(row, row.instance_type._meta.pk.attname)


def _rows_before(rows: Sequence[Any]) -> dict[Any, Any]:
    """Return, for each object, the row before its oldest one among these."""
    oldest: dict[Any, Any] = {}
    for row in rows:
        oldest.setdefault(_key(row), row)
    incomplete = [row.pk for row in oldest.values() if row.history_type != "+"]
    if not incomplete:
        return {}
    history, key = type(rows[0])._default_manager, rows[0].instance_type._meta.pk.attname
    earlier = history.filter(
        **{key: OuterRef(key)},
        history_date__lte=OuterRef("history_date"),
        history_id__lt=OuterRef("history_id"),
    ).order_by("-history_date", "-history_id")
    ids = history.filter(pk__in=incomplete).values(before=Subquery(earlier.values("pk")[:1]))
    return {_key(row): row for row in history.filter(pk__in=ids)}


def _changes(before: Any, row: Any, names: Names) -> Iterator[Change]:
    if row.part_of:
        yield from _changes_of_part(before, row, names)
        return
    for field, old, new in _differences(before, row):
        yield Change(
            field=field_label(field),
            before=shown_value(field, old, names) if before else "",
            after=shown_value(field, new, names),
        )


def _changes_of_part(before: Any, row: Any, names: Names) -> Iterator[Change]:
    """Yield the changes of a row that belongs to a subject: each names the row."""
    name = f"{row.instance_type._meta.verbose_name} {_key(row)}"
    changed = list(_differences(before, row))
    if row.history_type == _ADDED:
        added = ((field, new) for field, _, new in changed)
        yield Change(field=name, before="", after=f"added: {_listed(added, names)}")
    elif row.history_type == _DELETED:
        had = ((field, old) for field, old, _ in changed)
        yield Change(field=name, before=_listed(had, names), after="removed")
    elif not changed:
        yield Change(field=name, before="", after="changed in a field that its history leaves out")
    else:
        for field, *values in changed:
            old, new = (shown_value(field, value, names) for value in values)
            yield Change(field=f"{name}: {field_label(field)}", before=old, after=new)


def _listed(values: Iterable[tuple[Any, Any]], names: Names) -> str:
    named = (f"{field_label(field)} {shown_value(field, value, names)}" for field, value in values)
    return ", ".join(named)


def _differences(before: Any, row: Any) -> Iterator[tuple[Any, Any, Any]]:
    is_deleted = row.history_type == _DELETED
    if is_deleted and not row.part_of:
        return
    for field in row.tracked_fields:
        old, new = getattr(before, field.attname, None), getattr(row, field.attname)
        if is_deleted:
            old, new = new, None
        if old != new and not field.primary_key and field.name != row.part_of:
            yield field, old, new


def names_of(values: Iterable[tuple[Any, Any]]) -> Names:
    """Return the names of the rows that foreign keys refer to: one query for each table."""
    keys: defaultdict[type[Model], set[Any]] = defaultdict(set)
    for field, value in values:
        if field.related_model and value is not None:
            keys[field.related_model].add(value)
    return {
        (model, row.pk): visible(str(row))
        for model, wanted in keys.items()
        for row in model._base_manager.filter(pk__in=wanted)
    }


def shown_value(field: Any, value: Any, names: Names) -> str:
    """Return the value of a column as text for pages; for a reference, the name of its row."""
    if not field.related_model:
        return shown_in(field, value)
    return names.get((field.related_model, value), shown(value))
