"""Names of the tenants that a policy can be for."""

from collections.abc import Iterable, Mapping

from audit.actors.actors import Actor
from audit.messages.characters import visible
from audit.messages.classes import Subject
from audit.subjects.names import labels
from audit.subjects.tenants import tenant_type

_ALL = "everyone"


def tenant_choices(actor: Actor) -> list[tuple[str, str]]:
    """Return the tenants that the actor may see, after the choice of all tenants."""
    found = tenant_type()
    rows = actor.confine(found.model._base_manager.all(), "pk") if found else ()
    choices = [(str(row.pk), visible(str(row))) for row in rows]
    return [("", _ALL), *sorted(choices, key=lambda choice: choice[1])]


def tenant_names(tenants: Iterable[str], *, actor: Actor) -> Mapping[str, str]:
    """Return the names of tenants, by one query; ids of tenants that the actor may not see."""
    found = tenant_type()
    subjects = {each: Subject(found.name if found else "", each) for each in tenants if each}
    named = labels(subjects.values(), actor=actor)
    return {"": _ALL} | {each: named[subject] for each, subject in subjects.items()}
