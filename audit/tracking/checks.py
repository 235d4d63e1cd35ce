"""System checks of history: the database writes it, of every tracked model and of its links."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.models import Model

from audit.installation.settings import countersign
from audit.models.records import Evidence
from audit.tracking import privileges
from audit.tracking.guards import Guard, guarded, is_own
from audit.tracking.history import history_model, written_models
from audit.tracking.parts import parts, subject_of
from audit.tracking.protection import is_checked, is_migrated, missing_triggers, writes_directly

_MIGRATE = "Run manage.py migrate: it attaches the triggers."
_PROTECT = "Run manage.py countersign_protect --apply, or the SQL that it prints without --apply."
_ONCE_PROTECTED = """
    SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = current_schema()::regnamespace AND starts_with(tgname, 'audit_')
"""
# What simple-history adds to a model.
_MANAGER = "simple_history_manager_attribute"


@register()
def check_history(**_: Any) -> list[CheckMessage]:
    """Check that the database writes the history of each tracked model and of its links."""
    return [
        *_written_by_application(),
        *_links_without_history(),
        *_of_several_tables(),
        *_on_another_alias(),
        *_parts_of_nothing(),
        *_invalid_guards(),
    ]


@register(Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that each table of ours, and each that once had triggers, still has them all.

    Of others only warn: test databases may do without, and an error would prevent the tests.
    """
    return [
        Error(each.message, hint=each.hint, id="audit.E005")
        if each.is_required
        else Warning(each.message, hint=each.hint, id="countersign.W006")
        for each in _missing(databases)
    ]


@register(Tags.database, deploy=True)
def check_triggers_in_production(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Check that every tracked or guarded table has its triggers in production."""
    return [
        Error(each.message, hint=each.hint, id="countersign.E006")
        for each in _missing(databases)
        if not each.is_required
    ]


@register(Tags.database)
def check_grants(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn of tables and sequences of the project that the serving role cannot use.

    No role needs more than to read history, and unmanaged tables are those of other programs.
    """
    if not is_checked(databases) or not is_migrated():
        return []
    used = [
        model
        for model in _models()
        if model._meta.managed and not (is_own(model) or issubclass(model, Evidence))
    ]
    with connections["default"].cursor() as cursor:
        return [
            Warning(
                f"The serving role lacks {rights} on the {kind.lower()} {name}.",
                hint=_PROTECT,
                id="countersign.W005",
            )
            for rights, kind, name in privileges.lacking(cursor, used)
        ]


@register(Tags.database, deploy=True)
def check_direct_history(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that the serving role may no longer write history itself."""
    if not is_checked(databases) or not is_migrated():
        return []
    with connections["default"].cursor() as cursor:
        if not writes_directly(cursor):
            return []
    message = "The serving role may still write history itself, as servers of earlier releases do."
    hint = "Run manage.py migrate again once these have stopped."
    return [Warning(message, hint=hint, id="audit.W002")]


class _Missing(NamedTuple):
    message: str
    hint: str
    is_required: bool


def _missing(databases: Sequence[str] | None) -> Iterator[_Missing]:
    if not is_checked(databases) or not is_migrated():
        return
    own = {model._meta.db_table for model in _models() if is_own(model)}
    with connections["default"].cursor() as cursor:
        cursor.execute(_ONCE_PROTECTED)
        required = own.union(*cursor.fetchall())
        for table, name in missing_triggers(cursor):
            yield _Missing(
                f"The table {table} lacks the trigger {name}.",
                _MIGRATE if table in own else _PROTECT,
                table in required,
            )


def _written_by_application() -> Iterator[CheckMessage]:
    for model, _ in guarded():
        if hasattr(model._meta, _MANAGER) and not history_model(model):
            yield Warning(
                f"The application writes the history of {model._meta.label}, not the database.",
                hint="Use audit.domain.HistoricalRecords instead of that of simple-history.",
                id="audit.W003",
            )


def _links_without_history() -> Iterator[CheckMessage]:
    for model in written_models():
        for field in model._meta.local_many_to_many:
            through: Any = field.remote_field.through
            if not history_model(through):
                name = f"{model.__name__}.{field.name}"
                yield Error(
                    f"The links of {name} have no history.",
                    hint=f"Add audit.domain.track_links({name}, part_of=…) below the models.",
                    id="audit.E016",
                )


def _of_several_tables() -> Iterator[CheckMessage]:
    for model in written_models():
        if model._meta.parents:
            yield Error(
                f"{model._meta.label} has columns in the table of its parent.",
                hint="Use a one-to-one field instead of multi-table inheritance.",
                id="audit.E017",
            )


def _on_another_alias() -> Iterator[CheckMessage]:
    for model in written_models():
        alias = router.db_for_write(model)
        if alias != DEFAULT_DB_ALIAS:
            yield Error(
                f"{model._meta.label} is written to the database {alias!r}, not that of the log.",
                hint="A command commits its record and its changes together: do not track it.",
                id="countersign.E005",
            )


def _parts_of_nothing() -> Iterator[CheckMessage]:
    for part in parts():
        if subject_of(part.model) is None:
            owner = part.owner.related_model.__name__
            yield Error(
                f"{part.model._meta.label} is a part of {owner}, which is no type of subject.",
                hint=f"Declare {owner} with audit.domain.subject, or leave out part_of.",
                id="audit.E020",
            )


def _invalid_guards() -> Iterator[CheckMessage]:
    known = {model._meta.label for model in _models()}
    for label, guard in countersign().guards.items():
        if label not in known or guard not in list(Guard):
            yield Error(
                f"GUARDS in COUNTERSIGN has {label!r}: {guard!r}.",
                hint='Name a model, such as "articles.Article", and off, report or refuse.',
                id="audit.E018",
            )
        elif label.startswith(("audit.", "approvals.")):
            yield Error(
                f"GUARDS in COUNTERSIGN cannot change the guard of {label}.", id="audit.E019"
            )


def _models() -> list[type[Model]]:
    return list(apps.get_models(include_auto_created=True))
