"""The tenants that a policy can be for, by name."""

from collections.abc import Iterable, Mapping

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.subjects.names import labels
from audit.subjects.tenants import tenant_type
from audit.subjects.types import label_of

EVERYBODY = "everyone"


def tenant_choices(actor: Actor) -> list[tuple[str, str]]:
    """List the tenants that somebody may see, and first of all everybody."""
    found = tenant_type()
    rows = actor.confine(found.model._base_manager.all(), "pk") if found else ()
    choices = [(str(row.pk), label_of(row)) for row in rows]
    return [("", EVERYBODY), *sorted(choices, key=lambda choice: choice[1])]


def tenant_names(tenants: Iterable[str], *, actor: Actor) -> Mapping[str, str]:
    """Name tenants for somebody, in one query; by their ids where they are not theirs to see."""
    found = tenant_type()
    subjects = {each: Subject(found.name if found else "", each) for each in tenants if each}
    named = labels(subjects.values(), actor=actor)
    return {"": EVERYBODY} | {each: named[subject] for each, subject in subjects.items()}
