"""Seniority: the time for which people have been in the groups that they vote for."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from approvals.people.events import MemberJoined, MemberLeft
from audit.models.records import EventRecord

_TYPES = (MemberJoined.message_type, MemberLeft.message_type)


class Seniority:
    """The time when each person joined each of these groups, as of now or ``at`` a time: one query.

    A membership that no command created has no known time and counts as no seniority.
    """

    def __init__(self, group_ids: Collection[int], *, at: datetime | None = None) -> None:
        self._at = at
        self._joined_at = _joined_at(group_ids, until=at) if group_ids else {}

    def since(self, person_id: int, group_id: int) -> datetime | None:
        """Return when a person joined a group; None if no command put the person there."""
        return self._joined_at.get((group_id, person_id))

    def senior(self, people: Collection[int], group_id: int, *, minimum_s: int) -> set[int]:
        """Return the people, among these, who have been in a group for that many seconds."""
        if not minimum_s:
            return set(people)
        latest = (self._at or timezone.now()) - timedelta(seconds=minimum_s)
        joined = {person: self.since(person, group_id) for person in people}
        return {person for person, time in joined.items() if time is not None and time <= latest}


def _joined_at(
    group_ids: Collection[int], *, until: datetime | None
) -> Mapping[tuple[int, int], datetime]:
    events = EventRecord.objects.filter(
        subject_type="group",
        subject_id__in=[str(group_id) for group_id in group_ids],
        message_type__in=_TYPES,
    )
    if until is not None:
        events = events.filter(occurred_at__lte=until)
    joined_at = {}
    for event in events.order_by("subject_id", "number"):
        membership = (event.data["group_id"], event.data["user_id"])
        if event.message_type == MemberJoined.message_type:
            joined_at[membership] = event.occurred_at
        else:
            joined_at.pop(membership, None)
    return joined_at
