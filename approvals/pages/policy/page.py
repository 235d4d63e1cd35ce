"""The page of one policy: what it says, where it applies, what waits under it, its versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse

from approvals.models import ApprovalRequest, Policy
from approvals.pages import links
from approvals.pages.policy.drafts import policy_as_said
from approvals.pages.policy.preview import RuleApprovers, approvers_of, said_in_words
from approvals.policies import evaluation
from approvals.requests import listing
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.pages import versions
from audit.pages.labels import words

_MOST_WAITING = 20
_MOST_VERSIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernedType:
    """A type of command that a policy governs, and where its commands are found."""

    words: str
    message_type: str
    log_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPage:
    """Everything that is shown of a policy, as far as its reader may see it."""

    policy: Policy
    said: list[tuple[str, str]]
    approvers: list[RuleApprovers]
    governed: list[GovernedType]
    proposals: list[Presented]
    waiting: list[Presented]
    versions: list[Any]
    may_change: bool

    @property
    def since(self) -> datetime | None:
        """Since when it has said what it says now."""
        return self.versions[0].history_date if self.versions else None


def read(policy: Policy, *, actor: Actor) -> PolicyPage:
    """Read the page of a policy for somebody."""
    command = policy_as_said(policy)
    pending = listing.pending_for(actor)
    proposed = pending.filter(subject_type="policy", subject_id=str(policy.pk))
    under = pending.filter(requirements__policies__contains=[{"id": str(policy.pk)}])
    history: Any = Policy.history
    newest = list(
        history.filter(id=policy.pk).order_by("-history_date", "-history_id")[:_MOST_VERSIONS]
    )
    versions.describe(newest, actor=actor)
    return PolicyPage(
        policy=policy,
        said=list(said_in_words(command, actor=actor).items()),
        approvers=approvers_of(command),
        governed=_governed(policy, actor=actor),
        proposals=_newest(proposed, actor=actor),
        waiting=_newest(under, actor=actor),
        versions=newest,
        may_change=actor.may("approvals.manage_policy") and policy.is_enabled,
    )


def _governed(policy: Policy, *, actor: Actor) -> list[GovernedType]:
    return [
        GovernedType(
            words=words(each.message_type),
            message_type=each.message_type,
            log_url=_log_url(each.message_type, actor=actor),
        )
        for each in evaluation.governed_by(policy.governs)
    ]


def _log_url(message_type: str, *, actor: Actor) -> str:
    """Tell where auditors find the commands of a type; nothing for others."""
    query = urlencode({"message_type": message_type})
    return f"{reverse('audit:search')}?{query}" if links.may_read_log(actor) else ""


def _newest(requests: QuerySet[ApprovalRequest], *, actor: Actor) -> list[Presented]:
    return present(requests.order_by("-requested_at", "-pk")[:_MOST_WAITING], actor=actor)
