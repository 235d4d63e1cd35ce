"""What the apps have declared: message classes, handlers, subjects, credentials.

Audit knows no app. An app's modules declare themselves here when they are imported, and a
declaration that contradicts another one stops the start of the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from audit.wire import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model

    from audit.actors.actors import Actor
    from audit.bus.context import Context
    from audit.messages.classes import Command, Message, Subject

_ModelClass = TypeVar("_ModelClass", bound="type[Model]")
_CommandType = TypeVar("_CommandType", bound="Command")
_Result = TypeVar("_Result")
_Function = TypeVar("_Function", bound="Callable[..., Any]")


class UnknownMessageType(LookupError):
    """No message class has this name or alias."""


class LoadsActor(Protocol):
    """Tells who a credential stands for now, or None if it is no longer good."""

    def __call__(self, identifier: str, /) -> Actor | None: ...


class Governs(Protocol):
    """Tells in a few words which policy governs a type of command; empty if none does."""

    def __call__(self, command_class: type[Command], /) -> str: ...


class Question(NamedTuple):
    """Something that a middleware has to know, answered by the statement that opens a dispatch."""

    sql: str
    parameter: Callable[[Command], Any]


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


_message_classes: dict[str, type[Message]] = {}
_handlers: dict[type[Command], Callable[[Any, Context], Any]] = {}
_subjects: dict[str, SubjectType] = {}
_credentials: dict[str, LoadsActor] = {}
_governance: list[Governs] = []
_questions: dict[str, Question] = {}
_checks: dict[type[Command], Callable[[Any, Context], None]] = {}
_upcasters: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}


def add_message_class(message_class: type[Message]) -> None:
    """Make a message class known under its name and aliases; done when the class is defined."""
    for name in (message_class.message_type, *message_class.aliases):
        _add(_message_classes, name, message_class, what="message type")


def handles(
    command_class: type[_CommandType],
) -> Callable[
    [Callable[[_CommandType, Context], _Result]], Callable[[_CommandType, Context], _Result]
]:
    """Declare the one function that carries a command out."""

    def register(
        function: Callable[[_CommandType, Context], _Result],
    ) -> Callable[[_CommandType, Context], _Result]:
        _add(_handlers, command_class, function, what="handler of")
        return function

    return register


def checks(*command_classes: type[Command]) -> Callable[[_Function], _Function]:
    """Declare the function that refuses commands which could never be carried out as they are.

    It is called before such a command is held, so that nobody is asked to approve it in vain; the
    handler has to call it as well.
    """

    def register(function: _Function) -> _Function:
        for command_class in command_classes:
            _add(_checks, command_class, function, what="check of")
        return function

    return register


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
        _add(_subjects, name, SubjectType(name, model, tenant, shown, route), what="subject type")
        return model

    return register


def credential(kind: str) -> Callable[[_Function], _Function]:
    """Declare the function that tells whom a credential of this kind stands for now."""

    def register(function: _Function) -> _Function:
        _add(_credentials, kind, function, what="credential")
        return function

    return register


def asked_at_opening(name: str, sql: str) -> Callable[[_Function], _Function]:
    """Have an SQL expression answered before the middleware runs, without a trip of its own.

    The decorated function gives its one parameter; the answer is in ``context.facts[name]``.
    """

    def register(function: _Function) -> _Function:
        _add(_questions, name, Question(sql, function), what="question at opening")
        return function

    return register


def describes_policies(function: _Function) -> _Function:
    """Declare the function that tells which policy governs a type of command."""
    _governance.append(function)
    return function


def upcasts(message_type: str, *, from_version: int) -> Callable[[_Function], _Function]:
    """Declare how stored data of one schema version becomes that of the next.

    The function takes and returns a dict of field names and values. It sees stored JSON and
    stored payloads, so it may move and add values but not look at their Python types.
    """

    def register(function: _Function) -> _Function:
        _add(_upcasters, (message_type, from_version), function, what="upcaster")
        return function

    return register


def message_class(name: str) -> type[Message]:
    """Find the class of a stored message type.

    :raises UnknownMessageType: if no class has that name or alias.
    """
    try:
        return _message_classes[name]
    except KeyError:
        raise UnknownMessageType(name) from None


def command_classes() -> list[type[Command]]:
    """Every command that has a handler, by name."""
    return sorted(_handlers, key=lambda command_class: command_class.message_type)


def message_classes() -> list[type[Message]]:
    """Every message class, by name."""
    return sorted(set(_message_classes.values()), key=lambda each: each.message_type)


def handler(command_class: type[Command]) -> Callable[[Any, Context], Any] | None:
    """Find the function that carries a command out."""
    return _handlers.get(command_class)


def check(command: Command, context: Context) -> None:
    """Refuse a command that could never be carried out as it is, if its app can tell.

    :raises Refused: in the app's words.
    """
    refuse = _checks.get(type(command))
    if refuse:
        refuse(command, context)


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


def live_actor(kind: str, identifier: str) -> Actor | None:
    """Tell who the credential stands for now, or None if it is not good, or of no known kind."""
    load = _credentials.get(kind)
    return load(identifier) if load else None


def opening_questions() -> dict[str, Question]:
    """Everything that is asked when a dispatch opens."""
    return _questions


def governance(command_class: type[Command]) -> str:
    """Tell which policies govern a type of command."""
    return "; ".join(filter(None, (describe(command_class) for describe in _governance)))


def restore(name: str, version: int, data: dict[str, Any]) -> Message:
    """Build a message from what was stored, lifted to the present schema version.

    :raises UnknownMessageType: if no class has that name or alias.
    :raises Invalid: if the lifted data does not fit the class.
    """
    found = message_class(name)
    for step in range(version, found.schema_version):
        upcast = _upcasters.get((found.message_type, step))
        if upcast is None:
            message = f"no upcaster lifts {found.message_type} from version {step}"
            raise UnknownMessageType(message)
        data = upcast(dict(data))
    return found.restore(data)


def _add(table: dict[Any, Any], key: Any, value: Any, *, what: str) -> None:
    present = table.setdefault(key, value)
    if present is not value:
        message = f"{what} {key!r} is declared twice: {present!r} and {value!r}"
        raise ImproperlyConfigured(message)
