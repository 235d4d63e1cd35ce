"""Tenants: the rows that own data, as declared by the apps."""

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from audit.actors.actors import Actor
from audit.subjects import types
from audit.subjects.types import SubjectType, label_of

# With more tenants, no choices are offered.
MOST_LISTED = 300


def tenant_word() -> str:
    """Return the word for a tenant: the verbose name of the model of tenants."""
    found = tenant_type()
    return str(found.model._meta.verbose_name) if found else "tenant"


def tenant_choices(actor: Actor) -> list[tuple[str, str]]:
    """Return ids and names of the tenants that the actor may see; empty if they are too many."""
    found = tenant_type()
    rows = list(_visible(found, actor)[: MOST_LISTED + 1]) if found else []
    if len(rows) > MOST_LISTED:
        return []
    return sorted(((str(row.pk), label_of(row)) for row in rows), key=lambda choice: choice[1])


def is_tenant(identifier: str, *, actor: Actor) -> bool:
    """Return True if there is a tenant with this id that the actor may see."""
    found = tenant_type()
    try:
        return found is not None and _visible(found, actor).filter(pk=identifier).exists()
    except (ValidationError, ValueError):
        return False


def tenant_type() -> SubjectType | None:
    """Return the subject type whose rows are tenants: its tenant field is its primary key."""
    declared = types.subject_types()
    return next(
        (each for each in declared if each.tenant_field == each.model._meta.pk.attname), None
    )


def _visible(subject_type: SubjectType, actor: Actor) -> QuerySet[Model]:
    return actor.confine(subject_type.model._base_manager.all(), "pk")
