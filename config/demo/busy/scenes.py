"""Scenes of the month: policies, incidents, and one open request of each kind at its end."""

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, BreakGlass, Deny
from approvals.models import ApprovalRequest, Policy, State
from approvals.people.commands import GrantPermission, SetAccountStatus
from approvals.policies.commands import CreatePolicy, EditPolicy
from audit.outside import outside_command
from config.demo import story
from config.demo.busy import cast, texts
from config.demo.busy.clock import execute
from config.demo.busy.stage import APPROVED, UNDECIDED, Decision, Ending, Stage, office_hours

_DURING_THE_OUTAGE = 14
_NO_VOTES: Mapping[str, Decision] = {}
_APPROVED_AT_ONCE: Mapping[str, Decision] = {"ann": Approve, "bob": Approve}


def plan(stage: Stage) -> None:
    """Schedule all scenes: the last ones within two days, whatever day of the week it is."""
    for share, scene, *arguments in _SCENES:
        moment = office_hours(stage.start + share * (stage.end - stage.start))
        stage.at(moment, partial(scene, stage, *arguments))
    for hours, scene, *arguments in _LAST_SCENES:
        stage.at(stage.end - timedelta(hours=hours), partial(scene, stage, *arguments))


def _propose(
    stage: Stage, reason: str, customer: str, fields: dict[str, Any], ending: Ending = APPROVED
) -> None:
    """Propose a policy, for one customer or all; unless it forbids, it requires one approval."""
    rules: dict[str, Any] = (
        {} if "effect" in fields else {"groups": (stage.security,), "quorums": (1,)}
    )
    tenant = str(stage.customers[customer]) if customer else ""
    policy = CreatePolicy(for_tenant=tenant, **rules, **fields)
    stage.attempt(policy, by="olga", reason=reason, ending=ending)


def _require_reasons(stage: Stage) -> None:
    """Propose that every approval needs a reason, under the policy for disabling keys."""
    for policy in Policy.objects.filter(governs="apikeys.disable", is_enabled=True)[:1]:
        edited = EditPolicy(
            policy_id=policy.pk,
            governs=policy.governs,
            groups=(stage.security,),
            quorums=(2,),
            approver_reason_required=True,
        )
        stage.attempt(edited, by="olga", reason="The auditors ask why we approve")


def _repair_by_hand(stage: Stage, reason: str) -> None:
    """Change the name of a key in the database."""
    api_key = stage.some_key(stage.pick(texts.STAFF))
    if api_key is not None:
        with outside_command(reason):
            ApiKey.objects.filter(pk=api_key.pk).update(name=f"{api_key.name}-eu")


def _outage(stage: Stage) -> None:
    """Hold row locks for some minutes, so that one command after another fails."""
    for number in range(_DURING_THE_OUTAGE):
        stage.at(timezone.now() + number * timedelta(seconds=67), partial(_fail, stage))


def _fail(stage: Stage) -> None:
    customer = stage.pick(texts.STAFF)
    api_key = stage.some_key(customer)
    if api_key is None:
        return
    enable, by = EnableApiKey(api_key_id=api_key.pk), stage.pick(texts.STAFF[customer].seniors)
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as holding:
            holding.execute("SELECT FROM apikeys_apikey WHERE id = %s FOR UPDATE", [api_key.pk])
        execute("SET lock_timeout = '20ms'")
        stage.attempt(enable, by=by, reason="Back after the maintenance")
        execute("RESET lock_timeout")


def _request_for_nico(stage: Stage) -> None:
    """Request a key for Nico at Lumen, who has left when it is approved."""
    cast.hire(stage, "Lumen Clinics", "nico", permissions=story.JUNIOR)
    _request_key(stage, "nico", "summer-study", "For a study this summer", APPROVED)
    _leave(stage, "nico", "Nico is not joining after all")


def _request_key(stage: Stage, by: str, name: str, reason: str, ending: Ending = UNDECIDED) -> None:
    command = stage.new_key("Lumen Clinics", name, by=by)
    stage.attempt(command, by=by, reason=reason, ending=ending)


def _leave(stage: Stage, username: str, reason: str) -> None:
    user_id = int(stage.senders[username].id)
    stage.attempt(SetAccountStatus(user_id=user_id, is_active=False), by="olga", reason=reason)


def _let_bob_use_break_glass(stage: Stage) -> None:
    bob = int(stage.senders["bob"].id)
    grant = GrantPermission(user_id=bob, permission="approvals.break_glass")
    stage.attempt(grant, by="olga", reason="Bob is on call in October", ending=APPROVED)


