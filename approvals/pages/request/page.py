"""Everything that the page of one request shows, in the order in which it is read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.timesince import timesince, timeuntil

from approvals.decisions.rehearsal import rehearse
from approvals.models import ApprovalRequest, State
from approvals.pages import links
from approvals.pages.request.differences import differences
from approvals.pages.request.matching_policies import difference_to_today, matching_policies
from approvals.pages.request.related_activity import related_activity
from approvals.pages.request.timeline import timeline
from approvals.requests.approvers import EligibleApprovers, people_to_ask
from approvals.requests.presentation import Ballot, Presented, ballot, present
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON
from audit.models.records import CommandRecord, Status
from audit.pages.safe_text import many_lines, one_line

_LONGEST = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A time that matters to a request, and how far it is, in words."""

    name: str
    at: datetime | None
    words: str
    is_urgent: bool = False


def read(request: ApprovalRequest, *, actor: Actor, is_tried: bool = False) -> dict[str, Any]:
    """Gather the page, as one person may see it; trying what is asked for, if that is wanted."""
    (presented,) = present([request], actor=actor)
    mine = ballot(presented, actor=actor)
    may_try = _may_try(presented, mine)
    approvers = EligibleApprovers(request)
    needs = approvers.needs()
    context = {
        "asked": presented,
        "ballot": mine,
        "may_try": may_try,
        "clocks": _clocks(presented),
        "needs": needs,
        "votes": approvers.votes(),
        "to_ask": people_to_ask() if any(need.is_unsatisfiable for need in needs) else [],
        "related": related_activity(presented, actor=actor),
        "timeline": timeline(request, actor=actor),
        "longest_reason": LONGEST_REASON,
        "requester": one_line(request.requester_label, longest=_LONGEST),
        "requester_url": links.actor_url(request.requester_kind, request.requester_id, actor=actor),
        "credential": request.requester_kind.replace("_", " "),
        "reason": many_lines(request.reason),
        "successor_url": _successor_url(request),
    }
    records = CommandRecord.objects.filter(command_id=request.command_id)
    held = records.filter(status=Status.POSTPONED).first()
    said = _of_payload(presented, held, actor=actor, is_tried=is_tried and may_try)
    return context | _of_record(held, actor=actor) | said


def _of_record(held: CommandRecord | None, *, actor: Actor) -> dict[str, Any]:
    """Name what the log knows of the asking."""
    if held is None:
        return {"held": None}
    return {
        "held": held,
        "user_agent": one_line(held.user_agent, longest=_LONGEST),
        "command_url": links.command_url(held.command_id, actor=actor),
        "case_url": links.case_url(held.correlation_id, actor=actor),
    }


def _of_payload(
    presented: Presented, held: CommandRecord | None, *, actor: Actor, is_tried: bool
) -> dict[str, Any]:
    """Say what the payload says. Of one that does not verify, nothing is said."""
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
    """Tell whether somebody has to do with a request that may still be carried out.

    Trying takes the locks of the real thing: it is not for everybody who may read.
    """
    has_to_do = mine.may_approve or mine.may_take_back or mine.may_withdraw or mine.may_retry
    return presented.command is not None and has_to_do


def _is_open(request: ApprovalRequest) -> bool:
    return request.present_state is State.PENDING or request.is_retriable


def _clocks(presented: Presented) -> list[Clock]:
    request, now = presented.request, presented.now
    is_pending = request.state == State.PENDING
    clocks = [
        Clock(name="requested", at=request.requested_at, words=presented.age),
        Clock(
            name="approve by",
            at=request.approve_by,
            words=_distance(request.approve_by, now) if is_pending else "",
            is_urgent=is_pending and presented.is_urgent,
        ),
        _carry_out_by(request, now),
    ]
    if request.decided_at:
        ago = f"{timesince(request.decided_at, now, depth=1)} ago"
        clocks.append(Clock(name="decided", at=request.decided_at, words=ago))
    return clocks


def _carry_out_by(request: ApprovalRequest, now: datetime) -> Clock:
    if request.execute_by is None:
        return Clock(
            name="execute by", at=None, words="no limit: executed as soon as it is approved"
        )
    return Clock(
        name="execute by",
        at=request.execute_by,
        words=_distance(request.execute_by, now) if _is_open(request) else "",
        is_urgent=_is_open(request) and (request.execute_by - now).days < 1,
    )


def _distance(moment: datetime, now: datetime) -> str:
    if moment <= now:
        return f"overdue by {timesince(moment, now, depth=1)}"
    return f"{timeuntil(moment, now, depth=2)} left"


def _successor_url(row: ApprovalRequest) -> str:
    """Lead to the request that took the place of one that was superseded."""
    if row.state != State.SUPERSEDED:
        return ""
    successor = ApprovalRequest.of_command(row.command_id).first()
    return links.request_url(successor.pk) if successor else ""
