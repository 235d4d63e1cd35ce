"""Approvers as the lists of requests need them: what depends on the person alone, read once."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from approvals.models import ApprovalRequest, Effect
from approvals.people.accounts import OWNERS
from approvals.policies.evaluation import governed_by
from audit.actors.actors import Actor


class TodaysPolicy(NamedTuple):
    """An enabled policy that may hold commands, and the entry of requests that have stored it.

    ``asks`` if one of its groups is a group of the approver, or of one of the delegators.
    """

    governs: str
    tenant: str
    entry: str
    asks: bool
    has_minimum_membership: bool

    @property
    def types(self) -> list[str]:
        """The names under which requests store the types of commands that it governs."""
        return stored_names(governed_by(self.governs))


class Approver(NamedTuple):
    """A person, with what decides which requests need the person's vote.

    ``groups`` are the person's own, ``delegated`` those for which the person may be a delegate: a
    delegation that was ended early may be among them. ``was_represented`` if a delegate has ever
    voted in the person's place. ``any_unlisted`` if any pending request does not list the groups of
    its approvers.
    """

    person_id: int
    can_sign_in: bool
    groups: tuple[int, ...]
    delegated: tuple[int, ...]
    is_owner: bool
    was_represented: bool
    any_unlisted: bool
    policies: tuple[TodaysPolicy, ...]

    @classmethod
    def of(cls, actor: Actor) -> "Approver":
        """Return a user as an approver, by one statement."""
        return actor.once(_read)

    @property
    def may_vote(self) -> bool:
        """False if no request can need the person's vote."""
        return self.can_sign_in and bool(self.groups or self.delegated)

    @property
    def asking(self) -> list[TodaysPolicy]:
        """The policies of today that may add a group of the person to a request."""
        return [each for each in self.policies if each.asks]

    @property
    def delaying(self) -> list[TodaysPolicy]:
        """The policies of today that require a minimum membership."""
        return [each for each in self.policies if each.has_minimum_membership]


def stored_names(command_classes: Iterable[Any]) -> list[str]:
    """Return the names under which requests store types of commands."""
    return [name for each in command_classes for name in (each.message_type, *each.aliases)]


def _read(actor: Actor) -> Approver:
    person_id = int(actor.person_id)
    row = ApprovalRequest.objects.approver_row(
        person_id, owners=OWNERS, effect=Effect.REQUIRE_APPROVAL.value
    )
    can_sign_in, groups, delegated, is_owner, was_represented, any_unlisted, policies = row
    return Approver(
        person_id,
        can_sign_in,
        tuple(groups),
        tuple(delegated),
        is_owner,
        was_represented,
        any_unlisted,
        tuple(TodaysPolicy(*each) for each in json.loads(policies)),
    )
