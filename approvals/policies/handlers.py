"""Handlers of policy commands, with the checks that a policy can be evaluated and met."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group

from approvals.models import Effect, Policy, Rule
from approvals.models.eligibility import Members
from approvals.passkeys.ceremonies import problem_with_address
from approvals.people import likeness
from approvals.policies import commands, conditions, evaluation
from approvals.policies import slots as matching
from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.installation import users
from audit.messages.characters import actor_name, quoted
from audit.messages.classes import Command
from audit.messages.exceptions import FieldError, Invalid

_LONGEST = timedelta(days=99_999)
_FROM = {0: "from zero", 1: "from one second"}


@handles(commands.CreatePolicy)
def create_policy(command: commands.CreatePolicy, context: Context) -> Policy:
    check_policy(command)
    policy = Policy.objects.create(pk=command.policy_id, **command.columns())
    _add_rules(policy, command)
    policy.seal()
    context.emit(commands.PolicyCreated(policy_id=policy.pk, **_content(command)))
    return policy


@handles(commands.EditPolicy)
def edit_policy(command: commands.EditPolicy, context: Context) -> Policy:
    policy = _locked(command.policy_id)
    check_policy(command)
    if _is_as_drafted(policy, command):
        return policy
    for rule in policy.rules.filter(is_dropped=False):
        rule.drop()
    _add_rules(policy, command)
    policy.edit(**command.columns())
    context.emit(
        commands.PolicyEdited(policy_id=policy.pk, version=policy.version, **_content(command))
    )
    return policy


@handles(commands.DisablePolicy)
def disable_policy(command: commands.DisablePolicy, context: Context) -> Policy:
    policy = _locked(command.policy_id)
    if policy.disable():
        context.emit(commands.PolicyDisabled(policy_id=policy.pk))
    return policy


@precondition(commands.CreatePolicy, commands.EditPolicy)
def check_draft(command: commands.PolicyDraft, context: Context) -> bool:
    """Refuse early what would be refused on execution; return False if nothing would change."""
    edited = None
    if isinstance(command, commands.EditPolicy):
        edited = Policy.objects.get(pk=command.policy_id)
    check_policy(command)
    return edited is None or not _is_as_drafted(edited, command)


@precondition(commands.DisablePolicy)
def check_is_enabled(command: commands.DisablePolicy, context: Context) -> bool:
    """Refuse early to disable a missing policy; return False if it is disabled already."""
    return Policy.objects.get(pk=command.policy_id).is_enabled


def check_policy(command: commands.PolicyDraft) -> None:
    """Check that a policy can be evaluated, and met by the current approvers.

    :raises Invalid: with all problems of the first step that finds any.
    """
    governed = _governed_by(command.governs, effect=command.effect)
    _check_can_be_undone(command, governed)
    _check_durations(command)
    _check_can_be_signed(command)
    if command.condition:
        conditions.check(command.condition, governed)
    if command.effect != Effect.REQUIRE_APPROVAL.value:
        return
    _check_can_be_held(governed)
    likeness.check_may_decide(groups=Group.objects.filter(pk__in=command.groups))
    _check_rules(command, governed)


def _governed_by(governs: str, *, effect: str) -> list[type[Command]]:
    """Return every command type to which a policy of this name and effect can apply.

    :raises Invalid: if there is no such type.
    """
    found = evaluation.governed_by(governs)
    if not found:
        message = f"must be a command type or a prefix such as apikeys.*, not {quoted(governs)}"
        raise Invalid(errors=[FieldError("governs", "unknown", message)])
    governed = [each for each in found if evaluation.may_apply(effect, each)]
    if not governed:
        message = f"must not hold {governs}, the last step of an earlier approval"
        raise Invalid(errors=[FieldError("governs", "finishing", message)])
    return governed


def _check_can_be_undone(command: commands.PolicyDraft, governed: Sequence[type[Command]]) -> None:
    """Refuse a policy that could prevent its own removal: removal is already guarded."""
    if commands.DisablePolicy not in governed:
        return
    if command.effect == Effect.FORBID.value:
        message = "must not forbid changing policies: no one could undo that"
        raise Invalid(errors=[FieldError("effect", "irrevocable", message)])
    if command.condition:
        message = (
            "must be empty if the policy governs policy changes: if it failed, no one could undo it"
        )
        raise Invalid(errors=[FieldError("condition", "irrevocable", message)])


def _check_durations(command: commands.PolicyDraft) -> None:
    """Refuse a limit of zero, which would mean no limit, and durations beyond the calendar."""
    least = {"minimum_membership": 0, "approve_within": 1, "execute_within": 1}
    given = {name: getattr(command, name) for name in least}
    errors = [
        FieldError(name, "out_of_range", f"must be {_FROM[seconds]} to {_LONGEST.days:,} days")
        for name, seconds in least.items()
        if given[name] is not None and not timedelta(seconds=seconds) <= given[name] <= _LONGEST
    ]
    if errors:
        raise Invalid(errors=errors)


def _check_can_be_signed(command: commands.PolicyDraft) -> None:
    problem = problem_with_address() if command.signed_votes else ""
    if problem:
        message = f"must be off, because passkeys cannot be used here: {problem}"
        raise Invalid(errors=[FieldError("signed_votes", "unavailable", message)])


def _check_can_be_held(governed: Sequence[type[Command]]) -> None:
    secretive = [each.message_type for each in governed if each.always_withheld()]
    if secretive:
        message = f"must not hold {', '.join(secretive)}, which has a secret or a file"
        raise Invalid(errors=[FieldError("governs", "secret", message)])


def _check_rules(command: commands.PolicyDraft, governed: Sequence[type[Command]]) -> None:
    """Check that active people can meet the rules, whichever approver is the requester.

    :raises Invalid: naming the group that lacks people, and for which requester.
    """
    if not command.groups or len(command.groups) != len(command.quorums):
        raise Invalid(errors=[FieldError("groups", "invalid", "must name a quorum for each group")])
    if min(command.quorums) < 1:
        raise Invalid(errors=[FieldError("quorums", "invalid", "must be at least 1")])
    members = command.members()
    _check_can_be_met(command, members, without=None)
    if not command.requester_may_vote:
        people = set().union(*(slot.people for slot in command.slots(members, without=None)))
        for requester in _possible_requesters(people, governed):
            _check_can_be_met(command, members, without=requester)


def _possible_requesters(people: set[int], governed: Sequence[type[Command]]) -> list[int]:
    """Return the approvers who may send such commands themselves, and then cannot vote."""
    permissions = {each.required_permission for each in governed}
    return [
        user.pk
        for user in users.manager().filter(pk__in=people).order_by("pk")
        if any(permission is None or user.has_perm(permission) for permission in permissions)
    ]


def _check_can_be_met(
    command: commands.PolicyDraft, members: Members, *, without: int | None
) -> None:
    slots = command.slots(members, without=without)
    filled = matching.fill(slots)
    for place, slot in enumerate(slots):
        if len(filled[slot.rule]) < slot.quorum:
            message = _too_few(command.groups[place], len(filled[slot.rule]), slot.quorum)
            raise _unsatisfiable(message, requester=without)


def _too_few(group_id: int, people: int, needed: int) -> str:
    group = Group.objects.get(pk=group_id)
    has = f"only {people} {'person' if people == 1 else 'people'}" if people else "no one"
    verb = "is" if needed == 1 else "are"
    return f"{quoted(str(group))} has {has} who can approve; {needed} {verb} needed"


def _unsatisfiable(message: str, *, requester: int | None) -> Invalid:
    if requester is not None:
        message += f" when {actor_name(str(users.manager().get(pk=requester)))} is the requester"
    return Invalid(errors=[FieldError("quorums", "unsatisfiable", message)])


def _is_as_drafted(policy: Policy, command: commands.PolicyDraft) -> bool:
    rules = zip(command.groups, command.quorums, strict=True)
    return not policy.problem and policy.has(command.columns(), rules)


def _locked(policy_id: UUID) -> Policy:
    """Return a policy, locked.

    :raises PolicyAltered: if it is not as its last command left it: a change would hide that.
    """
    policy = Policy.objects.select_for_update().get(pk=policy_id)
    policy.check_sealed()
    return policy


def _add_rules(policy: Policy, command: commands.PolicyDraft) -> None:
    for group, quorum in zip(command.groups, command.quorums, strict=True):
        Rule.objects.create(policy=policy, group=Group.objects.get(pk=group), quorum=quorum)


def _content(command: commands.PolicyDraft) -> dict[str, Any]:
    return {name: value for name, value in command.plain().items() if name != "policy_id"}
