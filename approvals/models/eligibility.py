"""Who has a say in a request: active people of its groups, there for long enough."""

from collections.abc import Collection, Mapping
from typing import Any

from approvals.models.refusals import NotActive, NotAnApprover, NotAPerson, OwnRequest, TooNew
from approvals.people.seniority import Seniority
from audit.actors.actors import Actor
from audit.wire import pipeline
from audit.wire.statements import Call, Statement

# One row for each group of a person; and one without a group, if there is none.
_GROUPS = Statement("""
    SELECT belonging.group_id FROM auth_user AS person
    LEFT JOIN auth_user_groups AS belonging ON belonging.user_id = person.id
    WHERE person.id = %s AND person.is_active
""")


_MEMBERS = Statement("""
    SELECT belonging.group_id, person.id FROM auth_user_groups AS belonging
    JOIN auth_user AS person ON person.id = belonging.user_id
    WHERE person.is_active AND belonging.group_id = ANY(%s)
""")


def active_members(groups: Collection[int]) -> list[tuple[int, int]]:
    """Return the active people of groups, as pairs of a group's id and a person's."""
    return [(group, person) for group, person in pipeline.execute(_MEMBERS, [list(groups)])]


def eligible_rules(
    requirements: Mapping[str, Any], *, requester_person: str, actor: Actor
) -> list[str]:
    """Find the ids of the rules that a person may approve for now.

    :raises Forbidden: if there are none, in words that say why.
    """
    options, rules = requirements.get("options", {}), requirements["rules"]
    if actor.kind != "user":
        raise NotAPerson
    if actor.person_id == requester_person and not options.get("requester_may_vote", False):
        raise OwnRequest
    own = _own_groups(int(actor.person_id), {rule["group_id"] for rule in rules})
    if not own:
        names = ", ".join(rule["group"] for rule in rules)
        message = f"You do not belong to {names}, whose members may approve this request."
        raise NotAnApprover(message)
    minimum_s = int(options.get("minimum_membership_s", 0))
    seniority = Seniority(own if minimum_s else ())
    person_id = int(actor.person_id)
    found = [
        rule["id"]
        for rule in rules
        if rule["group_id"] in own
        and seniority.is_enough(person_id, rule["group_id"], minimum_s=minimum_s)
    ]
    if not found:
        raise TooNew
    return found


def selection_of_groups(person_id: int) -> Call:
    """Return the statement by which `eligible_rules` reads the groups of a person."""
    return Call(_GROUPS, [person_id])


def _own_groups(person_id: int, group_ids: set[int]) -> set[int]:
    groups = pipeline.execute(*selection_of_groups(person_id))
    if not groups:
        raise NotActive
    return {group for (group,) in groups} & group_ids
