"""Subjects by reference: their labels and rows, as far as the actor may see them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import reduce
from operator import or_
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Collate, Lower

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.subjects import types
from audit.subjects.types import SubjectType, label_of, label_without_row


def labels(subjects: Iterable[Subject], *, actor: Actor) -> dict[Subject, str]:
    """Return labels, by one query per type; type and id of what is missing or not visible."""
    wanted = set(subjects)
    return labels_among(wanted, found(wanted, actor=actor), actor=actor)


def labels_among(
    subjects: Iterable[Subject], rows: Mapping[Subject, Model], *, actor: Actor
) -> dict[Subject, str]:
    """Return labels, with the rows of those subjects that exist and are visible.

    That of a deleted subject is read from its history, by one query per type.
    """
    wanted = set(subjects)
    missing = wanted - rows.keys()
    named = {**rows, **deleted(missing, actor=actor), **_like_others(missing)} if missing else rows
    return {
        each: label_of(named[each]) if each in named else label_without_row(each) for each in wanted
    }


def deleted(subjects: Iterable[Subject], *, actor: Actor) -> dict[Subject, Model]:
    """Return deleted subjects as they last were, for their labels, by one query per type.

    Only those that had a history, and whose labels need no other row that is gone.
    """
    return {
        Subject(type_name, str(row.pk)): row
        for type_name, wanted in _by_type(subjects).items()
        for row in _last_rows(types.subject_type(type_name), wanted, actor=actor)
    }


def _like_others(subjects: Iterable[Subject]) -> dict[Subject, Model]:
    """Return the rows with whose labels subjects of types without a model are named."""
    return {
        Subject(type_name, str(row.pk)): row
        for type_name, wanted in _by_type(subjects).items()
        for row in _rows(types.model_of_names(type_name), wanted)
    }


def _rows(model: type[Model] | None, identifiers: set[str]) -> Iterable[Model]:
    if model is None:
        return ()
    return model._base_manager.filter(pk__in=valid_keys(identifiers, model._meta.pk))


def _last_rows(
    subject_type: SubjectType | None, identifiers: set[str], *, actor: Actor
) -> Iterator[Model]:
    model: Any = subject_type and subject_type.model
    history = getattr(model and model._meta, "simple_history_manager_attribute", None)
    if subject_type is None or history is None:
        return
    key = model._meta.pk
    rows = getattr(model, history).model.objects.filter(history_type="-")
    rows = rows.filter(**{f"{key.attname}__in": valid_keys(identifiers, key)})
    field = subject_type.tenant_field
    for past in (actor.confine(rows, field) if field else rows).order_by("history_id"):
        row = model(**{each.attname: getattr(past, each.attname) for each in past.tracked_fields})
        with suppress(ObjectDoesNotExist):
            label_of(row)
            yield row


def found(subjects: Iterable[Subject], *, actor: Actor) -> dict[Subject, Model]:
    """Return the existing subjects that the actor may see, by one query per type."""
    return {
        Subject(type_name, str(row.pk)): row
        for type_name, wanted in _by_type(subjects).items()
        for row in _visible(types.subject_type(type_name), wanted, actor=actor)
    }


def _by_type(subjects: Iterable[Subject]) -> dict[str, set[str]]:
    identifiers: defaultdict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        identifiers[subject.type].add(subject.id)
    return identifiers


def find(subject: Subject, *, actor: Actor) -> Model | None:
    """Return a subject's row, or None if it does not exist or the actor may not see it."""
    return next(iter(_visible(types.subject_type(subject.type), {subject.id}, actor=actor)), None)


def named(text: str, *, actor: Actor, most: int) -> list[tuple[Subject, Model, bool]]:
    """Return the visible subjects with a name that begins with a text, at most ``most`` per type.

    Each comes with its row, and with True if it has exactly this name. One query for each type.
    """
    return [
        (Subject(each.name, str(row.pk)), row, _has_name(each, row, text))
        for each in types.subject_types()
        if each.names
        for row in _rows_named(each, text, actor=actor)[:most]
    ]


def _rows_named(subject_type: SubjectType, text: str, *, actor: Actor) -> QuerySet[Model]:
    # The expression of the index: the two must be identical.
    small = {f"small_{name}": Collate(Lower(name), "C") for name in subject_type.names}
    begins = reduce(or_, (Q(**{f"{name}__startswith": text.lower()}) for name in small))
    rows = _with_related(subject_type.model).alias(**small).filter(begins)
    field = subject_type.tenant_field
    # The log of a confined reader has nothing about what belongs to no tenant.
    others = rows.none() if actor.is_confined else rows
    return actor.confine(rows, field) if field else others


def _has_name(subject_type: SubjectType, row: Model, text: str) -> bool:
    return any(getattr(row, name).lower() == text.lower() for name in subject_type.names)


def _visible(
    subject_type: SubjectType | None, identifiers: set[str], *, actor: Actor
) -> Iterable[Model]:
    if subject_type is None:
        return ()
    key = subject_type.model._meta.pk
    rows = _with_related(subject_type.model).filter(pk__in=valid_keys(identifiers, key))
    field = subject_type.tenant_field
    return actor.confine(rows, field) if field else rows


def _with_related(model: type[Model]) -> QuerySet[Any]:
    """Return the rows with those that each refers to: labels may include them."""
    fields = model._meta.concrete_fields
    names = [each.name for each in fields if each.remote_field and not each.null]
    rows: QuerySet[Any] = model._base_manager.all()
    return rows.select_related(*names) if names else rows


def valid_keys(identifiers: Iterable[str], key: object) -> list[object]:
    """Return the identifiers that are primary keys, as their field has them."""
    found = []
    for identifier in identifiers:
        try:
            found.append(key.to_python(identifier))  # type: ignore[attr-defined]
        except ValidationError:
            continue
    return found
