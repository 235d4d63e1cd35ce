"""Commands and events of policies."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from django.contrib.auth.models import Group

from approvals.models.eligibility import Members
from approvals.policies.slots import Slots
from audit.messages.characters import identifier, quoted, quoted_text
from audit.messages.classes import Command, Event, SubjectOf, generated


@dataclass(frozen=True, kw_only=True)
class _PolicyFields:
    """The content of a policy. ``groups`` and ``quorums`` correspond by index."""

    governs: str
    effect: Literal["allow", "require_approval", "forbid"] = "require_approval"
    for_tenant: str = ""
    condition: str = ""
    message: str = ""
    groups: tuple[int, ...] = ()
    quorums: tuple[int, ...] = ()
    requester_may_vote: bool = False
    requester_reason_required: bool = False
    approver_reason_required: bool = False
    signed_votes: bool = False
    minimum_membership: timedelta = timedelta()
    approve_within: timedelta | None = None
    execute_within: timedelta | None = None
    one_open_request: bool = True

    def columns(self) -> dict[str, Any]:
        """Return the columns of a policy with this content."""
        others = ("groups", "quorums", "for_tenant")
        names = [each.name for each in fields(_PolicyFields) if each.name not in others]
        return {name: getattr(self, name) for name in names} | {"tenant": self.for_tenant}

    def slots(self, members: Members, *, without: int | None) -> list[Slots]:
        """Return for each rule the people who may approve, now or after the minimum membership."""
        tenant = self.for_tenant
        return [
            Slots(str(place), quorum, members.eligible(group, tenant=tenant) - {without})
            for place, (group, quorum) in enumerate(zip(self.groups, self.quorums, strict=True))
        ]

    def members(self) -> Members:
        """Return the members of the groups, for `slots` and `eligible`."""
        return Members(self.groups, tenants=[self.for_tenant])

    def eligible(self, members: Members, group_id: int) -> set[int]:
        """Return the members of a group who may approve now under this policy."""
        minimum_s = int(self.minimum_membership.total_seconds())
        return members.eligible(group_id, tenant=self.for_tenant, minimum_s=minimum_s)

    def _phrase(self) -> str:
        """Return a phrase for what a policy of these fields does."""
        where = identifier(self.governs)
        where = f"{where} if {quoted_text(self.condition)}" if self.condition else where
        match self.effect:
            case "allow":
                return f"allow {where}"
            case "forbid":
                return f"forbid {where}"
        names = dict(Group.objects.filter(pk__in=self.groups).values_list("pk", "name"))
        rules = zip(self.groups, self.quorums, strict=False)
        named = {group: quoted(name) for group, name in names.items()}
        required = [f"{quorum} of {named.get(group, f'group {group}')}" for group, quorum in rules]
        return f"require {' and '.join(required) or 'no one'} to approve {where}"


@dataclass(frozen=True, kw_only=True)
class _OnPolicy(Command):
    required_permission = "approvals.manage_policy"
    subject = SubjectOf("policy", "policy_id")

    policy_id: UUID


@dataclass(frozen=True, kw_only=True)
class _OfPolicy(Event):
    subject = SubjectOf("policy", "policy_id")

    policy_id: UUID


@dataclass(frozen=True, kw_only=True)
class CreatePolicy(_OnPolicy, _PolicyFields):
    """Create a policy that allows, forbids or holds commands of a type."""

    message_type = "approvals.create_policy"
    depends_on = ()
    tenant_field = "for_tenant"

    policy_id: UUID = generated()

    def describe(self, subject_label: str) -> str:
        return f"Create a policy: {self._phrase()}"


@dataclass(frozen=True, kw_only=True)
class EditPolicy(_OnPolicy, _PolicyFields):
    """Edit a policy; requests that are already waiting then never require less."""

    message_type = "approvals.edit_policy"
    empowers = SubjectOf("policy", "policy_id")
    # Each edit and each switch has a version of its own.
    depends_on = ("version",)

    def describe(self, subject_label: str) -> str:
        return f"Edit the {subject_label}: {self._phrase()}"


#: A proposed policy, as a new one or the next version.
PolicyDraft: TypeAlias = CreatePolicy | EditPolicy


@dataclass(frozen=True, kw_only=True)
class DisablePolicy(_OnPolicy):
    """Disable a policy."""

    message_type = "approvals.disable_policy"
    empowers = SubjectOf("policy", "policy_id")
    sentence = "Disable the {subject}"
    depends_on = ("version",)


@dataclass(frozen=True, kw_only=True)
class PolicyCreated(_OfPolicy, _PolicyFields):
    """A policy governs commands of a type."""

    message_type = "approvals.policy_created"


@dataclass(frozen=True, kw_only=True)
class PolicyEdited(_OfPolicy, _PolicyFields):
    """A policy was edited."""

    message_type = "approvals.policy_edited"

    version: int


@dataclass(frozen=True, kw_only=True)
class PolicyDisabled(_OfPolicy):
    """A policy was disabled."""

    message_type = "approvals.policy_disabled"


@dataclass(frozen=True, kw_only=True)
class ReviewBreakGlass(Command):
    """Accept a past use of break-glass."""

    # No subject: that of the request moves on in the same command that sends this one.
    message_type = "approvals.review_break_glass"
    sentence = "Accept the use of break-glass by {broken_by}, ticket {ticket}: {what}"
    depends_on = ()

    approval_request_id: UUID
    broken_by: str = ""
    ticket: str = ""
    what: str = ""
    own_request: bool = False

    def describe(self, subject_label: str) -> str:
        sentence = super().describe(subject_label)
        return f"{sentence} (on their own request)" if self.own_request else sentence


@dataclass(frozen=True, kw_only=True)
class BreakGlassReviewed(Event):
    """The policy owners accepted a use of break-glass."""

    message_type = "approvals.break_glass_reviewed"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
