"""Policy evaluation: which policies govern a command, and whether a request meets them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from approvals.models import ApprovalRequest, Effect, Policy
from approvals.models.eligibility import Members
from approvals.models.managers import array_of_names
from approvals.models.policies import IS_GOVERNED
from approvals.policies import conditions
from approvals.policies import slots as matching
from approvals.policies.built_in import built_in_requirements
from audit.bus.context import Context
from audit.bus.handling import asked_at_opening, command_classes, describes_policies
from audit.installation.settings import countersign
from audit.messages import catalog
from audit.messages.characters import quoted
from audit.messages.classes import Command
from audit.messages.exceptions import Forbidden

logger = structlog.get_logger(__name__)

_REQUIRED = ("requester_reason_required", "approver_reason_required", "one_open_request")
_TIME_LIMITS = ("approve_within_s", "execute_within_s")


class CannotBeHeld(Forbidden):
    """A policy governs this command, but it has a secret or a file, which is not stored."""

    remedy = "Ask the policy owners to exclude this command from the policy."


class Unsatisfiable(Forbidden):
    """A policy requires more approvals than there are people who may approve."""

    remedy = "Ask an administrator to add people to the policy's groups."


class ForbiddenByPolicy(Forbidden):
    """A policy forbids this."""

    remedy = "Read the detail for the policy's message; the policy owners can change the policy."


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The combined result of all matching policies for a command."""

    effect: Effect
    decision: dict[str, Any]
    requirements: dict[str, Any]


@asked_at_opening("is_governed", IS_GOVERNED)
def names_to_look_for(command: Command) -> str:
    """Return the names under which a policy may govern a command, as a PostgreSQL array."""
    return array_of_names(tuple(names_governing(type(command))))


def names_governing(command_class: type[Command]) -> list[str]:
    """Return the message type, its aliases, since a policy outlives a rename, and prefixes."""
    names = [command_class.message_type, *command_class.aliases]
    prefixes = {f"{name.rpartition('.')[0]}.*" for name in names if "." in name}
    return [*names, *sorted(prefixes), "*"]


def governed_by(*names: str) -> list[type[Command]]:
    """Return every class of commands that a policy on one of these names governs."""
    catalog.import_routes()
    wanted = set(names)
    return [each for each in command_classes() if wanted & set(names_governing(each))]


def judge(command: Command, context: Context) -> Verdict:
    """Evaluate every policy that may govern a command; all matches apply, and the strictest wins.

    :raises PolicyAltered: if one of them is not as its last command left it.
    :raises ConditionFailed: if a condition cannot be evaluated.
    :raises ForbiddenByPolicy: if a policy forbids the command.
    """
    policies: list[Policy] = []
    if context.facts["is_governed"]:
        policies = governing([type(command)])
    return verdict_of(
        policies,
        command,
        tenant=context.tenant,
        is_met=lambda condition: conditions.is_met(condition, command, context),
    )


def governing(command_classes: Iterable[type[Command]]) -> list[Policy]:
    """Return the policies that may govern commands of these classes, by one query."""
    return Policy.objects.governing(_names(command_classes))


def policies_to_read(request: ApprovalRequest) -> Sequence[Any]:
    """Return the statement that `governing` executes for one request, to be prefetched."""
    try:
        command_class: Any = catalog.message_class(request.message_type)
    except catalog.UnknownMessageType:
        return ()
    return [Policy.objects.selection(_names([command_class]))]


def _names(command_classes: Iterable[type[Command]]) -> list[str]:
    return sorted({name for each in command_classes for name in names_governing(each)})


def verdict_of(
    policies: Sequence[Policy], command: Command, *, tenant: str, is_met: Callable[[str], bool]
) -> Verdict:
    """Return the verdict of those policies that govern a command; ``is_met`` is of a condition.

    :raises Forbidden: as `judge`.
    """
    names = names_governing(type(command))
    concerned = [policy for policy in policies if policy.concerns(names, tenant=tenant)]
    for policy in concerned:
        if policy.problem:
            logger.error("policy altered", policy_id=str(policy.pk), problem=policy.problem)
            policy.check_sealed()
    found = [policy for policy in concerned if may_apply(policy.effect, type(command))]
    matched = [each for each in found if not each.condition or is_met(each.condition)]
    for policy in matched:
        if policy.effect == Effect.FORBID:
            raise ForbiddenByPolicy(policy.message or f"The {policy} forbids this.")
    holding = [policy for policy in matched if policy.effect == Effect.REQUIRE_APPROVAL]
    requirements = added_up(holding, built_in=built_in_requirements(command))
    effect = Effect.REQUIRE_APPROVAL if requirements["rules"] else Effect.ALLOW
    decision: dict[str, Any] = {"effect": effect.value}
    if found:
        decision["policies"] = [_evaluated(policy, matched) for policy in found]
    return Verdict(effect=effect, decision=decision, requirements=requirements)


