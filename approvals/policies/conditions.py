"""Conditions of policies: CEL over the data of a command, checked before they are stored.

Every member that a condition may name is declared as a separate variable, ``subject.name``, with
its type. So the compiler itself reports a mistyped member, which would otherwise always be false,
and its position. If a value may be missing, the type is nullable.

They run inside transactions, so they are bounded (`language.expressions`), stored ones, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from cel_expr_python import cel

from approvals.policies.language import expressions
from audit.bus.context import Context
from audit.messages.classes import Command, secret_fields
from audit.messages.exceptions import FieldError, Forbidden, Invalid
from audit.models.records import CommandRecord
from audit.subjects import types

EXAMPLE = 'actor.kind == "api_key"'
LONGEST = 5_000
# The most characters of the values that a condition names.
LARGEST_VALUES = 100_000
_LANGUAGE = cel.NewEnvConfigFromYaml("""
stdlib:
  exclude_macros: [map, filter]
  exclude_functions:
  - name: _+_
    overloads: [{id: add_string}, {id: add_list}, {id: add_bytes}]
""")
# What the library raises: its own errors, and those of converting values or running out of memory.
_FAULTS = (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError)
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
# The names that a condition may use in addition to the fields of a command and its subject: where
# the value is in a context, and in the record of a command. All are strings.
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


class _Examined(NamedTuple):
    """The names that a condition uses, the type of its result, and why it is refused, if it is."""

    names: frozenset[str]
    returns: str
    problem: str


def check(condition: str, command_classes: Iterable[type[Command]]) -> None:
    """Check that a condition compiles for every command type that it is to govern.

    :raises Invalid: with the position in the text, for an unknown member, a wrong type, a
        syntax error, an unbounded operation, or a result that is not a boolean.
    """
    for command_class in command_classes:
        _, returns, problem = _examined(condition, command_class)
        if not problem and returns != cel.Type.BOOL.name():
            result = expressions.types_in_words(returns)
            problem = f"at 1:1: it returns {result}, not true or false"
        if problem:
            message = f"must be valid for {command_class.message_type}: {problem}"
            raise Invalid(errors=[FieldError("condition", "condition", message)])


def names(command_classes: Iterable[type[Command]]) -> list[str]:
    """Return the names that a condition for all of these types may use."""
    declared = [set(_declared(each)) for each in command_classes]
    return sorted(set.intersection(*declared)) if declared else []


def is_met(condition: str, command: Command, context: Context) -> bool:
    """Return True if the condition holds for a command that is being dispatched.

    :raises ConditionFailed: if it exceeds a limit, or the result is not a boolean.
    """
    if not condition:
        return True
    names = _examined(condition, type(command)).names
    asked_for = context.subject if any(name.startswith("subject.") for name in names) else None
    subject = types.subject_values(asked_for) if asked_for else {}
    return evaluate(condition, values_of(command, context, subject), type(command))


def evaluate(condition: str, values: Mapping[str, Any], command_class: type[Command]) -> bool:
    """Return True if the condition holds for these values, each by its full name.

    :raises ConditionFailed: if it exceeds a limit, or the result is not a boolean.
    """
    names, _, problem = _examined(condition, command_class)
    if problem:
        raise _failed(condition, problem)
    named = {name: values.get(name) for name in sorted(names)}
    if len(str(named)) > LARGEST_VALUES:
        raise _failed(condition, f"its values have more than {LARGEST_VALUES} characters")
    result = _result(condition, named)
    if not isinstance(result, bool):
        failing = (each for each in criteria(condition) if _result(each, named) == result)
        place = expressions.place(condition, condition.index(next(failing, condition)))
        raise _failed(condition, f"{place}: {result}")
    return result


def first_unmet(condition: str, values: Mapping[str, Any], command_class: type[Command]) -> str:
    """Return the first criterion of a condition that does not hold; empty if all do.

    :raises ConditionFailed: if it exceeds a limit, or gives anything but true or false.
    """
    if evaluate(condition, values, command_class):
        return ""
    for criterion in criteria(condition):
        # One that fails decides nothing if another one is false.
        with suppress(ConditionFailed):
            if not evaluate(criterion, values, command_class):
                return criterion
    return condition


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


def _examined(condition: str, command_class: type[Command]) -> _Examined:
    # To mypy, classes of classes with fields are not hashable.
    hashable: Any = command_class
    return _examined_once(condition, hashable)


@lru_cache(maxsize=1000)
def _examined_once(condition: str, command_class: type[Command]) -> _Examined:
    declared, problem = _declared(command_class), ""
    if len(condition) > LONGEST:
        place = expressions.place(condition, LONGEST)
        problem = f"{place}: it is longer than {LONGEST} characters"
        return _Examined(frozenset(), "", problem)
    try:
        compiled = cel.NewEnv(config=_LANGUAGE, variables=declared).compile(condition)
    except _FAULTS as error:
        return _Examined(frozenset(), "", expressions.compiler_error(str(error)))
    names, excesses = expressions.read(compiled.serialize())
    if excesses:
        problem = f"{expressions.place(condition, excesses[0].offset)}: {excesses[0].words}"
    return _Examined(names & declared.keys(), compiled.return_type().name(), problem)


def _result(condition: str, values: Mapping[str, Any]) -> bool | str:
    """Return the result of a condition, or why there is none."""
    kinds = tuple((name, _type_at_run_time(value)) for name, value in values.items())
    try:
        result = _compiled(condition, kinds).eval(data=dict(values))
    except _FAULTS as error:
        return expressions.evaluation_error(str(error))
    if result.type() != cel.Type.BOOL:
        return expressions.evaluation_error(str(result.value()))
    return bool(result.value())


def _failed(condition: str, words: str) -> ConditionFailed:
    return ConditionFailed(f"A policy's condition, {condition}, could not be evaluated: {words}.")


@lru_cache(maxsize=1000)
def _compiled(condition: str, types: tuple[tuple[str, str], ...]) -> cel.Expression:
    # Types were checked when the condition was stored. Here a member may be null.
    variables = {name: getattr(cel.Type, kind) for name, kind in types}
    return cel.NewEnv(config=_LANGUAGE, variables=variables).compile(condition)


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
        f"command.{field.name}": _type(hints[field.name])
        for field in fields(command_class)
        if field.name not in secret_fields(command_class)
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
    return types.field_types(found) if found else {}


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
