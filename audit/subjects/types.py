"""Subject types: how the apps declare what messages are about."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from django.db.models import Model
from django.urls import reverse

from audit.messages.classes import Subject
from audit.messages.declarations import declare
from audit.wire import rows

_ModelClass = TypeVar("_ModelClass", bound=type[Model])


class SubjectType(NamedTuple):
    """How subjects of one type are found, named, compared and confined to a tenant."""

    name: str
    model: type[Model]
    tenant_field: str | None
    shown: tuple[str, ...] | None = None
    route: str | None = None

    def load(self, identifier: str) -> Model | None:
        """Fetch the row, or None if there is none."""
        return rows.find(self.model, pk=identifier)

    def url(self, identifier: str) -> str | None:
        """Tell where the API has the row, if it does."""
        return reverse(self.route, args=[identifier]) if self.route else None

    def label(self, identifier: str) -> str:
        """Name the row for people; its id where it does not exist yet, or any more."""
        instance = self.load(identifier)
        return f"{self.name} {identifier}" if instance is None else label_of(instance)


def label_of(instance: Model) -> str:
    """Name a subject for people: by its ``subject_label`` method if it has one."""
    label = getattr(instance, "subject_label", instance.__str__)
    return str(label())


_subjects: dict[str, SubjectType] = {}


def subject(
    name: str,
    *,
    tenant: str | None = None,
    shown: tuple[str, ...] | None = None,
    route: str | None = None,
) -> Callable[[_ModelClass], _ModelClass]:
    """Declare a model as a type of subject. ``tenant`` names its column that holds the tenant.

    ``shown`` names the columns that may be shown and compared, for a model without a history.
    ``route`` names the address in the API that takes its id and nothing else.
    """

    def register(model: _ModelClass) -> _ModelClass:
        declared = SubjectType(name, model, tenant, shown, route)
        declare(_subjects, name, declared, what="subject type")
        return model

    return register


def subject_type(name: str) -> SubjectType | None:
    """Find how subjects of this type are treated; None for a type that has no table."""
    return _subjects.get(name)


def subject_types() -> list[SubjectType]:
    """Every type of subject that has a table, by name."""
    return [_subjects[name] for name in sorted(_subjects)]


def subject_fields(subject_type: SubjectType) -> dict[str, Any]:
    """Name the fields of a type of subject that may be shown and compared, with their columns.

    These are the ones that its history keeps: what is secret is excluded there.
    """
    model = subject_type.model
    if subject_type.shown is not None:
        shown: list[Any] = [model._meta.get_field(name) for name in subject_type.shown]
        return {field.attname: field for field in shown}
    history: Any = getattr(model, "history", None)
    kept: list[Any] = history.model.tracked_fields if history else list(model._meta.concrete_fields)
    return {field.attname: field for field in kept}


def subject_values(reference: Subject) -> dict[str, Any]:
    """Read the present values of a subject, by column; nothing where there is none."""
    found = subject_type(reference.type)
    instance = found.load(reference.id) if found else None
    if found is None or instance is None:
        return {}
    return {name: getattr(instance, name) for name in subject_fields(found)}
