"""Gaps: what the log lacks about the people and groups of the past, so that no one relies on it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Min

from approvals.models import past
from approvals.models.eligibility import sees_tenant_sql
from audit.installation import users
from audit.log.commands import ChangeOutsideCommand
from audit.messages.characters import quoted
from audit.models.records import CommandRecord
from audit.subjects.tenants import tenant_word

#: The most memberships that are named.
MOST_NAMED = 20
# Of the requested groups: members whose membership no event reported at any time, and
# those who are in the table although the last event was that they left, or the other way round.
_UNREPORTED = """
    SELECT group_id, member, event.is_member, event.occurred_at FROM (
        SELECT group_id, {user} AS member, true AS is_there FROM {table} WHERE group_id = ANY(%s)
    ) AS present
    FULL JOIN (
        SELECT DISTINCT ON (group_id, member) group_id, member, is_member, occurred_at FROM (
            SELECT a AS group_id, b AS member, value AS is_member, occurred_at, position
            FROM facts WHERE kind = 'member' AND a = ANY(%s)
        ) AS every ORDER BY group_id, member, position DESC
    ) AS event USING (group_id, member)
    WHERE coalesce(is_there, false) <> coalesce(event.is_member, false)
        AND (is_there OR EXISTS (SELECT FROM real_users WHERE {pk} = member))
    ORDER BY group_id, member LIMIT {most}"""


class Unreported(NamedTuple):
    """A membership of today that differs from its last event.

    ``was_member`` is what that event said, at ``since``; both are None without any event.
    """

    group_id: int
    person_id: int
    was_member: bool | None
    since: datetime | None


class Gaps(NamedTuple):
    """The facts about a time that the log lacks.

    ``begins_at`` is when the log begins; ``direct_changes`` the number of changes outside commands
    since that time; ``tables`` those that decide who sees a tenant, and have no history.
    """

    begins_at: datetime | None
    is_before_log: bool
    direct_changes: int
    unreported: list[Unreported]
    tables: list[str]

    @property
    def people(self) -> set[int]:
        """The people whose memberships differ from their events."""
        return {each.person_id for each in self.unreported}


def gaps(group_ids: set[int], *, at: datetime) -> Gaps:
    """Return what the log lacks about these groups at a time, and about everything."""
    begins_at = CommandRecord.objects.aggregate(at=Min("received_at"))["at"]
    direct = CommandRecord.objects.filter(
        message_type=ChangeOutsideCommand.message_type, received_at__gt=at
    )
    return Gaps(
        begins_at=begins_at,
        is_before_log=begins_at is None or at < begins_at,
        direct_changes=direct.count(),
        unreported=_unreported(sorted(group_ids), at=at),
        tables=past.unrecorded_tables(sees_tenant_sql()),
    )


def _unreported(group_ids: list[int], *, at: datetime) -> list[Unreported]:
    names = users.tables()
    # The table of today has a name that is not replaced.
    sql = _UNREPORTED.format(
        user=names.of_groups_user, table="real_members", pk=names.pk, most=MOST_NAMED
    )
    rows = past.rows_as_of(at, sql, [group_ids, group_ids])
    return [Unreported(*row) for row in rows]


def sentences(
    lacking: Gaps, *, names: Mapping[int, str], groups: Mapping[int, str]
) -> Iterator[str]:
    """Yield a sentence for each of them. ``names`` are of people, ``groups`` those of groups."""
    if lacking.begins_at is None:
        yield "The log has no record yet: all of this is taken from today's tables."
    elif lacking.is_before_log:
        yield (
            f"Changes are recorded since {_time(lacking.begins_at)} only. For an earlier time, "
            "people and groups are as they were when the records began."
        )
    for each in lacking.unreported:
        person = quoted(names.get(each.person_id, f"user {each.person_id}"))
        group = quoted(groups.get(each.group_id, f"group {each.group_id}"))
        if each.since is None:
            yield f"No command is recorded that added {person} to {group}: since when is unknown."
        elif each.was_member:
            yield (
                f"{person} was removed from {group} outside commands, at an unknown time after "
                f"{_time(each.since)}."
            )
        else:
            yield (
                f"{person} was added to {group} outside commands, at an unknown time after "
                f"{_time(each.since)}."
            )
    if len(lacking.unreported) == MOST_NAMED:
        yield f"There may be more memberships like these: {MOST_NAMED} are named."
    if lacking.direct_changes:
        yield (
            f"Changes outside commands since then: {lacking.direct_changes}. They are in the log, "
            "but not what they did to accounts, memberships and permissions."
        )
    if lacking.tables:
        yield (
            f"Who sees a {tenant_word()} depends on tables without a history, read as of today: "
            f"{', '.join(lacking.tables)}."
        )


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
