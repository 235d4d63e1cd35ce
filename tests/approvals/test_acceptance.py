"""The acceptance list: every failure and attack that we know of, and the test that stands for it.

Files without a directory are in tests/approvals; tests in the second column without a file are
here or in test_acceptance_requests.py.

| failure or attack | test |
|--|--|
| two final approvals at once | tests/test_races.py: of_eight_approvals_at_once_two_count |
| a denial races with the last approval | tests/test_races.py: an_approval_and_a_denial_at_once |
| the target changes in between | test_stale.py: what_changed_between_two_votes, what_is_again |
| the requester lost the right | test_votes.py: the_requester_who_lost_the_permission |
| the requester was deactivated | test_votes.py: a_credential_that_is_no_longer_good |
| the credential was revoked | a_key_that_was_disabled_between_two_votes |
| a voter left the group | test_votes.py: who_left_the_group; who_leaves_between_two_votes |
| a voter was deactivated | test_votes.py: who_is_deactivated; who_leaves_between_two_votes |
| a voter's password was reset | a_password_reset_between_two_votes |
| a payload was swapped | test_payloads.py: a_payload_is_good_in_its_own_row; a_payload_copied |
| an edited request is approved | test_api.py: a_decision_on_something_else; what_was_seen_of_one |
| the screen shows something else | test_properties.py: what_is_shown_is_what_the_digest_covers |
| a pickle runs code | test_payloads.py: a_gadget_is_refused_even_with_a_good_seal |
| a deploy changed the class | test_payloads.py: a_command_that_was_renamed; test_check.py; |
| | what_no_code_reads_any_more_is_shown_and_can_only_be_ended |
| a frozen dataclass shifts its fields | test_payloads.py: a_command_that_was_renamed_or_gained |
| a pickled model overwrites newer data | tests/audit/test_checks.py: a_field_that_is_no_plain |
| a digest over pickled bytes | test_payloads.py: the_digest_is_that_of_the_values |
| a retry or a crash executes twice | tests/test_killed_server.py; tests/faults/test_replays.py; |
| | tests/faults/test_connection.py: a_vote_whose_commit_was_done |
| a consumed approval is used again | a_vote_after_the_last_one_is_a_conflict |
| the requester votes with another hat | test_votes.py: the_owner_of_the_key, a_key_does_not_vote |
| the requester makes friends approvers | test_floor.py: membership_of_a_group; who_joins_after |
| a policy changes while requests wait | what_waits_keeps_its_requirements |
| nobody can satisfy it | test_policies.py: a_policy_that_people_cannot_meet; test_check.py |
| the gate is disabled | test_floor.py: editing_and_disabling; no_setting_takes_the_gate_away |
| another write path | tests/test_no_way_around.py; test_bypass.py |
| a request vanishes with the rollback | after_a_202_the_request_is_there |
| a deferred foreign key fails the vote | tests/faults/test_replays.py: a_deferred_constraint |
| mail before the commit | test_notifications.py: what_is_rolled_back; a_vote_that_is_undone |
| approvals in bulk | of_three_selected_the_stale_one_is_told_and_the_others_go |
| secrets | tests/test_secrets.py; what_is_created_after_approval_hands_no_secret_to_approvers |
| the request tells too much | test_api_roles.py: each_role_gets_the_answer_of_the_table |
| duplicate requests, key reuse | test_policies.py: asking_again; eight_who_ask_at_once |
| the clock | a_millisecond_decides |
| evidence is deleted | test_immutable.py: no_request_is_ever_deleted; no_address_deletes |
| a superuser may do everything | test_admin.py: a_superuser_has_no_vote; a_superuser_gets_a_403 |
"""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.utils import timezone

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest, Policy, Vote
from approvals.models.refusals import TooNew
from approvals.people.commands import (
    AddToGroup,
    RemoveFromGroup,
    RequirePasswordReset,
    SetAccountStatus,
)
from approvals.policies.commands import DisablePolicy, EditPolicy
from audit.actors.credentials import live_actor
from audit.bus.context import Context
from audit.models.records import CommandRecord
from tests.approvals.asking import address, decide
from tests.approvals.people.test_seniority import join, let_days_pass
from tests.conftest import PASSWORD, approved, create_key, held, new_approver, policy
from tests.http import call
from tests.tampering import rewrite

DAY = timedelta(days=1)


@pytest.fixture
def seniors(security, ann, bob, owner):
    """Ann and Bob, who have been in Security for two days, as events tell."""
    for person in (ann, bob):
        join(person, security)
    let_days_pass(owner, days=2)
    return ann, bob


def end_in_an_hour(request, owner):
    """Have a request end while sessions of today are still good, under valid seals."""
    rewrite(owner, request, approve_by=timezone.now() + timedelta(hours=1))


def test_a_key_that_was_disabled_between_two_votes_carries_nothing_out(
    first_key, dana, acme, ann, bob, context_of, disabling_needs_two, approve
):
    other = create_key(dana, acme, name="other")
    asking = Context(actor=live_actor("api_key", str(other.id)))
    request = held(DisableApiKey(api_key_id=first_key.id), context=asking)
    revocation = held(DisableApiKey(api_key_id=other.id), context=context_of(dana))
    approve(request, ann)
    assert approved(revocation, ann, bob).state == "executed"

    done = approve(request, bob)

    assert (done.state, done.outcome_code) == ("refused", "forbidden")
    assert "no longer valid" in done.outcome
    assert ApiKey.objects.get(pk=first_key.id).is_enabled


