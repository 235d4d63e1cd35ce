"""Conditions of policies: CEL over the data of a command, checked before they are stored.

Every member that a condition may name is declared as a separate variable, ``subject.name``, with
its type. So the compiler itself reports a mistyped member, which would otherwise always be false,
and its position. If a value may be missing, the type is nullable.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from cel_expr_python import cel
from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.bus.context import Context
from audit.messages.classes import Command, secret_fields
from audit.messages.exceptions import FieldError, Forbidden, Invalid
from audit.models.records import CommandRecord
from audit.subjects import types

EXAMPLE = 'actor.kind == "api_key"'
_SCALARS: dict[Any, cel.Type] = {
    bool: cel.Type.BOOL,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    Decimal: cel.Type.DOUBLE,
    str: cel.Type.STRING,
    UUID: cel.Type.STRING,
    datetime: cel.Type.TIMESTAMP,
    date: cel.Type.TIMESTAMP,
    timedelta: cel.Type.DURATION,
}
_NULLABLE: dict[Any, cel.Type] = {
    bool: cel.Type("google.protobuf.BoolValue"),
    int: cel.Type("google.protobuf.Int64Value"),
    float: cel.Type("google.protobuf.DoubleValue"),
    Decimal: cel.Type("google.protobuf.DoubleValue"),
    str: cel.Type("google.protobuf.StringValue"),
    UUID: cel.Type("google.protobuf.StringValue"),
}
# Python types of columns. Lists and objects have no type that CEL could know at compile time.
_KINDS: tuple[tuple[type | tuple[type, ...], type], ...] = (
    (models.BooleanField, bool),
    ((models.IntegerField, models.AutoField), int),
    ((models.FloatField, models.DecimalField), float),
    (models.DateTimeField, datetime),
    (ArrayField, list),
    (models.JSONField, dict),
)
# Each name that a condition may use beside the fields of a command and its subject: where its value
# is in a context, and in the record of a command. All are strings.
_FACTS = {
    "actor.kind": ("actor.kind", "actor_kind"),
    "actor.id": ("actor.id", "actor_id"),
    "actor.label": ("actor.label", "actor_label"),
    "actor.person_id": ("actor.person_id", "actor_person"),
    "context.channel": ("channel", "channel"),
    "context.reason": ("reason", "reason"),
    "context.tenant": ("tenant", "tenant"),
    "context.client_address": ("request.client_address", "client_address"),
    "context.user_agent": ("request.user_agent", "user_agent"),
}
_MEMBER = re.compile(r"\b(?:command|actor|context|subject)\.\w+")
_SUBJECT = re.compile(r"\bsubject\s*\.")


class ConditionFailed(Forbidden):
    """The command is refused because the condition of a policy could not be evaluated."""

    remedy = "Ask the policy owners to fix the condition of the policy."


def check(condition: str, command_classes: Iterable[type[Command]]) -> None:
    """Check that a condition compiles for every command type that it is to govern.

    :raises Invalid: with the position in the text, for an unknown member, a wrong type, a
        syntax error, or a result that is not a boolean.
    """
    for command_class in command_classes:
        try:
            result = cel.NewEnv(variables=_declared(command_class)).compile(condition)
        except RuntimeError as error:
            raise _bad(str(error), command_class) from error
        if result.return_type() != cel.Type.BOOL:
            raise _bad(f"returns {result.return_type().name()}, not true or false", command_class)


def names(command_classes: Iterable[type[Command]]) -> list[str]:
    """Return the names that a condition for all of these types may use."""
    declared = [set(_declared(each)) for each in command_classes]
    return sorted(set.intersection(*declared)) if declared else []


def is_met(condition: str, command: Command, context: Context) -> bool:
    """Return True if the condition holds for a command that is being dispatched.

    :raises ConditionFailed: if the result is not a boolean.
    """
    if not condition:
        return True
    asked_for = context.subject if needs_subject(condition) else None
    subject = types.subject_values(asked_for) if asked_for else {}
    return evaluate(condition, values_of(command, context, subject))


def evaluate(condition: str, values: Mapping[str, Any]) -> bool:
    """Return True if the condition holds for these values, each by its full name.

    :raises ConditionFailed: if the result is not a boolean.
    """
    types = tuple((name, _type_at_run_time(value)) for name, value in values.items())
    result = _compiled(condition, types).eval(data=dict(values))
    if result.type() != cel.Type.BOOL:
        message = f"A policy's condition, {condition}, could not be evaluated: {result.value()}"
        raise ConditionFailed(message)
    return bool(result.value())


def first_unmet(condition: str, values: Mapping[str, Any]) -> str:
    """Return the first criterion of a condition that does not hold; empty if all do.

    :raises ConditionFailed: if it gives anything but true or false.
    """
    unmet = (each for each in criteria(condition) if each and not evaluate(each, values))
    return next(unmet, "")


def facts_of(source: Context | CommandRecord) -> dict[str, str]:
    """Return what is known of who sends a command, by which channel and why, by name."""
    place = int(isinstance(source, CommandRecord))
    return {name: attrgetter(places[place])(source) or "" for name, places in _FACTS.items()}


def values_of(
    command: Command, source: Context | CommandRecord, subject: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all values that a condition on this command may use; missing members are null."""
    values: dict[str, Any] = {f"command.{name}": value for name, value in command.plain().items()}
    values |= facts_of(source)
    names = _subject_types(type(command))
    values |= {f"subject.{name}": subject.get(name) for name in names}
    return {name: _native(value) for name, value in values.items()}


