"""Why a request needs approval: the policies as they were, what made them match, and today."""

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from approvals.models import ApprovalRequest, Effect, Policy
from approvals.pages import links
from approvals.policies import tightening
from approvals.policies.built_in import FLOOR
from approvals.policies.simulation import values_then
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.messages import catalog
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Invalid
from audit.models.records import CommandRecord
from audit.pages.labels import shown
from audit.pages.safe_text import one_line

_MEMBER = re.compile(r"\b(?:command|actor|context|subject)\.\w+")
_LONGEST_VALUE = 120
_FLOOR_WORDS = "built-in policy: changes to approvals need two Policy owners"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One policy as it was, with the values that met its condition, and what it is today."""

    governs: str
    version: int
    url: str
    condition: str
    values: list[tuple[str, str]]
    today: str


def grounds(request: ApprovalRequest, held: CommandRecord, *, actor: Actor) -> list[Ground]:
    """List the policies that a request is held for."""
    asked = request.requirements["policies"]
    stored = [each for each in asked if each["id"] != FLOOR]
    then, now = _as_they_were(stored), _as_they_are(stored)
    values = _values(held)
    urls = links.policy_urls([each["id"] for each in stored], actor=actor)
    return [
        Ground(
            governs=each["governs"],
            version=each["version"],
            url=urls.get(each["id"], ""),
            condition=then.get(each["id"], ""),
            values=_named_in(then.get(each["id"], ""), values),
            today=_FLOOR_WORDS
            if each["id"] == FLOOR
            else _today(each["version"], now.get(each["id"])),
        )
        for each in asked
    ]


def difference_to_today(request: ApprovalRequest, command: Command) -> list[str]:
    """Say how what the policies of today would ask for differs from what this request asks for."""
    try:
        verdict = tightening.verdict_of_today(request, command, by=Context())
    except CommandError as refusal:
        return [f"Today it would be refused: {refusal.message}"]
    if verdict.effect is Effect.ALLOW:
        return ["Today no policy would hold it; its own requirements still apply."]
    return _compared(request.requirements, verdict.requirements)


def _compared(asked: dict[str, Any], today: dict[str, Any]) -> list[str]:
    before, after = map(tightening.people_asked, (asked, today))
    names = {rule["group_id"]: rule["group"] for rule in (*asked["rules"], *today["rules"])}
    differing = [
        f"{name}: {before[group]} approvals at the time of the request, {after[group]} today."
        for group, name in names.items()
        if before[group] != after[group]
    ]
    options = [each.get("options", {}) for each in (asked, today)]
    if any(options[0].get(name) != value for name, value in options[1].items()):
        differing.append("Today's policies differ in who may vote, or until when.")
    return differing


def _as_they_were(asked: list[dict[str, Any]]) -> dict[str, str]:
    versions = [Q(id=each["id"], version=each["version"]) for each in asked]
    history: Any = Policy.history
    rows = history.filter(reduce(or_, versions, Q(pk__in=())))
    return {str(row.id): row.condition for row in rows}


def _as_they_are(asked: list[dict[str, Any]]) -> dict[str, Policy]:
    found = Policy.objects.filter(pk__in=[each["id"] for each in asked])
    return {str(policy.pk): policy for policy in found}


def _today(version: int, policy: Policy | None) -> str:
    if policy is None or not policy.is_enabled:
        return "now disabled"
    return "unchanged" if policy.version == version else f"now version {policy.version}"


def _values(held: CommandRecord) -> dict[str, Any]:
    try:
        return values_then(held)
    except (catalog.UnknownMessageType, Invalid):
        return {}


def _named_in(condition: str, values: dict[str, Any]) -> list[tuple[str, str]]:
    """Pick the values that a condition asks for, each once, in its order."""
    named = dict.fromkeys(_MEMBER.findall(condition))
    return [
        (name, one_line(shown(values[name]), longest=_LONGEST_VALUE))
        for name in named
        if name in values
    ]
