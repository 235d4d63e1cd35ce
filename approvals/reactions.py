"""Reactions of approvals: e-mail and hooks, expiry, execution of what is approved, and reminders.

No process has a row for a request: they read the pending requests, however many there are.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.utils.module_loading import import_string

from approvals.decisions import notifications
from approvals.decisions.commands import ExpireRequest, ReleaseRequest, RemindOfDeadline
from approvals.decisions.events import GlassBroken
from approvals.models import ApprovalRequest
from approvals.passkeys import announcements
from approvals.people import accounts
from approvals.people import announcements as factor_announcements
from approvals.people.events import PasswordLinkSent
from approvals.requests import correspondence, statuses
from approvals.requests.listing import VIEW
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.classes import Event
from audit.messages.outcomes import Completed
from audit.reactions import mail
from audit.reactions.declarations import reacts_to
from audit.reactions.deliveries import Delivery
from audit.reactions.mail import Mail
from audit.reactions.processes.declarations import every
from audit.reactions.processes.managers import process
from audit.reactions.processes.process import Process

_EVERY = timedelta(minutes=1)
# So that approvers wait for these commands no longer than for one another.
_AT_ONCE = 10
_BY_REQUESTER = {True: " by the requester", False: ""}


@reacts_to(
    *notifications.NOTIFIED,
    GlassBroken,
    PasswordLinkSent,
    *announcements.ANNOUNCED,
    *factor_announcements.ANNOUNCED,
    name="approvals.mail",
    outside=True,
    backoff=mail.BACKOFF,
)
def send_mail(event: Event, delivery: Delivery) -> None:
    """Send all e-mail of approvals; nothing else does."""
    if mail.is_configured():
        mail.send(_mails_of(event, delivery), delivery=delivery)


@reacts_to(*notifications.NOTIFIED, name="approvals.hooks", outside=True, backoff=mail.BACKOFF)
def call_hooks(event: Event, delivery: Delivery) -> None:
    """Call the functions of the setting ``NOTIFY``; one that raises is called again later."""
    hooks = countersign().notify
    for each in notifications.notifications_of(event, delivery) if hooks else ():
        for hook in hooks:
            import_string(hook)(each)


def _mails_of(event: Event, delivery: Delivery) -> Iterator[Mail]:
    match event:
        case PasswordLinkSent():
            yield from _password_link(event)
        case GlassBroken():
            yield from _alarms(event)
        case _ if isinstance(event, announcements.ANNOUNCED):
            yield from _about_passkeys(event, delivery)
        case _ if isinstance(event, factor_announcements.ANNOUNCED):
            yield from _about_second_factor(event, delivery)
        case _:
            for each in notifications.notifications_of(event, delivery):
                people = users.manager().filter(pk__in=each.person_ids).order_by("pk")
                for address in _addresses(people):
                    about = str(each.request_id)
                    yield Mail(to=address, subject=each.subject, text=each.text, about=about)


def _password_link(event: PasswordLinkSent) -> Iterator[Mail]:
    """Make the link: it is a secret, which no event has."""
    user = users.manager().filter(pk=event.user_id).first()
    if user is not None:
        text = f"Set your password here: {accounts.password_link(user)}"
        for address in _addresses([user]):
            yield Mail(to=address, subject="[Countersign] Set your password", text=text)


def _about_passkeys(event: Any, delivery: Delivery) -> Iterator[Mail]:
    """Notify the policy owners and the person whose passkeys they are."""
    text = announcements.text_of(event, delivery)
    own = users.manager().filter(pk=event.user_id)
    for address in _addresses([*notifications.policy_owners(), *own]):
        yield Mail(to=address, subject=announcements.SUBJECT, text=text)


def _about_second_factor(event: Any, delivery: Delivery) -> Iterator[Mail]:
    """Notify the person whose second factor it is."""
    text = factor_announcements.text_of(event, delivery)
    for address in _addresses(users.manager().filter(pk=event.user_id)):
        yield Mail(to=address, subject=factor_announcements.SUBJECT, text=text)


def _alarms(event: GlassBroken) -> Iterator[Mail]:
    """Notify the people whose approval was bypassed, and the policy owners."""
    request = ApprovalRequest.objects.get(pk=event.approval_request_id)
    subject = f"[Countersign] Break-glass was used{_BY_REQUESTER[event.own_request]}"
    people = [*notifications.voters(request), *notifications.policy_owners()]
    for address in _addresses(people):
        yield Mail(to=address, subject=subject, text=event.outcome)


def _addresses(people: Iterable[AbstractUser]) -> list[str]:
    """Return the addresses of people, each once."""
    found = (users.email_of(each) for each in people)
    return sorted({address for address in found if address})


@process("approvals.expiry", permissions={VIEW, "approvals.expire_request"})
class Expiry(Process):
    """Marks overdue requests as expired, which they count as with or without it."""

    @every(_EVERY)
    def expire(self) -> None:
        late = statuses.overdue(limit=_AT_ONCE)
        outcomes = [self.send(ExpireRequest(approval_request_id=each)) for each in late]
        if len(late) == _AT_ONCE and any(isinstance(each, Completed) for each in outcomes):
            self.at(self.now, self.expire)


@process("approvals.release", permissions={VIEW, "approvals.release_request"})
class Release(Process):
    """Executes requests that have enough approvals again because time has passed."""

    @every(_EVERY)
    def release(self) -> None:
        # One for each transaction: its command may take long.
        for request_id in statuses.completed(limit=1):
            outcome = self.send(ReleaseRequest(approval_request_id=request_id))
            if isinstance(outcome, Completed):
                self.at(self.now, self.release)


@process("approvals.reminders", permissions={VIEW, "approvals.remind_of_deadline"})
class Reminders(Process):
    """Reminds approvers after 50 and 90 percent of the time to decide."""

    last_at: datetime | None = None
    last_id: UUID = UUID(int=0)

    @every(_EVERY)
    def remind(self) -> None:
        after = (self.last_at or self.now, self.last_id)
        due = correspondence.due_reminders(after, until=self.now, limit=_AT_ONCE)
        for each in due:
            self.send(RemindOfDeadline(approval_request_id=each.request_id, percent=each.percent))
        if len(due) == _AT_ONCE:
            self.last_at, self.last_id = due[-1].at, due[-1].request_id
            self.at(self.now, self.remind)
        else:
            self.last_at, self.last_id = self.now, UUID(int=2**128 - 1)
