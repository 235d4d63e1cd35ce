"""Messages: commands, which request a change, and events, which record one."""

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self, get_type_hints

from django.core.exceptions import ImproperlyConfigured
from uuid_utils.compat import uuid7

from audit.messages.characters import quoted
from audit.messages.declarations import declare
from audit.messages.exceptions import FieldError, Invalid
from audit.messages.values import Codec, codec

REDACTED = "[redacted]"
LONGEST_ID = 200


class Subject(NamedTuple):
    """The subject of a message. Its events, numbered 1, 2, 3 and so on, are its stream."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


NO_SUBJECT = Subject("", "")


class SubjectOf(NamedTuple):
    """The declaration, on a message class, of the field that holds the id of its subject."""

    type: str
    id_field: str


def secret(**options: Any) -> Any:
    """Declare a field whose value must not appear in any repr, record or payload.

    A command with such a field cannot be held for approval.
    """
    return field(repr=False, metadata={"secret": True}, **options)


def generated(default_factory: Callable[[], Any] = uuid7) -> Any:
    """Declare a field that the caller does not supply, such as the id of what is created.

    The fingerprint omits it, so a repeat of a request has the same fingerprint.
    """
    return field(default_factory=default_factory, metadata={"generated": True})


# By stored name and by alias; see audit.messages.catalog.
declared_messages: dict[str, type["Message"]] = {}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A command or an event: plain values under a name that outlives the class.

    ``message_type`` is stored, so it never changes; after a rename the old name goes into
    ``aliases``. ``schema_version`` goes up, and an upcaster is added, when the fields change.
    """

    # A field must not have the name of one of these, or of a method.
    message_type: ClassVar[str] = ""
    schema_version: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ()
    subject: ClassVar[SubjectOf | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not vars(cls).get("message_type"):
            return
        taken = cls.__annotations__.keys() & set(dir(Command))
        if taken:
            message = f"{cls.__qualname__} needs other names for the fields {', '.join(taken)}"
            raise ImproperlyConfigured(message)
        for name in (cls.message_type, *cls.aliases):
            declare(declared_messages, name, cls, what="message type")

    def __post_init__(self) -> None:
        """Normalize every value.

        :raises Invalid: if a value is not of its declared type, or the subject's id is no id.
        """
        for name, value in _converted(type(self), self.plain(), "check").items():
            object.__setattr__(self, name, value)
        if self.subject and not _is_id(getattr(self, self.subject.id_field)):
            message = f"must be one line of 1 to {LONGEST_ID} visible characters"
            raise Invalid(errors=[FieldError(self.subject.id_field, "invalid", message)])

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Self:
        """Build the message from stored data of the current schema version.

        :raises Invalid: if a field is unknown, missing or of the wrong type.
        """
        problems = [
            FieldError(name, "unknown", "is not a field") for name in data.keys() - codecs(cls)
        ]
        problems += [
            FieldError(each.name, "required", "is missing")
            for each in fields(cls)
            if each.name not in data and each.default is each.default_factory is MISSING
        ]
        if problems:
            raise Invalid(errors=problems)
        return cls(**_converted(cls, data, "load"))

    def plain(self) -> dict[str, Any]:
        """Return every field's value, secrets included: for the payload and the constructor."""
        return {name: getattr(self, name) for name in codecs(type(self))}

    def as_json(self) -> dict[str, Any]:
        """Return every field as JSON, secrets redacted: for records."""
        secrets = secret_fields(type(self))
        return {
            name: REDACTED if name in secrets else declared.dump(getattr(self, name))
            for name, declared in codecs(type(self)).items()
        }

    def subject_reference(self) -> Subject | None:
        """Return the subject, or None if the class has no subject."""
        if self.subject is None:
            return None
        return Subject(self.subject.type, str(getattr(self, self.subject.id_field)))


@dataclass(frozen=True, kw_only=True)
class Command(Message):
    """A request to do something. Its first docstring line is what approvers and customers read.

    ``tenant_field`` names the field that holds the tenant while the subject does not exist yet.
    ``sentence`` is the text that an approver reads; {subject} stands for the subject's label, and
    the name of a field in braces for its value, text in quotation marks. ``finishes_approved``
    marks the last step of an approved operation: policies do not hold it again, but may still
    forbid it. ``empowers`` is the user, the group of users, or the policy, after whose change
    people may be able to do more. ``depends_on`` names the values of the subject that matter to a
    decision: once one of them has changed, a held command is stale. None stands for every value,
    which is the safe default.
    """

    required_permission: ClassVar[str | None] = None
    finishes_approved: ClassVar[bool] = False
    tenant_field: ClassVar[str | None] = None
    empowers: ClassVar[SubjectOf | None] = None
    sentence: ClassVar[str] = ""
    depends_on: ClassVar[tuple[str, ...] | None] = None

    def named_tenant(self) -> str | None:
        """Return the value of ``tenant_field``, or None if there is no such field."""
        return str(getattr(self, self.tenant_field)) if self.tenant_field else None

    @classmethod
    def creates_subject(cls) -> bool:
        """Return True if the command creates its subject, whose id it generates."""
        return bool(cls.subject and cls.subject.id_field in generated_fields(cls))

    @classmethod
    def always_withheld(cls) -> frozenset[str]:
        """Return the names of values that every such command has and that may not be stored.

        A policy must not hold such commands.
        """
        return secret_fields(cls)

    def withheld_names(self) -> frozenset[str]:
        """Return the names of the values that may not be stored: with one it cannot be held."""
        return secret_fields(type(self))

    def obstacle(self) -> str:
        """Return why the command could not be executed now, whatever the data; else ""."""
        return ""

    def proposed_values(self) -> dict[str, Any]:
        """Return the new values of the subject's columns, as far as the command has them."""
        secrets = secret_fields(type(self))
        return {name: value for name, value in self.plain().items() if name not in secrets}

    def supplied(self) -> dict[str, Any]:
        """Return the fields that the caller supplied, as JSON, including secrets.

        For the fingerprint only: never store it.
        """
        generated = generated_fields(type(self))
        return {
            name: declared.dump(getattr(self, name))
            for name, declared in codecs(type(self)).items()
            if name not in generated
        }

    def describe(self, subject_label: str) -> str:
        """Return a sentence that describes the command's effect on the subject with that label.

        The label is already in quotation marks, as far as it is text from users.
        """
        template = self.sentence or _default_sentence(type(self))
        plain, as_json = self.plain(), self.as_json()
        values = {name: _worded(value, plain[name]) for name, value in as_json.items()}
        return template.format_map(values | {"subject": subject_label})


@dataclass(frozen=True, kw_only=True)
class Event(Message):
    """A fact. The handler emits it after the change, so its name is always true."""


class _Shape(NamedTuple):
    """The declared fields of a message class."""

    codecs: dict[str, Codec]
    secrets: frozenset[str]
    generated: frozenset[str]


def codecs(message_class: type[Message]) -> dict[str, Codec]:
    """Return the codec of each declared field, in order of declaration.

    :raises NotPlain: if a field has a type that messages do not support.
    """
    return _shape(message_class).codecs


def secret_fields(message_class: type[Message]) -> frozenset[str]:
    """Return the names of the fields declared ``secret()``."""
    return _shape(message_class).secrets


def generated_fields(message_class: type[Message]) -> frozenset[str]:
    """Return the names of the fields declared ``generated()``."""
    return _shape(message_class).generated


# Not a cached function: mypy considers classes of frozen dataclasses unhashable.
_shapes: dict[type[Message], _Shape] = {}


def _shape(message_class: type[Message]) -> _Shape:
    if message_class not in _shapes:
        hints, declared = get_type_hints(message_class), fields(message_class)
        _shapes[message_class] = _Shape(
            codecs={each.name: codec(hints[each.name]) for each in declared},
            secrets=frozenset(each.name for each in declared if each.metadata.get("secret")),
            generated=frozenset(each.name for each in declared if each.metadata.get("generated")),
        )
    return _shapes[message_class]


def _converted(message_class: type[Message], values: dict[str, Any], how: str) -> dict[str, Any]:
    converted, problems = {}, []
    for name, value in values.items():
        try:
            converted[name] = getattr(codecs(message_class)[name], how)(value)
        except ValueError as error:
            problems.append(FieldError(name, "invalid", f"must be {error}"))
    if problems:
        raise Invalid(errors=problems)
    return converted


def _is_id(value: Any) -> bool:
    is_text = isinstance(value, str)
    return not is_text or (value.isprintable() and 0 < len(value) <= LONGEST_ID)


def _worded(value: Any, plain: Any) -> str:
    """Return a value for a sentence: text from users in quotation marks."""
    match value:
        case str():
            return quoted(value) if isinstance(plain, str) else value
        case list():
            return ", ".join(map(_worded, value, plain))
        case dict():
            return quoted(json.dumps(value, ensure_ascii=False))
        case _:
            return str(value)


def _default_sentence(command_class: type[Command]) -> str:
    doc = (command_class.__doc__ or command_class.__name__).strip().splitlines()[0].rstrip(".")
    return f"{doc}: {{subject}}"
