"""Effective requirements of requests: those stored with them, and what today's policies add.

Today's policies are evaluated as for a live command, with the requester's facts. So a request never
requires less than when it was made, and a policy that forbids its command stops it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from approvals.models import ApprovalRequest, Policy, State
from approvals.models.refusals import NoReasonGiven, TooLate
from approvals.policies import conditions, evaluation
from approvals.sealing.payloads import Unloadable
from audit.actors.actors import SYSTEM
from audit.installation.settings import countersign
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, Forbidden
from audit.models.records import CommandRecord, Status
from audit.subjects import names, types

_DECIDED_BY_POLICIES = (State.EXECUTED, State.REFUSED, State.FAILED)


class _Held(NamedTuple):
    """A request that can still be executed, with its command."""

    request: ApprovalRequest
    command: Command


def read(requests: Collection[ApprovalRequest]) -> None:
    """Set the effective requirements of requests: in three queries for any number, or fewer.

    Of a decided request they are those that were recorded when it was decided.
    """
    unread = [request for request in requests if not hasattr(request, "required")]
    for request in unread:
        request.required = request.requirements
    _add_recorded([each for each in unread if each.state in _DECIDED_BY_POLICIES])
    held = [_Held(each, command) for each in unread if (command := _command(each))]
    if held:
        _add_today(held)


def read_opened(request: ApprovalRequest, command: Command) -> None:
    """Set the effective requirements of a request whose command is loaded."""
    request.required = request.requirements
    _add_today([_Held(request, command)])


def check_not_forbidden(request: ApprovalRequest) -> None:
    """Check that today's policies do not forbid the command of a request, and can be evaluated.

    :raises Forbidden: if they do, or cannot.
    """
    if isinstance(request.barrier, Forbidden):
        raise request.barrier


def is_required_since(policy: Policy, request: ApprovalRequest, *, version: int) -> bool:
    """Return True if a policy of today applies to a request that was made before this version."""
    today, stored = (
        [each for each in requirements["policies"] if each["id"] == str(policy.pk)]
        for requirements in (request.required, request.requirements)
    )
    return bool(today) and all(each["version"] < version for each in stored)


def people_required(requirements: Mapping[str, Any]) -> Counter[int]:
    """Return the number of people required from each group: a person fills one rule only."""
    counted: Counter[int] = Counter()
    for rule in requirements["rules"]:
        counted[rule["group_id"]] += rule["quorum"]
    return counted


def _command(request: ApprovalRequest) -> Command | None:
    """Return the command of a request that can still be executed."""
    if not request.is_open:
        return None
    try:
        return request.command()
    except Unloadable:
        return None


def _add_recorded(requests: Sequence[ApprovalRequest]) -> None:
    """Set the requirements that were recorded with the last attempts at these commands."""
    found = CommandRecord.objects.filter(command_id__in=[each.command_id for each in requests])
    decisions = found.exclude(status=Status.POSTPONED).order_by("attempt")
    recorded = dict(decisions.values_list("command_id", "decision")) if requests else {}
    for request in requests:
        decision = recorded.get(request.command_id) or {}
        request.required = decision.get("requirements") or request.requirements


def _add_today(held: Sequence[_Held]) -> None:
    facts = _Facts(held, evaluation.governing([type(each.command) for each in held]))
    for each in held:
        _add_today_to(each, facts)


def _add_today_to(held: _Held, facts: "_Facts") -> None:
    request, command = held
    try:
        today = evaluation.verdict_of(
            facts.policies,
            command,
            tenant=request.tenant,
            is_met=lambda condition: facts.meet(condition, held),
        ).requirements
    except (Forbidden, Conflict) as refusal:
        request.barrier = refusal
        return
    if today["rules"]:
        request.required = _united(request.requirements, today)
        request.barrier = _barrier(request, today["options"])


class _Facts:
    """The policies that may govern held commands, and what their conditions use, if they do."""

    def __init__(self, held: Sequence[_Held], policies: list[Policy]) -> None:
        self.policies = policies
        used = [each.condition for each in policies if each.condition]
        self._records = _held_records(held) if used else {}
        about = (each.command.subject_reference() for each in held)
        is_needed = any(map(conditions.needs_subject, used))
        self._rows = names.found(filter(None, about), actor=SYSTEM) if is_needed else {}

    def meet(self, condition: str, held: _Held) -> bool:
        """Return True if a held command, as it was sent, meets a condition now."""
        record = self._records.get(held.request.command_id)
        if record is None:
            message = "The log has no record of the held command, so no policy can be evaluated."
            raise Forbidden(message)
        values = conditions.values_of(held.command, record, self._subject(held.command))
        return conditions.evaluate(condition, values, type(held.command))

    def _subject(self, command: Command) -> dict[str, Any]:
        subject = command.subject_reference()
        row = self._rows.get(subject) if subject else None
        found = types.subject_type(subject.type) if subject else None
        if row is None or found is None:
            return {}
        return {name: getattr(row, name) for name in types.subject_fields(found)}


def _held_records(held: Sequence[_Held]) -> dict[UUID, CommandRecord]:
    """Return the records of held commands, in one query unless they were read before."""
    if all("held_record" in each.request.__dict__ for each in held):
        return {each.request.command_id: each.request.held_record for each in held}
    ids = [each.request.command_id for each in held]
    found = CommandRecord.objects.filter(command_id__in=ids, status=Status.POSTPONED)
    # The first attempt is that of the bus; others were inserted by hand.
    return {record.command_id: record for record in found.order_by("-attempt")}


def _united(stored: dict[str, Any], today: dict[str, Any]) -> dict[str, Any]:
    """Return two snapshots united: of each group as many people as the stricter one requires.

    The ids of the stored rules stay, and an added rule is named for its group, so that votes for
    it keep counting when its policy is edited.
    """
    missing = people_required(today) - people_required(stored)
    raised = [
        rule | {"quorum": rule["quorum"] + missing.pop(rule["group_id"], 0)}
        for rule in stored["rules"]
    ]
    added = {rule["group_id"]: rule for rule in today["rules"] if rule["group_id"] in missing}
    return {
        "policies": [
            *stored["policies"],
            *(each for each in today["policies"] if each not in stored["policies"]),
        ],
        "rules": [
            *raised,
            *(
                rule | {"id": f"group:{group}", "quorum": missing[group]}
                for group, rule in added.items()
            ),
        ],
        "options": _stricter(stored.get("options", {}), today["options"]),
    }


def _stricter(stored: dict[str, Any], today: dict[str, Any]) -> dict[str, Any]:
    return stored if stored == today else stored | evaluation.strictest([stored, today])


def _barrier(request: ApprovalRequest, today: Mapping[str, Any]) -> Conflict | None:
    """Return why a request cannot be approved under today's options."""
    if today["requester_reason_required"] and not request.reason.strip():
        return NoReasonGiven()
    if today.get("must_be_decided"):
        return None
    within = timedelta(seconds=today["approve_within_s"])
    # The setting counts when a request is made; only a policy shortens the time of a waiting one.
    if within < countersign().approve_within and request.state == State.PENDING:
        until = request.requested_at + within
        if timezone.now() >= until:
            return TooLate(f"Today's policies allow approvals until {until:%Y-%m-%d %H:%M} UTC.")
    return None
