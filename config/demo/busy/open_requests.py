"""Requests that are open at the end of the month: one of each kind for Ann and Bob."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db.models import QuerySet

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny
from approvals.models import ApprovalRequest, State
from approvals.people.commands import SetUserActive
from config.demo.busy.decisions import UNDECIDED, Decision, decide
from config.demo.busy.habits import create_key
from config.demo.busy.incidents import edit_policy
from config.demo.busy.stage import Firm, Speaker, Stage


def plan(stage: Stage) -> None:
    """Schedule the requests within the last two days, whatever day of the week it is."""
    for hours, ask in _LAST_HOURS:
        stage.agenda.at(stage.agenda.end - timedelta(hours=hours), partial(ask, stage))


def _urgent(stage: Stage) -> None:
    """Request under the policy with a deadline of two days, which are nearly over at the end."""
    firm = stage.firms["Lumen Clinics"]
    owner = firm.seniors[0]
    command = firm.new_key("vaccination-calendar", by=owner)
    stage.ask(command, by=owner, reason="The campaign begins tomorrow")


def _stale(stage: Stage) -> None:
    """Request to enable a key that a colleague then enables."""
    acme = stage.firms["Acme"]
    command = EnableApiKey(api_key_id=_disabled_key(stage, acme).pk)
    stage.ask(command, by=acme.robots[0], reason="The partner has paid")
    stage.say(command, by=acme.people["priya"], reason="Paid, and the customer is on the phone")


def _in_conflict(stage: Stage) -> None:
    """Request to disable a key and to enable the same key."""
    firm = stage.firms["Globex"]
    request = _ask_to_disable(stage, firm, firm.people["gus"], why="Not used for ninety days")
    if request is not None:
        enable = EnableApiKey(api_key_id=UUID(request.subject_id))
        stage.ask(enable, by=firm.robots[0], reason="The yearly report needs it next week")


def _of_somebody_who_left(stage: Stage) -> None:
    """Request as a user who is then deactivated."""
    firm = stage.firms["Harbor Logistics"]
    nadia = firm.people["nadia"]
    _ask_to_disable(stage, firm, nadia, why="Replaced by customs-feed")
    leave = SetUserActive(user_id=int(nadia.id), is_active=False)
    stage.say(leave, by=stage.approvers["olga"], reason="Nadia has left the company")


def _just_decided(stage: Stage) -> None:
    """Approve one request and deny another."""
    for decision, voters in ((Approve, ("ann", "bob")), (Deny, ("bob",))):
        _ask_and_decide_now(stage, decision, voters, why="The contractor has left")


def _one_vote_short(stage: Stage) -> None:
    """Approve one request as Ann and another as Bob: each lacks one vote."""
    for voter, why in (("ann", "Laptop was stolen on the train"), ("bob", "Contractor has left")):
        _ask_and_decide_now(stage, Approve, (voter,), why=why)


def _fresh(stage: Stage) -> None:
    """Create a request without any votes."""
    acme = stage.firms["Acme"]
    _ask_to_disable(stage, acme, acme.robots[0], why="Found in a public repository")


def _new_policy(stage: Stage) -> None:
    """Propose that every approval needs a reason."""
    why = "The auditors ask why we approve"
    edit_policy(stage, "apikeys.disable", why=why, ending=UNDECIDED, approver_reason_required=True)


_LAST_HOURS = (
    (45.5, _urgent),
    (30.0, _of_somebody_who_left),
    (20.0, _just_decided),
    (8.0, _in_conflict),
    (6.0, _stale),
    (5.0, _new_policy),
    (3.0, _one_vote_short),
    (0.4, _fresh),
)


def _ask_and_decide_now(
    stage: Stage, decision: Decision, voters: tuple[str, ...], *, why: str
) -> None:
    """Request to disable a key of Acme, and decide at once as each of the voters."""
    acme = stage.firms["Acme"]
    request = _ask_to_disable(stage, acme, acme.people["dana"], why=why)
    if request is not None:
        for voter in voters:
            decide(stage, request, decision, stage.approvers[voter])


def _ask_to_disable(
    stage: Stage, firm: Firm, speaker: Speaker, *, why: str
) -> ApprovalRequest | None:
    """Request to disable the first key without a pending request."""
    api_key = _free_keys(stage, firm, is_enabled=True).first()
    if api_key is None:
        create_key(stage, firm)
        api_key = _free_keys(stage, firm, is_enabled=True).get()
    return stage.ask(DisableApiKey(api_key_id=api_key.pk), by=speaker, reason=why)


def _disabled_key(stage: Stage, firm: Firm) -> ApiKey:
    """Return a disabled key without a pending request; disable one if there is no such key."""
    free = _free_keys(stage, firm, is_enabled=False)
    if not free.exists():
        _ask_and_decide_now(stage, Approve, ("ann", "bob"), why="Not used for ninety days")
    return free.all()[0]


def _free_keys(stage: Stage, firm: Firm, *, is_enabled: bool) -> QuerySet[ApiKey]:
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, subject_type="api-key")
    asked = [UUID(each) for each in waiting.values_list("subject_id", flat=True)]
    return stage.keys_of(firm, is_enabled=is_enabled).exclude(pk__in=asked)
