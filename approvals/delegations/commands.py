"""Commands and events of delegations."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group

from audit.installation import users
from audit.messages.characters import quoted
from audit.messages.classes import Command, Event, SubjectOf, generated


@dataclass(frozen=True, kw_only=True)
class Delegate(Command):
    """Delegate your votes to another person, for some of your groups and a period.

    It begins at once if there is no ``begins_at``. ``groups`` are ids.
    """

    message_type = "approvals.delegate"
    subject = SubjectOf("delegation", "delegation_id")
    depends_on = ()

    delegation_id: UUID = generated()
    delegate_id: int
    groups: tuple[int, ...]
    ends_at: datetime
    begins_at: datetime | None = None

    def describe(self, subject_label: str) -> str:
        named = (
            Group.objects.filter(pk__in=self.groups).order_by("name").values_list("name", flat=True)
        )
        person = users.manager().filter(pk=self.delegate_id).first()
        delegate = quoted(str(person)) if person else f"user {self.delegate_id}"
        begin = f"from {self.begins_at:%Y-%m-%d %H:%M} UTC " if self.begins_at else ""
        groups = ", ".join(map(quoted, named))
        return (
            f"Allow {delegate} to vote in the requester's place for {groups} "
            f"{begin}until {self.ends_at:%Y-%m-%d %H:%M} UTC"
        )


@dataclass(frozen=True, kw_only=True)
class EndDelegation(Command):
    """End a delegation early; its votes on undecided requests no longer count."""

    message_type = "approvals.end_delegation"
    subject = SubjectOf("delegation", "delegation_id")
    sentence = "End the {subject}"
    depends_on = ()

    delegation_id: UUID


@dataclass(frozen=True, kw_only=True)
class _OfDelegation(Event):
    subject = SubjectOf("delegation", "delegation_id")

    delegation_id: UUID


@dataclass(frozen=True, kw_only=True)
class Delegated(_OfDelegation):
    """A person may vote in the place of another, for some groups and a period."""

    message_type = "approvals.delegated"

    delegator_id: int
    delegate_id: int
    groups: tuple[int, ...]
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class DelegationEnded(_OfDelegation):
    """A delegation was ended early: its votes on undecided requests no longer count."""

    message_type = "approvals.delegation_ended"
