"""Explanations: why a policy matches a recorded command, or does not."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from approvals.models import Policy
from approvals.policies import conditions, evaluation
from approvals.policies.conditions import ConditionFailed
from audit.messages import catalog
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord
from audit.subjects import types
from audit.subjects.tenants import tenant_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one version of a policy matches one command, or why not.

    ``unmet`` is the first criterion that the command does not meet, or the reason why that could
    not be evaluated; empty if the policy matches. ``values`` are those that its condition names.
    """

    policy: Policy
    record: CommandRecord
    unmet: str = ""
    is_evaluable: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_decisive(self) -> bool:
        """True if the policy matched when the command arrived."""
        evaluated = (self.record.decision or {}).get("policies", [])
        return any(each["id"] == str(self.policy.pk) and each.get("matched") for each in evaluated)


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


def explain(policy: Policy, record: CommandRecord, *, past: Past) -> Explanation:
    """Return why a policy matches a recorded command, or why not, by what was known then."""
    made = partial(Explanation, policy=policy, record=record)
    condition, values = policy.condition, dict[str, Any]()
    try:
        unmet = _unmet(policy, record)
        if unmet or not condition:
            return made(unmet=unmet)
        known = _values(record, past.of(record) if conditions.needs_subject(condition) else {})
        values = {name: known[name] for name in conditions.members(condition) if name in known}
        command_class: Any = catalog.message_class(record.message_type)
        criterion = conditions.first_unmet(condition, known, command_class)
    except (ConditionFailed, Invalid, catalog.UnknownMessageType) as error:
        return made(unmet=str(error), is_evaluable=False, values=values)
    return made(unmet=f"not: {criterion}" if criterion else "", values=values)


def explain_all(record: CommandRecord) -> list[Explanation]:
    """Return for each enabled policy why it matches a recorded command, or why not."""
    policies = Policy.objects.filter(is_enabled=True).order_by("governs", "pk")
    past = Past([record])
    return [explain(policy, record, past=past) for policy in policies]


def _unmet(policy: Policy, record: CommandRecord) -> str:
    command_class: Any = catalog.message_class(record.message_type)
    if policy.governs not in evaluation.names_governing(command_class):
        return f"it governs {policy.governs}, not {record.message_type}"
    if not evaluation.may_apply(policy.effect, command_class):
        return "the command is the last step of what was approved before"
    if policy.tenant not in ("", record.tenant):
        return f"it is for another {tenant_word()}"
    return ""


def _values(record: CommandRecord, subject: dict[str, Any]) -> dict[str, Any]:
    """Return the value of every name that a condition may use, as of when the command arrived.

    :raises UnknownMessageType: if its type is no longer that of a command.
    :raises Invalid: if it does not fit its class.
    """
    command = catalog.restore(record.message_type, record.schema_version, record.data)
    if not isinstance(command, Command):
        raise catalog.UnknownMessageType(record.message_type)
    return conditions.values_of(command, record, subject)
