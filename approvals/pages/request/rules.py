"""Changes of the approvals that a policy requires, from the events of a command."""

from collections.abc import Iterable
from typing import NamedTuple

from approvals.models import PolicySeal
from approvals.policies.commands import PolicyCreated, PolicyEdited
from approvals.policies.seals import Rules, group_names, rules_of, sealed_rules, worded
from audit.messages.classes import Event


class RulesChange(NamedTuple):
    """The required approvals before and after, as text; empty if there was no policy before."""

    before: str
    after: str


def rules_change(emitted: Iterable[Event]) -> RulesChange | None:
    """Return the change of the required approvals; None without one."""
    event = next((each for each in emitted if isinstance(each, PolicyCreated | PolicyEdited)), None)
    if event is None:
        return None
    before = _before(event) if isinstance(event, PolicyEdited) else []
    after = rules_of(event)
    if sorted(before) == sorted(after):
        return None
    names = group_names([before, after])
    return RulesChange(worded(before, names) if before else "", worded(after, names))


def _before(event: PolicyEdited) -> Rules:
    """Return the rules of the version before the edit, as its seal has them."""
    version = event.version - 1
    seals = PolicySeal.objects.filter(policy_id=event.policy_id, version=version)
    genuine = next((seal for seal in seals if seal.is_genuine), None)
    return sealed_rules(genuine) if genuine else []