def needs_subject(condition: str) -> bool:
    """Return True if a condition names values of the subject."""
    return bool(_SUBJECT.search(condition))


def members(condition: str) -> list[str]:
    """Return the names that a condition uses, each once, in its order."""
    return list(dict.fromkeys(_MEMBER.findall(condition)))


def criteria(condition: str) -> list[str]:
    """Return the parts of a condition between its top-level ``&&``, outside brackets and strings.

    A top-level ``||`` binds less than any ``&&``: then the whole condition is one criterion.
    """
    places = list(_top_level_operators(condition))
    if any(operator == "||" for _, operator in places):
        return [condition]
    starts = [0, *(place + 2 for place, _ in places)]
    ends = [*(place for place, _ in places), len(condition)]
    return [condition[start:end].strip() for start, end in zip(starts, ends, strict=True)]


@lru_cache(maxsize=1000)
def _compiled(condition: str, types: tuple[tuple[str, str], ...]) -> cel.Expression:
    # Types were checked when the condition was stored. Here a member may be null.
    variables = {name: getattr(cel.Type, kind) for name, kind in types}
    return cel.NewEnv(variables=variables).compile(condition)


def _top_level_operators(condition: str) -> Iterator[tuple[int, str]]:
    depth, quote = 0, ""
    for place, character in enumerate(condition):
        if quote:
            is_end = character == quote and condition[place - 1] != "\\"
            quote = "" if is_end else quote
        elif character in "\"'":
            quote = character
        elif character in "()[]{}":
            depth += 1 if character in "([{" else -1
        elif not depth and condition[place : place + 2] in ("&&", "||"):
            yield place, condition[place : place + 2]


def _type_at_run_time(value: Any) -> str:
    # CEL accepts times and durations only where they are declared as such.
    kinds = {datetime: "TIMESTAMP", timedelta: "DURATION"}
    return kinds.get(type(value), "DYN")


def _declared(command_class: type[Command]) -> dict[str, cel.Type]:
    hints = get_type_hints(command_class)
    declared = {
        f"command.{name}": _type(hints[name])
        for name in command_class.__dataclass_fields__
        if name not in secret_fields(command_class)
    }
    declared |= dict.fromkeys(_FACTS, cel.Type.STRING)
    return declared | {
        f"subject.{name}": _NULLABLE.get(kind, cel.Type.DYN)
        for name, kind in _subject_types(command_class).items()
    }


def _type(annotation: Any) -> cel.Type:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return cel.Type.STRING
    if origin in (Union, UnionType) and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _NULLABLE.get(inner, cel.Type.DYN)
    if origin is tuple:
        return cel.Type.List(_type(arguments[0]))
    if origin is dict:
        return cel.Type.Map(cel.Type.STRING, _type(arguments[1]))
    return cel.Type.DYN


def _subject_types(command_class: type[Command]) -> Mapping[str, type]:
    found = command_class.subject and types.subject_type(command_class.subject.type)
    if not found:
        return {}
    return {name: _python_type(field) for name, field in types.subject_fields(found).items()}


def _python_type(field: Any) -> type:
    target = field.target_field if field.is_relation else field
    return next((kind for columns, kind in _KINDS if isinstance(target, columns)), str)


def _native(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case Decimal():
            return float(value)
        case date() if not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        case tuple() | list():
            return [_native(item) for item in value]
        case dict():
            return {key: _native(item) for key, item in value.items()}
        case _:
            return value


def _bad(words: str, command_class: type[Command]) -> Invalid:
    place = words.replace("INVALID_ARGUMENT: ERROR: <input>:", "at ").replace(
        "[INVALID_ARGUMENT]", ""
    )
    message = f"must be valid for {command_class.message_type}: {place.strip()}"
    return Invalid(errors=[FieldError("condition", "condition", message)])
