"""Malformed rows, generated from the catalog: the extremes of each column's type."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import Error, connection, transaction

_TIMES = (
    *("infinity", "-infinity", "20000-01-01+00", "0044-03-15 00:00+00 BC", "0001-01-01+00"),
    *("9999-12-31 23:59:59.999999+00", "1970-01-01+00"),
)
_DEEP = "[" * 3_000 + "]" * 3_000
_ARRAYS = ("{}", "{NULL}", '{""}', "{{a,b},{c,d}}", "[5:6]={read,write}", "{::/0,x}")
_TEXTS = ("", "a\nb", "a/../%2F?#", "\x01\u202e{subject}", "x" * 3_000)
_OBJECTS = (
    *("null", "[]", "0", '"text"', "true", "{}", "[[]]", "[null]", _DEEP, f'{{"a": {_DEEP}}}'),
    *('{"a": 1' + "0" * 5_000 + "}", '{"rules": null}', '{"rules": [{}], "options": []}'),
    *('{"rules": [{"id": 1, "group_id": "x", "group": [], "quorum": "many"}], "options": {}}',),
    *('{"rules": {}, "options": null, "policies": 3}', '{"rules": [], "options": {}}'),
    (
        '{"rules": [{"id": "a", "group_id": 9e99, "group": "g", "quorum": 9999999999999}],'
        ' "options": {"minimum_membership_s": "x"}, "policies": []}'
    ),
    (
        '{"rules": [{"id": "a", "group_id": 1, "group": "g", "quorum": 9999999999999}],'
        ' "options": {"minimum_membership_s": 1e30, "approve_within_s": -1}, "policies": [{}]}'
    ),
    (
        '{"rules": [{"id": "a", "group_id": 1, "group": "g", "quorum": -5}],'
        ' "options": {"minimum_membership_s": -1e30}, "policies": "all"}'
    ),
    '{"effect": 7, "policies": [1], "same_as": "nothing"}',
)
#: Extremes by type, as PostgreSQL reads them.
EXTREMES = {
    "timestamp with time zone": _TIMES,
    "interval": ("178000000 years", "-178000000 years", "7 mons -400 days", "-00:00:01", "0"),
    "smallint": ("32767", "-32768", "0", "-1"),
    "integer": ("2147483647", "-2147483648", "0", "-1"),
    "bigint": ("9223372036854775807", "-9223372036854775808", "0", "-1"),
    "xid8": ("18446744073709551615", "9223372036854775808", "0"),
    "double precision": ("NaN", "Infinity", "-Infinity", "1e308"),
    "text": _TEXTS,
    "character varying": _TEXTS,
    "text[]": _ARRAYS,
    "integer[]": ("{}", "{NULL}", "{2147483647,-2147483648}", "{{1,2},{3,4}}", "[5:6]={1,2}"),
    "jsonb": _OBJECTS,
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "inet": ("::", "0.0.0.0/0", "10.0.0.0/8", "ffff::/16"),
    "bytea": ("", "\\xff00"),
    "boolean": ("true", "false"),
}
_COLUMNS = """
    SELECT attname, format_type(atttypid, NULL),
        EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique
            AND attnum = ANY(indkey)) AND NOT EXISTS (SELECT FROM pg_constraint
            WHERE conrelid = attrelid AND contype = 'f' AND attnum = ANY(conkey)),
        attidentity <> '',
        (SELECT confrelid::regclass::text FROM pg_constraint
            WHERE conrelid = attrelid AND contype = 'f' AND conkey = ARRAY[attnum]
            AND EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique
                AND indpred IS NULL AND attnum = ANY(indkey)
                AND NOT EXISTS (SELECT FROM unnest(indkey) AS part WHERE NOT EXISTS (
                    SELECT FROM pg_constraint AS other WHERE other.conrelid = indrelid
                    AND other.contype = 'f' AND part = ANY(other.conkey)))))
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
        AND has_column_privilege(attrelid, attnum, 'INSERT')
    ORDER BY attnum
