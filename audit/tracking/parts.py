"""Parts of subjects: tracked tables whose rows belong to a subject, as ``part_of`` declares.

Timelines, case files, stream numbers, drift and direct changes all follow this one declaration.
"""

import hashlib
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from django.db import models

from audit.subjects import types
from audit.tracking.history import history_model, written_models

_INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"


class Part(NamedTuple):
    """A tracked model, its history, and its foreign key to the model of the subject."""

    model: type[models.Model]
    history: type[models.Model]
    owner: Any


def parts() -> Iterator[Part]:
    """Yield every tracked model whose rows are parts of a subject."""
    for model in written_models():
        history: Any = history_model(model)
        if history.part_of:
            yield Part(model, history, model._meta.get_field(history.part_of))


def parts_of(model: type[models.Model]) -> list[Part]:
    """Return the tracked models whose rows are parts of rows of this model."""
    return [part for part in parts() if part.owner.related_model is model]


def owner_of(model: type[models.Model]) -> type[models.Model] | None:
    """Return the model that the rows of a model are parts of, if they are."""
    part_of = getattr(history_model(model), "part_of", None)
    if part_of is None:
        return None
    field: Any = model._meta.get_field(part_of)
    owner: type[models.Model] = field.related_model
    return owner


def subject_of(model: type[models.Model]) -> tuple[str, Any] | None:
    """Return the type of the subject that a row belongs to, and the field with its id."""
    part_of = getattr(history_model(model), "part_of", None)
    field: Any = model._meta.get_field(part_of) if part_of else model._meta.pk
    whole = field.related_model if part_of else model
    declared = next((each for each in types.subject_types() if each.model is whole), None)
    return (declared.name, field) if declared else None


def missing_indexes(cursor: Any, tables: Collection[str]) -> Iterator[str]:
    """Yield the statements for the indexes by which the parts of a subject are found.

    The index of a history starts with the key of its own rows.
    """
    cursor.execute(_INDEXES)
    present = {name for (name,) in cursor.fetchall()}
    for part in parts():
        table, column = part.history._meta.db_table, part.owner.column
        digest = hashlib.md5(table.encode(), usedforsecurity=False).hexdigest()
        name = f"audit_part_{digest[:8]}"
        if table in tables and name not in present:
            yield f'CREATE INDEX CONCURRENTLY {name} ON "{table}" ("{column}", history_id)'
