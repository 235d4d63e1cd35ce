"""Index scans: the choice of the index for the criteria of a search."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from django.db import connection

from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment, every, one_of
from audit.log.search.index_ranges import (
    MOST_RANGES,
    IndexRange,
    actors_named,
    kinds_of,
    ranges_below,
)
from audit.models.records import Status
from audit.wire.arrays import array

_KIND = ("message_type", "status", "channel")
_KIND_AND_ID = re.compile(r"(?P<kind>[a-z_]+):(?P<id>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Index ranges to scan side by side, and the conditions that they leave to check.

    ``inside`` applies while scanning: rows that do not meet it do not count as scanned, so that
    nothing follows from other tenants' rows. ``rest`` is checked on the scanned rows.
    """

    columns: tuple[str, ...] = ()
    ranges: Sequence[IndexRange] = ((),)
    inside: tuple[Fragment, ...] = ()
    rest: tuple[Fragment, ...] = ()

    def source(self) -> Fragment:
        """Return the FROM item that yields the ranges."""
        if not self.columns:
            return Fragment("(SELECT) AS prefix")
        arrays = ", ".join(["%s::text[]"] * len(self.columns))
        names = ", ".join(self.columns)
        values = tuple(map(array, zip(*self.ranges, strict=True))) or ("{}",) * len(self.columns)
        return Fragment(f"unnest({arrays}) AS prefix ({names})", values)

    def in_range(self) -> Fragment:
        """Return the condition for the rows of a range."""
        same = [Fragment(f"each.{name} = prefix.{name}") for name in self.columns]
        return every(*same, *self.inside)

    def rows(self, columns: str, condition: Fragment, *, order: str, most: int) -> Fragment:
        """Return the FROM item ``found``: the first rows of each range, in an order."""
        source, row = self.source(), every(self.in_range(), condition)
        sql = f"""{source.sql} CROSS JOIN LATERAL (
            SELECT {columns} FROM audit_commandrecord AS each
            WHERE {row.sql} ORDER BY {order} LIMIT %s
        ) AS found"""
        return Fragment(sql, (*source.params, *row.params, most))


def scan_for(criteria: Criteria) -> Scan:
    """Return the scan by the most selective criterion except words."""
    if criteria.tenants == frozenset():
        return Scan(columns=("tenant",), ranges=())
    for name, scan in _BY_CRITERION.items():
        if getattr(criteria, name):
            return scan(criteria)
    return _by_kind(criteria)


def through_time(criteria: Criteria) -> Scan:
    """Return a scan of the whole log by time, which checks the criteria row by row."""
    rest = checks(criteria)
    if criteria.tenants is None or len(criteria.tenants) > MOST_RANGES:
        return Scan(inside=own(criteria), rest=rest)
    return Scan(columns=("tenant",), ranges=[(each,) for each in criteria.tenants], rest=rest)


def during(criteria: Criteria) -> Fragment:
    """Return the condition on the time."""
    conditions = []
    if criteria.since:
        conditions.append(Fragment("each.received_at >= %s", (criteria.since,)))
    if criteria.until:
        conditions.append(Fragment("each.received_at < %s", (criteria.until,)))
    return every(*conditions)


def own(criteria: Criteria) -> tuple[Fragment, ...]:
    """Return the condition for the tenants whose commands may be found."""
    if criteria.tenants is None:
        return ()
    return (Fragment("each.tenant = ANY(%s::text[])", (array(sorted(criteria.tenants)),)),)


def checks(criteria: Criteria) -> tuple[Fragment, ...]:
    """Return the conditions to check row by row: all except those on tenant and time."""
    return tuple(_checks(criteria))


def _checks(criteria: Criteria) -> Iterator[Fragment]:
    for column, value in criteria.kind().items():
        yield Fragment(f"each.{column} = %s", (value,))
    if criteria.actor:
        yield _by_name_or_id(criteria.actor)
    if criteria.correlation_id:
        yield _of_case(criteria)
    if criteria.command_id:
        yield _of_command(criteria)
    if criteria.request_id:
        yield _of_request(criteria)
    if criteria.address:
        yield _of_address(criteria)
    if criteria.subject:
        yield one_of(("subject_type", "subject_id"), subjects_of(criteria.subject))
    if criteria.reason:
        has_words = "to_tsvector('simple', each.reason) @@ plainto_tsquery('simple', %s)"
        yield Fragment(has_words, (criteria.reason,))


def _by_name_or_id(text: str) -> Fragment:
    actors = actors_of(text)
    if actors is not None:
        return one_of(("actor_kind", "actor_id"), actors)
    pattern = connection.ops.prep_for_like_query(text) + "%"
    return Fragment("lower(each.actor_label) LIKE lower(%s)", (pattern,))


def _of_case(criteria: Criteria) -> Fragment:
    return Fragment("each.correlation_id = %s", (criteria.correlation_id,))


def _of_command(criteria: Criteria) -> Fragment:
    return Fragment("each.command_id = %s", (criteria.command_id,))


