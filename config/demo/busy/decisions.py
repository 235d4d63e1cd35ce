"""Outcomes of the month's approval requests."""

from datetime import timedelta
from functools import partial
from typing import TypeAlias

from django.contrib.auth.models import User
from django.utils import timezone

from approvals.decisions.commands import Approve, Deny, ExpireRequest, TakeBack, Withdraw
from approvals.models import ApprovalRequest, State
from audit.messages.classes import Command
from config.demo.busy import texts
from config.demo.busy.stage import THE_SYSTEM, Speaker, Stage

Decision: TypeAlias = type[Approve | Deny | TakeBack | Withdraw]
# A decision for each voter in turn. A take-back stands for an approval that is taken back.
Ending: TypeAlias = tuple[Decision, ...]

APPROVED: Ending = (Approve, Approve, Approve)
DENIED: Ending = (Deny,)
UNDECIDED: Ending = ()
# Endings with their weights.
ENDINGS: dict[Ending, int] = {
    APPROVED: 80,
    DENIED: 7,
    (Withdraw,): 5,
    (TakeBack, Deny): 2,
    (Approve,): 2,
    UNDECIDED: 4,
}
_REASONS: dict[Decision, tuple[str, ...]] = {
    Approve: texts.WHY_APPROVE,
    Deny: texts.WHY_DENY,
    TakeBack: texts.WHY_TAKE_BACK,
    Withdraw: texts.WHY_WITHDRAW,
}
# The median number of minutes until each approver responds.
_PACE = {"ann": 40, "bob": 180, "carol": 90, "olga": 300}


def ask_and_decide(
    stage: Stage, command: Command, *, by: Speaker, reason: str, ending: Ending = APPROVED
) -> None:
    """Send a command; if it is held, schedule the outcome of its request."""
    request = stage.ask(command, by=by, reason=reason)
    if request is not None:
        schedule(stage, request, by, ending)


def schedule(stage: Stage, request: ApprovalRequest, requester: Speaker, ending: Ending) -> None:
    """Schedule the given outcome of a request, and its expiry in the night after its deadline."""
    for decision, voter in zip(ending, _voters(stage, request, requester), strict=False):
        speaker = requester if decision is Withdraw else stage.approvers[voter]
        moment = stage.later(median_minutes=_PACE[voter])
        if decision is TakeBack:
            moment = timezone.now() + timedelta(minutes=25)
            stage.agenda.at(moment, partial(decide, stage, request, Approve, speaker))
            moment += timedelta(minutes=30)
        stage.agenda.at(moment, partial(decide, stage, request, decision, speaker))
    night = request.approve_by.replace(hour=3, minute=10) + timedelta(days=1)
    stage.agenda.at(night, partial(_expire, stage, request))


def decide(stage: Stage, request: ApprovalRequest, decision: Decision, speaker: Speaker) -> None:
    """Vote on a request or withdraw it, unless it is decided: more vote than are needed."""
    if _is_open(request):
        command = decision(approval_request_id=request.pk, digest=request.digest)
        stage.say(command, by=speaker, reason=stage.pick(_REASONS[decision]))


def _voters(stage: Stage, request: ApprovalRequest, requester: Speaker) -> list[str]:
    """Return the approvers who could vote for the first rule, in random order."""
    rule = request.requirements["rules"][0]
    people = User.objects.filter(groups=rule["group_id"], is_active=True).order_by("username")
    known = people.filter(username__in=stage.approvers)
    voters = [user.username for user in known if str(user.pk) != requester.id]
    stage.random.shuffle(voters)
    return voters


def _expire(stage: Stage, request: ApprovalRequest) -> None:
    if _is_open(request):
        stage.say(ExpireRequest(approval_request_id=request.pk), by=THE_SYSTEM)


def _is_open(request: ApprovalRequest) -> bool:
    return ApprovalRequest.objects.filter(pk=request.pk, state=State.PENDING).exists()
