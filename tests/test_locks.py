"""Each row lock, shown to make a second command wait.

Another connection holds the row with FOR KEY SHARE. FOR UPDATE waits for that, and a plain UPDATE
does not: so a command that waits here locks the row before it decides anything.
"""

from contextlib import contextmanager
from functools import partial
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from apikeys.commands import (
    AddMember,
    DeleteApiKey,
    DisableApiKey,
    EnableApiKey,
    RotateApiKey,
    UpdateApiKey,
)
from approvals.decisions.commands import (
    Approve,
    BreakGlass,
    Deny,
    ExpireRequest,
    Retry,
    TakeBack,
    Withdraw,
)
from approvals.decisions.superseding import BeingDecided
from approvals.models import ApprovalRequest, Policy
from approvals.people.commands import AddToGroup, RenameGroup, SetAccountStatus
from approvals.policies.bootstrap import AlreadyOwned, Bootstrap
from approvals.policies.commands import DisablePolicy, EditPolicy
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.outcomes import Completed, Postponed
from audit.models.records import CommandRecord
from tests.approvals.asking import switch_off
from tests.conftest import AS_SYSTEM, PASSWORD, approved, completed, held, member, policy
from tests.probes import to
from tests.processes import take_steps
from tests.tampering import let_time_pass
from tests.threads import Crowd, until

BLOCKS_SOMEONE = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))
"""


@contextmanager
def row_held(owner, table, pk, *, key="id"):
    """Hold a row until the end of the block."""
    statement = f"SELECT FROM {table} WHERE {key} = %s FOR KEY SHARE"
    with owner.transaction():
        assert owner.execute(statement, [pk]).rowcount == 1
        yield


def result_after_waiting(owner, table, pk, action, *, key="id"):
    """Run an action that must wait for a row, and return what it returned or raised."""
    with Crowd(1) as crowd:
        with row_held(owner, table, pk, key=key):
            waiting = crowd.start(action)
            until(lambda: owner.execute(BLOCKS_SOMEONE).fetchone()[0])
            assert not waiting.done()
        return waiting.result(60)


@pytest.fixture
def waiting(first_key, disabling_needs_two, policy_owners, dana, context_of):
    """Dana's request to disable her key, which waits for two of Security."""
    command = DisableApiKey(api_key_id=first_key.id)
    return held(command, context=context_of(dana, reason="Leaked"))


@pytest.mark.parametrize(
    "command_class", [DisableApiKey, EnableApiKey, DeleteApiKey, RotateApiKey, UpdateApiKey]
)
def test_a_command_waits_for_its_key(owner, first_key, dana, context_of, command_class):
    fields = {UpdateApiKey: {"name": "second"}, RotateApiKey: {"overlap_seconds": 0}}
    command = command_class(api_key_id=first_key.id, **fields.get(command_class, {}))

    result_after_waiting(
        owner,
        "apikeys_apikey",
        first_key.id,
        partial(dispatch, command, context=context_of(dana, reason="for a test")),
    )


@pytest.fixture
def fay(acme):
    """Fay may use break-glass."""
    return member("fay", acme, permissions=("break_glass", "view_approvalrequest"))


@pytest.mark.parametrize(
    ("command_class", "name"),
    [
        (Approve, "ann"),
        (Deny, "ann"),
        (TakeBack, "ann"),
        (Withdraw, "dana"),
        (Retry, "ann"),
        (BreakGlass, "fay"),
        (ExpireRequest, None),
    ],
)
def test_a_decision_waits_for_its_request(
    owner, waiting, ann, dana, fay, context_of, command_class, name
):
    possible = {"digest": waiting.digest, "ticket": "INC-17"}
    fields = {
        field: value
        for field, value in possible.items()
        if field in command_class.__dataclass_fields__
    }
    command = command_class(approval_request_id=waiting.pk, **fields)
    people = {"ann": ann, "dana": dana, "fay": fay}
    facts = {"reason": "for a test"}
    context = context_of(people[name], **facts) if name else Context(actor=SYSTEM, **facts)

    result_after_waiting(
        owner,
        "approvals_approvalrequest",
        waiting.pk,
        partial(dispatch, command, context=context),
    )


def test_a_second_request_for_the_same_waits_for_the_first(
    owner, first_key, disabling_needs_two, dana, context_of
):
    """There is no row to lock yet, so both wait for their turn."""
    command = DisableApiKey(api_key_id=first_key.id)
    dispatch_it = partial(dispatch, command, context=context_of(dana, reason="Leaked"))
    with Crowd(1) as crowd:
        with owner.transaction():
            turn = f"apikeys.disable api-key:{first_key.id}"
            owner.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [turn])
            second = crowd.start(dispatch_it)
            until(lambda: owner.execute(BLOCKS_SOMEONE).fetchone()[0])
        second.result(60)

    assert ApprovalRequest.objects.count() == 1


@pytest.mark.parametrize("command_class", [EditPolicy, DisablePolicy])
def test_a_change_of_a_policy_waits_for_it(
    owner, policy_owners, security, ann, bob, manager, context_of, command_class
):
    made = policy("apikeys.rotate", group=security, quorum=1)
    fields = {"governs": made.governs, "groups": (security.pk,), "quorums": (2,)}
    command = command_class(policy_id=made.pk, **(fields if command_class is EditPolicy else {}))
    request = held(command, context=context_of(manager, reason="for a test"))

    result_after_waiting(
        owner, "approvals_policy", made.pk, lambda: approved(request, *policy_owners[:2])
    )

    assert ApprovalRequest.objects.get().state == "executed"
    assert Policy.objects.get(pk=made.pk).is_enabled is (command_class is EditPolicy)


