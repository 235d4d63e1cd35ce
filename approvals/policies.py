"""What decides: the policies that govern a command, and whether a request meets them. Reads only."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model

from approvals.models import ApprovalRequest, Decision, Rule
from audit.actors import Actor
from audit.exceptions import Forbidden
from audit.messages import Command, secret_fields
from audit.registry import describes_policies


class CannotBeHeld(Forbidden):
    """A policy governs this command, but it carries a secret, which may not be stored."""


class Unsatisfiable(Forbidden):
    """A policy governs this command, and not enough people are there to approve it."""


def rules_for(command: Command) -> list[Rule]:
    """Find the rules that govern a command, in one query, so that it sees one version of each.

    A policy goes on governing a command that was renamed since.
    """
    return _rules(type(command))


@describes_policies
def describe(command_class: type[Command]) -> str:
    """Say who has to approve commands of a type."""
    return ", ".join(f"{rule.quorum} of {rule.group}" for rule in _rules(command_class))


def _rules(command_class: type[Command]) -> list[Rule]:
    names = [command_class.message_type, *command_class.aliases]
    rules = Rule.objects.filter(policy__message_type__in=names, policy__is_enabled=True)
    return list(rules.select_related("policy", "group"))


def check_can_be_held(command: Command, *, rules: Sequence[Rule], actor: Actor) -> None:
    """Refuse what could be held but never released.

    :raises CannotBeHeld: if the command has secret fields.
    :raises Unsatisfiable: if a rule asks for more people than there are.
    """
    if secret_fields(type(command)):
        raise CannotBeHeld
    for rule in rules:
        people = get_user_model().objects.filter(groups=rule.group_id, is_active=True)
        count = people.exclude(pk=actor.person_id or None).count()
        if count < rule.quorum:
            message = (
                f"The {rule.policy} asks for {rule.quorum} approvals from {rule.group}, where "
                f"only {count} may approve this. Ask an administrator to add people to the group."
            )
            raise Unsatisfiable(message)


def requirements(rules: Sequence[Rule]) -> dict[str, Any]:
    """Take the snapshot of what a request has to meet, by ids; names are for people only."""
    return {
        "policies": [{"id": str(r.policy_id), "version": r.policy.version} for r in rules],
        "rules": [
            {"id": str(r.pk), "group_id": r.group_id, "group": r.group.name, "quorum": r.quorum}
            for r in rules
        ],
    }


def counted_voters(request: ApprovalRequest) -> dict[str, int]:
    """Count, for each rule of a request, the people whose approval counts at this moment.

    That needs a genuine vote on what the request asks for, from a person who is active and still
    in the group.
    """
    votes = [
        vote
        for vote in request.votes.all()
        if vote.decision == Decision.APPROVE
        and vote.digest == request.digest
        and vote.is_genuine
        and str(vote.voter_id) != request.requester_person
    ]
    people = get_user_model().objects.filter(pk__in=[vote.voter_id for vote in votes])
    active = people.filter(is_active=True)
    return {
        rule["id"]: active.filter(groups=rule["group_id"]).count()
        for rule in request.requirements["rules"]
    }


def is_satisfied(request: ApprovalRequest) -> bool:
    """Tell whether enough people approve a request at this moment."""
    counted = counted_voters(request)
    rules = request.requirements["rules"]
    return bool(rules) and all(counted[rule["id"]] >= rule["quorum"] for rule in rules)
