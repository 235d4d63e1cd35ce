"""Notifications of requests, sent after the commit by e-mail and through hooks.

APPROVALS_NOTIFY lists functions that take a Notification. A failure is logged and does not affect
the vote. Links lead to pages that change nothing: votes need a form on them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.urls import reverse
from django.utils.module_loading import import_string

from approvals.models import ApprovalRequest, State, eligibility
from approvals.models.states import CHANGES_REQUESTED
from approvals.requests.approvers import people_asked
from approvals.requests.presentation import sentence_of
from audit.actors.actors import SYSTEM, Actor
from audit.messages.characters import actor_name, quoted_text

_ASKED = "asked"
_COMMENTED = "commented"
# The backend if no mail server is configured.
_NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
_LONGEST_SUBJECT = 150
_SUBJECTS = {
    _ASKED: "Approval needed",
    _COMMENTED: "Comment",
    CHANGES_REQUESTED: "Changes requested",
}

# Failures are logged by the ``__qualname__`` of the function, which partials do not have.
_on_commit = partial(transaction.on_commit, robust=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The content of a notification.

    ``happened`` is asked, commented, or the new state of the request. ``outcome`` has the comment.
    """

    request_id: UUID
    command_id: UUID
    happened: str
    sentence: str
    requester: str
    reason: str
    outcome: str
    digest: str
    link: str
    person_ids: tuple[int, ...]
    outcome_code: str = ""

    @property
    def subject(self) -> str:
        """The subject line, without line breaks."""
        kind = self.outcome_code or self.happened
        what = _SUBJECTS.get(kind) or State(self.happened).label
        return " ".join(f"[Countersign] {what}: {self.sentence}".split())[:_LONGEST_SUBJECT]

    @property
    def text(self) -> str:
        """The body of the message."""
        reason = quoted_text(self.reason) if self.reason else "none given"
        action = "Review and decide" if self.happened == _ASKED else "Details"
        lines = [
            f"{self.sentence}.",
            f"Requested by {actor_name(self.requester)}. Reason: {reason}.",
            self.outcome,
            f"Digest: {self.digest}",
            f"{action}: {self.link}",
        ]
        return "\n\n".join(filter(None, lines))


def announce_request(request: ApprovalRequest) -> None:
    """Notify the people who can vote of a new request, after the commit."""
    if _has_channel():
        _on_commit(lambda: _notify(request, happened=_ASKED, people=voters(request)))


def announce_change(request: ApprovalRequest) -> None:
    """Notify the requester of the new state of a request, after the commit."""
    if _has_channel():
        state, people = request.state, _requester(request)
        _on_commit(lambda: _notify(request, happened=state, people=people, outcome=request.outcome))


def announce_comment(request: ApprovalRequest, *, author: Actor, comment: str) -> None:
    """Notify the others who take part in a request of a comment, after the commit.

    The requester's comments go to all people who can vote; those of an approver to the requester
    and to the approvers who have voted.
    """
    if not _has_channel():
        return
    outcome = f"Comment by {actor_name(author.label)}: {quoted_text(comment)}"

    def send() -> None:
        people = _participants(request, author=author)
        _notify(request, happened=_COMMENTED, people=people, outcome=outcome)

    _on_commit(send)


def voters(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the people who can vote on a request now, with or without an e-mail address."""
    people = people_asked(request, eligibility.members_of(request.group_ids))
    return list(get_user_model().objects.filter(pk__in=people).order_by("pk"))


def _participants(request: ApprovalRequest, *, author: Actor) -> list[AbstractUser]:
    approvers, requester = voters(request), request.requester_person
    if author.person_id == requester:
        return [each for each in approvers if str(each.pk) != requester]
    voted = {vote.voter_id for vote in request.current_votes()}
    people = [each for each in approvers if each.pk in voted and str(each.pk) != author.person_id]
    return [*_requester(request), *people]


def _requester(request: ApprovalRequest) -> Iterable[AbstractUser]:
    person_id = int(request.requester_person or 0)
    return get_user_model().objects.filter(pk=person_id, is_active=True)


def _has_channel() -> bool:
    """Return True if there is a mail server or a hook; if not, no recipients need to be read."""
    return bool(settings.APPROVALS_NOTIFY) or settings.EMAIL_BACKEND != _NO_MAIL


def _notify(
    request: ApprovalRequest, *, happened: str, people: Iterable[AbstractUser], outcome: str = ""
) -> None:
    recipients = list(people)
    notification = _notification(request, happened=happened, people=recipients, outcome=outcome)
    for hook in settings.APPROVALS_NOTIFY:
        _on_commit(_call_of(hook, notification))
    addresses = [person.email for person in recipients if person.email]
    if addresses:
        _send(notification, addresses)


def _call_of(hook: str, notification: Notification) -> Callable[[], object]:
    return lambda: import_string(hook)(notification)


def _send(notification: Notification, addresses: list[str]) -> None:
    """Send separate messages over one connection: no recipient sees the others."""
    with get_connection() as connection:
        for address in addresses:
            message = EmailMessage(
                subject=notification.subject,
                body=notification.text,
                to=[address],
                connection=connection,
            )
            _on_commit(message.send)


def _notification(
    request: ApprovalRequest, *, happened: str, people: Iterable[AbstractUser], outcome: str
) -> Notification:
    page = reverse("admin:approvals_approvalrequest_change", args=[request.pk])
    return Notification(
        request_id=request.pk,
        command_id=request.command_id,
        happened=happened,
        sentence=sentence_of(request, actor=SYSTEM),
        requester=request.requester_label,
        reason=request.reason,
        outcome=outcome,
        outcome_code="" if happened in (_ASKED, _COMMENTED) else request.outcome_code,
        digest=request.digest,
        link=f"{settings.BASE_URL}{page}",
        person_ids=tuple(person.pk for person in people),
    )
