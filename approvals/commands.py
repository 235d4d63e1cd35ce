"""What can be asked of approvals."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages import Command, SubjectOf, generated


@dataclass(frozen=True, kw_only=True)
class CreatePolicy(Command):
    """Have commands of a type held until enough people of a group approve them."""

    message_type = "approvals.create_policy"
    required_permission = "approvals.manage_policy"
    subject = SubjectOf("policy", "policy_id")
    sentence = "Hold {governs} until {quorum} people of group {group_id} approve"

    policy_id: UUID = generated()
    governs: str
    group_id: int
    quorum: int


@dataclass(frozen=True, kw_only=True)
class DisablePolicy(Command):
    """Have a policy hold nothing any more."""

    message_type = "approvals.disable_policy"
    required_permission = "approvals.manage_policy"
    subject = SubjectOf("policy", "policy_id")
    sentence = "Disable the {subject}"

    policy_id: UUID


@dataclass(frozen=True, kw_only=True)
class Approve(Command):
    """Approve what a request asks for. ``digest`` is that of what the approver has seen."""

    message_type = "approvals.approve"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Approve the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Deny(Command):
    """Deny what a request asks for, and say why. One denial ends the request."""

    message_type = "approvals.deny"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Deny the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdraw(Command):
    """Take back what one asked for, before it is decided."""

    message_type = "approvals.withdraw"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Withdraw the {subject}"

    approval_request_id: UUID
