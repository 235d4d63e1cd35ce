"""Incidents of the month: new policies, manual repairs, an outage, an emergency."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import BreakGlass
from approvals.models import ApprovalRequest, Policy, State
from approvals.people.commands import GrantPermission, SetUserActive
from approvals.policies.commands import CreatePolicy, EditPolicy
from audit.messages.classes import Command
from audit.outside import outside_command
from config.demo.busy import cast, texts
from config.demo.busy.clock import execute
from config.demo.busy.decisions import APPROVED, DENIED, Ending, ask_and_decide, schedule
from config.demo.busy.habits import some_key
from config.demo.busy.stage import Stage

_DURING_THE_OUTAGE = 14


def plan(stage: Stage) -> None:
    """Schedule every incident at its part of the month."""
    for share, incident in _INCIDENTS:
        stage.agenda.at(stage.agenda.part(share), partial(incident, stage))
    for number, why in enumerate(texts.WHY_BY_HAND):
        moment = stage.agenda.part(0.15 + 0.2 * number)
        stage.agenda.at(moment, partial(_repair_by_hand, stage, why, number))


def _ask_before_enabling(stage: Stage) -> None:
    policy = CreatePolicy(
        governs="apikeys.enable",
        condition='context.channel == "v1"',
        groups=(stage.security,),
        quorums=(1,),
    )
    _propose(stage, policy, why="A leaked key was enabled again by a script on Tuesday")


def _forbid_careless_names(stage: Stage) -> None:
    policy = CreatePolicy(
        governs="apikeys.create",
        effect="forbid",
        condition='command.name.startsWith("tmp")',
        message="Name a key after its use: “tmp” says nothing about it.",
    )
    _propose(stage, policy, why="No one knew what tmp-17 was for")


def _ask_before_creating_at_lumen(stage: Stage) -> None:
    policy = CreatePolicy(
        governs="apikeys.create",
        for_tenant=str(stage.firms["Lumen Clinics"].customer.pk),
        groups=(stage.security,),
        quorums=(1,),
        requester_reason_required=True,
        approve_within=timedelta(days=2),
    )
    _propose(stage, policy, why="Health data: the contract with Lumen requires it")


def _ask_for_more_than_people_can_give(stage: Stage) -> None:
    edit_policy(stage, "apikeys.enable", why="The same for every channel", ending=DENIED)


def edit_policy(stage: Stage, governs: str, *, why: str, ending: Ending, **said: Any) -> None:
    """Propose a policy with the same rules and no condition."""
    policy = Policy.objects.filter(governs=governs, is_enabled=True).first()
    if policy is not None:
        rules = policy.present_rules()
        edited = EditPolicy(
            policy_id=policy.pk,
            governs=governs,
            groups=tuple(rule.group_id for rule in rules),
            quorums=tuple(rule.quorum for rule in rules),
            **said,
        )
        _propose(stage, edited, why=why, ending=ending)


def _propose(stage: Stage, command: Command, *, why: str, ending: Ending = APPROVED) -> None:
    ask_and_decide(stage, command, by=stage.approvers["olga"], reason=why, ending=ending)


def _repair_by_hand(stage: Stage, why: str, number: int) -> None:
    """Change a name in the database; every other time without a history row as well."""
    api_key = some_key(stage, stage.pick(list(stage.firms.values())))
    if api_key is not None:
        api_key.name = f"{api_key.name}-eu"
        with outside_command(why):
            if number % 2:
                ApiKey.objects.filter(pk=api_key.pk).update(name=api_key.name)
            else:
                api_key.save(update_fields=["name"])


def _outage(stage: Stage) -> None:
    """Hold row locks for some minutes, so that one command after another fails."""
    for number in range(_DURING_THE_OUTAGE):
        moment = timezone.now() + number * timedelta(seconds=67)
        stage.agenda.at(moment, partial(_fail, stage))


def _fail(stage: Stage) -> None:
    firm = stage.pick(list(stage.firms.values()))
    api_key = some_key(stage, firm)
    if api_key is not None:
        command, by = EnableApiKey(api_key_id=api_key.pk), stage.pick(firm.seniors)
        with _somebody_holds(api_key.pk):
            stage.say(command, by=by, reason="Back after the maintenance")


@contextmanager
def _somebody_holds(api_key_id: UUID) -> Iterator[None]:
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as holding:
            holding.execute("SELECT FROM apikeys_apikey WHERE id = %s FOR UPDATE", [api_key_id])
        execute("SET lock_timeout = '20ms'")
        yield
        execute("RESET lock_timeout")


def _leave_before_the_answer(stage: Stage) -> None:
    """Request a key for Nico at Lumen, who has left when it is approved."""
    olga, firm = stage.approvers["olga"], stage.firms["Lumen Clinics"]
    cast.hire(stage, firm, "nico")
    nico = stage.person("nico", "v2")
    command = firm.new_key("summer-study", by=nico)
    ask_and_decide(stage, command, by=nico, reason="For a study this summer")
    leave = SetUserActive(user_id=int(nico.id), is_active=False)
    stage.say(leave, by=olga, reason="Nico is not joining after all")


def _overtaken(stage: Stage) -> None:
    """Request to enable a key that a colleague enables before it is approved."""
    firm = stage.firms["Acme"]
    api_key = some_key(stage, firm, is_enabled=False)
    if api_key is not None:
        command = EnableApiKey(api_key_id=api_key.pk)
        ask_and_decide(stage, command, by=firm.robots[0], reason="The sale begins at noon")
        stage.say(command, by=firm.people["dana"], reason="Needed immediately")


def _let_bob_break_the_glass(stage: Stage) -> None:
    bob = stage.approvers["bob"]
    grant = GrantPermission(user_id=int(bob.id), permission="approvals.break_glass")
    _propose(stage, grant, why="Bob is on call in October")


def _break_the_glass(stage: Stage) -> None:
    """Disable a leaked key with break-glass; the owners review it afterwards."""
    firm, bob = stage.firms["Globex"], stage.approvers["bob"]
    api_key = some_key(stage, firm)
    if api_key is None:
        return
    leaked = DisableApiKey(api_key_id=api_key.pk)
    request = stage.ask(leaked, by=firm.robots[0], reason="Leaked, and in use from abroad")
    if request is not None:
        command = BreakGlass(approval_request_id=request.pk, ticket="INC-2041")
        stage.say(command, by=bob, reason="Money is leaving the account while we wait")
        _review(stage)


def _review(stage: Stage) -> None:
    asked = ApprovalRequest.objects.filter(
        message_type="approvals.review_break_glass", state=State.PENDING
    )
    for request in asked:
        schedule(stage, request, stage.approvers["bob"], APPROVED)


_INCIDENTS: tuple[tuple[float, Callable[[Stage], None]], ...] = (
    (0.08, _ask_before_enabling),
    (0.12, cast.hire_carol),
    (0.28, _forbid_careless_names),
    (0.33, _let_bob_break_the_glass),
    (0.45, _ask_before_creating_at_lumen),
    (0.54, _outage),
    (0.6, _leave_before_the_answer),
    (0.64, _overtaken),
    (0.7, _break_the_glass),
    (0.8, _ask_for_more_than_people_can_give),
)
