"""Policy simulation: a draft run over recorded commands, or the policies on one explained."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from approvals.models import Effect, Policy
from approvals.policies import conditions, evaluation
from approvals.policies import slots as matching
from approvals.policies.conditions import ConditionFailed
from approvals.policies.slots import Slots
from audit.messages import catalog
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord
from audit.subjects import types


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A policy that is not stored."""

    governs: str
    effect: str = Effect.REQUIRE_APPROVAL
    condition: str = ""
    tenant: str = ""
    groups: Sequence[int] = ()
    quorums: Sequence[int] = ()
    requester_may_vote: bool = False


@dataclass(slots=True)
class Simulation:
    """The result of running a draft over recorded commands."""

    looked_at: int = 0
    matched: list[CommandRecord] = field(default_factory=list)
    unsatisfiable: list[CommandRecord] = field(default_factory=list)
    not_evaluable: list[tuple[CommandRecord, str]] = field(default_factory=list)

    @property
    def by_requester(self) -> list[tuple[str, int]]:
        """The number of matching commands of each actor, highest first."""
        return Counter(record.actor_label for record in self.matched).most_common()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The result of one policy for one command; ``unmet`` is the first criterion that failed."""

    policy: Policy
    is_decisive: bool
    unmet: str


class Past:
    """Past values of the commands' subjects: one query for each type, on first use."""

    def __init__(self, records: Iterable[CommandRecord]) -> None:
        self._asked: defaultdict[str, set[str]] = defaultdict(set)
        for record in records:
            self._asked[record.subject_type].add(record.subject_id)
        self._versions: dict[str, dict[str, list[Any]]] = {}

    def of(self, record: CommandRecord) -> dict[str, Any]:
        """Return the values of a command's subject when the command arrived, from its history."""
        found: Any = types.subject_type(record.subject_type)
        if found is None or not hasattr(found.model, "history"):
            return {}
        if found.name not in self._versions:
            self._versions[found.name] = self._read(found)
        versions = self._versions[found.name].get(record.subject_id, [])
        then = bisect_right(versions, record.received_at, key=lambda row: row.history_date)
        if not then:
            return {}
        return {name: getattr(versions[then - 1], name) for name in types.subject_fields(found)}

    def _read(self, found: Any) -> dict[str, list[Any]]:
        key = found.model._meta.pk.attname
        rows = found.model.history.filter(**{f"{key}__in": self._asked[found.name]})
        versions: defaultdict[str, list[Any]] = defaultdict(list)
        for row in rows.order_by("history_date", "history_id"):
            versions[str(getattr(row, key))].append(row)
        return versions


def simulate(draft: Draft, records: Iterable[CommandRecord]) -> Simulation:
    """Run a draft over first attempts at commands, with the values that their subjects had then."""
    simulation, looked_at = Simulation(), list(records)
    members, past = evaluation.members_of(draft.groups), Past(looked_at)
    for record in looked_at:
        simulation.looked_at += 1
        try:
            unmet = first_unmet(draft, record, past=past)
        except (ConditionFailed, Invalid, catalog.UnknownMessageType) as error:
            simulation.not_evaluable.append((record, str(error)))
            continue
        if not unmet:
            simulation.matched.append(record)
            if draft.effect == Effect.REQUIRE_APPROVAL and not _can_be_met(draft, record, members):
                simulation.unsatisfiable.append(record)
    return simulation


def explain(record: CommandRecord) -> list[Explanation]:
    """Return for each enabled policy whether it matches a recorded command, and if not, why."""
    decisive = {
        each["id"] for each in (record.decision or {}).get("policies", []) if each.get("matched")
    }
    return [
        Explanation(policy=policy, is_decisive=str(policy.pk) in decisive, unmet=unmet)
        for policy in Policy.objects.filter(is_enabled=True).order_by("governs", "pk")
        for unmet in (_unmet_or_failed(policy, record),)
    ]


def first_unmet(policy: Draft | Policy, record: CommandRecord, *, past: Past) -> str:
    """Return the first criterion of a policy that a recorded command does not meet, or "".

    :raises ConditionFailed: if the condition cannot be evaluated.
    """
    command_class: Any = catalog.message_class(record.message_type)
    if policy.governs not in evaluation.names_governing(command_class):
        return f"it governs {policy.governs}, not {record.message_type}"
    if not evaluation.may_apply(policy.effect, command_class):
        return "the command is the last step of an earlier approval"
    if policy.tenant not in ("", record.tenant):
        return "it is for another tenant"
    if not policy.condition:
        return ""
    values = _values(record, past.of(record) if "subject." in policy.condition else {})
    for criterion in _criteria(policy.condition):
        if not conditions.evaluate(criterion, values):
            return f"not: {criterion}"
    return ""


def _unmet_or_failed(policy: Policy, record: CommandRecord) -> str:
    try:
        return first_unmet(policy, record, past=Past([record]))
    except (ConditionFailed, Invalid) as error:
        return str(error)


def values_then(record: CommandRecord) -> dict[str, Any]:
    """Return all values that a condition could have used when a recorded command arrived.

    :raises UnknownMessageType: if its type no longer has a class.
    :raises Invalid: if it does not fit its class.
    """
    return _values(record, Past([record]).of(record))


def _values(record: CommandRecord, subject: dict[str, Any]) -> dict[str, Any]:
    command = catalog.restore(record.message_type, record.schema_version, record.data)
    if not isinstance(command, Command):
        raise catalog.UnknownMessageType(record.message_type)
    facts = {
        "actor.kind": record.actor_kind,
        "actor.id": record.actor_id,
        "actor.label": record.actor_label,
        "actor.person_id": record.actor_person,
        "context.channel": record.channel,
        "context.reason": record.reason,
        "context.tenant": record.tenant,
        "context.client_address": record.client_address or "",
        "context.user_agent": record.user_agent,
    }
    return conditions.values_of(command, facts, subject)


def _can_be_met(draft: Draft, record: CommandRecord, members: dict[int, set[int]]) -> bool:
    without = set() if draft.requester_may_vote else {int(record.actor_person or 0)}
    slots = [
        Slots(str(place), quorum, members[group] - without)
        for place, (group, quorum) in enumerate(zip(draft.groups, draft.quorums, strict=True))
    ]
    return matching.are_filled(slots)


def _criteria(condition: str) -> list[str]:
    """Return the parts of a condition between its top-level ``&&``, outside brackets and strings.

    A top-level ``||`` binds less than any ``&&``: then the whole condition is one criterion.
    """
    places = list(_top_level_operators(condition))
    if any(operator == "||" for _, operator in places):
        return [condition]
    starts = [0, *(place + 2 for place, _ in places)]
    ends = [*(place for place, _ in places), len(condition)]
    return [condition[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _top_level_operators(condition: str) -> Iterator[tuple[int, str]]:
    depth, quote = 0, ""
    for place, character in enumerate(condition):
        if quote:
            is_end = character == quote and condition[place - 1] != "\\"
            quote = "" if is_end else quote
        elif character in "\"'":
            quote = character
        elif character in "()[]{}":
            depth += 1 if character in "([{" else -1
        elif not depth and condition[place : place + 2] in ("&&", "||"):
            yield place, condition[place : place + 2]