def _of_request(criteria: Criteria) -> Fragment:
    # An empty one is not in the index, which PostgreSQL cannot know of a parameter.
    return Fragment("each.request_id = %s AND each.request_id <> ''", (criteria.request_id,))


def _of_address(criteria: Criteria) -> Fragment:
    return Fragment("each.client_address = %s::inet", (criteria.address,))


def _by_command(criteria: Criteria) -> Scan:
    rest = checks(replace(criteria, command_id=None))
    return Scan(inside=(_of_command(criteria), *own(criteria)), rest=rest)


def _by_case(criteria: Criteria) -> Scan:
    rest = checks(replace(criteria, correlation_id=None))
    return Scan(inside=(_of_case(criteria), *own(criteria)), rest=rest)


def _by_subject(criteria: Criteria) -> Scan:
    columns, ranges = ("subject_type", "subject_id"), subjects_of(criteria.subject)
    rest = checks(replace(criteria, subject=""))
    return Scan(columns=columns, ranges=ranges, inside=own(criteria), rest=rest)


def _by_request(criteria: Criteria) -> Scan:
    return _by_value(_of_request(criteria), replace(criteria, request_id=""))


def _by_address(criteria: Criteria) -> Scan:
    return _by_value(_of_address(criteria), replace(criteria, address=""))


def _by_value(has_value: Fragment, others: Criteria) -> Scan:
    """Return the scan of an index by a value, tenant and time."""
    tenants = _tenants_with(has_value, others.tenants)
    if tenants is None:
        scan = through_time(others)
        return replace(scan, rest=(has_value, *scan.rest))
    return Scan(columns=("tenant",), ranges=tenants, inside=(has_value,), rest=checks(others))


def _tenants_with(has_value: Fragment, seen: frozenset[str] | None) -> list[IndexRange] | None:
    if seen is not None and len(seen) <= MOST_RANGES:
        return [(each,) for each in seen]
    found = ranges_below((), [()], ("tenant",), having=has_value)
    return found and [each for each in found if seen is None or each[0] in seen]


def _by_actor(criteria: Criteria) -> Scan:
    columns, actors = ("actor_kind", "actor_id", "tenant", "status"), actors_of(criteria.actor)
    if actors is None:
        return through_time(criteria)
    ranges: list[IndexRange] | None
    if criteria.tenants is None:
        ranges = ranges_below(columns[:2], actors, columns[2:])
    else:
        further = product(criteria.tenants, Status.values)
        ranges = [(*first, *rest) for first, rest in product(actors, further)]
    if ranges is None or len(ranges) > MOST_RANGES:
        return through_time(criteria)
    ranges = [each for each in ranges if each[3] == (criteria.status or each[3])]
    return Scan(columns=columns, ranges=ranges, rest=checks(replace(criteria, actor="", status="")))


def _by_kind(criteria: Criteria) -> Scan:
    wanted = criteria.kind()
    if not wanted:
        return through_time(criteria)
    if wanted.keys() == {"status"} and criteria.status != Status.SUCCEEDED:
        # A partial index has the commands that did not succeed: one range for each tenant.
        scan = through_time(replace(criteria, status=""))
        has_status = Fragment("each.status = %s", (criteria.status,))
        return replace(scan, inside=(has_status, *scan.inside))
    known: dict[str, Collection[str]] = {}
    if criteria.tenants is not None:
        known["tenant"] = criteria.tenants
    if criteria.message_type:
        known["message_type"] = [criteria.message_type]
    further = tuple(name for name in _KIND if name not in known)
    ranges = ranges_below(tuple(known), list(product(*known.values())), further)
    if ranges is None:
        return through_time(criteria)
    columns = (*known, *further)
    matching = [
        each for each in ranges if wanted.items() <= dict(zip(columns, each, strict=True)).items()
    ]
    rest = checks(replace(criteria, message_type="", status="", channel=""))
    return Scan(columns=columns, ranges=matching, rest=rest)


# The most selective criterion first.
_BY_CRITERION: dict[str, Callable[[Criteria], Scan]] = {
    "command_id": _by_command,
    "correlation_id": _by_case,
    "subject": _by_subject,
    "request_id": _by_request,
    "address": _by_address,
    "actor": _by_actor,
}


def kinds_in(criteria: Criteria) -> dict[str, set[str]] | None:
    """Return types, statuses and channels of commands that may be found; None if unknown."""
    return kinds_of(criteria.tenants)


def is_exact(actor: str) -> bool:
    """Return True if a text is the kind and id of an actor, instead of a name."""
    return _KIND_AND_ID.fullmatch(actor) is not None


def actors_of(text: str) -> list[IndexRange] | None:
    """Return kind and id of the actors that a text matches; None if they are too many."""
    exact = _KIND_AND_ID.fullmatch(text)
    return [(exact["kind"], exact["id"])] if exact else actors_named(text)


def subjects_of(text: str) -> list[IndexRange]:
    """Return the subjects that a text matches: one, or one of each type in the log."""
    subject_type, _, identifier = text.rpartition(":")
    if subject_type:
        return [(subject_type, identifier)]
    types = ranges_below((), [()], ("subject_type",)) or []
    return [(name, identifier) for (name,) in types]
