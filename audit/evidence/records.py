"""Records as entries need them: every column as text, by place or by position."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from audit.evidence.entries import COLUMNS, Form, Value
from audit.evidence.models import Leaf
from audit.log.feed import Place
from audit.models.records import CommandRecord, EventRecord, Record

#: The kinds of leaves of records, by their names in entries.
KINDS = {"command": Leaf.Kind.COMMAND, "event": Leaf.Kind.EVENT}

_MODELS: dict[str, type[Record]] = {"command": CommandRecord, "event": EventRecord}
_AS_TEXT = {
    Form.TEXT: "{}",
    Form.INTEGER: "{}",
    Form.LARGE_INTEGER: "{}::text",
    Form.ID: "{}::text",
    Form.TIME: """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    Form.BYTES: "encode({}, 'hex')",
    Form.DIGEST: "{}",
    Form.DIGEST_OF_JSON: "{}::text",
    Form.DIGEST_OF_ADDRESS: "abbrev({})",
}
_OF_KIND = """
    (SELECT epoch, xid, position, '{kind}' AS kind FROM {table}
    WHERE (epoch, xid, position) > (%(epoch)s, (%(xid)s::text)::xid8, %(position)s)
        AND (epoch, xid) < (%(end_epoch)s, (%(end_xid)s::text)::xid8)
    ORDER BY epoch, xid, position LIMIT %(limit)s)
"""
_NEXT = " UNION ALL ".join(
    _OF_KIND.format(kind=kind, table=model._meta.db_table) for kind, model in _MODELS.items()
)
_NEXT = (
    f"SELECT kind, position FROM ({_NEXT}) AS found ORDER BY epoch, xid, position LIMIT %(limit)s"  # noqa: S608  # put together from constants
)


class Found(NamedTuple):
    """A record: its kind, its place, and the values of the columns of its entry in their order."""

    kind: str
    place: Place
    values: Sequence[Value]


def following(place: Place, *, before: Place, limit: int) -> list[Found]:
    """Return the next records in feed order, all before the horizon."""
    numbers = {**place._asdict(), "end_epoch": before.epoch, "end_xid": before.xid}
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, {**numbers, "limit": limit})
        wanted: list[tuple[str, int]] = cursor.fetchall()
        found = {
            kind: _by_position(cursor, kind, [number for each, number in wanted if each == kind])
            for kind in _MODELS
        }
    return [found[kind][position] for kind, position in wanted]


def at_positions(kind: str, positions: Iterable[int]) -> dict[int, Found]:
    """Return the records of a kind that are at these positions."""
    with connection.cursor() as cursor:
        return _by_position(cursor, kind, list(positions))


def _by_position(cursor: CursorWrapper, kind: str, positions: list[int]) -> dict[int, Found]:
    if not positions:
        return {}
    cursor.execute(_SELECT[kind], [positions])
    return {found.place.position: found for found in (_found(kind, row) for row in cursor)}


def _found(kind: str, row: Sequence[Any]) -> Found:
    # As in COLUMNS: position, epoch and xid come first.
    return Found(kind, Place(row[1], int(row[2]), int(row[0])), row)


def _select(kind: str) -> str:
    texts = [_AS_TEXT[form].format(f'"{name}"') for name, form in COLUMNS[kind].items()]
    table = _MODELS[kind]._meta.db_table
    return f"SELECT {', '.join(texts)} FROM {table} WHERE position = ANY(%s)"  # noqa: S608  # put together from names of columns


_SELECT = {kind: _select(kind) for kind in _MODELS}
