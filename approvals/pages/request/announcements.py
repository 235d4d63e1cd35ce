"""Announcements on an open page: the decisions and comments on its request since it was opened."""

import re

from approvals.decisions import commands
from approvals.models import ApprovalRequest, State
from approvals.requests.statuses import statuses_of
from audit.messages.characters import actor_name
from audit.models.records import CommandRecord, EventRecord, Status
from audit.pages.labels import words
from audit.pages.safe_text import one_line

_LONGEST = 160
_MOST_EVENTS = 20
_NUMBER = re.compile(r'(?:W/)?"(\d{1,18})-')
_DID = {
    commands.Approve.message_type: "{} approved it.",
    commands.Deny.message_type: "{} denied it.",
    commands.RequestChanges.message_type: "{} requested changes.",
    commands.Comment.message_type: "{} commented on it.",
    commands.RemindApprovers.message_type: "{} reminded the approvers.",
    commands.TakeBack.message_type: "{} took back the vote.",
    commands.Withdraw.message_type: "{} withdrew it.",
    commands.Retry.message_type: "{} retried it.",
    commands.BreakGlass.message_type: "{} used break-glass.",
    commands.ExpireRequest.message_type: "It was not decided in time.",
}


def etag_of(request: ApprovalRequest, *, number: int) -> str:
    """Return the version of a request, which each vote, comment and change of state replaces."""
    return f'"{number}-{request.present_state}"'


def announcements(request: ApprovalRequest, *, since: str) -> list[str]:
    """Return what people did to a request since the version with an ETag, and its end.

    Nothing if the ETag is malformed.
    """
    found = _NUMBER.match(since)
    if found is None:
        return []
    new = EventRecord.objects.filter(
        subject_type="approval-request", subject_id=str(request.pk), number__gt=int(found[1])
    )
    ids = list(new.order_by("number").values_list("command_id", flat=True)[:_MOST_EVENTS])
    records = CommandRecord.objects.filter(command_id__in=ids, status=Status.SUCCEEDED)
    by_id = {each.command_id: each for each in records}
    did = [_did(by_id[each]) for each in dict.fromkeys(ids) if each in by_id]
    if request.present_state is State.PENDING:
        return did
    return [*did, f"The request is now {statuses_of([request])[request.pk].label}."]


def _did(record: CommandRecord) -> str:
    name = one_line(actor_name(record.actor_label), longest=_LONGEST)
    told = _DID.get(record.message_type, f"{{}}: {words(record.message_type)}.")
    return told.format(name)
