"""Seniority: how long people have been in the groups that they vote for."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from approvals.people.events import MemberJoined, MemberLeft
from audit.models.records import EventRecord

_TYPES = (MemberJoined.message_type, MemberLeft.message_type)


class Seniority:
    """The time when each person joined each of these groups, read in one query.

    A membership that no command created has no known time and counts as no seniority.
    """

    def __init__(self, group_ids: Collection[int]) -> None:
        self._joined_at = _joined_at(group_ids) if group_ids else {}

    def since(self, person_id: int, group_id: int) -> datetime | None:
        """Return since when a person has been in a group; None if no command put them there."""
        return self._joined_at.get((group_id, person_id))

    def is_enough(self, person_id: int, group_id: int, *, minimum_s: int) -> bool:
        """Return True if the minimum is zero or the person has been in the group that long."""
        if not minimum_s:
            return True
        joined_at = self.since(person_id, group_id)
        return joined_at is not None and timezone.now() - joined_at >= timedelta(seconds=minimum_s)

    def senior(self, people: Collection[int], group_id: int, *, minimum_s: int) -> set[int]:
        """Return those of some people who have been in a group for that many seconds."""
        return {each for each in people if self.is_enough(each, group_id, minimum_s=minimum_s)}


def _joined_at(group_ids: Collection[int]) -> Mapping[tuple[int, int], datetime]:
    events = EventRecord.objects.filter(
        subject_type="group",
        subject_id__in=[str(group_id) for group_id in group_ids],
        message_type__in=_TYPES,
    )
    joined_at = {}
    for event in events.order_by("subject_id", "number"):
        membership = (event.data["group_id"], event.data["user_id"])
        if event.message_type == MemberJoined.message_type:
            joined_at[membership] = event.occurred_at
        else:
            joined_at.pop(membership, None)
    return joined_at
