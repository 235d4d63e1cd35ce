"""Matching policies of a request: as they were, why they matched, and their state today."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from approvals.models import ApprovalRequest, Policy
from approvals.pages import links
from approvals.policies import effective
from approvals.policies.built_in import BUILT_IN_ID
from approvals.policies.explanations import Explanation, Past, explain
from audit.actors.actors import Actor
from audit.messages.characters import quoted
from audit.models.records import CommandRecord
from audit.pages.labels import shown
from audit.pages.safe_text import one_line

_LONGEST_VALUE = 120
_BUILT_IN = "Built-in policy: changes to approvals need two policy owners"


class MatchingPolicy(NamedTuple):
    """One policy as it was, why it matched, and its state today."""

    explanation: Explanation
    url: str
    today: str

    @property
    def values(self) -> list[tuple[str, str]]:
        """The values that its condition used, as text."""
        return [
            (name, one_line(shown(value), longest=_LONGEST_VALUE))
            for name, value in self.explanation.values.items()
        ]


def matching_policies(
    request: ApprovalRequest, held: CommandRecord, *, actor: Actor
) -> list[MatchingPolicy]:
    """Return the policies that a request is held for, and those of today that it has to meet."""
    asked = request.required["policies"]
    stored = [each for each in asked if each["id"] != BUILT_IN_ID]
    then, now = _as_they_were(stored), Policy.objects.in_bulk([each["id"] for each in stored])
    urls, past = links.policy_urls([each["id"] for each in stored], actor=actor), Past([held])
    return [
        MatchingPolicy(
            explanation=explain(then.get(each["id"]) or _unknown(each), held, past=past),
            url=urls.get(each["id"], ""),
            today=_today(each, now),
        )
        for each in asked
    ]


def difference_to_today(request: ApprovalRequest) -> list[str]:
    """Return what today's policies add to the requirements that a request was made with."""
    if request.barrier is not None:
        return [f"Today's policies do not let it be approved: {request.barrier.message}"]
    before, now = map(effective.people_required, (request.requirements, request.required))
    names = {rule["group_id"]: quoted(rule["group"]) for rule in request.required["rules"]}
    added = [
        f"{name}: {before[group]} approvals when it was requested, {now[group]} now."
        for group, name in names.items()
        if before[group] != now[group]
    ]
    stored = request.requirements.get("options", {})
    if any(stored.get(name) != value for name, value in request.options.items()):
        added.append("Today's policies are stricter about who may vote, or until when.")
    return added


def _as_they_were(asked: list[dict[str, Any]]) -> dict[str, Policy]:
    versions = [Q(id=each["id"], version=each["version"]) for each in asked]
    history: Any = Policy.history
    rows = history.filter(reduce(or_, versions, Q(pk__in=())))
    return {str(row.id): row for row in rows}


def _unknown(asked: dict[str, Any]) -> Policy:
    """Return a policy that only the request has data of, such as the built-in one."""
    return Policy(governs=asked["governs"], version=asked["version"])


def _today(asked: dict[str, Any], now: Mapping[UUID, Policy]) -> str:
    if asked["id"] == BUILT_IN_ID:
        return _BUILT_IN
    policy = now.get(UUID(asked["id"]))
    if policy is None or not policy.is_enabled:
        return "now disabled"
    unchanged = policy.version == asked["version"]
    return "unchanged" if unchanged else f"now version {policy.version}"
