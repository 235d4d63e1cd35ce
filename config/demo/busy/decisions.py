"""Outcomes of the month's approval requests."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.contrib.auth.models import User
from django.utils import timezone

from approvals.decisions.commands import Approve, Deny, ExpireRequest, TakeBack, Withdraw
from approvals.models import ApprovalRequest, State
from audit.messages.classes import Command
from config.demo.busy import texts
from config.demo.busy.stage import THE_SYSTEM, Speaker, Stage

# The median time until each approver responds.
_PACE = {
    "ann": timedelta(minutes=40),
    "bob": timedelta(hours=3),
    "carol": timedelta(minutes=90),
    "olga": timedelta(hours=5),
}


def ask_and_decide(stage: Stage, command: Command, *, by: Speaker, reason: str) -> None:
    """Send a command; if it is held, schedule enough approvals."""
    request = stage.ask(command, by=by, reason=reason)
    if request is not None:
        decide(stage, request, by, approved)


def decide_somehow(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Choose the outcome of a request at random; mostly it is approved."""
    (ending,) = stage.random.choices(list(_ENDINGS), weights=list(_ENDINGS.values()))
    decide(stage, request, requester, ending)


def decide(
    stage: Stage,
    request: ApprovalRequest,
    requester: Speaker,
    ending: Callable[[Stage, ApprovalRequest, Speaker], None],
) -> None:
    """Schedule the given outcome of a request, and its expiry in the night after its deadline."""
    ending(stage, request, requester)
    night = request.approve_by.replace(hour=3, minute=10) + timedelta(days=1)
    stage.agenda.at(night, partial(_expire, stage, request))


def approved(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Schedule an approval by each possible voter."""
    for voter in _voters(stage, request, requester):
        _schedule(stage, voter, partial(_approve, stage, request, stage.approvers[voter]))


def denied(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Schedule a denial by the first voter."""
    voter = _voters(stage, request, requester)[0]
    _schedule(stage, voter, partial(_deny, stage, request, stage.approvers[voter]))


def withdrawn(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Schedule a withdrawal by the requester."""
    moment = stage.later(median=timedelta(hours=2))
    stage.agenda.at(moment, partial(_withdraw, stage, request, requester))


def doubted(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Schedule an approval, its take-back, and a denial by another voter."""
    first, second = _voters(stage, request, requester)[:2]
    speaker, now = stage.approvers[first], timezone.now()
    stage.agenda.at(now + timedelta(minutes=25), partial(_approve, stage, request, speaker))
    stage.agenda.at(now + timedelta(minutes=55), partial(_take_back, stage, request, speaker))
    _schedule(stage, second, partial(_deny, stage, request, stage.approvers[second]))


def half_approved(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Schedule one approval and nothing else."""
    voter = _voters(stage, request, requester)[0]
    _schedule(stage, voter, partial(_approve, stage, request, stage.approvers[voter]))


def forgotten(stage: Stage, request: ApprovalRequest, requester: Speaker) -> None:
    """Schedule nothing."""


_ENDINGS = {approved: 80, denied: 7, withdrawn: 5, doubted: 2, half_approved: 2, forgotten: 4}


def approve_now(stage: Stage, request: ApprovalRequest, *voters: str) -> None:
    """Approve a request as each of the voters, at once."""
    for voter in voters:
        _approve(stage, request, stage.approvers[voter])


def carry_out_now(stage: Stage, request: ApprovalRequest) -> None:
    approve_now(stage, request, "ann", "bob")


def deny_now(stage: Stage, request: ApprovalRequest) -> None:
    _deny(stage, request, stage.approvers["bob"])


def _voters(stage: Stage, request: ApprovalRequest, requester: Speaker) -> list[str]:
    """Return the approvers who could vote for the first rule, in random order."""
    rule = request.requirements["rules"][0]
    people = User.objects.filter(groups=rule["group_id"], is_active=True).order_by("username")
    known = [
        user.username
        for user in people
        if user.username in stage.approvers and str(user.pk) != requester.id
    ]
    stage.random.shuffle(known)
    return known


def _schedule(stage: Stage, voter: str, step: Callable[[], None]) -> None:
    stage.agenda.at(stage.later(median=_PACE[voter]), step)


def _approve(stage: Stage, request: ApprovalRequest, speaker: Speaker) -> None:
    # Three voters are scheduled where two are enough: the last one may find it decided.
    if _is_open(request):
        command = Approve(approval_request_id=request.pk, digest=request.digest)
        stage.say(command, by=speaker, reason=stage.pick(texts.WHY_APPROVE))


def _deny(stage: Stage, request: ApprovalRequest, speaker: Speaker) -> None:
    command = Deny(approval_request_id=request.pk, digest=request.digest)
    stage.say(command, by=speaker, reason=stage.pick(texts.WHY_DENY))


def _withdraw(stage: Stage, request: ApprovalRequest, speaker: Speaker) -> None:
    command = Withdraw(approval_request_id=request.pk)
    stage.say(command, by=speaker, reason=stage.pick(texts.WHY_WITHDRAW))


def _take_back(stage: Stage, request: ApprovalRequest, speaker: Speaker) -> None:
    command = TakeBack(approval_request_id=request.pk, digest=request.digest)
    stage.say(command, by=speaker, reason=stage.pick(texts.WHY_TAKE_BACK))


def _expire(stage: Stage, request: ApprovalRequest) -> None:
    if _is_open(request):
        stage.say(ExpireRequest(approval_request_id=request.pk), by=THE_SYSTEM)


def _is_open(request: ApprovalRequest) -> bool:
    return ApprovalRequest.objects.filter(pk=request.pk, state=State.PENDING).exists()
