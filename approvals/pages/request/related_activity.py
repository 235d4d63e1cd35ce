"""What else one knows of a request: who asked, and what else goes on with them and the subject."""

from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another request, and what came of it."""

    sentence: str
    url: str
    state: str
    requester: str
    requester_url: str
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A command about the same subject."""

    words: str
    url: str
    status: str
    actor: str
    actor_url: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedActivity:
    """What else goes on."""

    on_subject: list[Related]
    of_requester: list[Related]
    commands: list[Earlier]


def related_activity(presented: Presented, *, actor: Actor) -> RelatedActivity:
    """Read what else goes on, as far as one may see it."""
    request = presented.request
    subject = request.subject_reference if presented.command else None
    open_ones = listing.open_about([subject], actor=actor) if subject else []
    on_subject = [each for each in open_ones if each.pk != request.pk][:_MOST]
    of_requester = _of_requester(request, actor=actor)
    related = {
        each.request.pk: _related(each, actor=actor)
        for each in present({*on_subject, *of_requester}, actor=actor)
    }
    return RelatedActivity(
        on_subject=[related[each.pk] for each in on_subject],
        of_requester=[related[each.pk] for each in of_requester],
        commands=_commands(request, actor=actor) if subject else [],
    )


def _of_requester(request: ApprovalRequest, *, actor: Actor) -> list[ApprovalRequest]:
    """Find the last requests of the same person, by whichever key, or of the same program."""
    same = {"requester_kind": request.requester_kind, "requester_id": request.requester_id}
    person = {"requester_person": request.requester_person} if request.requester_person else same
    found = listing.visible_to(actor).filter(**person).exclude(pk=request.pk)
    return list(found.order_by("-requested_at", "-pk")[:_MOST])


def _commands(request: ApprovalRequest, *, actor: Actor) -> list[Earlier]:
    """Find the last commands about the subject, for whoever may read its history in the admin."""
    if not (links.may_read_log(actor) or links.may_see_kind(request.subject_type, actor=actor)):
        return []
    about = {"subject_type": request.subject_type, "subject_id": request.subject_id}
    records = CommandRecord.objects.filter(**about).exclude(command_id=request.command_id)
    return [
        Earlier(
            words=words(record.message_type),
            url=links.command_url(record.command_id, actor=actor),
            status=record.status,
            actor=one_line(record.actor_label, longest=_LONGEST),
            actor_url=links.actor_url(record.actor_kind, record.actor_id, actor=actor),
            received_at=record.received_at,
        )
        for record in actor.confine(records).order_by("-position")[:_MOST]
    ]


def _related(presented: Presented, *, actor: Actor) -> Related:
    request = presented.request
    return Related(
        sentence=presented.sentence,
        url=links.request_url(request.pk),
        state=request.present_state,
        requester=one_line(request.requester_label, longest=_LONGEST),
        requester_url=links.actor_url(request.requester_kind, request.requester_id, actor=actor),
        requested_at=request.requested_at,
    )
