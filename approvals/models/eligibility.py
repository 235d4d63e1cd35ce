"""Eligibility to vote: active people of a request's groups, members for long enough."""

from collections.abc import Collection, Mapping
from typing import Any

from approvals.models.refusals import NotActive, NotAnApprover, NotAPerson, OwnRequest, TooNew
from approvals.people.seniority import Seniority
from audit.actors.actors import Actor
from audit.messages.characters import quoted
from audit.wire import pipeline
from audit.wire.statements import Statement

#: One row for each group of an active person; one without a group, if the person is in no group.
GROUPS_OF_PERSON = Statement("""
    SELECT belonging.group_id FROM auth_user AS person
    LEFT JOIN auth_user_groups AS belonging ON belonging.user_id = person.id
    WHERE person.id = %s AND person.is_active
""")


_MEMBERS = Statement("""
    SELECT belonging.group_id, person.id FROM auth_user_groups AS belonging
    JOIN auth_user AS person ON person.id = belonging.user_id
    WHERE person.is_active AND belonging.group_id = ANY(%s)
""")


def members_of(groups: Collection[int]) -> dict[int, set[int]]:
    """Return the active members of each group."""
    members: dict[int, set[int]] = {group: set() for group in groups}
    for group, person in pipeline.execute(_MEMBERS, [list(groups)]):
        members[group].add(person)
    return members


def eligible_rules(
    requirements: Mapping[str, Any], *, requester_person: str, actor: Actor
) -> list[str]:
    """Return the ids of the rules that a person may approve for now.

    :raises Forbidden: with the reason, if there is no such rule.
    """
    options, rules = requirements.get("options", {}), requirements["rules"]
    if actor.kind != "user":
        raise NotAPerson
    if actor.person_id == requester_person and not options.get("requester_may_vote", False):
        raise OwnRequest
    person_id = int(actor.person_id)
    groups = {group for (group,) in pipeline.execute(GROUPS_OF_PERSON, [person_id])}
    if not groups:
        raise NotActive
    own = [rule for rule in rules if rule["group_id"] in groups]
    if not own:
        names = ", ".join(quoted(rule["group"]) for rule in rules)
        message = f"You do not belong to {names}, whose members may approve this request."
        raise NotAnApprover(message)
    minimum_s = int(options.get("minimum_membership_s", 0))
    if minimum_s:
        seniority = Seniority({rule["group_id"] for rule in own})
        own = [r for r in own if seniority.senior({person_id}, r["group_id"], minimum_s=minimum_s)]
        if not own:
            raise TooNew
    return [rule["id"] for rule in own]
