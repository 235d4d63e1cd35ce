"""Context of a request: other requests by the requester, and other activity on the subject."""

from typing import NamedTuple

from approvals.models import ApprovalRequest
from approvals.pages import links
from approvals.requests import listing
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.models.records import CommandRecord
from audit.pages.labels import words
from audit.pages.safe_text import one_line

_MOST = 5
_LONGEST = 160


class Earlier(NamedTuple):
    """A command on the same subject."""

    record: CommandRecord
    label: str
    actor: str


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
    on_subject = [each for each in open_ones if each.pk != request.pk][:_MOST]
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
    return list(found.order_by("-requested_at", "-pk")[:_MOST])


def _commands(request: ApprovalRequest, *, actor: Actor) -> list[Earlier]:
    """Return the latest commands on the subject, for users who may read its history."""
    if not (links.may_read_log(actor) or links.may_see_kind(request.subject_type, actor=actor)):
        return []
    about = {"subject_type": request.subject_type, "subject_id": request.subject_id}
    records = CommandRecord.objects.filter(**about).exclude(command_id=request.command_id)
    return [
        Earlier(record, words(record.message_type), one_line(record.actor_label, longest=_LONGEST))
        for record in actor.confine(records).order_by("-position")[:_MOST]
    ]
