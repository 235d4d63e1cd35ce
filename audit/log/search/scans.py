"""Index scans: the choice of the index for the criteria of a search."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

from django.db import connection

from audit.log.search.criteria import Criteria
from audit.log.search.index_ranges import MOST_LANES, Lane, actors_named, lanes_below
from audit.models.records import Status
from audit.wire.arrays import array

_KIND = ("message_type", "status", "channel")
_COLUMN = re.compile(r"\beach\.(\w+)")
_KIND_AND_ID = re.compile(r"(?P<kind>[a-z_]+):(?P<id>.+)")


class Condition(NamedTuple):
    """An SQL condition on a row with the alias ``each``."""

    sql: str
    params: tuple[Any, ...] = ()

    def columns(self) -> list[str]:
        """Return the columns of the row that the condition uses."""
        return sorted(set(_COLUMN.findall(self.sql)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Lanes to scan side by side, and the conditions that they leave to check.

    ``inside`` applies while scanning: rows that do not meet it do not count as scanned, so that
    nothing follows from other tenants' rows. ``indexed`` is part of the same index as the lanes.
    ``rest`` is checked on the scanned rows.
    """

    columns: tuple[str, ...] = ()
    lanes: Sequence[Lane] = ((),)
    inside: tuple[Condition, ...] = ()
    indexed: tuple[Condition, ...] = ()
    rest: tuple[Condition, ...] = ()

    def source(self) -> Condition:
        """Return the FROM item that yields the lanes."""
        if not self.columns:
            return Condition("(SELECT) AS lane")
        arrays = ", ".join(["%s::text[]"] * len(self.columns))
        names = ", ".join(self.columns)
        values = tuple(map(array, zip(*self.lanes, strict=True))) or ("{}",) * len(self.columns)
        return Condition(f"unnest({arrays}) AS lane ({names})", values)

    def in_lane(self) -> Condition:
        """Return the condition for the rows of a lane."""
        same = [Condition(f"each.{name} = lane.{name}") for name in self.columns]
        return every(*same, *self.indexed, *self.inside)


def every(*conditions: Condition) -> Condition:
    """Join conditions with AND."""
    sql = " AND ".join([each.sql for each in conditions] or ["true"])
    return Condition(sql, tuple(value for each in conditions for value in each.params))


def walk_for(criteria: Criteria) -> Walk:
    """Return the scan by the most selective criterion."""
    if criteria.correlation_id:
        rest = (*kind(criteria), *actor(criteria), *reason(criteria))
        return Walk(inside=(*case(criteria), *own(criteria)), rest=rest)
    if criteria.subject:
        return _along_subjects(criteria)
    if criteria.actor:
        return _along_actors(criteria)
    return _along_kinds(criteria)


def through_time(criteria: Criteria) -> Walk:
    """Return a scan of the whole log by time, which checks the criteria row by row."""
    rest = (*kind(criteria), *actor(criteria), *case(criteria), *subject(criteria))
    rest += reason(criteria)
    if criteria.tenants is None or len(criteria.tenants) > MOST_LANES:
        return Walk(inside=own(criteria), rest=rest)
    lanes = [(tenant,) for tenant in criteria.tenants]
    return Walk(columns=("tenant",), lanes=lanes, rest=rest)


def own(criteria: Criteria) -> tuple[Condition, ...]:
    """Return the condition for the tenants whose commands may be found."""
    if criteria.tenants is None:
        return ()
    return (Condition("each.tenant = ANY(%s::text[])", (array(sorted(criteria.tenants)),)),)


def kind(criteria: Criteria) -> tuple[Condition, ...]:
    """Return the conditions on type, status and channel."""
    wanted = criteria.kind().items()
    return tuple(Condition(f"each.{column} = %s", (value,)) for column, value in wanted)


def case(criteria: Criteria) -> tuple[Condition, ...]:
    """Return the condition on the case."""
    if criteria.correlation_id is None:
        return ()
    return (Condition("each.correlation_id = %s", (criteria.correlation_id,)),)


def actor(criteria: Criteria) -> tuple[Condition, ...]:
    if not criteria.actor:
        return ()
    actors = actors_of(criteria.actor)
    if actors is not None:
        return (_any_of(("actor_kind", "actor_id"), actors),)
    pattern = connection.ops.prep_for_like_query(criteria.actor) + "%"
    return (Condition("lower(each.actor_label) LIKE lower(%s)", (pattern,)),)


