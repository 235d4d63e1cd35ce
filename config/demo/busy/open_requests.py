"""Requests that are open at the end of the month: one of each kind for Ann and Bob."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db.models import QuerySet

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest, Policy, State
from approvals.people.commands import SetUserActive
from approvals.policies.commands import EditPolicy
from config.demo.busy.decisions import approve_now, carry_out_now, deny_now
from config.demo.busy.habits import create_key
from config.demo.busy.stage import Firm, Speaker, Stage


def plan(stage: Stage) -> None:
    """Schedule the requests within the last two days, whatever day of the week it is."""
    for hours, ask in _LAST_HOURS:
        stage.agenda.at(stage.agenda.end - timedelta(hours=hours), partial(ask, stage))


def _urgent(stage: Stage) -> None:
    """Request under the policy with a deadline of two days, which are nearly over at the end."""
    firm = stage.firm("Lumen Clinics")
    owner = firm.seniors[0]
    command = CreateApiKey(
        customer_id=firm.customer.pk, owner_id=int(owner.id), name="vaccination-calendar"
    )
    stage.ask(command, by=owner, reason="The campaign begins tomorrow")


def _stale(stage: Stage) -> None:
    """Request to enable a key that a colleague then enables."""
    acme = stage.firm("Acme")
    command = EnableApiKey(api_key_id=_disabled_key(stage, acme))
    stage.ask(command, by=acme.robots[0], reason="The partner has paid")
    stage.say(command, by=acme.people["priya"], reason="Paid, and the customer is on the phone")


def _in_conflict(stage: Stage) -> None:
    """Request to disable a key and to enable the same key."""
    firm = stage.firm("Globex")
    request = _ask_to_disable(stage, firm, firm.people["gus"], why="Not used for ninety days")
    if request is not None:
        enable = EnableApiKey(api_key_id=UUID(request.subject_id))
        stage.ask(enable, by=firm.robots[0], reason="The yearly report needs it next week")


def _of_somebody_who_left(stage: Stage) -> None:
    """Request as a user who is then deactivated."""
    firm, olga = stage.firm("Harbor Logistics"), stage.approvers["olga"]
    nadia = firm.people["nadia"]
    _ask_to_disable(stage, firm, nadia, why="Replaced by customs-feed")
    stage.say(
        SetUserActive(user_id=int(nadia.id), is_active=False),
        by=olga,
        reason="Nadia has left the company",
    )


def _just_decided(stage: Stage) -> None:
    """Approve one request and deny another."""
    acme = stage.firm("Acme")
    for decide in (carry_out_now, deny_now):
        request = _ask_to_disable(stage, acme, acme.people["dana"], why="The contractor has left")
        if request is not None:
            decide(stage, request)


def _one_vote_short(stage: Stage) -> None:
    """Approve one request as Ann and another as Bob: each lacks one vote."""
    acme = stage.firm("Acme")
    for voter, why in (("ann", "Laptop was stolen on the train"), ("bob", "Contractor has left")):
        request = _ask_to_disable(stage, acme, acme.people["dana"], why=why)
        if request is not None:
            approve_now(stage, request, voter)


def _fresh(stage: Stage) -> None:
    """Create a request without any votes."""
    acme = stage.firm("Acme")
    _ask_to_disable(stage, acme, acme.robots[0], why="Found in a public repository")


def _new_policy(stage: Stage) -> None:
    """Propose that every approval needs a reason."""
    policy = Policy.objects.filter(governs="apikeys.disable", is_enabled=True).first()
    if policy is None:
        return
    rules = policy.present_rules()
    edited = EditPolicy(
        policy_id=policy.pk,
        governs=policy.governs,
        groups=tuple(rule.group_id for rule in rules),
        quorums=tuple(rule.quorum for rule in rules),
        approver_reason_required=True,
    )
    stage.ask(edited, by=stage.approvers["olga"], reason="The auditors ask why we approve")


_LAST_HOURS = (
    (45.5, _urgent),
    (30.0, _of_somebody_who_left),
    (26.0, _stale),
    (20.0, _just_decided),
    (8.0, _in_conflict),
    (5.0, _new_policy),
    (3.0, _one_vote_short),
    (0.4, _fresh),
)


def _ask_to_disable(
    stage: Stage, firm: Firm, speaker: Speaker, *, why: str
) -> ApprovalRequest | None:
    """Request to disable the first key without a pending request."""
    api_key = _free_keys(stage, firm, is_enabled=True).first()
    if api_key is None:
        create_key(stage, firm)
        api_key = _free_keys(stage, firm, is_enabled=True).get()
    return stage.ask(DisableApiKey(api_key_id=api_key.pk), by=speaker, reason=why)


def _disabled_key(stage: Stage, firm: Firm) -> UUID:
    """Return a disabled key without a pending request; disable one if there is no such key."""
    api_key = _free_keys(stage, firm, is_enabled=False).first()
    if api_key is not None:
        return api_key.pk
    request = _ask_to_disable(stage, firm, firm.seniors[0], why="Not used for ninety days")
    if request is None:
        message = "a key that was just created cannot be asked for"
        raise RuntimeError(message)
    carry_out_now(stage, request)
    return UUID(request.subject_id)


def _free_keys(stage: Stage, firm: Firm, *, is_enabled: bool) -> QuerySet[ApiKey]:
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, subject_type="api-key")
    asked = [UUID(each) for each in waiting.values_list("subject_id", flat=True)]
    keys = stage.keys_of(firm).filter(deleted_at=None, is_enabled=is_enabled)
    return keys.exclude(pk__in=asked).order_by("created_at", "pk")