@pytest.mark.parametrize(
    "go",
    [
        lambda ann, _: SetAccountStatus(user_id=ann.pk, is_active=False),
        lambda ann, security: RemoveFromGroup(user_id=ann.pk, group_id=security.pk),
    ],
)
def test_a_voter_removed_between_two_votes_no_longer_counts(
    go, waiting, ann, bob, acme, security, manager, policy_owners, context_of, approve
):
    carol = new_approver("carol", acme, groups=[security])
    approve(waiting, ann)
    leaving = held(go(ann, security), context=context_of(manager))
    assert approved(leaving, *policy_owners[:2]).state == "executed"

    assert approve(waiting, bob).state == "pending"

    assert ApiKey.objects.get().is_enabled
    assert approve(waiting, carol).state == "executed"


def test_a_password_reset_between_two_votes_ends_the_sessions_and_keeps_the_genuine_vote(
    asked, ann, bob, manager, policy_owners, context_of, browser
):
    """The vote was cast by who had signed in; who doubts that takes Ann out of the group."""
    session = browser(ann)
    decide(session, asked, "approve")
    reset = held(RequirePasswordReset(user_id=ann.pk), context=context_of(manager))
    assert approved(reset, *policy_owners[:2]).state == "executed"

    taken_back = decide(session, asked, "take-back")

    assert taken_back.status_code == 401
    assert not Client().login(username="ann", password=PASSWORD)
    assert [vote.decision for vote in Vote.objects.filter(request=asked)] == ["approve"]
    assert decide(browser(bob), asked, "approve").json()["state"] == "executed"


def test_a_password_reset_before_the_first_vote_leaves_no_session_to_vote_with(
    asked, ann, manager, policy_owners, context_of, browser
):
    session = browser(ann)
    reset = held(RequirePasswordReset(user_id=ann.pk), context=context_of(manager))
    approved(reset, *policy_owners[:2])

    assert decide(session, asked, "approve").status_code == 401

    assert not Vote.objects.filter(request=asked).exists()


def test_who_joins_after_the_request_does_not_vote_on_it_where_membership_takes_time(
    seniors, first_key, dana, acme, security, manager, policy_owners, context_of, approve
):
    policy("apikeys.disable", group=security, quorum=2, minimum_membership=DAY)
    friend = new_approver("friend", acme, groups=[])
    waiting = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    joining = held(AddToGroup(user_id=friend.pk, group_id=security.pk), context=context_of(manager))
    assert approved(joining, *policy_owners[:2]).state == "executed"

    with pytest.raises(TooNew):
        approve(waiting, friend)

    assert not Vote.objects.filter(request=waiting).exists()
    assert CommandRecord.objects.latest("position").error_code == "too_new"


@pytest.mark.parametrize("change", ["lower", "disable"])
def test_a_waiting_request_keeps_its_requirements_when_the_policy_changes(
    change, waiting, ann, bob, security, manager, policy_owners, context_of, approve
):
    made = Policy.objects.get()
    groups = {"groups": (security.pk,), "quorums": (1,)}
    command = {
        "lower": EditPolicy(policy_id=made.pk, governs=made.governs, **groups),
        "disable": DisablePolicy(policy_id=made.pk),
    }[change]
    before = waiting.requirements
    changed = approved(held(command, context=context_of(manager)), *policy_owners[:2])
    assert changed.state == "executed"

    first = approve(waiting, ann)

    assert (first.state, first.requirements) == ("pending", before)
    assert ApiKey.objects.get().is_enabled
    assert approve(waiting, bob).state == "executed"


def test_no_setting_takes_the_gate_away_unnoticed(configure):
    assert [each for each in run_checks() if each.id == "approvals.E003"] == []

    configure(MIDDLEWARE=["audit.bus.authorization.authorize"])

    (found,) = [each for each in run_checks() if each.id == "approvals.E003"]
    assert "hold_for_approval" in found.msg


def test_a_vote_after_the_last_one_is_a_conflict_and_a_repeat_gets_the_first_answer(
    asked, ann, bob, acme, security, browser, first_key
):
    carol = new_approver("carol", acme, groups=[security])
    decide(browser(ann), asked, "approve")
    body, key = {"digest": asked.digest}, {"Idempotency_Key": "last"}
    last = call(browser(bob), "POST", address(asked, "approve"), body, **key)

    late = decide(browser(carol), asked, "approve")
    repeat = call(browser(bob), "POST", address(asked, "approve"), body, **key)

    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    assert "already approved and executed" in late.json()["detail"]
    assert (repeat.status_code, repeat.json()) == (200, last.json())
    replays = CommandRecord.objects.filter(command_id=asked.command_id, status="succeeded")
    assert replays.count() == 1
    assert ApprovalRequest.objects.get().votes.count() == 2


@pytest.mark.parametrize(("late_ms", "status"), [(-1, 200), (0, 409), (1, 409)])
def test_a_millisecond_decides(late_ms, status, asked, ann, browser, owner, monkeypatch):
    end_in_an_hour(asked, owner)
    client = browser(ann)
    moment = asked.approve_by + timedelta(milliseconds=late_ms)

    monkeypatch.setattr(timezone, "now", lambda: moment)
    answer = decide(client, asked, "approve")

    assert answer.status_code == status
    assert Vote.objects.count() == (1 if status == 200 else 0)
    if status == 409:
        assert answer.json()["code"] == "too_late"


def test_a_superuser_gets_a_403_from_every_vote(asked, root, browser):
    for verb in ("approve", "deny"):
        answer = decide(browser(root), asked, verb, comment="Because I can")

        assert (answer.status_code, answer.json()["code"]) == (403, "not_an_approver")
        record = CommandRecord.objects.get(command_id=answer["Command-Id"])
        assert (record.status, record.actor_label) == ("refused", "root")
    assert not Vote.objects.exists()
    asked.refresh_from_db()
    assert asked.state == "pending"