def _break_glass(stage: Stage) -> None:
    """Disable a leaked key with break-glass, as Bob; the owners review it afterwards."""
    request = _disable(stage, "Globex", "erp-gateway", "Leaked, and in use from abroad")
    if request is not None:
        command = BreakGlass(approval_request_id=request.pk, ticket="INC-2041")
        stage.attempt(command, by="bob", reason="Money is leaving the account while we wait")
    reviews = ApprovalRequest.objects.filter(message_type="approvals.review_break_glass")
    for review in reviews.filter(state=State.PENDING):
        stage.schedule(review, requester="bob", ending=APPROVED)


def _disable(
    stage: Stage,
    customer: str,
    by: str,
    reason: str,
    votes: Mapping[str, Decision] = _NO_VOTES,
) -> ApprovalRequest | None:
    """Request to disable a key without an open request, and vote at once."""
    command = DisableApiKey(api_key_id=_free_key(stage, customer, is_enabled=True))
    request = stage.attempt(command, by=by, reason=reason)
    if request is not None:
        for voter, decision in votes.items():
            stage.decide(request, decision, by=voter)
    return request


def _overtake(
    stage: Stage, reason: str, colleague: str, why: str, ending: Ending = UNDECIDED
) -> None:
    """Request to enable a key that a colleague then enables without approval."""
    enable = EnableApiKey(api_key_id=_free_key(stage, "Acme", is_enabled=False))
    stage.attempt(enable, by="deploy-bot", reason=reason, ending=ending)
    stage.attempt(enable, by=colleague, reason=why)


def _free_key(stage: Stage, customer: str, *, is_enabled: bool) -> UUID:
    """Return the first key without an open request; make one if there is no such key."""
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, subject_type="api-key")
    asked = [UUID(each) for each in waiting.values_list("subject_id", flat=True)]
    free = stage.keys_of(customer, is_enabled=is_enabled).exclude(pk__in=asked)
    if not free.exists():
        by = texts.STAFF[customer].seniors[0]
        if is_enabled:
            stage.send(stage.new_key(customer, "web-shop-3", by=by), by=by)
        else:
            _disable(stage, customer, by, "Not used for ninety days", _APPROVED_AT_ONCE)
    return free.all()[0].pk


_FROM_V1 = {"governs": "apikeys.enable", "condition": 'context.channel == "v1"'}
_CARELESS_NAMES = {
    "governs": "apikeys.create",
    "effect": "forbid",
    "condition": 'command.name.startsWith("tmp")',
    "message": "Name a key after its use: “tmp” says nothing about it.",
}
_OF_LUMEN = {
    "governs": "apikeys.create",
    "requester_reason_required": True,
    "approve_within": timedelta(days=2),
}
_EVERYWHERE = {"governs": "apikeys.enable"}

# Parts of the month, each with its scene and the arguments of that.
_SCENES: tuple[tuple[Any, ...], ...] = (
    (0.08, _propose, "A leaked key was enabled again by a script on Tuesday", "", _FROM_V1),
    (0.12, cast.hire_carol),
    (0.15, _repair_by_hand, "OPS-4127: a typo in the name, corrected in the database"),
    (0.28, _propose, "No one knew what tmp-17 was for", "", _CARELESS_NAMES),
    (0.33, _let_bob_use_break_glass),
    (0.35, _repair_by_hand, "OPS-4163: the import had set the wrong name"),
    (0.45, _propose, "Health data: the contract requires it", "Lumen Clinics", _OF_LUMEN),
    (0.54, _outage),
    (0.55, _repair_by_hand, "OPS-4188: the name carried a customer number, which it must not"),
    (0.6, _request_for_nico),
    (0.64, _overtake, "The sale begins at noon", "dana", "Needed immediately", APPROVED),
    (0.7, _break_glass),
    (0.75, _repair_by_hand, "OPS-4230: restored the name from the backup of last night"),
    (0.8, _propose, "The same for every channel", "", _EVERYWHERE, (Deny,)),
)
# Hours before the end.
_LAST_SCENES: tuple[tuple[Any, ...], ...] = (
    # Under the policy with a deadline of two days, which are nearly over.
    (45.5, _request_key, "lena", "vaccination-calendar", "The campaign begins tomorrow"),
    (30.0, _disable, "Harbor Logistics", "nadia", "Replaced by customs-feed"),
    (29.9, _leave, "nadia", "Nadia has left the company"),
    (20.0, _disable, "Acme", "dana", "The contractor has left", _APPROVED_AT_ONCE),
    (19.9, _disable, "Acme", "dana", "The contractor has left", {"bob": Deny}),
    (8.0, _disable, "Globex", "gus", "Not used for ninety days"),
    (6.0, _overtake, "The partner has paid", "priya", "Paid, and on the phone"),
    (5.0, _require_reasons),
    (3.0, _disable, "Acme", "dana", "Laptop was stolen on the train", {"ann": Approve}),
    (2.9, _disable, "Acme", "dana", "The contractor has left", {"bob": Approve}),
    (0.4, _disable, "Acme", "deploy-bot", "Found in a public repository"),
)
