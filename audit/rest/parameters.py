"""Query parameters that several lists share."""

import re
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import UUIDField
from rest_framework import serializers

from audit.messages import catalog
from audit.messages.classes import Command, Event, Message, Subject
from audit.subjects import types

_UUID = "-".join(f"[0-9a-f]{{{length}}}" for length in (8, 4, 4, 4, 12))
_TEXT = re.compile(r"[!-~]{1,200}")
_ACTOR = re.compile(r"[a-z_]{1,50}:[!-9;-~]{1,200}")


class IdField(serializers.UUIDField):
    """A UUID with its hyphens, in digits of either case, as in a URL."""

    def to_internal_value(self, data: Any) -> UUID:
        """Return the id.

        :raises ValidationError: if the text is in another format.
        """
        if not re.fullmatch(_UUID, str(data), re.IGNORECASE | re.ASCII):
            self.fail("invalid")
        return UUID(str(data))


class SubjectField(serializers.Field):
    """A subject, by type and id: ``api-key:018f…``."""

    @property
    def json_schema(self) -> dict[str, Any]:
        """The schema for the OpenAPI document."""
        declared = map(_pattern, types.subject_types())
        others = (f"{name}:{_TEXT.pattern}" for name in sorted(_types_without_rows()))
        return {"type": "string", "pattern": f"^({'|'.join([*declared, *others])})$"}

    def to_internal_value(self, data: Any) -> Subject:
        """Return the subject.

        :raises ValidationError: if the type or the id is invalid.
        """
        name, _, identifier = str(data).partition(":")
        subject_type = types.subject_type(name)
        if subject_type is None:
            return _without_row(name, identifier)
        if not re.fullmatch(_id_pattern(subject_type), identifier, re.IGNORECASE | re.ASCII):
            raise serializers.ValidationError(f"must have a valid {name} id")
        return Subject(name, str(subject_type.model._meta.pk.to_python(identifier)))

    def to_representation(self, value: Subject) -> str:
        return str(value)


class ActorField(serializers.Field):
    """An actor, by kind and id: ``user:7``."""

    json_schema: ClassVar = {"type": "string", "pattern": f"^{_ACTOR.pattern}$"}

    def to_internal_value(self, data: Any) -> tuple[str, str]:
        """Return kind and id.

        :raises ValidationError: if the text is not an actor.
        """
        if not _ACTOR.fullmatch(str(data)):
            raise serializers.ValidationError("must be a kind, a colon and an id, such as user:7")
        kind, _, identifier = str(data).partition(":")
        return kind, identifier

    def to_representation(self, value: tuple[str, str]) -> str:
        return ":".join(value)


class MessageTypeField(serializers.Field):
    """A type of command, by its current name or an alias."""

    kind: type[Message] = Command
    message = "must be a known command type"

    @property
    def json_schema(self) -> dict[str, Any]:
        """The schema for the OpenAPI document: the current names."""
        known = [each for each in catalog.message_classes() if issubclass(each, self.kind)]
        return {"type": "string", "enum": [each.message_type for each in known]}

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the current name of the type and its aliases.

        :raises ValidationError: if there is no such type of this kind of message.
        """
        try:
            found = catalog.message_class(str(data))
        except catalog.UnknownMessageType:
            raise serializers.ValidationError(self.message) from None
        if not issubclass(found, self.kind):
            raise serializers.ValidationError(self.message)
        return [found.message_type, *found.aliases]

    def to_representation(self, value: list[str]) -> str:
        return value[0]


class EventTypeField(MessageTypeField):
    """A type of event, by its current name or an alias."""

    kind = Event
    message = "must be a known event type"


def _types_without_rows() -> set[str]:
    """Return the types of subjects that only the log has, such as exports."""
    named = {each.subject.type for each in catalog.message_classes() if each.subject}
    return named - {each.name for each in types.subject_types()}


def _without_row(name: str, identifier: str) -> Subject:
    if name not in _types_without_rows():
        raise serializers.ValidationError("must be a known type, a colon and an id")
    if not _TEXT.fullmatch(identifier):
        raise serializers.ValidationError(f"must have a valid {name} id")
    return Subject(name, identifier)


def _pattern(subject_type: types.SubjectType) -> str:
    return f"{subject_type.name}:{_id_pattern(subject_type)}"


def _id_pattern(subject_type: types.SubjectType) -> str:
    has_uuid = isinstance(subject_type.model._meta.pk, UUIDField)
    return _UUID if has_uuid else "[0-9]{1,9}"
