"""Taking back a vote: it counts no more, stays on record, and may be followed by another one."""

import pytest
from django.utils import timezone

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.models import Vote
from approvals.models.refusals import (
    AlreadyDecided,
    AlreadyVoted,
    NothingToTakeBack,
    SeenAnother,
    TooLate,
)
from audit.bus.context import RequestFacts
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests.books import assert_balanced
from tests.conftest import policy
from tests.tampering import let_time_pass


def test_a_vote_that_was_taken_back_no_longer_counts(waiting, ann, bob, approve, take_back):
    approve(waiting, ann)
    take_back(waiting, ann)

    assert approve(waiting, bob).state == "pending"
    assert ApiKey.objects.get().is_enabled
    assert_balanced()


def test_after_taking_it_back_one_may_vote_again(waiting, ann, bob, approve, take_back):
    approve(waiting, ann)
    take_back(waiting, ann)
    approve(waiting, ann)

    assert approve(waiting, bob).state == "executed"
    votes = Vote.objects.filter(voter=ann).order_by("number")
    assert [(vote.number, vote.decision) for vote in votes] == [
        (1, "approve"),
        (2, "take_back"),
        (3, "approve"),
    ]


def test_after_taking_it_back_one_may_deny(waiting, ann, approve, take_back, deny):
    approve(waiting, ann)
    take_back(waiting, ann)

    assert deny(waiting, ann).state == "denied"


def test_taking_back_is_an_event_of_the_same_case(waiting, ann, approve, take_back):
    approve(waiting, ann)
    take_back(waiting, ann)

    event = EventRecord.objects.get(message_type="approvals.vote_taken_back")
    assert event.correlation_id == waiting.command_id
    assert event.data == {"approval_request_id": str(waiting.pk), "digest": waiting.digest}


def test_a_missing_vote_cannot_be_taken_back(waiting, ann, bob, approve, take_back):
    approve(waiting, ann)

    with pytest.raises(NothingToTakeBack) as refusal:
        take_back(waiting, bob)

    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", "nothing_to_take_back")
    assert Vote.objects.count() == 1


def test_a_vote_cannot_be_taken_back_twice(waiting, ann, approve, take_back):
    approve(waiting, ann)
    take_back(waiting, ann)

    with pytest.raises(NothingToTakeBack):
        take_back(waiting, ann)


def test_who_has_a_vote_that_stands_votes_no_second_time(waiting, ann, approve, take_back):
    approve(waiting, ann)
    take_back(waiting, ann)
    approve(waiting, ann)

    with pytest.raises(AlreadyVoted):
        approve(waiting, ann)


def test_after_the_decision_nothing_is_taken_back(waiting, ann, bob, approve, take_back):
    approve(waiting, ann)
    approve(waiting, bob)

    with pytest.raises(AlreadyDecided):
        take_back(waiting, ann)


def test_after_the_time_nothing_is_taken_back(waiting, ann, approve, take_back, owner):
    approve(waiting, ann)
    let_time_pass(owner, waiting)

    with pytest.raises(TooLate):
        take_back(waiting, ann)


def test_taking_back_names_what_was_seen(waiting, ann, approve, take_back):
    approve(waiting, ann)
    waiting.digest = "0" * 64

    with pytest.raises(SeenAnother):
        take_back(waiting, ann)


def test_who_left_the_group_may_still_take_back(waiting, ann, security, approve, take_back):
    approve(waiting, ann)
    ann.groups.remove(security)

    take_back(waiting, ann)

    assert Vote.objects.filter(voter=ann).count() == 2


@pytest.mark.parametrize(
    "altered", [{"number": 3}, {"decision": "approve"}, {"comment": "I insist"}, {"rules": ["x"]}]
)
def test_a_vote_copied_by_hand_does_not_undo_a_take_back(
    altered, waiting, ann, bob, approve, take_back
):
    approve(waiting, ann)
    take_back(waiting, ann)
    with outside_command("Forge a third vote from the first"):
        facts = Vote.objects.filter(number=1).values().get() | {"number": 3} | altered
        Vote.objects.create(**{k: v for k, v in facts.items() if k != "id"})

    approve(waiting, bob)

    waiting.refresh_from_db()
    assert waiting.state == "pending"
    # Who was impersonated is not locked out by it.
    assert approve(waiting, ann).state == "executed"


def test_a_vote_keeps_what_it_was_cast_on_and_from_where(waiting, ann, approve):
    signed_in_at = timezone.now()
    facts = RequestFacts(client_address="192.0.2.7", authenticated_at=signed_in_at)

    approve(waiting, ann, reason="Seen", request=facts)

    vote = Vote.objects.get()
    assert vote.rules == [rule["id"] for rule in waiting.requirements["rules"]]
    assert (vote.digest, vote.comment) == (waiting.digest, "Seen")
    assert (vote.authenticated_at, vote.client_address) == (signed_in_at, "192.0.2.7")
    assert vote.is_genuine


def test_where_the_policy_wants_a_reason_one_approves_with_one(
    hold, first_key, dana, security, ann, context_of, approve
):
    policy("apikeys.disable", group=security, quorum=1, approver_reason_required=True)
    request = hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    with pytest.raises(Invalid, match="give a reason for approving"):
        approve(request, ann)

    assert not Vote.objects.exists()
