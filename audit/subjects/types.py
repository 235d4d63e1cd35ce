"""Subject types: the models that messages can be about, as declared by the apps."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Model, QuerySet
from django.urls import NoReverseMatch, reverse

from audit.actors.actors import Actor
from audit.messages.characters import identifier, quoted
from audit.messages.classes import Subject
from audit.messages.declarations import declare, declaring
from audit.messages.exceptions import NotFound
from audit.wire import rows

_ModelClass = TypeVar("_ModelClass", bound=type[Model])
_Function = TypeVar("_Function", bound=Callable[..., Any])
_Row = TypeVar("_Row", bound=Model)
# Python types of columns. All others have texts.
_KINDS: tuple[tuple[type | tuple[type, ...], type], ...] = (
    (models.BooleanField, bool),
    ((models.IntegerField, models.AutoField), int),
    ((models.FloatField, models.DecimalField), float),
    (models.DateTimeField, datetime),
    (ArrayField, list),
    (models.JSONField, dict),
)


class SubjectType(NamedTuple):
    """A model whose rows are subjects, with its tenant, fields to show and route in the API.

    ``names`` are the columns by whose beginnings people look for a row.
    """

    name: str
    model: type[Model]
    tenant_field: str | None
    shown: tuple[str, ...] | None = None
    route: str | None = None
    names: tuple[str, ...] = ()

    @property
    def may_lack_tenant(self) -> bool:
        """True if some of its rows belong to no tenant."""
        field: Any = self.tenant_field and self.model._meta.get_field(self.tenant_field)
        return not field or field.blank

    def load(self, identifier: str) -> Model | None:
        return rows.find(self.model, pk=identifier)

    def url(self, identifier: str) -> str | None:
        """Return the URL of the row in the API, or None if the API does not include it."""
        try:
            return reverse(self.route, args=[identifier]) if self.route else None
        except NoReverseMatch:
            # A stored id need not be one.
            return None

    def label(self, identifier: str) -> str:
        """Return the row's label; type and id if it does not exist."""
        instance = self.load(identifier)
        if instance is None:
            return label_without_row(Subject(self.name, identifier))
        return label_of(instance)


def label_of(instance: Model) -> str:
    """Return a row's label for sentences of ours: its text from users is in quotation marks.

    It is the result of the method ``subject_label``, else that of ``__str__`` as a quotation.
    """
    label = getattr(instance, "subject_label", None)
    return str(label()) if label else quoted(str(instance))


def not_found(reference: Subject | None) -> NotFound:
    """Return the same error for a missing subject and for one that the caller may not see."""
    if reference is None:
        return NotFound()
    found = _subjects.get(reference.type)
    noun = found.model._meta.verbose_name if found else reference.type
    return NotFound(f"There is no {noun} with this id.")


def visible(rows: QuerySet[_Row], reference: Subject) -> _Row:
    """Return the row of a subject among those that the caller may see.

    :raises NotFound: if it is not among them.
    """
    row = rows.filter(pk=reference.id).first()
    if row is None:
        raise not_found(reference)
    return row


def label_without_row(reference: Subject) -> str:
    """Return type and id, for a subject that does not exist or that the reader may not see."""
    return f"{reference.type} {identifier(reference.id)}"


_subjects: dict[str, SubjectType] = {}
_named_like: dict[str, type[Model]] = {}
_visibility: dict[str, Callable[[Any, Actor], bool]] = {}


def subject(
    name: str,
    *,
    tenant: str | None = None,
    shown: tuple[str, ...] | None = None,
    route: str | None = None,
    names: tuple[str, ...] = (),
) -> Callable[[_ModelClass], _ModelClass]:
    """Declare a model as a subject type. ``tenant`` is its column with the id of the tenant.

    ``shown`` are the columns that may be shown and compared, instead of those in its history.
    ``route`` is the name of the API URL whose only argument is the id. ``names`` are the columns
    that a search by name compares; in a long table each needs an index of its small letters.
    """

    def register(model: _ModelClass) -> _ModelClass:
        declared = SubjectType(name, model, tenant, shown, route, names)
        declare(_subjects, name, declared, what="subject type")
        return model

    return register


def named_like(name: str, model: type[Model]) -> None:
    """Declare a type of subjects without rows of its own; they have the names of a model's rows."""
    declare(_named_like, name, model, what="names of subject type")


def model_of_names(name: str) -> type[Model] | None:
    """Return the model with the names of subjects of a type, if it was declared."""
    return _named_like.get(name)


def decides_visibility(name: str) -> Callable[[_Function], _Function]:
    """Declare the function that returns True if an actor sees a row, besides by its tenant."""
    return declaring(_visibility, name, what="visibility of")


def is_visible(row: Model, found: SubjectType, *, actor: Actor) -> bool:
    """Return True if an actor who sees the tenant of a row also sees the row itself."""
    decide = _visibility.get(found.name)
    return decide is None or decide(row, actor)


def subject_type(name: str) -> SubjectType | None:
    """Return the subject type, or None if no model is declared for it."""
    return _subjects.get(name)


def subject_types() -> list[SubjectType]:
    """Return every declared subject type, sorted by name."""
    return [_subjects[name] for name in sorted(_subjects)]


def lacking_tenants() -> list[SubjectType]:
    """Return the subject types of which some rows belong to no tenant, sorted by name."""
    return [each for each in subject_types() if each.may_lack_tenant]


def subject_fields(subject_type: SubjectType) -> dict[str, Any]:
    """Return the fields that may be shown and compared, by column.

    Without ``shown``, these are the fields in its history, which excludes secrets; without a
    history, all fields.
    """
    model = subject_type.model
    if subject_type.shown is not None:
        shown: list[Any] = [model._meta.get_field(name) for name in subject_type.shown]
        return {field.attname: field for field in shown}
    history: Any = getattr(model, "history", None)
    kept: list[Any] = history.model.tracked_fields if history else list(model._meta.concrete_fields)
    return {field.attname: field for field in kept}


def subject_values(reference: Subject) -> dict[str, Any]:
    """Return the current values of a subject, by column; empty if it does not exist."""
    found = subject_type(reference.type)
    instance = found.load(reference.id) if found else None
    if found is None or instance is None:
        return {}
    return {name: getattr(instance, name) for name in subject_fields(found)}


def field_types(subject_type: SubjectType) -> dict[str, type]:
    """Return the Python types of the fields that may be shown and compared, by column."""
    return {name: _python_type(field) for name, field in subject_fields(subject_type).items()}


def _python_type(field: Any) -> type:
    target = field.target_field if field.is_relation else field
    return next((kind for columns, kind in _KINDS if isinstance(target, columns)), str)