def test_a_restoration_of_a_policy_waits_for_it(owner, security, ann, bob):
    made = policy("apikeys.rotate", group=security, quorum=1)
    command = partial(call_command, "approvals_seal", restore=made.pk, reason="For a test")

    result_after_waiting(owner, "approvals_policy", made.pk, partial(command, stdout=StringIO()))

    assert CommandRecord.objects.get(reason="For a test").status == "succeeded"


def test_a_stale_request_that_is_being_decided_is_not_superseded(
    owner, first_key, security, ann, bob, dana, context_of
):
    policy("apikeys.rotate", group=security, quorum=2)
    command = RotateApiKey(api_key_id=first_key.id, overlap_seconds=0)
    ask = partial(dispatch, command, context=context_of(dana, reason="Leaked"))
    old = held(command, context=context_of(dana, reason="Leaked"))
    completed(to(switch_off, first_key.id))

    with row_held(owner, "approvals_approvalrequest", old.pk), pytest.raises(BeingDecided):
        ask()
    assert ApprovalRequest.objects.get().state == "pending"

    assert isinstance(ask(), Postponed)
    assert ApprovalRequest.objects.get(pk=old.pk).state == "superseded"


def test_a_change_of_a_person_waits_for_their_row(owner, dana, manager, context_of):
    command = SetAccountStatus(user_id=dana.pk, is_active=False)

    result_after_waiting(
        owner, "auth_user", dana.pk, partial(dispatch, command, context=context_of(manager))
    )


def test_a_change_of_ones_password_waits_and_does_not_undo_a_reset(owner, ann, browser):
    client = browser(ann)
    new = dict.fromkeys(("new_password1", "new_password2"), "another horse battery")
    post = partial(client.post, "/password/", {"old_password": PASSWORD, **new})

    with Crowd(1) as crowd:
        with row_held(owner, "auth_user", ann.pk):
            waiting = crowd.start(post)
            until(lambda: owner.execute(BLOCKS_SOMEONE).fetchone()[0])
            owner.execute("UPDATE auth_user SET password = '!reset' WHERE id = %s", [ann.pk])
        answer = waiting.result(60)

    assert "was changed or reset in the meantime" in answer.content.decode()
    assert User.objects.get(pk=ann.pk).password == "!reset"
    record = CommandRecord.objects.get(message_type="people.change_password")
    assert (record.status, record.error_code) == ("refused", "password_replaced")
    assert ann.password not in str(vars(record))


@pytest.mark.parametrize("command_class", [RenameGroup, AddToGroup])
def test_a_change_of_a_group_waits_for_its_row(
    owner, dana, security, manager, context_of, command_class
):
    fields = {RenameGroup: {"group_name": "Safety"}, AddToGroup: {"user_id": dana.pk}}
    command = command_class(group_id=security.pk, **fields[command_class])

    result_after_waiting(
        owner, "auth_group", security.pk, partial(dispatch, command, context=context_of(manager))
    )


def test_a_second_bootstrap_waits_for_the_first(owner, policy_owners):
    group = policy_owners[0].groups.get()

    result = result_after_waiting(
        owner,
        "auth_group",
        group.pk,
        partial(dispatch, Bootstrap(owners=("olga", "otto", "petra")), context=AS_SYSTEM),
    )

    assert isinstance(result, AlreadyOwned)


def test_a_vote_that_may_count_again_waits_for_its_request(
    owner, waiting, ann, bob, globex, policy_owners
):
    # One of two: without another approval, nothing is released, and nothing else locks the request.
    approved(waiting, ann)
    command = AddMember(customer_id=globex.pk, user_id=ann.pk)

    result = result_after_waiting(
        owner,
        "approvals_approvalrequest",
        waiting.pk,
        partial(dispatch, command, context=AS_SYSTEM),
    )

    assert isinstance(result, Completed)


def test_what_completed_a_request_is_not_locked_while_its_release_waits_for_a_vote(
    owner, waiting, ann, bob, globex
):
    approved(waiting, ann)
    command = AddMember(customer_id=globex.pk, user_id=ann.pk)

    with Crowd(1) as crowd:
        # As a vote does: first the request, then the rows that its execution changes.
        with row_held(owner, "approvals_approvalrequest", waiting.pk):
            completing = crowd.start(partial(dispatch, command, context=AS_SYSTEM))
            until(lambda: owner.execute(BLOCKS_SOMEONE).fetchone()[0])
            for table, pk in (("auth_user", ann.pk), ("apikeys_customer", globex.pk)):
                owner.execute(f"SELECT FROM {table} WHERE id = %s FOR UPDATE", [pk])
        outcome = completing.result(60)

    assert isinstance(outcome, Completed)
    assert CommandRecord.objects.get(command_id=outcome.command_id).retries == 0


def test_expiry_skips_a_request_that_is_being_decided(owner, waiting):
    let_time_pass(owner, waiting)

    with row_held(owner, "approvals_approvalrequest", waiting.pk):
        take_steps()
        assert ApprovalRequest.objects.get().state == "pending"

    take_steps()
    assert ApprovalRequest.objects.get().state == "expired"