"""
_INSERTABLE = """
    SELECT relname FROM pg_class
    -- No page shows boards.
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '^boards_'
        AND has_any_column_privilege(oid, 'INSERT') ORDER BY 1
"""
# A value of a unique column that no other row has.
_FRESH = {
    "uuid": "gen_random_uuid()",
    "bigint": "(random() * 1e15)::bigint",
    "integer": "(random() * 1e9)::integer",
    "smallint": "(random() * 3e4)::smallint",
    "text": "md5(random()::text)",
    "character varying": "left(md5(random()::text), 12)",
    "bytea": "sha256(random()::text::bytea)",
}
_UNREFERENCED = """
    (SELECT id FROM "{0}" AS spare
    WHERE NOT EXISTS (SELECT FROM "{1}" AS taken WHERE taken."{2}" = spare.id)
    ORDER BY id DESC LIMIT 1)
"""
# Of another key than the copied row, and of each key once: a trigger replaces the row of a key.
_ANOTHER_KEY = """
    (SELECT other.api_key_id FROM apikeys_keyname AS other
    WHERE other.api_key_id <> copied.api_key_id ORDER BY other.xmin::text::bigint LIMIT 1)
"""
# A trigger refuses any other number of an epoch, and constraints any other decision, partition or
# level.
_OWN = {
    ("audit_checkpoint", "partition"): "partition",
    ("audit_treenode", "level"): "level",
    ("apikeys_keyname", "api_key_id"): _ANOTHER_KEY,
    ("audit_epoch", "number"): "(SELECT max(number) + 1 FROM audit_epoch)",
    ("approvals_vote", "decision"): "decision",
    ("approvals_vote", "voter_id"): _UNREFERENCED.format("auth_user", "approvals_vote", "voter_id"),
}


class Column(NamedTuple):
    """A column that the application's role may insert."""

    name: str
    type: str
    is_unique: bool
    is_identity: bool
    #: The table in which each row of this one needs another row.
    refers_to: str | None


class Malformed(NamedTuple):
    """A row that was inserted, and the value that makes it malformed."""

    column: str
    value: str
    row: dict[str, Any]


def insertable_tables() -> list[str]:
    """Return the tables into which the application's role may insert."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERTABLE)
        return [name for (name,) in cursor.fetchall()]


def insert_extremes(table: str) -> Iterator[Malformed]:
    """Copy a row of the table once for each extreme of each column, where the database allows.

    :raises KeyError: if there are no extremes for the type of a column.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [table])
        columns = [Column(*each) for each in cursor.fetchall()]
        cursor.execute(f'SELECT ctid::text FROM "{table}" ORDER BY ctid LIMIT 1')
        (copied,) = cursor.fetchone() or (None,)
    for column in columns:
        for value in EXTREMES[column.type]:
            row = _insert(table, copied, columns, column, value)
            if row is not None:
                yield Malformed(column.name, value, row)


def _insert(
    table: str, copied: str, columns: list[Column], extreme: Column, value: str
) -> dict | None:
    """Return the ids of the inserted row; None if the database refuses it."""
    given = [each for each in columns if each is extreme or not each.is_identity]
    names = ", ".join(f'"{each.name}"' for each in given)
    values = ", ".join(
        f"%s::{each.type}" if each is extreme else _copied(table, each) for each in given
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
            cursor.execute(
                f'INSERT INTO "{table}" ({names})'
                f' SELECT {values} FROM (SELECT * FROM "{table}" WHERE ctid = %s::tid) AS copied'
                f' RETURNING (to_jsonb("{table}") - %s::text[])::text',
                [value, copied, [each.name for each in columns if each.type == "jsonb"]],
            )
            found = cursor.fetchone()
    except Error:
        return None
    return json.loads(found[0]) if found else None


def _copied(table: str, column: Column) -> str:
    if (table, column.name) in _OWN:
        return _OWN[table, column.name]
    if column.refers_to:
        return _UNREFERENCED.format(column.refers_to, table, column.name)
    return _FRESH[column.type] if column.is_unique and column.type in _FRESH else f'"{column.name}"'
