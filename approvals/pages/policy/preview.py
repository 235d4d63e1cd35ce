"""The preview of a draft policy: its changes, and its effect on logged commands."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import Group
from django.db.models import QuerySet

from approvals.models import Effect, Policy
from approvals.pages.policy.drafts import EFFECT_LABELS, current_settings, in_greatest_unit
from approvals.pages.tenants import tenant_names
from approvals.people.accounts import OWNERS
from approvals.policies import evaluation
from approvals.policies.built_in import QUORUM
from approvals.policies.commands import CreatePolicy, EditPolicy
from approvals.policies.simulation import simulate
from audit.actors.actors import Actor
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.characters import quoted
from audit.models.records import CommandRecord
from audit.pages.labels import words

MOST_LOOKED_AT = 500
SECONDS = 2.0
_MOST_EXAMPLES = 5
_VERBS = {
    Effect.ALLOW: "been allowed",
    Effect.REQUIRE_APPROVAL: "waited for approval",
    Effect.FORBID: "been forbidden",
}


class Row(NamedTuple):
    """A setting of a policy as text, before and after."""

    name: str
    before: str
    after: str


class RuleApprovers(NamedTuple):
    """A rule with its current eligible approvers."""

    group: str
    quorum: int
    people: list[str]


def preview(
    command: CreatePolicy | EditPolicy, *, policy: Policy | None, actor: Actor
) -> dict[str, Any]:
    """Compare a draft with the current policy, and simulate both on commands the actor may see."""
    before = current_settings(policy) if policy else None
    governed = _types({command.governs, *([before.governs] if before else [])})
    records = list(visible_records(actor).filter(message_type__in=governed)[:MOST_LOOKED_AT])
    after_text = settings_as_text(command, actor=actor)
    before_text = settings_as_text(before, actor=actor) if before else {}
    rows = [Row(name, before_text.get(name, ""), text) for name, text in after_text.items()]
    drafted = simulate(command, records, seconds=SECONDS)
    is_in_force = policy is not None and policy.is_enabled
    return {
        "changed": [row for row in rows if row.before != row.after],
        "unchanged": [row for row in rows if row.before == row.after],
        "verb": _VERBS[Effect(command.effect)],
        "types": sorted({words(each) for each in _types({command.governs})}),
        "drafted": drafted,
        "examples": drafted.matched[:_MOST_EXAMPLES],
        "present": simulate(before, records, seconds=SECONDS) if before and is_in_force else None,
        "since": records[-1].received_at if records else None,
        "approvers": approvers_of(command),
        "owners": _other_owners(actor),
        "quorum": QUORUM,
    }


def visible_records(actor: Actor) -> QuerySet[CommandRecord]:
    """Return the first attempts at commands that the actor may see, newest first."""
    return actor.confine(CommandRecord.objects.filter(attempt=1).order_by("-position"))


def settings_as_text(command: CreatePolicy | EditPolicy, *, actor: Actor) -> dict[str, str]:
    """Return the settings of a policy by label."""
    default = f"the default, {length_in_words(countersign().approve_within)}"
    return {
        "Governs": command.governs,
        "Effect": EFFECT_LABELS[Effect(command.effect)],
        "For": tenant_names([command.for_tenant], actor=actor)[command.for_tenant],
        "Condition": command.condition or "none",
        "Required approvals": ", ".join(
            f"{each.quorum} of {quoted(each.group)}" for each in approvers_of(command)
        )
        or "none",
        "Message": command.message or "none",
        "The requester may also approve the request": _yes(command.requester_may_vote),
        "The requester must give a reason": _yes(command.requester_reason_required),
        "Approvers must give a reason": _yes(command.approver_reason_required),
        "Approvers must sign their votes with a passkey": _yes(command.signed_votes),
        "Only one open request at a time": _yes(command.one_open_request),
        "Minimum membership of approvers": length_in_words(command.minimum_membership) or "none",
        "Approve within": length_in_words(command.approve_within) or default,
        "Execute within": length_in_words(command.execute_within) or "no limit",
    }


def approvers_of(command: CreatePolicy | EditPolicy) -> list[RuleApprovers]:
    """Return the current eligible approvers of each rule, by one query for their names."""
    groups = {each.pk: each.name for each in Group.objects.filter(pk__in=command.groups)}
    members = command.members()
    eligible = {group: command.eligible(members, group) for group in command.groups}
    people = set().union(*eligible.values())
    eligible_users = users.manager().filter(pk__in=people).order_by(users.name_field())
    return [
        RuleApprovers(
            group=groups.get(group, f"group {group}"),
            quorum=quorum,
            people=[str(user) for user in eligible_users if user.pk in eligible[group]],
        )
        for group, quorum in zip(command.groups, command.quorums, strict=True)
    ]


def length_in_words(length: timedelta | None) -> str:
    """Return a duration in the greatest unit without a remainder; empty if there is no duration."""
    if not length:
        return ""
    count, units = in_greatest_unit(length)
    return f"{count} {units.removesuffix('s') if count == 1 else units}"


def _types(names: Iterable[str]) -> list[str]:
    """Return every stored type that one of these names governs."""
    governed = evaluation.governed_by(*names)
    return [stored for each in governed for stored in (each.message_type, *each.aliases)]


def _other_owners(actor: Actor) -> list[str]:
    owners = users.manager().filter(groups__name=OWNERS, is_active=True)
    others = owners.exclude(pk=int(actor.person_id or 0))
    return [str(each) for each in others.order_by(users.name_field())]


def _yes(value: bool) -> str:  # noqa: FBT001  # the value itself
    return "yes" if value else "no"
