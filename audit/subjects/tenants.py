"""Tenants: the rows that own data, as declared by the apps."""

from audit.actors.actors import Actor
from audit.messages.characters import visible
from audit.messages.classes import Subject
from audit.subjects import types
from audit.subjects.names import find
from audit.subjects.types import SubjectType

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


def is_tenant(identifier: str, *, actor: Actor) -> bool:
    """Return True if there is a tenant with this id that the actor may see."""
    found = tenant_type()
    return found is not None and find(Subject(found.name, identifier), actor=actor) is not None


def tenant_type() -> SubjectType | None:
    """Return the subject type whose rows are tenants: its tenant field is its primary key."""
    declared = types.subject_types()
    return next(
        (each for each in declared if each.tenant_field == each.model._meta.pk.attname), None
    )
