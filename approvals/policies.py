"""What decides: which policies govern a command, and whether a request meets them. Only reads."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model

from approvals.models import ApprovalRequest, Decision, Rule
from audit.actors import Actor
from audit.exceptions import Forbidden
from audit.messages import Command, secret_fields
from audit.registry import asked_at_opening, describes_policies


class CannotBeHeld(Forbidden):
    """A policy governs this command, but it carries a secret, which may not be stored."""


class Unsatisfiable(Forbidden):
    """A policy governs this command, and not enough people are there to approve it."""


def rules_for(command: Command) -> list[Rule]:
    """Find the rules that govern a command, in one query, so that it sees one version of each.

    A policy goes on governing a command that was renamed since.
    """
    return _rules(type(command))


@asked_at_opening(
    "is_governed",
    "EXISTS (SELECT FROM approvals_policy WHERE message_type = ANY(%s) AND is_enabled)",
)
def names_to_look_for(command: Command) -> list[str]:
    """List the names under which a policy may govern a command."""
    return _names(type(command))


@describes_policies
def describe(command_class: type[Command]) -> str:
    """Say who has to approve commands of a type."""
    return ", ".join(f"{rule.quorum} of {rule.group}" for rule in _rules(command_class))


def _rules(command_class: type[Command]) -> list[Rule]:
    names = _names(command_class)
    rules = Rule.objects.filter(policy__message_type__in=names, policy__is_enabled=True)
    return list(rules.select_related("policy", "group"))


def _names(command_class: type[Command]) -> list[str]:
    return [command_class.message_type, *command_class.aliases]


def check_can_be_held(command: Command, *, rules: Sequence[Rule], actor: Actor) -> None:
    """Refuse what could be held but never released.

    :raises CannotBeHeld: if the command has secret fields.
    :raises Unsatisfiable: if a rule asks for more people than there are.
    """
    if secret_fields(type(command)):
        raise CannotBeHeld
    for rule in rules:
        people = get_user_model().objects.filter(groups=rule.group_id, is_active=True)
        count = people.exclude(pk=int(actor.person_id or 0)).count()
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
    return counted_voters_of([request])[request.pk]


def counted_voters_of(requests: Iterable[ApprovalRequest]) -> dict[UUID, dict[str, int]]:
    """Count the people of many requests, in one query beside those for the votes."""
    voters = {request: _approving_voters(request) for request in requests}
    groups = _groups_of({voter for each in voters.values() for voter in each})
    return {
        request.pk: {
            rule["id"]: sum(rule["group_id"] in groups[voter] for voter in voters[request])
            for rule in request.requirements["rules"]
        }
        for request in voters
    }


def is_satisfied(request: ApprovalRequest) -> bool:
    """Tell whether enough people approve a request at this moment."""
    counted = counted_voters(request)
    rules = request.requirements["rules"]
    return bool(rules) and all(counted[rule["id"]] >= rule["quorum"] for rule in rules)


def _approving_voters(request: ApprovalRequest) -> set[int]:
    return {
        vote.voter_id
        for vote in request.votes.all()
        if vote.decision == Decision.APPROVE
        and vote.digest == request.digest
        and vote.is_genuine
        and str(vote.voter_id) != request.requester_person
    }


def _groups_of(people: Collection[int]) -> dict[int, set[int]]:
    """Find the groups of each of these people; of those who are not active, none."""
    groups: dict[int, set[int]] = {person: set() for person in people}
    if groups:
        active = get_user_model().objects.filter(pk__in=people, is_active=True)
        for person, group in active.values_list("pk", "groups"):
            groups[person].add(group)
    return groups