def reason(criteria: Criteria) -> tuple[Condition, ...]:
    """Return the condition that the reason contains all the words."""
    if not criteria.reason:
        return ()
    has = "to_tsvector('simple', each.reason) @@ plainto_tsquery('simple', %s)"
    return (Condition(has, (criteria.reason,)),)


def subject(criteria: Criteria) -> tuple[Condition, ...]:
    if not criteria.subject:
        return ()
    return (_any_of(("subject_type", "subject_id"), subjects_of(criteria.subject)),)


def _along_subjects(criteria: Criteria) -> Walk:
    return Walk(
        columns=("subject_type", "subject_id"),
        lanes=subjects_of(criteria.subject),
        inside=own(criteria),
        rest=(*kind(criteria), *actor(criteria), *reason(criteria)),
    )


def _along_actors(criteria: Criteria) -> Walk:
    actors = actors_of(criteria.actor)
    columns = ("actor_kind", "actor_id", "tenant", "status")
    if actors is None:
        return through_time(criteria)
    if criteria.tenants is None:
        lanes = lanes_below(columns[:2], actors, columns[2:]) if actors else []
    else:
        starts = [(*who, tenant) for who, tenant in product(actors, criteria.tenants)]
        lanes = [(*start, status) for start, status in product(starts, Status.values)]
    if lanes is None or len(lanes) > MOST_LANES:
        return through_time(criteria)
    lanes = [lane for lane in lanes if lane[3] == (criteria.status or lane[3])]
    rest = [each for each in kind(criteria) if not each.sql.startswith("each.status ")]
    return Walk(columns=columns, lanes=lanes, rest=tuple(rest))


def _along_kinds(criteria: Criteria) -> Walk:
    wanted = criteria.kind()
    if not wanted:
        return through_time(criteria)
    if wanted.keys() == {"status"} and criteria.status != Status.SUCCEEDED:
        return _along_status(criteria)
    first, starts = _first_columns(criteria)
    further = tuple(name for name in _KIND if name not in first)
    lanes = lanes_below(first, starts, further) if starts or not first else []
    if lanes is None:
        return through_time(criteria)
    columns = (*first, *further)
    places = [(columns.index(name), value) for name, value in wanted.items()]
    fitting = [lane for lane in lanes if all(lane[place] == value for place, value in places)]
    return Walk(columns=columns, lanes=fitting)


def _along_status(criteria: Criteria) -> Walk:
    """Scan the partial index of what did not succeed: one lane, or one for each tenant."""
    walk = through_time(criteria.of_any_kind())
    return replace(walk, indexed=kind(criteria))


def _first_columns(criteria: Criteria) -> tuple[tuple[str, ...], list[Lane]]:
    """Return the known leading columns and their values, from which the lanes are read."""
    columns: tuple[str, ...] = ()
    starts: list[Lane] = [()]
    if criteria.tenants is not None:
        columns, starts = ("tenant",), [(each,) for each in criteria.tenants]
    if criteria.message_type:
        columns, starts = (
            (*columns, "message_type"),
            [(*each, criteria.message_type) for each in starts],
        )
    return columns, starts if columns else []


def actors_of(text: str) -> list[Lane] | None:
    """Return kind and id of the actors that a text matches; None if they are too many."""
    exact = _KIND_AND_ID.fullmatch(text)
    return [(exact["kind"], exact["id"])] if exact else actors_named(text)


def subjects_of(text: str) -> list[Lane]:
    """Return the subjects that a text matches: one, or one of each type in the log."""
    subject_type, _, identifier = text.rpartition(":")
    if subject_type:
        return [(subject_type, identifier)]
    types = lanes_below((), [], ("subject_type",)) or []
    return [(name, identifier) for (name,) in types]


def _any_of(columns: tuple[str, ...], lanes: Sequence[Lane]) -> Condition:
    if not lanes:
        return Condition("false")
    names = ", ".join(f"each.{name}" for name in columns)
    row = f"({', '.join(['%s'] * len(columns))})"
    rows = ", ".join([row] * len(lanes))
    return Condition(f"({names}) IN ({rows})", tuple(value for lane in lanes for value in lane))
