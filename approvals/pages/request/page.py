"""The context of the page of one request."""

from datetime import datetime
from typing import Any, NamedTuple

from django.utils.timesince import timesince, timeuntil

from approvals.decisions.rehearsal import rehearse
from approvals.models import ApprovalRequest, State
from approvals.pages import links
from approvals.pages.request.differences import differences
from approvals.pages.request.matching_policies import difference_to_today, matching_policies
from approvals.pages.request.related_activity import related_activity
from approvals.pages.request.timeline import timeline
from approvals.requests.approvers import EligibleApprovers, people_to_ask
from approvals.requests.presentation import Ballot, Presented, present
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON
from audit.models.records import CommandRecord, Status
from audit.pages.safe_text import many_lines, one_line

_LONGEST = 160


class Clock(NamedTuple):
    """A time that matters to a request, and the distance to it as text."""

    name: str
    at: datetime | None
    text: str
    is_urgent: bool = False


def read(request: ApprovalRequest, *, actor: Actor, is_tried: bool = False) -> dict[str, Any]:
    """Return the context of the page for the actor, with a test run if ``is_tried``."""
    (presented,) = present([request], actor=actor)
    mine = Ballot(presented, actor=actor)
    may_try = _may_try(presented, mine)
    approvers = EligibleApprovers(request)
    needs = approvers.needs()
    records = CommandRecord.objects.filter(command_id=request.command_id)
    held = records.filter(status=Status.POSTPONED).order_by("attempt").first()
    context = {
        "asked": presented,
        "ballot": mine,
        "may_try": may_try,
        "clocks": _clocks(presented),
        "needs": needs,
        "votes": approvers.votes(),
        "to_ask": people_to_ask() if any(need.is_unsatisfiable for need in needs) else [],
        "related": related_activity(presented, actor=actor),
        "timeline": timeline(request),
        "longest_reason": LONGEST_REASON,
        "credential": request.requester_kind.replace("_", " "),
        "reason": many_lines(request.reason),
        "successor": _successor(request),
        "held": held,
        "user_agent": one_line(held.user_agent, longest=_LONGEST) if held else "",
    }
    return context | _content(presented, held, actor=actor, is_tried=is_tried and may_try)


def _content(
    presented: Presented, held: CommandRecord | None, *, actor: Actor, is_tried: bool
) -> dict[str, Any]:
    """Return the content of the payload; nothing if it cannot be verified."""
    request, command = presented.request, presented.command
    if command is None or held is None:
        return {}
    tried = rehearse(request, command) if is_tried else None
    subject = command.subject_reference()
    content = request.unsealed().content.decode()
    legible = many_lines(content)
    return {
        "tried": tried,
        "changes": differences(request, command, tried_values=tried.values if tried else None),
        "subject_url": links.subject_url(subject, actor=actor, exists=presented.has_subject),
        "matching_policies": matching_policies(request, held, actor=actor),
        "today": difference_to_today(request, command) if _is_open(request) else [],
        "is_open": _is_open(request),
        "content": content,
        "content_in_full": legible if legible != content else "",
        "version": command.schema_version,
    }


def _may_try(presented: Presented, mine: Ballot) -> bool:
    """Return True if the user has a part in a request that may still be executed.

    A test run takes the same locks as the execution, so not every reader may start one.
    """
    has_part = mine.may_approve or mine.may_take_back or mine.may_withdraw or mine.may_retry
    return presented.command is not None and has_part


def _is_open(request: ApprovalRequest) -> bool:
    return request.present_state is State.PENDING or request.is_retriable


def _clocks(presented: Presented) -> list[Clock]:
    request, now = presented.request, presented.now
    left = _distance(request.approve_by, now) if request.state == State.PENDING else ""
    clocks = [
        Clock("requested", request.requested_at, presented.age),
        Clock("approve by", request.approve_by, left, bool(left) and presented.is_urgent),
        _execute_by(request, now),
    ]
    if request.decided_at:
        ago = f"{timesince(request.decided_at, now, depth=1)} ago"
        clocks.append(Clock("decided", request.decided_at, ago))
    return clocks


def _execute_by(request: ApprovalRequest, now: datetime) -> Clock:
    end = request.execute_by
    if end is None:
        return Clock("execute by", None, "no limit: executed as soon as it is approved")
    if not _is_open(request):
        return Clock("execute by", end, "")
    return Clock("execute by", end, _distance(end, now), (end - now).days < 1)


def _distance(time: datetime, now: datetime) -> str:
    if time <= now:
        return f"overdue by {timesince(time, now, depth=1)}"
    return f"{timeuntil(time, now, depth=2)} left"


def _successor(request: ApprovalRequest) -> ApprovalRequest | None:
    """Return the stricter request that replaced a superseded one."""
    if request.state != State.SUPERSEDED:
        return None
    return ApprovalRequest.of_command(request.command_id).first()
