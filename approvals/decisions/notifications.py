"""Notifications of requests, sent after the commit by e-mail and through hooks.

APPROVALS_NOTIFY lists functions that take a Notification. A failure is logged and does not affect
the vote. Links lead to pages that change nothing: votes need a form on them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils.module_loading import import_string

from approvals.models import ApprovalRequest, Policy
from approvals.models.states import CHANGES_REQUESTED, RequestStatus
from approvals.people.accounts import OWNERS
from approvals.requests.approvers import added_by, eligible_people, remaining_people
from approvals.requests.presentation import sentence_of
from approvals.requests.statuses import pick_ups_of, statuses_of
from audit.actors.actors import SYSTEM, Actor, actor_for_user
from audit.installation import mail, users
from audit.installation.settings import countersign
from audit.messages.characters import actor_name, quoted_text

_ASKED = "asked"
_COMMENTED = "commented"
_REMINDED = "reminded"
_ESCALATED = "escalated"
_TO_DECIDE = (_ASKED, _REMINDED)
# The pages of a request for approvers and for its requester.
_PAGE = "admin:approvals_approvalrequest_change"
_OWN_PAGE = "countersign:own-request"
_LONGEST_SUBJECT = 150
_SUBJECTS = {
    _ASKED: "Approval needed",
    _COMMENTED: "Comment",
    _REMINDED: "Reminder: approval needed",
    _ESCALATED: "Escalated: still undecided",
    CHANGES_REQUESTED: "Changes requested",
}

# Failures are logged by the ``__qualname__`` of the function, which partials do not have.
_on_commit = partial(transaction.on_commit, robust=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The content of a notification.

    ``happened`` is asked, reminded, escalated, commented, or the new state of the request, and
    ``status`` its status now. ``outcome`` has the comment.
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
    status: RequestStatus = RequestStatus.WAITING

    @property
    def subject(self) -> str:
        """The subject line, without line breaks."""
        kind = self.outcome_code or self.happened
        what = _SUBJECTS.get(kind) or self.status.label.capitalize()
        return " ".join(f"[Countersign] {what}: {self.sentence}".split())[:_LONGEST_SUBJECT]

    @property
    def text(self) -> str:
        """The body of the message."""
        reason = quoted_text(self.reason) if self.reason else "none given"
        action = "Review and decide" if self.happened in _TO_DECIDE else "Details"
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


def announce_policy(policy: Policy) -> None:
    """Notify the people whom an executed policy adds to waiting requests, after the commit."""
    if _has_channel():
        _on_commit(lambda: _ask_the_added(policy))


def announce_change(request: ApprovalRequest) -> None:
    """Notify the requester of the new state of a request, after the commit."""
    if _has_channel():
        state, people = request.state, _requester(request)
        _on_commit(
            lambda: _notify(
                request,
                happened=state,
                people=people,
                outcome=_outcome(request),
                page=_OWN_PAGE,
            )
        )


def announce_reminder(request: ApprovalRequest) -> None:
    """Notify the people who can still vote on a request once more, after the commit."""
    if _has_channel():
        _on_commit(lambda: _notify(request, happened=_REMINDED, people=remaining_voters(request)))


def announce_escalation(request: ApprovalRequest) -> None:
    """Notify the policy owners of a request that is still undecided, after the commit."""
    if _has_channel():
        end = f"{request.approve_by:%Y-%m-%d %H:%M} UTC"
        outcome = f"It expires undecided at {end}. Remind its approvers, or change the policy."
        _on_commit(
            lambda: _notify(
                request, happened=_ESCALATED, people=_policy_owners(request), outcome=outcome
            )
        )


def announce_comment(request: ApprovalRequest, *, author: Actor, comment: str) -> None:
    """Notify the others who take part in a request of a comment, after the commit.

    The requester's comments go to all people who can vote; those of an approver to the requester
    and to the approvers who have voted.
    """
    if not _has_channel():
        return
    outcome = f"Comment by {actor_name(author.label)}: {quoted_text(comment)}"

    def send() -> None:
        is_own = author.person_id == request.requester_person
        if not is_own:
            people = _requester(request)
            _notify(request, happened=_COMMENTED, people=people, outcome=outcome, page=_OWN_PAGE)
        others = _other_approvers(request, author=author)
        if others or is_own:
            _notify(request, happened=_COMMENTED, people=others, outcome=outcome)

    _on_commit(send)


def voters(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the people who can vote on a request now, with or without an e-mail address."""
    people = eligible_people(request)
    return list(users.manager().filter(pk__in=people).order_by("pk"))


