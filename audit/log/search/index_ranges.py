"""Index ranges: the existing values of the leading columns of an index.

Within a range an index is in order of time. So the newest rows of several ranges are among the
first rows of each, and nothing else is read, sorted or counted. The ranges themselves are read by a
loose index scan, which jumps from one to the next.
"""

from collections.abc import Collection, Sequence

from django.db import connection

from audit.log.search.fragments import ANY, Fragment
from audit.wire.arrays import array

IndexRange = tuple[str, ...]

# With more ranges, a scan of the whole log in order of time is as good.
MOST_RANGES = 1000
MOST_ACTORS = 50
_MOST_TENANTS = 50
_KIND = ("message_type", "status", "channel")


def ranges_below(
    columns: tuple[str, ...],
    starts: Sequence[IndexRange],
    further: tuple[str, ...],
    *,
    having: Fragment = ANY,
) -> list[IndexRange] | None:
    """Return the index ranges that begin with ``starts``, extended by the ``further`` columns.

    Only rows that meet the condition ``having`` are read: it names the index's first column. None
    if the ranges are more than `MOST_RANGES`.
    """
    if columns and not starts:
        return []
    starting = map(array, zip(*starts, strict=True))
    params = (*starting, *having.params, *having.params, MOST_RANGES + 1)
    found = Fragment(_jumps(columns, further, having.sql), params).fetch()
    return found if len(found) <= MOST_RANGES else None


def actors_named(beginning: str) -> list[IndexRange] | None:
    """Return kind and id of actors who ever had a name that begins so; None if too many."""
    pattern = connection.ops.prep_for_like_query(beginning) + "%"
    named = Fragment(_NAMES, (pattern, pattern, MOST_ACTORS + 1)).fetch()
    return list(dict.fromkeys(named)) if len(named) <= MOST_ACTORS else None


def is_name(beginning: str) -> bool:
    """Return True if an actor ever had a name that begins so."""
    pattern = connection.ops.prep_for_like_query(beginning) + "%"
    ((is_there,),) = Fragment(f"SELECT EXISTS ({_FIRST_NAME})", (pattern,)).fetch()
    return bool(is_there)


def kinds_of(tenants: Collection[str] | None) -> dict[str, set[str]] | None:
    """Return the types, statuses and channels of the commands of tenants, or of all, by column.

    None if the tenants are too many: to read the kinds of each would take longer than a search.
    """
    if tenants is not None and len(tenants) > _MOST_TENANTS:
        return None
    columns = () if tenants is None else ("tenant",)
    starts: list[IndexRange] = [()] if tenants is None else [(each,) for each in tenants]
    found = ranges_below(columns, starts, _KIND)
    if found is None:
        return None
    return {
        name: {each[place] for each in found}
        for place, name in enumerate(_KIND, start=len(columns))
    }


def present(tenants: Collection[str]) -> set[str]:
    """Return those of the tenants that have commands."""
    first = "SELECT FROM audit_commandrecord AS each WHERE each.tenant = prefix.tenant"
    sql = f"SELECT tenant FROM unnest(%s::text[]) AS prefix (tenant) WHERE EXISTS ({first})"
    return {tenant for (tenant,) in Fragment(sql, (array(tenants),)).fetch()}


def _jumps(columns: tuple[str, ...], further: tuple[str, ...], having: str) -> str:
    known, names = ", ".join(columns), ", ".join(further)
    given = f"unnest({', '.join(['%s::text[]'] * len(columns))})" if columns else "(SELECT)"
    same = " AND ".join([*(f"each.{name} = prefix.{name}" for name in columns), having])
    kept = "".join(f"prefix.{name}, " for name in columns)
    nearest = f"SELECT {names} FROM audit_commandrecord AS each WHERE {same}"
    present = ", ".join(f"prefix.{name}" for name in further)
    return f"""
        WITH RECURSIVE prefix AS (
            SELECT {kept}{", ".join(f"first.{name}" for name in further)}
            FROM {given} AS prefix{f" ({known})" if columns else ""} CROSS JOIN LATERAL (
                {nearest} ORDER BY {names} LIMIT 1
            ) AS first
            UNION ALL
            SELECT {kept}{", ".join(f"next.{name}" for name in further)}
            FROM prefix CROSS JOIN LATERAL (
                {nearest} AND ({names}) > ({present}) ORDER BY {names} LIMIT 1
            ) AS next
        )
        SELECT * FROM prefix LIMIT %s
    """


_NAME = 'lower(actor_label) COLLATE "C"'
_FIRST_NAME = f"""SELECT {_NAME} AS label, actor_kind, actor_id FROM audit_commandrecord
        WHERE {_NAME} LIKE lower(%s) ORDER BY 1, 2, 3 LIMIT 1"""
_NAMES = f"""
    WITH RECURSIVE name AS (
        ({_FIRST_NAME})
        UNION ALL
        SELECT next.* FROM name CROSS JOIN LATERAL (
            SELECT {_NAME} AS label, actor_kind, actor_id FROM audit_commandrecord
            WHERE {_NAME} LIKE lower(%s)
                AND ({_NAME}, actor_kind, actor_id) > (name.label, name.actor_kind, name.actor_id)
            ORDER BY 1, 2, 3 LIMIT 1
        ) AS next
    )
    SELECT actor_kind, actor_id FROM name LIMIT %s
"""
