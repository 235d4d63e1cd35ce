"""Several requests decided with one form: asked once more before, told one by one after."""

import pytest
from django.test import Client

from apikeys.models import ApiKey
from approvals.models import ApprovalRequest, Vote
from approvals.pages.inbox import bulk
from audit.models.records import CommandRecord
from tests.approvals.admin_pages import (
    LIST,
    SELECTED,
    confirm,
    decide,
    let_in,
    results,
    said,
    select,
)
from tests.approvals.asking import asks_for_many
from tests.conftest import member
from tests.tampering import let_time_pass, tamper


@pytest.fixture
def three(waiting, dana, acme, context_of):
    """Dana asks for two keys more."""
    return [waiting, *asks_for_many(dana, acme, context_of, count=2)]


def candidates(answer):
    return {each.presented.request.pk: each for each in answer.context["candidates"]}


def test_each_sentence_and_digest_is_shown_before_anything_is_decided(three, ann, browser):
    answer = confirm(browser(ann), "approve", *three)

    content = answer.content.decode()
    for each in three:
        assert f"{each.digest[:4]}-{each.digest[4:8]}" in content
        assert f'name="digest-{each.pk}" value="{each.digest}"' in content
    assert content.count("<bdi>Disable API key") == 3
    assert content.count("Approve (1 more needed after you)") == 3
    assert "You can decide 3 of the 3 selected requests" in content
    assert ">Approve 3 now</button>" in content
    assert not Vote.objects.exists()


def test_it_says_what_the_last_vote_does(three, ann, bob, browser):
    decide(browser(bob), three[0], "approve")

    found = candidates(confirm(browser(ann), "approve", *three))

    assert found[three[0].pk].consequence.startswith("Approve and disable API key “first”")
    assert found[three[0].pk].consequence.endswith("now: you are the last vote")
    assert found[three[1].pk].consequence == "Approve (1 more needed after you)"


def test_what_one_cannot_decide_is_said_why_and_not_sent(three, ann, bob, browser, owner):
    voted, denied, open_one = three
    client = browser(ann)
    decide(client, voted, "approve")
    decide(browser(bob), denied, "deny", reason="Still in use")

    answer = confirm(client, "approve", *three)

    found, content = candidates(answer), answer.content.decode()
    assert found[voted.pk].obstacle == "You have already voted on this request."
    assert found[denied.pk].obstacle.startswith("This request is already denied.")
    assert found[open_one.pk].obstacle == ""
    assert f'name="request" value="{voted.pk}"' not in content
    assert f'name="request" value="{open_one.pk}"' in content


def test_who_has_no_vote_gets_no_button(three, iris, browser):
    content = confirm(browser(iris), "approve", *three).content.decode()

    assert content.count("You do not belong to “Security”") == 3
    assert "You cannot decide any of these." in content
    assert 'type="submit" class="button' not in content


def test_what_does_not_verify_can_be_denied_and_not_approved(three, ann, browser, owner):
    tamper(owner, three[0], payload=b"\x80\x04N.")
    client = browser(ann)

    approving, denying = (candidates(confirm(client, verb, *three)) for verb in bulk.VERBS)

    assert "The held command was altered" in approving[three[0].pk].obstacle
    assert approving[three[0].pk].presented.sentence == "A request that cannot be verified"
    assert denying[three[0].pk].obstacle == ""


def test_each_is_decided_in_a_transaction_of_its_own(three, ann, browser):
    changed = {f"digest-{three[1].pk}": "0" * 64}

    told = results(select(browser(ann), "approve", *three, reason="Confirmed", **changed))

    assert sum(each.startswith("Approved: 1 of 2 “Security”.") for each in told) == 2
    assert sum("This is not the content that you saw" in each for each in told) == 1
    assert set(Vote.objects.values_list("request", flat=True)) == {three[0].pk, three[2].pk}
    records = CommandRecord.objects.filter(message_type="approvals.approve")
    assert len(set(records.values_list("correlation_id", flat=True))) == 3
    assert set(records.values_list("reason", flat=True)) == {"Confirmed"}


def test_sent_twice_the_second_time_says_so_of_each(three, ann, browser):
    client = browser(ann)
    select(client, "approve", *three)

    told = results(select(client, "approve", *three))

    assert [each.endswith("You have already voted on this request.") for each in told] == [True] * 3
    assert Vote.objects.count() == 3


def test_expired_and_decided_requests_are_reported_row_by_row(three, ann, bob, browser, owner):
    client = browser(ann)
    confirm(client, "approve", *three)
    let_time_pass(owner, three[0])
    decide(browser(bob), three[1], "deny", reason="Still in use")

    told = results(select(client, "approve", *three))

    assert sum("could be decided until" in each for each in told) == 1
    assert sum("already denied. Denied by bob: “Still in use”" in each for each in told) == 1
    assert sum(each.startswith("Approved: 1 of 2") for each in told) == 1


def test_denying_needs_a_reason_for_all(three, ann, browser):
    told = results(select(browser(ann), "deny", *three))

    assert ["give a reason for denying" in each for each in told] == [True] * 3
    assert not ApprovalRequest.objects.exclude(state="pending").exists()


def test_the_last_votes_carry_out(three, ann, bob, browser):
    select(browser(bob), "approve", *three)

    answer = select(browser(ann), "approve", *three)

    assert all(each.startswith("Approved and executed") for each in results(answer))
    assert "3 of 3 decided." in answer.content.decode()
    assert not ApiKey.objects.filter(is_enabled=True).exists()


@pytest.mark.parametrize("verb", ["", "withdraw", "break_glass", "retry"])
def test_nothing_else_is_done_in_bulk(verb, waiting, dana, browser):
    let_in(dana)

    answer = select(browser(dana), verb, waiting)

    assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert said(answer) == ["Select the requests to decide."]
    waiting.refresh_from_db()
    assert waiting.state == "pending"


def test_what_is_none_of_ours_selects_nothing(waiting, ann, browser):
    client = browser(ann)

    for nonsense in ("", "x", "01900000-0000-7000-8000-000000000000"):
        answer = client.get(SELECTED, {"verb": "approve", "request": nonsense})
        assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert client.put(SELECTED).status_code == 405


def test_what_belongs_to_other_customers_is_not_among_the_selected(waiting, gus, security, browser):
    eve = member("eve", gus.membership_set.get().customer, groups=[security], is_staff=True)
    let_in(eve)
    client = browser(eve)

    assert confirm(client, "approve", waiting).status_code == 302
    assert select(client, "approve", waiting).status_code == 302
    assert not Vote.objects.exists()


def test_a_decision_from_elsewhere_is_refused(waiting, ann):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)

    answer = select(client, "approve", waiting)

    assert answer.status_code == 403
    assert not Vote.objects.exists()


def test_the_confirmation_takes_no_more_queries_for_more_requests(
    three, ann, browser, django_assert_num_queries
):
    client = browser(ann)
    confirm(client, "approve", *three)

    with django_assert_num_queries(15):
        confirm(client, "approve", *three)
    with django_assert_num_queries(15):
        confirm(client, "approve", three[0])
