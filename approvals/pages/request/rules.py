"""Changes of the approvals that a policy requires, from the events of a command."""

from collections.abc import Iterable
from typing import NamedTuple

from django.contrib.auth.models import Group

from approvals.models import PolicySeal
from approvals.policies.commands import PolicyCreated, PolicyEdited
from audit.messages.characters import quoted
from audit.messages.classes import Event


class RulesChange(NamedTuple):
    """The required approvals before and after, as text; empty if there are none."""

    before: str
    after: str


def rules_change(emitted: Iterable[Event]) -> RulesChange | None:
    """Return the change of the required approvals; None without one."""
    event = next((each for each in emitted if isinstance(each, PolicyCreated | PolicyEdited)), None)
    if event is None:
        return None
    after = list(zip(event.groups, event.quorums, strict=False))
    before = _before(event) if isinstance(event, PolicyEdited) else []
    if sorted(before) == sorted(after):
        return None
    names = dict(
        Group.objects.filter(pk__in=[group for group, _ in (*before, *after)]).values_list(
            "pk", "name"
        )
    )
    return RulesChange(_worded(before, names), _worded(after, names))


def _before(event: PolicyEdited) -> list[tuple[int, int]]:
    """Return the rules of the version before the edit, as its seal has them."""
    version = event.version - 1
    seals = PolicySeal.objects.filter(policy_id=event.policy_id, version=version)
    genuine = next((seal for seal in seals if seal.is_genuine), None)
    rules = genuine.content["rules"] if genuine else []
    return [(rule["group_id"], rule["quorum"]) for rule in rules]


def _worded(rules: list[tuple[int, int]], names: dict[int, str]) -> str:
    return " and ".join(
        f"{quorum} of {quoted(names.get(group, f'group {group}'))}" for group, quorum in rules
    )
