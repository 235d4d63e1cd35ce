"""Adoption of tables that have rows already: their initial history, and what is left to do."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.apps import apps
from django.db import OperationalError, connection, connections, models, transaction
from django.db.models import Count, Max, QuerySet
from django.utils import timezone
from psycopg.errors import QueryCanceled
from psycopg.sql import SQL, Composable, Identifier

from audit.actors.actors import SYSTEM
from audit.bus import epochs, store
from audit.bus.attempts import Attempt
from audit.bus.context import Context
from audit.log.commands import Adopt
from audit.messages.outcomes import Completed
from audit.models.outside_changes import OutsideChange
from audit.models.records import Evidence
from audit.tracking.guards import Guard, Reporting, guard_of, reporting
from audit.tracking.history import history_model
from audit.tracking.triggers import FACTS, columns_of, followed, shared_columns

#: A table is ready to refuse changes outside commands after it has reported none for so long.
QUIET = timedelta(days=7)
#: The most rows without a history that are counted.
MOST_COUNTED = 1_000
_LONGEST_WAIT = "5s"
_SOURCES_SHOWN = 5
# Values of these types cannot be compared, but their texts can.
_COMPARED_AS_TEXT = {"json", "xml", "point", "polygon"}
# The newest history of a row is as the row, unless something wrote past the triggers.
_WITHOUT = """
    FROM {table} AS present LEFT JOIN LATERAL (
        SELECT * FROM {history} AS past WHERE past.{key} = present.{key}
        ORDER BY history_date DESC, history_id DESC LIMIT 1
    ) AS newest ON true
    WHERE newest.history_id IS NULL OR newest.history_type = '-'
        OR ROW({newest}) IS DISTINCT FROM ROW({present})"""
_COUNT = "SELECT count(*) FROM (SELECT {without} LIMIT {most}) AS missing"
_ADOPT = "INSERT INTO {history} ({columns}, {facts}) SELECT {values}, {stamps} {without}"
_STAMPS = FACTS | {
    "history_type": (
        "CASE WHEN newest.history_id IS NULL OR newest.history_type = '-' THEN '+' ELSE '~' END"
    ),
    "history_command_id": "current_setting('audit.command_id')::uuid",
    "history_actor_kind": "current_setting('audit.actor_kind')",
}


class Standing(NamedTuple):
    """The standing of a model in its adoption.

    ``reporting`` is since when its guard has reported changes without interruption; None if it does
    not, or not yet. ``history`` is "database", "application" or "none". ``missing`` is the number
    of rows without an initial history, at most one more than `MOST_COUNTED`; None if it took too
    long. ``outside`` is the number of changes outside commands in the last seven days, ``last_at``
    the time of the last one, and ``sources`` where the most come from, with their numbers.
    """

    model: type[models.Model]
    guard: Guard
    reporting: Reporting | None
    history: str
    missing: int | None
    outside: int
    last_at: Any
    sources: list[tuple[str, int]]

    @property
    def is_ready(self) -> bool:
        """True if the guard can be set to refuse."""
        is_complete = self.history == "database" and self.missing == 0
        has_reported = self.reporting is not None and self.reporting.length >= QUIET
        return is_complete and has_reported and not self.outside


class NotAdoptable(Exception):
    """The database does not write the history of this model, or not yet."""


def standings(*, longest_ms: int = 0) -> Iterator[Standing]:
    """Yield the standing of each model that is tracked, guarded, or has a history of its own.

    :param longest_ms: the milliseconds after which the count of rows is given up; 0 for never.
    """
    with connection.cursor() as cursor:
        reports = reporting(cursor)
    for model in apps.get_models(include_auto_created=True):
        history = _history(model)
        is_followed = history != "none" or guard_of(model) is not Guard.OFF
        if is_followed and not _is_history(model):
            yield _standing(
                model, history, reports.get(model._meta.db_table), longest_ms=longest_ms
            )


def adopt(model: type[models.Model], *, reason: str, using: str) -> int:
    """Write the initial history of the rows that have none, in one statement and as one command.

    Return their number. Rows that their newest history does not describe get a row, too. Other
    writes to the table wait until it is done.

    :param using: the alias of the owner of the tables.
    :raises NotAdoptable: if the database does not write the history of this model.
    """
    history = history_model(model)
    if history is None:
        label = model._meta.label
        raise NotAdoptable(
            f"The database does not write the history of {label}: give the model "
            "history = audit.domain.HistoricalRecords(), then makemigrations and migrate."
        )
    context = Context(actor=SYSTEM, channel="management", reason=reason)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        if model._meta.db_table not in followed(cursor):
            raise NotAdoptable(
                f"The table of {model._meta.label} lacks the trigger that writes its history: run "
                "manage.py countersign_protect --apply."
            )
        epochs.ensure(using=using)
        store.stamp_directly(context, using=using)
        cursor.execute(f"SET LOCAL lock_timeout = '{_LONGEST_WAIT}'")
        # The lock also keeps other transactions from writing the first history of a row meanwhile.
        _toggle_trigger(cursor, history, "DISABLE")
        cursor.execute(_adopting(cursor, model, history).as_string(None))
        rows: int = cursor.rowcount
        _toggle_trigger(cursor, history, "ENABLE")
        attempt = Attempt(Adopt(model=model._meta.label, rows=rows), context)
        attempt.outcome = Completed(command_id=context.command_id)
        store.append_directly(attempt.record(), using=using)
    return rows


def _toggle_trigger(cursor: Any, history: type[models.Model], verb: str) -> None:
    statement = SQL("ALTER TABLE {} {} TRIGGER audit_direct")
    table = Identifier(history._meta.db_table)
    cursor.execute(statement.format(table, SQL(verb)).as_string(None))


def _adopting(cursor: Any, model: type[models.Model], history: type[models.Model]) -> Composable:
    past = columns_of(cursor)[history._meta.db_table]
    shared = _shared(cursor, model, history)
    facts = [each for each in _STAMPS if each in past]
    return SQL(_ADOPT).format(
        history=Identifier(history._meta.db_table),
        columns=SQL(", ").join(map(Identifier, shared)),
        facts=SQL(", ").join(map(Identifier, facts)),
        values=_listed(shared, of="present"),
        stamps=SQL(", ").join(SQL(_STAMPS[each]) for each in facts),
        without=_without(cursor, model, history),
    )


def _without(cursor: Any, model: type[models.Model], history: type[models.Model]) -> Composable:
    """Return the part of a query that finds rows which their newest history does not describe."""
    shared = _shared(cursor, model, history)
    return SQL(_WITHOUT).format(
        table=Identifier(model._meta.db_table),
        history=Identifier(history._meta.db_table),
        key=Identifier(str(model._meta.pk.column)),
        newest=_comparable(shared, of="newest"),
        present=_comparable(shared, of="present"),
    )


def _shared(cursor: Any, model: type[models.Model], history: type[models.Model]) -> dict[str, str]:
    """Return the columns that both tables have, with their types."""
    columns = columns_of(cursor)
    own = columns[model._meta.db_table]
    names = shared_columns(own, columns[history._meta.db_table])
    return {name: own[name].type for name in names}


def _comparable(columns: dict[str, str], *, of: str) -> Composable:
    return SQL(", ").join(
        SQL(f"{of}.{{}}::text" if kind in _COMPARED_AS_TEXT else f"{of}.{{}}").format(
            Identifier(name)
        )
        for name, kind in columns.items()
    )


def _listed(columns: dict[str, str], *, of: str) -> Composable:
    return SQL(", ").join(SQL(f"{of}.{{}}").format(Identifier(name)) for name in columns)


def _standing(
    model: type[models.Model], history: str, reports: Reporting | None, *, longest_ms: int
) -> Standing:
    guard = guard_of(model)
    changes = OutsideChange.objects.filter(
        table_name=model._meta.db_table, at__gt=timezone.now() - QUIET
    )
    total = changes.aggregate(number=Count("pk"), last_at=Max("at"))
    return Standing(
        model=model,
        guard=guard,
        reporting=reports if guard is Guard.REPORT else None,
        history=history,
        missing=_missing(model, longest_ms=longest_ms) if history == "database" else 0,
        outside=total["number"],
        last_at=total["last_at"],
        sources=list(_sources(changes)),
    )


def _sources(changes: QuerySet[OutsideChange]) -> Iterator[tuple[str, int]]:
    counted = changes.values_list("program", "source").annotate(number=Count("pk"))
    for program, source, number in counted.order_by("-number", "program", "source")[
        :_SOURCES_SHOWN
    ]:
        yield " ".join(filter(None, (program, source))) or "unknown", number


def _missing(model: type[models.Model], *, longest_ms: int) -> int | None:
    history: Any = history_model(model)
    most = SQL(str(MOST_COUNTED + 1))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            without = _without(cursor, model, history)
            cursor.execute(f"SET LOCAL statement_timeout = {longest_ms}")
            cursor.execute(SQL(_COUNT).format(without=without, most=most).as_string(None))
            (missing,) = cursor.fetchone()
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise
    return int(missing)


def _history(model: type[models.Model]) -> str:
    if history_model(model):
        return "database"
    is_tracked = hasattr(model._meta, "simple_history_manager_attribute")
    return "application" if is_tracked else "none"


def _is_history(model: type[models.Model]) -> bool:
    return issubclass(model, Evidence) or hasattr(model, "history_object")
