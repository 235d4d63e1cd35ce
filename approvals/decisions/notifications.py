"""Notifications of requests: which events have them, their recipients and their texts.

`approvals.reactions` sends them, by e-mail and through hooks. Recipients are those of the moment of
sending. Links lead to pages that change nothing: votes need a form on them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.urls import NoReverseMatch, reverse

from approvals.decisions import events
from approvals.models import ApprovalRequest, Policy, State
from approvals.models.requirements import NEVER
from approvals.models.states import CHANGES_REQUESTED, RequestStatus
from approvals.people.accounts import OWNERS
from approvals.policies.commands import PolicyCreated, PolicyEdited
from approvals.requests.approvers import added_by, eligible_people, remaining_people
from approvals.requests.presentation import sentence_of
from approvals.requests.statuses import pick_ups_of, statuses_of
from audit.actors.actors import SYSTEM, actor_for_user
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.characters import actor_name, quoted_text
from audit.messages.classes import Event
from audit.models.records import CommandRecord, Status
from audit.reactions.deliveries import Delivery

_ASKED = "asked"
_COMMENTED = "commented"
_REMINDED = "reminded"
_ESCALATED = "escalated"
_TO_DECIDE = (_ASKED, _REMINDED)
# The pages of a request for approvers and for its requester.
_PAGE = "admin:approvals_approvalrequest_change"
_OWN_PAGE = "countersign:own-request"
# The same in the API, for approvers in a project without the admin.
_STATUS = "countersign:approval-request"
_LONGEST_SUBJECT = 150
_SUBJECTS = {
    _ASKED: "Approval needed",
    _COMMENTED: "Comment",
    _REMINDED: "Reminder: approval needed",
    _ESCALATED: "Escalated: still undecided",
    CHANGES_REQUESTED: "Changes requested",
}
_UNAPPROVED = (RequestStatus.WAITING, RequestStatus.UNSATISFIABLE)
# Events after which a request has its last state.
_ENDS = (
    events.Denied,
    events.ChangesRequested,
    events.Withdrawn,
    events.RequestExpired,
    events.RequestSuperseded,
)
#: The events with notifications.
NOTIFIED: tuple[type[Event], ...] = (
    events.ApprovalRequested,
    events.ApproversReminded,
    events.DeadlineNear,
    events.RequestEscalated,
    events.Commented,
    events.Settled,
    *_ENDS,
    PolicyCreated,
    PolicyEdited,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The content of a notification.

    ``id`` is that of the event: the same if the notification is repeated. ``happened`` is asked,
    reminded, escalated, commented, or the new state of the request, and ``status`` its status now.
    ``outcome`` has the comment. There is no ``approve_by`` without a deadline that still counts.
    """

    id: UUID
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
    approve_by: datetime | None = None
    execute_after: datetime | None = None
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
            # An escalation says when the request expires.
            f"Deadline for approval: {self.approve_by:%Y-%m-%d %H:%M} UTC."
            if self.approve_by and self.happened != _ESCALATED
            else "",
            f"Not to be executed before {self.execute_after:%Y-%m-%d %H:%M} UTC."
            if self.execute_after
            else "",
            f"Digest: {self.digest}",
            f"{action}: {self.link}",
        ]
        return "\n\n".join(filter(None, lines))


def notifications_of(event: Event, delivery: Delivery) -> Iterator[Notification]:
    """Return the notifications of an event to the recipients of now.

    None if votes are needed on a request that can no longer be decided.
    """
    if isinstance(event, PolicyCreated | PolicyEdited):
        yield from _to_the_added(event, delivery)
        return
    request = ApprovalRequest.objects.find(pk=UUID(delivery.subject_id))
    if request is None:
        return
    notice = _Notice(request, delivery)
    match event:
        case events.Settled():
            yield notice.of_end(event.state, event.outcome, event.outcome_code)
        case _ if isinstance(event, _ENDS):
            yield notice.of_end(request.state, request.outcome, request.outcome_code)
        case events.Commented(comment=comment):
            yield from notice.of_comment(comment)
        case _ if statuses_of([request])[request.pk] not in _UNAPPROVED:
            return
        case events.ApprovalRequested():
            yield notice.to(voters(request), happened=_ASKED)
        case events.RequestEscalated():
            yield notice.of_escalation()
        case _:
            yield notice.to(remaining_voters(request), happened=_REMINDED)


