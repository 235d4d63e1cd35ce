"""Plain values: the types that messages may contain, with their checks and JSON forms."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

_MICROSECOND = timedelta(microseconds=1)
# PostgreSQL's numeric, which jsonb uses, ends far above this; JavaScript clients end far below.
_LARGEST_INTEGER = 2**63 - 1
# Far deeper than real data, and far shallower than Python's recursion limit.
_DEEPEST_JSON = 32


class NotPlain(TypeError):
    """A message field is declared with a type that cannot be stored, compared and restored."""


@dataclass(frozen=True, slots=True)
class Codec:
    """The functions for values of one declared type.

    ``check`` returns the normalized value, or raises ValueError with a text that fits after
    "must be"; ``dump`` returns the JSON form; ``load`` accepts the JSON form or the value itself,
    because stored JSON and stored payloads go through the same upcasters.
    """

    check: Callable[[Any], Any]
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


@cache
def codec(annotation: Any) -> Codec:
    """Return the codec of a declared field type.

    :raises NotPlain: if messages do not support the type.
    """
    if annotation is Any:
        return _JSON
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType) and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _optional(codec(inner))
    if origin is Literal:
        return _literal(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return _sequence(codec(arguments[0]))
    if origin is dict and arguments[0] is str:
        return _mapping(codec(arguments[1]))
    names = ", ".join(scalar.__name__ for scalar in _SCALARS)
    message = f"{annotation!r}: use {names}, Literal, X | None, tuple[X, ...], dict[str, X] or Any"
    raise NotPlain(message)


def _unchanged(value: Any) -> Any:
    return value


def _scalar(
    kind: type,
    expected: str,
    *,
    check: Callable[[Any], Any] = _unchanged,
    dump: Callable[[Any], Any] | None = None,
    parse: Callable[[Any], Any] | None = None,
) -> Codec:
    def checked(value: Any) -> Any:
        # An exact match, because bool is a subclass of int, and datetime of date.
        _require(expected, holds=type(value) is kind)
        return check(value)

    def load(value: Any) -> Any:
        if type(value) is kind or parse is None:
            return checked(value)
        try:
            return check(parse(value))
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            raise ValueError(expected) from error

    return Codec(check=checked, dump=dump or kind, load=load)


def _require(expected: str, *, holds: bool) -> None:
    """Check a value; the message class turns ValueError into the error of a field."""
    if not holds:
        raise ValueError(expected)


def _storable_text(value: Any) -> str:
    _require("text", holds=isinstance(value, str))
    # A subclass, such as a member of Django's TextChoices, becomes a plain str.
    text: str = str.__str__(value)
    _require("text without NUL characters", holds="\x00" not in text)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = "text that is valid Unicode"
        raise ValueError(message) from error
    return text


def _bounded(value: int) -> int:
    _require("a whole number of at most 64 bits", holds=abs(value) <= _LARGEST_INTEGER)
    return value


def _finite(value: Any) -> Any:
    _require("a finite number", holds=math.isfinite(value))
    return value


def _utc(value: datetime) -> datetime:
    _require("a date and time with its offset from UTC", holds=value.utcoffset() is not None)
    return value.astimezone(UTC)


def _optional(inner: Codec) -> Codec:
    return Codec(
        check=lambda value: None if value is None else inner.check(value),
        dump=lambda value: None if value is None else inner.dump(value),
        load=lambda value: None if value is None else inner.load(value),
    )


def _literal(choices: tuple[Any, ...]) -> Codec:
    def check(value: Any) -> Any:
        _require("one of " + ", ".join(map(str, choices)), holds=value in choices)
        # The declared choice: the value may be an equal member of an enumeration.
        return choices[choices.index(value)]

    return Codec(check=check, dump=_unchanged, load=check)


def _sequence(inner: Codec) -> Codec:
    def each(function: Callable[[Any], Any], value: Any) -> tuple[Any, ...]:
        _require("a list", holds=isinstance(value, list | tuple))
        return tuple(function(item) for item in value)

    return Codec(
        check=lambda value: each(inner.check, value),
        dump=lambda value: [inner.dump(item) for item in value],
        load=lambda value: each(inner.load, value),
    )


def _mapping(inner: Codec) -> Codec:
    def each(function: Callable[[Any], Any], value: Any) -> dict[str, Any]:
        _require("an object", holds=isinstance(value, dict))
        return {_SCALARS[str].check(key): function(item) for key, item in value.items()}

    return Codec(
        check=lambda value: each(inner.check, value),
        dump=lambda value: {key: inner.dump(item) for key, item in value.items()},
        load=lambda value: each(inner.load, value),
    )


def _json_value(value: Any, *, levels: int = _DEEPEST_JSON) -> Any:
    """Check a value declared as Any: any JSON value; lists become tuples."""
    _require(f"nested at most {_DEEPEST_JSON} levels deep", holds=levels > 0)
    match value:
        case None:
            return None
        case list() | tuple():
            return tuple(_json_value(item, levels=levels - 1) for item in value)
        case dict():
            return {
                _SCALARS[str].check(key): _json_value(item, levels=levels - 1)
                for key, item in value.items()
            }
        case bool() | int() | float() | str():
            return _scalar_of(value).check(value)
        case _:
            message = "a JSON value"
            raise ValueError(message)


def _scalar_of(value: Any) -> Codec:
    # A subclass of str, such as a member of Django's TextChoices, has no codec of its own.
    return _SCALARS[str] if isinstance(value, str) else _SCALARS[type(value)]


def _json_load(value: Any) -> Any:
    return _json_value(stored_numbers(value))


def stored_numbers(value: Any) -> Any:
    """Return JSON with its large numbers as they were before PostgreSQL stored them.

    PostgreSQL writes the float 1e22 as an integer of 23 digits, which Python reads as an integer
    that no message may have. A number that no float can be was not stored by a message: it becomes
    text.
    """
    match value:
        case list() | tuple():
            return [stored_numbers(item) for item in value]
        case dict():
            return {key: stored_numbers(item) for key, item in value.items()}
        case int() if abs(value) > _LARGEST_INTEGER:
            return _as_float(value)
        case _:
            return value


def as_stored(value: Any) -> Any:
    """Return JSON as it is after PostgreSQL has stored it, so that both look the same.

    Keys are in the order of jsonb, and equal numbers are written alike. Large numbers are those
    of `stored_numbers`, so that a client can send back what it has read.
    """
    match value:
        case list() | tuple():
            return [as_stored(item) for item in value]
        case dict():
            ordered = sorted(
                value.items(), key=lambda item: (len(item[0].encode()), item[0].encode())
            )
            return {key: as_stored(item) for key, item in ordered}
        case float() if "e+" in repr(value):
            return stored_numbers(int(Decimal(repr(value))))
        case float():
            # Numbers of PostgreSQL have no negative zero.
            return value + 0.0
        case _:
            return stored_numbers(value)


def _as_float(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return str(value)


def _json_dump(value: Any) -> Any:
    match value:
        case tuple():
            return [_json_dump(item) for item in value]
        case dict():
            return {key: _json_dump(item) for key, item in value.items()}
        case _:
            return value


def _float(value: Any) -> float:
    if type(value) is not int:
        raise TypeError
    return float(value)


_SCALARS: dict[Any, Codec] = {
    bool: _scalar(bool, "true or false"),
    int: _scalar(int, "a whole number", check=_bounded),
    float: _scalar(float, "a number", check=_finite, parse=_float),
    str: Codec(check=_storable_text, dump=str, load=_storable_text),
    UUID: _scalar(UUID, "a UUID", dump=str, parse=UUID),
    Decimal: _scalar(Decimal, "a decimal number", check=_finite, dump=str, parse=Decimal),
    datetime: _scalar(
        datetime,
        "a date and time with its offset from UTC",
        check=_utc,
        dump=datetime.isoformat,
        parse=datetime.fromisoformat,
    ),
    date: _scalar(date, "a date", dump=date.isoformat, parse=date.fromisoformat),
    timedelta: _scalar(
        timedelta,
        "a duration in microseconds",
        dump=lambda value: value // _MICROSECOND,
        parse=lambda value: value * _MICROSECOND,
    ),
}

_JSON = Codec(check=_json_value, dump=_json_dump, load=_json_load)
