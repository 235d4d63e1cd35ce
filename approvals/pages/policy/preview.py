"""What a draft of a policy would change, and what it would have done with what has happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from approvals.models import Effect, Policy
from approvals.pages.policy.drafts import EFFECT_WORDS, in_greatest_unit, policy_as_said
from approvals.pages.tenants import tenant_names
from approvals.people.accounts import OWNERS
from approvals.policies import evaluation
from approvals.policies.built_in import QUORUM
from approvals.policies.commands import CreatePolicy, EditPolicy
from approvals.policies.simulation import Simulation, simulate
from audit.actors.actors import Actor
from audit.models.records import CommandRecord
from audit.pages.labels import words

MOST_LOOKED_AT = 500
_MOST_EXAMPLES = 5
_VERBS = {
    Effect.ALLOW: "allowed",
    Effect.REQUIRE_APPROVAL: "held for approval",
    Effect.FORBID: "forbidden",
}


class Row(NamedTuple):
    """A field of a policy in words, before and after."""

    name: str
    before: str
    after: str

    @property
    def is_changed(self) -> bool:
        """Whether the draft says something else."""
        return self.before != self.after


class RuleApprovers(NamedTuple):
    """A rule with the people who can meet it today."""

    group: str
    quorum: int
    people: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A draft against the present version, and against the commands on record."""

    rows: list[Row]
    verb: str
    types: list[str]
    drafted: Simulation
    present: Simulation | None
    since: datetime | None
    approvers: list[RuleApprovers]
    owners: list[str]

    @property
    def changed(self) -> list[Row]:
        """The fields that would say something else."""
        return [row for row in self.rows if row.is_changed]

    @property
    def unchanged(self) -> list[Row]:
        """The fields that would say the same."""
        return [row for row in self.rows if not row.is_changed]

    @property
    def examples(self) -> list[CommandRecord]:
        """Some of the newest commands that it would have met."""
        return self.drafted.matched[:_MOST_EXAMPLES]

    @property
    def quorum(self) -> int:
        """How many owners have to approve the proposal."""
        return QUORUM


def preview(command: CreatePolicy | EditPolicy, *, policy: Policy | None, actor: Actor) -> Preview:
    """Compare a draft with the policy as it is, and try both on what somebody may see."""
    before = policy_as_said(policy) if policy else None
    governed = _types({command.governs, *([before.governs] if before else [])})
    records = list(visible_records(actor).filter(message_type__in=governed)[:MOST_LOOKED_AT])
    after_words = said_in_words(command, actor=actor)
    before_words = said_in_words(before, actor=actor) if before else dict.fromkeys(after_words, "")
    is_in_force = policy is not None and policy.is_enabled
    return Preview(
        rows=[Row(name, before_words[name], after_words[name]) for name in after_words],
        verb=_VERBS[Effect(command.effect)],
        types=sorted({words(each) for each in _types({command.governs})}),
        drafted=simulate(command, records),
        present=simulate(before, records) if before and is_in_force else None,
        since=records[-1].received_at if records else None,
        approvers=approvers_of(command),
        owners=_names(Group.objects.filter(name=OWNERS), without=actor.person_id),
    )


def visible_records(actor: Actor) -> QuerySet[CommandRecord]:
    """Find the first attempts at commands that somebody may see, newest first."""
    return actor.confine(CommandRecord.objects.filter(attempt=1).order_by("-position"))


def said_in_words(command: CreatePolicy | EditPolicy, *, actor: Actor) -> dict[str, str]:
    """Write what a policy says, field by field."""
    usual = f"the default, {length_in_words(settings.APPROVALS_APPROVE_WITHIN)}"
    return {
        "Governs": command.governs,
        "Effect": EFFECT_WORDS[Effect(command.effect)],
        "For": tenant_names([command.for_tenant], actor=actor)[command.for_tenant],
        "Condition": command.condition or "none",
        "Required approvals": ", ".join(
            f"{each.quorum} of {each.group}" for each in approvers_of(command)
        )
        or "none",
        "Message": command.message or "none",
        "The requester may also approve the request": _yes(command.requester_may_vote),
        "The requester must give a reason": _yes(command.requester_reason_required),
        "Approvers must give a reason": _yes(command.approver_reason_required),
        "Only one open request at a time": _yes(command.one_open_request),
        "Minimum membership of approvers": length_in_words(command.minimum_membership) or "none",
        "Approve within": length_in_words(command.approve_within) or usual,
        "Execute within": length_in_words(command.execute_within) or "no limit",
    }


def approvers_of(command: CreatePolicy | EditPolicy) -> list[RuleApprovers]:
    """Name for each rule the people who can meet it today: one query for all of them."""
    groups = {each.pk: each.name for each in Group.objects.filter(pk__in=command.groups)}
    members = evaluation.members_of(command.groups)
    everybody = set().union(*members.values())
    users = get_user_model().objects.filter(pk__in=everybody).order_by("username")
    return [
        RuleApprovers(
            group=groups.get(group, f"group {group}"),
            quorum=quorum,
            people=[str(user) for user in users if user.pk in members[group]],
        )
        for group, quorum in zip(command.groups, command.quorums, strict=True)
    ]


def length_in_words(length: timedelta | None) -> str:
    """Write a length in the greatest unit that leaves nothing over; nothing for none."""
    if not length:
        return ""
    count, units = in_greatest_unit(length)
    return f"{count} {units.removesuffix('s') if count == 1 else units}"


def _types(names: Iterable[str]) -> list[str]:
    """List every stored type that one of these names governs."""
    governed = evaluation.governed_by(*names)
    return [stored for each in governed for stored in (each.message_type, *each.aliases)]


def _names(groups: QuerySet[Group], *, without: str) -> list[str]:
    people = get_user_model().objects.filter(groups__in=groups, is_active=True)
    return [str(each) for each in people.exclude(pk=int(without or 0)).order_by("username")]


def _yes(value: bool) -> str:  # noqa: FBT001  # the value itself
    return "yes" if value else "no"