def may_apply(effect: str, command_class: type[Command]) -> bool:
    """Return True if a policy of this effect can apply to a type of command that it names.

    The last step of an approved command is not held again.
    """
    return effect != Effect.REQUIRE_APPROVAL or not command_class.finishes_approved


def added_up(
    policies: Sequence[Policy], *, built_in: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the requirements of a request: rules add up, and the strictest option wins.

    Groups are identified by id; names are for display only.
    """
    given = built_in or {"policies": [], "rules": []}
    versions = [
        {"id": str(policy.pk), "version": policy.version, "governs": policy.governs}
        for policy in policies
    ]
    rules = [
        rule | {"policy_id": str(policy.pk)} for policy in policies for rule in policy.current_rules
    ]
    return {
        "policies": [*given["policies"], *versions],
        "rules": [*given["rules"], *rules],
        "options": _options(policies) | given.get("options", {}),
    }


def strictest(options: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the strictest of each option; an option that is missing requires nothing."""

    def given(name: str) -> list[Any]:
        return [each[name] for each in options if each.get(name) is not None]

    return {
        "requester_may_vote": bool(options) and all(o.get("requester_may_vote") for o in options),
        "minimum_membership_s": max(given("minimum_membership_s"), default=0),
        **{name: any(given(name)) for name in _REQUIRED},
        # Only if it is required: stored requirements have no such option otherwise.
        **({"signed_votes": True} if any(given("signed_votes")) else {}),
        **{name: min(given(name), default=None) for name in _TIME_LIMITS},
    }


def check_can_be_held(
    command: Command, *, requirements: dict[str, Any], tenant: str, requester: str
) -> None:
    """Check that a command can be held and then approved.

    :raises CannotBeHeld: if the command has values that may not be stored.
    :raises Unsatisfiable: if the approvers of today cannot meet the requirements.
    """
    if command.withheld_names():
        raise CannotBeHeld
    members = Members([rule["group_id"] for rule in requirements["rules"]], tenants=[tenant])
    # Those who are too new yet may approve later.
    people_of = partial(members.eligible, tenant=tenant)
    slots = matching.slots_for(requirements, requester=requester, people_of=people_of)
    filled = matching.fill(slots)
    for slot, rule in zip(slots, requirements["rules"], strict=True):
        if len(filled[slot.rule]) < slot.quorum:
            governed = ", ".join(policy["governs"] for policy in requirements["policies"])
            message = (
                f"The policy on {governed} requires {slot.quorum} approvals from "
                f"{quoted(rule['group'])}, where only {len(filled[slot.rule])} may approve this. "
                "Ask an administrator to add people to the group."
            )
            raise Unsatisfiable(message)


@describes_policies
def describe(command_class: type[Command]) -> str:
    """Return the requirements of the policies on a type of command, as text."""
    policies = Policy.objects.filter(governs__in=names_governing(command_class), is_enabled=True)
    return "; ".join(
        ", ".join(map(str, policy.present_rules())) or policy.effect
        for policy in policies.prefetch_related("rules__group").order_by("pk")
        if may_apply(policy.effect, command_class)
    )


def _evaluated(policy: Policy, matched: Sequence[Policy]) -> dict[str, Any]:
    return {
        "id": str(policy.pk),
        "version": policy.version,
        "governs": policy.governs,
        "effect": policy.effect,
        "matched": policy in matched,
    }


def _options(policies: Sequence[Policy]) -> dict[str, Any]:
    options = strictest([policy.options for policy in policies])
    usual = int(countersign().approve_within.total_seconds())
    return options | {"approve_within_s": min(options["approve_within_s"] or usual, usual)}
