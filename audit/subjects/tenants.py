"""Tenants: the rows that own data, as declared by the apps."""

from collections.abc import Sequence
from typing import Any

from audit.actors.actors import Actor
from audit.messages.characters import visible
from audit.messages.classes import Subject
from audit.subjects import types
from audit.subjects.names import find
from audit.subjects.types import SubjectType

_MOST_NAMED = 10
# With more tenants, no choices are offered.
MOST_LISTED = 300


def tenant_word() -> str:
    """Return the word for a tenant: the verbose name of the model of tenants."""
    found = tenant_type()
    return str(found.model._meta.verbose_name) if found else "tenant"


def tenant_choices(actor: Actor) -> list[tuple[str, str]]:
    """Return ids and names of the tenants that the actor may see; empty if they are too many."""
    found = tenant_type()
    if found is None:
        return []
    rows = actor.confine(found.model._base_manager.all(), "pk")[: MOST_LISTED + 1]
    if len(rows) > MOST_LISTED:
        return []
    return sorted(((str(row.pk), visible(str(row))) for row in rows), key=lambda choice: choice[1])


def limits_of(actor: Actor) -> str:
    """Return what of the log the actor can and cannot see, in two sentences; empty if it sees all.

    No query is made: the names are those that the actor came with.
    """
    if not actor.is_confined:
        return ""
    declared = types.subject_types()
    found = _tenant_type(declared)
    word = str(found.model._meta.verbose_name) if found else "tenant"
    plural = str(found.model._meta.verbose_name_plural) if found else "tenants"
    names = [visible(each) for each in actor.named_tenants()]
    seen = _joined(names) if names else f"none of the {plural}"
    others = [each for each in declared if _may_lack_tenant(each)]
    examples = _joined([str(each.model._meta.verbose_name_plural).lower() for each in others])
    return (
        f"You see {seen}. Not shown: other {plural}, and what belongs to no {word}"
        f"{f' ({examples})' if examples else ''}."
    )


def _may_lack_tenant(declared: SubjectType) -> bool:
    """Return True if some of its rows belong to no tenant."""
    field: Any = declared.tenant_field and declared.model._meta.get_field(declared.tenant_field)
    return not field or field.blank


def _joined(names: Sequence[str]) -> str:
    """Return names as a list in a sentence, with the number of those beyond the first few."""
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    *first, last = [*names[:_MOST_NAMED], *more]
    return f"{', '.join(first)} and {last}" if first else last


def is_tenant(identifier: str, *, actor: Actor) -> bool:
    """Return True if there is a tenant with this id that the actor may see."""
    found = tenant_type()
    return found is not None and find(Subject(found.name, identifier), actor=actor) is not None


def tenant_type() -> SubjectType | None:
    """Return the subject type whose rows are tenants: its tenant field is its primary key."""
    return _tenant_type(types.subject_types())


def _tenant_type(declared: Sequence[SubjectType]) -> SubjectType | None:
    return next(
        (each for each in declared if each.tenant_field == each.model._meta.pk.attname), None
    )
