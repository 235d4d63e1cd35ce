"""The history of subjects and of their parts, as far as the reader may see it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.pages.changes import Revision, history_of, revisions
from audit.subjects import types
from audit.subjects.names import valid_keys
from audit.subjects.types import SubjectType
from audit.tracking.parts import parts_of


def deleted(subjects: Iterable[Subject], *, actor: Actor) -> set[Subject]:
    """Return those that have a history but no row; the last row of it decides who may see them.

    One query for each type.
    """
    return {each for found, ids in _by_type(subjects) for each in _deleted(found, ids, actor=actor)}


def revisions_of(
    subjects: Collection[Subject], *, wanted: Q, most: int
) -> list[tuple[Subject, Revision]]:
    """Return the revisions of subjects and of their parts, oldest first.

    At most the newest ``most`` of each table, by one query and those of `revisions`.

    :param subjects: those that the reader may see, whether they still exist or not.
    :param wanted: a condition on the columns that every history has.
    """
    found = [
        (Subject(name, str(getattr(revision.row, owner))), revision)
        for name, owner, rows in _tables(subjects)
        for revision in revisions(list(rows.filter(wanted).reverse()[:most])[::-1])
    ]
    return sorted(found, key=lambda each: each[1].at)


def _tables(subjects: Iterable[Subject]) -> Iterator[tuple[str, str, QuerySet[Any]]]:
    """Yield each table with their history: the type, its attribute with their ids, and the rows."""
    for found, ids in _by_type(subjects):
        model = found.model
        parts = [(part.model, part.owner.attname) for part in parts_of(model)]
        for tracked, owner in [(model, model._meta.pk.attname), *parts]:
            history = history_of(tracked)
            if history is not None:
                yield found.name, owner, history.filter(**{f"{owner}__in": ids})


def _by_type(subjects: Iterable[Subject]) -> Iterator[tuple[SubjectType, list[object]]]:
    identifiers: defaultdict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        identifiers[subject.type].add(subject.id)
    for name, wanted in identifiers.items():
        found = types.subject_type(name)
        if found and (keys := valid_keys(wanted, found.model._meta.pk)):
            yield found, keys


def _deleted(found: SubjectType, ids: list[object], *, actor: Actor) -> Iterator[Subject]:
    model: type[Model] = found.model
    history, key = history_of(model), model._meta.pk.attname
    if history is None:
        return
    present = model._base_manager.filter(pk=OuterRef(key))
    rows = history.filter(~Exists(present), **{f"{key}__in": ids})
    for row in rows.order_by(key, "-history_date", "-history_id").distinct(key):
        if not found.tenant_field or actor.may_see(str(getattr(row, found.tenant_field))):
            yield Subject(found.name, str(getattr(row, key)))
