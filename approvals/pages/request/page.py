"""The context of the page of one request."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.http import QueryDict
from django.utils.text import get_text_list
from django.utils.timesince import timesince, timeuntil

from approvals.decisions.events import RequestSuperseded
from approvals.decisions.rehearsal import rehearse
from approvals.models import ApprovalRequest, State
from approvals.models.requirements import NEVER
from approvals.pages import links
from approvals.pages.request.announcements import etag_of
from approvals.pages.request.changes import has_changed, would_change
from approvals.pages.request.differences import differences
from approvals.pages.request.matching_policies import difference_to_today, matching_policies
from approvals.pages.request.resubmission import form_for
from approvals.pages.request.signals import signals_of
from approvals.pages.request.timeline import timeline
from approvals.requests import listing
from approvals.requests.approvers import EligibleApprovers, Need, people_to_ask
from approvals.requests.presentation import Ballot, Presented, present
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON
from audit.log import standings
from audit.messages.characters import actor_name
from audit.models.records import CommandRecord, EventRecord, Status
from audit.pages.labels import status_words, words
from audit.pages.local_times import text_in_utc
from audit.pages.safe_text import many_lines, one_line
from audit.pages.times import ago

_LONGEST = 160
_MOST_RELATED = 5


class Clock(NamedTuple):
    """A time that matters to a request, and the distance to it as text."""

    name: str
    at: datetime | None
    text: str
    is_urgent: bool = False


def read(
    request: ApprovalRequest,
    *,
    actor: Actor,
    timeout: timedelta | None = None,
    typed: QueryDict | None = None,
) -> dict[str, Any]:
    """Return the context of the page for the actor, with a test run if there is ``timeout``."""
    # Before the votes: an event in between is then new to the reader.
    number = request.number
    (presented,) = present([request], actor=actor)
    mine = Ballot(presented, actor=actor)
    may_try = _may_try(presented, mine)
    approvers = EligibleApprovers(request)
    needs = approvers.needs()
    records = CommandRecord.objects.filter(command_id=request.command_id)
    held = records.filter(status=Status.POSTPONED).order_by("attempt").first()
    context = {
        "asked": presented,
        "number": number,
        "etag": etag_of(request, number=number),
        "ballot": mine,
        "resubmission": form_for(mine, presented, typed=typed),
        "may_try": may_try,
        "clocks": _clocks(presented),
        "needs": needs,
        "votes": approvers.votes(),
        "to_ask": people_to_ask() if any(need.is_unsatisfiable for need in needs) else [],
        "related": related_activity(presented, actor=actor),
        "timeline": timeline(request),
        "longest_reason": LONGEST_REASON,
        "ending": _ending(request, needs),
        "credential": request.requester_kind.replace("_", " "),
        "reason": many_lines(request.reason),
        "successor": _successor(request),
        "superseded": _superseded(held),
        "held": held,
        "user_agent": one_line(held.user_agent, longest=_LONGEST) if held else "",
    }
    content = _content(presented, held, actor=actor, timeout=timeout if may_try else None)
    if tried := content.get("tried"):
        mine.expect_refusal(tried.refusal)
    return context | content


def _content(
    presented: Presented,
    held: CommandRecord | None,
    *,
    actor: Actor,
    timeout: timedelta | None,
) -> dict[str, Any]:
    """Return the content of the payload; nothing if it cannot be verified."""
    request, command = presented.request, presented.command
    if command is None or held is None:
        return {"title": presented.sentence}
    tried = rehearse(request, command, timeout=timeout) if timeout and request.is_open else None
    values = tried.values if tried else None
    compared = differences(request, command, tried_values=values) if request.is_open else None
    changed = (
        would_change(presented, command, tried=tried, compared=compared)
        if request.is_open
        else has_changed(presented)
    )
    subject = command.subject_reference()
    content = request.unsealed().content.decode()
    legible = many_lines(content)
    return {
        "tried": tried,
        "title": presented.sentence,
        "changed": changed,
        "signals": signals_of(held),
        "changes": compared,
        "subject_url": links.subject_url(subject, actor=actor, exists=presented.has_subject),
        "matching_policies": matching_policies(request, held, actor=actor),
        "today": difference_to_today(request) if request.is_open else [],
        "is_open": request.is_open,
        "content": content,
        "content_in_full": legible if legible != content else "",
        "version": command.schema_version,
    }


def _ending(request: ApprovalRequest, needs: list[Need]) -> str:
    """Return how a request ended; empty while it is open."""
    if request.decided_at is None or request.is_open:
        return ""
    voters = sorted({actor_name(name) for need in needs for name in need.counting})
    is_approved = request.outcome.startswith("Approved")
    if request.present_state is not State.EXECUTED or not (voters and is_approved):
        return many_lines(request.outcome)
    at = text_in_utc(request.decided_at, precision="minutes")
    return f"Executed {at}. Approved by {get_text_list(voters, 'and')}."


def _may_try(presented: Presented, mine: Ballot) -> bool:
    """Return True if the user has a part in a request that may still be executed.

    A test run takes the same locks as the execution, so not every reader may start one.
    """
    has_part = mine.may_approve or mine.may_take_back or mine.may_withdraw or mine.may_retry
    return presented.command is not None and has_part


def _clocks(presented: Presented) -> list[Clock]:
    request, now = presented.request, presented.now
    left = _distance(request.approve_by, now) if request.state == State.PENDING else ""
    clocks = [
        Clock("requested", request.requested_at, presented.age),
        _approve_by(request, left, is_urgent=bool(left) and presented.is_urgent),
    ]
    if request.is_open or request.executable_until:
        clocks.append(_execute_by(request, now))
    if start := request.execute_after:
        clocks.append(Clock("not before", start, "" if start <= now else _distance(start, now)))
    if by := request.pick_up_by:
        clocks.append(Clock("pick up by", by, _distance(by, now), (by - now).days < 1))
    if request.decided_at:
        clocks.append(Clock("decided", request.decided_at, ago(request.decided_at, now=now)))
    return clocks


def _approve_by(request: ApprovalRequest, left: str, *, is_urgent: bool) -> Clock:
    if request.approve_by == NEVER:
        return Clock("approve by", None, "no deadline: it has to be decided")
    return Clock("approve by", request.approve_by, left, is_urgent)


def _execute_by(request: ApprovalRequest, now: datetime) -> Clock:
    end = request.executable_until
    if end is None:
        is_executed_then = "" if request.execute_after else ": executed as soon as it is approved"
        return Clock("execute by", None, f"no limit{is_executed_then}")
    if not request.is_open:
        return Clock("execute by", end, "")
    return Clock("execute by", end, _distance(end, now), (end - now).days < 1)


def _distance(time: datetime, now: datetime) -> str:
    if time <= now:
        return f"overdue by {timesince(time, now, depth=1)}"
    return f"{timeuntil(time, now, depth=2)} left"


def _successor(request: ApprovalRequest) -> ApprovalRequest | None:
    """Return the request that replaced a superseded one."""
    if request.state != State.SUPERSEDED:
        return None
    event = EventRecord.objects.filter(
        subject_type="approval-request",
        subject_id=str(request.pk),
        message_type=RequestSuperseded.message_type,
    ).first()
    return ApprovalRequest.objects.filter(pk=event.data["successor_id"]).first() if event else None


def _superseded(held: CommandRecord | None) -> list[str]:
    """Return the ids of the stale requests that a request replaced."""
    return [str(each) for each in ((held and held.decision) or {}).get("supersedes", ())]


class Earlier(NamedTuple):
    """A command on the same subject."""

    record: CommandRecord
    label: str
    actor: str
    status: str


class RelatedActivity(NamedTuple):
    """Requests and commands that the user may see."""

    on_subject: list[Presented]
    of_requester: list[Presented]
    commands: list[Earlier]


def related_activity(presented: Presented, *, actor: Actor) -> RelatedActivity:
    """Return the related activity that the actor may see."""
    request = presented.request
    subject = request.subject_reference if presented.command else None
    open_ones = listing.open_about([subject], actor=actor) if subject else []
    on_subject = [each for each in open_ones if each.pk != request.pk][:_MOST_RELATED]
    of_requester = _of_requester(request, actor=actor)
    found = present({*on_subject, *of_requester}, actor=actor)
    related = {each.request.pk: each for each in found}
    return RelatedActivity(
        on_subject=[related[each.pk] for each in on_subject],
        of_requester=[related[each.pk] for each in of_requester],
        commands=_commands(request, actor=actor) if subject else [],
    )


def _of_requester(request: ApprovalRequest, *, actor: Actor) -> list[ApprovalRequest]:
    """Return the latest requests of the same person, by any key, or of the same service."""
    same = {"requester_kind": request.requester_kind, "requester_id": request.requester_id}
    person = {"requester_person": request.requester_person} if request.requester_person else same
    found = listing.visible_to(actor).filter(**person).exclude(pk=request.pk)
    return list(found.order_by("-requested_at", "-pk")[:_MOST_RELATED])


def _commands(request: ApprovalRequest, *, actor: Actor) -> list[Earlier]:
    """Return the latest commands on the subject, for users who may read its history."""
    if not (links.may_read_log(actor) or links.may_see_kind(request.subject_type, actor=actor)):
        return []
    about = {"subject_type": request.subject_type, "subject_id": request.subject_id}
    records = CommandRecord.objects.filter(**about).exclude(command_id=request.command_id)
    latest = list(actor.confine(records).order_by("-position")[:_MOST_RELATED])
    waiting = standings.waiting(latest)
    return [
        Earlier(
            record,
            words(record.message_type),
            one_line(record.actor_label, longest=_LONGEST),
            status_words(record.status, is_waiting=record.command_id in waiting),
        )
        for record in latest
    ]