def remaining_voters(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the people who can vote on a request now and have no current vote."""
    people = remaining_people(request)
    return list(users.manager().filter(pk__in=people).order_by("pk"))


def _ask_the_added(policy: Policy) -> None:
    for request, people in added_by(policy):
        if people:
            added = users.manager().filter(pk__in=people).order_by("pk")
            outcome = f"A {policy} now requires approvals of a group that you belong to."
            _notify(request, happened=_ASKED, people=added, outcome=outcome)


def _other_approvers(request: ApprovalRequest, *, author: Actor) -> list[AbstractUser]:
    others = [each for each in voters(request) if str(each.pk) != author.person_id]
    if author.person_id == request.requester_person:
        return others
    voted = request.current_voters
    return [each for each in others if each.pk in voted]


def _policy_owners(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the active policy owners who may see the tenant of a request."""
    owners = users.manager().filter(groups__name=OWNERS, is_active=True).order_by("pk")
    return [each for each in owners if actor_for_user(each).may_see(request.tenant)]


def _requester(request: ApprovalRequest) -> Iterable[AbstractUser]:
    person_id = int(request.requester_person or 0)
    return users.manager().filter(pk=person_id, is_active=True)


def _outcome(request: ApprovalRequest) -> str:
    """Return the outcome of a request, with how to pick up the secret that it created, if any."""
    pick_ups = pick_ups_of([request]).values()
    how = (
        f"Pick up the secret by {until:%Y-%m-%d %H:%M} UTC: open the page below and press "
        "“Pick up the secret”. It is shown once."
        for _, until in pick_ups
    )
    return " ".join([request.outcome, *how])


def _has_channel() -> bool:
    """Return True if there is a mail server or a hook; if not, no recipients need to be read."""
    return bool(countersign().notify) or mail.is_configured()


def _notify(
    request: ApprovalRequest,
    *,
    happened: str,
    people: Iterable[AbstractUser],
    outcome: str = "",
    page: str = _PAGE,
) -> None:
    recipients = list(people)
    notification = _notification(
        request, happened=happened, people=recipients, outcome=outcome, page=page
    )
    for hook in countersign().notify:
        _on_commit(_call_of(hook, notification))
    addresses = [address for person in recipients if (address := users.email_of(person))]
    if addresses:
        _send(notification, addresses)


def _call_of(hook: str, notification: Notification) -> Callable[[], object]:
    return lambda: import_string(hook)(notification)


def _send(notification: Notification, addresses: list[str]) -> None:
    """Send separate messages over one connection: no recipient sees the others."""
    with mail.connection() as connection:
        for address in addresses:
            message = EmailMessage(
                subject=notification.subject, body=notification.text, to=[address]
            )
            _on_commit(_sending_of(message, connection))


def _sending_of(message: EmailMessage, connection: Any) -> Callable[[], object]:
    return lambda: connection.send_messages([message])


def _notification(
    request: ApprovalRequest,
    *,
    happened: str,
    people: Iterable[AbstractUser],
    outcome: str,
    page: str,
) -> Notification:
    return Notification(
        request_id=request.pk,
        command_id=request.command_id,
        happened=happened,
        sentence=sentence_of(request, actor=SYSTEM),
        requester=request.requester_label,
        reason=request.reason,
        outcome=outcome,
        outcome_code="" if happened in _SUBJECTS else request.outcome_code,
        status=statuses_of([request])[request.pk],
        digest=request.digest,
        link=f"{countersign().base_url}{reverse(page, args=[request.pk])}",
        person_ids=tuple(person.pk for person in people),
    )