def voters(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the people who can vote on a request now, with or without an e-mail address."""
    people = eligible_people(request)
    return list(users.manager().filter(pk__in=people).order_by("pk"))


def remaining_voters(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the people who can vote on a request now and have no current vote."""
    people = remaining_people(request)
    return list(users.manager().filter(pk__in=people).order_by("pk"))


class _Notice:
    """The notifications of one event of one request."""

    def __init__(self, request: ApprovalRequest, delivery: Delivery) -> None:
        self._request = request
        self._delivery = delivery

    def of_end(self, state: str, outcome: str, outcome_code: str) -> Notification:
        """Notify the requester of the end of a request; it may have been retried since."""
        return self.to(
            _requester(self._request),
            happened=state,
            outcome=outcome,
            outcome_code=outcome_code,
            page=_OWN_PAGE,
        )

    def of_comment(self, comment: str) -> Iterator[Notification]:
        """Notify the others who take part in a request.

        The requester's comments go to all people who can vote; those of an approver to the
        requester and to the approvers who have voted.
        """
        author = CommandRecord.objects.get(
            command_id=self._delivery.command_id, status=Status.SUCCEEDED
        )
        outcome = f"Comment by {actor_name(author.actor_label)}: {quoted_text(comment)}"
        is_own = author.actor_person == self._request.requester_person
        if not is_own:
            people = _requester(self._request)
            yield self.to(people, happened=_COMMENTED, outcome=outcome, page=_OWN_PAGE)
        others = _other_approvers(self._request, author=author.actor_person)
        if others or is_own:
            yield self.to(others, happened=_COMMENTED, outcome=outcome)

    def of_escalation(self) -> Notification:
        """Notify the policy owners of a request that is still undecided."""
        end = f"{self._request.approve_by:%Y-%m-%d %H:%M} UTC"
        outcome = f"It expires undecided at {end}. Remind its approvers, or change the policy."
        owners = _policy_owners(self._request)
        return self.to(owners, happened=_ESCALATED, outcome=outcome)

    def to(
        self,
        people: Iterable[AbstractUser],
        *,
        happened: str,
        outcome: str = "",
        outcome_code: str = "",
        page: str = _PAGE,
    ) -> Notification:
        """Return a notification to these people."""
        request = self._request
        status = statuses_of([request])[request.pk]
        if happened in State.values and happened != request.state:
            status = RequestStatus(happened)
        return Notification(
            id=self._delivery.id,
            request_id=request.pk,
            command_id=request.command_id,
            happened=happened,
            sentence=sentence_of(request, actor=SYSTEM),
            requester=request.requester_label,
            reason=request.reason,
            outcome=" ".join(filter(None, [outcome, _how_to_pick_up(request, happened)])),
            outcome_code=outcome_code,
            status=status,
            digest=request.digest,
            approve_by=_deadline(request),
            execute_after=request.execute_after if request.is_open else None,
            link=_link(page, request),
            person_ids=tuple(person.pk for person in people),
        )


def _deadline(request: ApprovalRequest) -> datetime | None:
    is_pending = request.present_state is State.PENDING
    return request.approve_by if is_pending and request.approve_by < NEVER else None


def _link(page: str, request: ApprovalRequest) -> str:
    try:
        path = reverse(page, args=[request.pk])
    except NoReverseMatch:
        path = reverse(_STATUS, args=[request.pk])
    return f"{countersign().base_url}{path}"


def _to_the_added(
    event: PolicyCreated | PolicyEdited, delivery: Delivery
) -> Iterator[Notification]:
    policy = Policy.objects.get(pk=event.policy_id)
    version = event.version if isinstance(event, PolicyEdited) else 1
    for request, people in added_by(policy, version=version):
        if people:
            added = users.manager().filter(pk__in=people).order_by("pk")
            outcome = f"A {policy} now requires approvals of a group that you belong to."
            yield _Notice(request, delivery).to(added, happened=_ASKED, outcome=outcome)


def _other_approvers(request: ApprovalRequest, *, author: str) -> list[AbstractUser]:
    others = [each for each in voters(request) if str(each.pk) != author]
    if author == request.requester_person:
        return others
    voted = request.current_voters
    return [each for each in others if each.pk in voted]


def policy_owners() -> list[AbstractUser]:
    """Return the active policy owners."""
    return list(users.manager().filter(groups__name=OWNERS, is_active=True).order_by("pk"))


def _policy_owners(request: ApprovalRequest) -> list[AbstractUser]:
    """Return the active policy owners who may see the tenant of a request."""
    return [each for each in policy_owners() if actor_for_user(each).may_see(request.tenant)]


def _requester(request: ApprovalRequest) -> Iterable[AbstractUser]:
    person_id = int(request.requester_person or 0)
    return users.manager().filter(pk=person_id, is_active=True)


def _how_to_pick_up(request: ApprovalRequest, happened: str) -> str:
    """Return how to pick up the secret that an executed request has created, if any."""
    if happened != State.EXECUTED:
        return ""
    pick_ups = pick_ups_of([request]).values()
    return " ".join(
        f"Pick up the secret by {until:%Y-%m-%d %H:%M} UTC: open the page below and press "
        "“Pick up the secret”. It is shown once."
        for _, until in pick_ups
    )
