"""Cursors of lists: the place where a page ended, as opaque text."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

Values: TypeAlias = list[datetime | UUID | int | str | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BIGGEST = 2**63 - 1


def write(values: Sequence[Any], *, order: str) -> str:
    """Return the cursor for a place in an order."""
    content = json.dumps([order, *map(_plain, values)], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read(text: str, *, order: str, kinds: Sequence[type]) -> Values:
    """Return the values of a cursor, each of its kind and valid in the database.

    :raises ValueError: if it is not a cursor of this order.
    """
    name, *values = _parse(text)
    if name != order:
        raise ValueError(text)
    return [
        None if value is None else _READERS[kind](value)
        for kind, value in zip(kinds, values, strict=True)
    ]


def _parse(text: str) -> list[Any]:
    padded = text + "=" * (-len(text) % 4)
    content = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    try:
        found = json.loads(content.decode())
    except RecursionError as error:
        raise ValueError(text) from error
    if isinstance(found, list) and found:
        return found
    raise ValueError(text)


def _plain(value: Any) -> int | str | None:
    match value:
        case datetime():
            return (value - _EPOCH) // timedelta(microseconds=1)
        case UUID():
            return value.hex
        case int() | str() | None:
            return value
        case _:
            message = f"{type(value)} cannot be sorted by"
            raise TypeError(message)


def _read_time(value: Any) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=_read_number(value))
    except OverflowError as error:
        raise ValueError(value) from error


def _read_number(value: Any) -> int:
    # A bool is an int in Python, but not in PostgreSQL.
    if type(value) is not int or not -_BIGGEST <= value <= _BIGGEST:
        raise ValueError(value)
    return value


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError(value)
    # Raises for a lone surrogate, which PostgreSQL does not accept.
    value.encode()
    return value


def _read_uuid(value: Any) -> UUID:
    return UUID(_read_text(value))


_READERS: dict[type, Callable[[Any], datetime | UUID | int | str]] = {
    datetime: _read_time,
    UUID: _read_uuid,
    int: _read_number,
    str: _read_text,
}
