"""Who is told of a request, once what happened is committed: by e-mail, and through hooks.

APPROVALS_NOTIFY lists functions that take a Notification. Whatever fails here is logged; the vote
that set it off stands. Links lead to pages that only show: what decides is a form on them.
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

from approvals.models import ApprovalRequest, State
from approvals.requests.presentation import sentence_of
from audit.actors.actors import SYSTEM

_ASKED = "asked"
# The backend where no mail server is configured.
_NOWHERE = "django.core.mail.backends.dummy.EmailBackend"
_LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What somebody is told. ``happened`` is asked, or the state that the request is in now."""

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

    @property
    def subject(self) -> str:
        """The first line: one line, whatever people have named things."""
        said = "Approval needed" if self.happened == _ASKED else State(self.happened).label
        return " ".join(f"[Countersign] {said}: {self.sentence}".split())[:_LONGEST_SUBJECT]

    @property
    def text(self) -> str:
        """The message itself."""
        lines = [
            f"{self.sentence}.",
            f"Requested by {self.requester}. Reason: {self.reason or 'none given'}.",
            self.outcome,
            f"Digest: {self.digest}",
            f"Review and decide: {self.link}"
            if self.happened == _ASKED
            else f"Details: {self.link}",
        ]
        return "\n\n".join(filter(None, lines))


def announce_request(request: ApprovalRequest) -> None:
    """Tell those who can vote that something waits for them, once it is committed."""
    if _is_heard():
        _on_commit(partial(_tell_approvers, request))


def announce_change(request: ApprovalRequest) -> None:
    """Tell the person who asked that the request is in another state, once it is committed."""
    if _is_heard():
        _on_commit(partial(_tell_requester, request, request.state))


def voters(request: ApprovalRequest) -> list[AbstractUser]:
    """Find the people who can vote on a request now, with or without an address."""
    groups = [rule["group_id"] for rule in request.requirements["rules"]]
    people = get_user_model().objects.filter(groups__in=groups, is_active=True).distinct()
    if not request.options.get("requester_may_vote", False):
        people = people.exclude(pk=int(request.requester_person or 0))
    return [person for person in people.order_by("pk") if _may_see(person, request.tenant)]


def _is_heard() -> bool:
    """Tell whether there is a mail server or a hook, before asking a dozen times whom to tell."""
    return bool(settings.APPROVALS_NOTIFY) or settings.EMAIL_BACKEND != _NOWHERE


def _tell_approvers(request: ApprovalRequest) -> None:
    _tell(request, happened=_ASKED, people=voters(request))


def _tell_requester(request: ApprovalRequest, state: str) -> None:
    person_id = int(request.requester_person or 0)
    person = get_user_model().objects.filter(pk=person_id, is_active=True)
    _tell(request, happened=state, people=person)


def _tell(request: ApprovalRequest, *, happened: str, people: Iterable[AbstractUser]) -> None:
    recipients = list(people)
    notification = _notification(request, happened=happened, people=recipients)
    for hook in settings.APPROVALS_NOTIFY:
        _on_commit(partial(import_string(hook), notification))
    addresses = [person.email for person in recipients if person.email]
    if addresses:
        _send(notification, addresses)


def _send(notification: Notification, addresses: list[str]) -> None:
    """Send to each on its own, so that nobody reads who else may vote, over one connection."""
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
    request: ApprovalRequest, *, happened: str, people: Iterable[AbstractUser]
) -> Notification:
    page = reverse("admin:approvals_approvalrequest_change", args=[request.pk])
    return Notification(
        request_id=request.pk,
        command_id=request.command_id,
        happened=happened,
        sentence=sentence_of(request, actor=SYSTEM),
        requester=request.requester_label,
        reason=request.reason,
        outcome="" if happened == _ASKED else request.outcome,
        digest=request.digest,
        link=f"{settings.BASE_URL}{page}",
        person_ids=tuple(person.pk for person in people),
    )


def _may_see(person: AbstractUser, tenant: str) -> bool:
    tenants = import_string(settings.AUDIT_TENANTS_OF_USER)(person)
    return tenants is None or not tenant or tenant in set(tenants)


def _on_commit(function: Callable[[], object]) -> None:
    """Call a function after the commit, or at once where there is none to wait for.

    What it raises is logged by Django, and goes no further: the commit stands.
    """

    def tell() -> None:
        """Have a name: Django stumbles over partials when it logs what they raised."""
        function()

    transaction.on_commit(tell, robust=True)
