"""Several requests decided with one form: asked once more before, told one by one after."""

import re
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import escape

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
    selection,
)
from tests.approvals.asking import asks_for_many, switch_off
from tests.conftest import completed, member
from tests.probes import to
from tests.tampering import let_time_pass, tamper


@pytest.fixture
def three(waiting, dana, acme, context_of):
    """Dana asks for two keys more."""
    return [waiting, *asks_for_many(dana, acme, context_of, count=2)]


def candidates(answer):
    return {each.presented.request.pk: each for each in answer.context["candidates"]}


def checked(answer):
    """Return the ids of the requests whose checkbox is checked."""
    boxes = re.findall(r'<input type="checkbox"[^>]*>', answer.content.decode())
    return {UUID(re.search('value="([^"]+)"', box)[1]) for box in boxes if " checked" in box}


def marks(answer):
    """Return the class and the word of each result."""
    return re.findall(r'<span class="status ([^"]*)">([^<]*)</span>', answer.content.decode())


def test_each_sentence_and_digest_is_shown_before_anything_is_decided(three, ann, browser):
    answer = confirm(browser(ann), "approve", *three)

    content = answer.content.decode()
    for each in three:
        assert f"{each.digest[:4]}-{each.digest[4:8]}" in content
        assert f'name="digest-{each.pk}" value="{each.digest}"' in content
    assert content.count("<bdi>Disable API key") == 3
    assert content.count("Approve (1 more needed after you)") == 3
    assert "You can decide 3 of the 3 selected requests" in content
    assert ">Approve the selected requests</button>" in content
    assert checked(answer) == {each.pk for each in three}
    assert not Vote.objects.exists()


def test_it_says_what_the_last_vote_does(three, ann, bob, browser):
    decide(browser(bob), three[0], "approve")

    found = candidates(confirm(browser(ann), "approve", *three))

    assert found[three[0].pk].consequence == "Approve: last vote, executes now"
    assert found[three[1].pk].consequence == "Approve (1 more needed after you)"


def test_what_one_cannot_decide_is_said_why_and_not_sent(three, ann, bob, browser, owner):
    voted, denied, open_one = three
    client = browser(ann)
    decide(client, voted, "approve")
    decide(browser(bob), denied, "deny", reason="Still in use")

    answer = confirm(client, "approve", *three)

    found, content = candidates(answer), answer.content.decode()
    assert found[voted.pk].obstacle == "You have already voted on this request."
    assert found[denied.pk].obstacle.startswith("This request was already denied by ")
    assert found[open_one.pk].obstacle == ""
    assert f'name="request" value="{voted.pk}"' not in content
    assert f'name="request" value="{open_one.pk}"' in content


def test_what_would_be_refused_is_not_preselected_and_says_why(three, ann, bob, browser):
    stale, open_one, last_vote = three
    completed(to(switch_off, UUID(stale.subject_id)))
    decide(browser(bob), last_vote, "approve")
    client = browser(ann)

    approving, denying = (confirm(client, verb, *three) for verb in bulk.VERBS)

    assert checked(approving) == {open_one.pk, last_vote.pk}
    assert "Out of date: it is no longer enabled." in approving.content.decode()
    assert f'type="checkbox" name="request" value="{stale.pk}"' in approving.content.decode()
    assert checked(denying) == {each.pk for each in three}


@pytest.mark.parametrize("lost", ["account", "permission"])
def test_a_last_vote_for_a_requester_who_lost_the_right_is_not_preselected(
    lost, waiting, dana, ann, bob, browser
):
    decide(browser(bob), waiting, "approve")
    if lost == "account":
        User.objects.filter(pk=dana.pk).update(is_active=False)
    else:
        dana.user_permissions.remove(Permission.objects.get(codename="disable_apikey"))

    answer = confirm(browser(ann), "approve", waiting)

    (found,) = candidates(answer).values()
    assert checked(answer) == set()
    assert found.effect == "refused_on_execution"
    assert escape(found.warnings[0]) in answer.content.decode()


def test_only_what_stays_selected_is_decided(three, ann, browser):
    client = browser(ann)
    fields = selection(client, "approve", *three) | {"request": [str(three[1].pk)]}

    answer = client.post(SELECTED, fields)

    assert len(results(answer)) == 1
    assert set(Vote.objects.values_list("request", flat=True)) == {three[1].pk}


def test_the_results_tell_executed_recorded_refused_and_undecided_apart(
    three, dana, acme, ann, bob, browser, context_of
):
    executed, refused, recorded = three
    (voted,) = asks_for_many(dana, acme, context_of, count=1)
    for each in (executed, refused):
        decide(browser(bob), each, "approve")
    client = browser(ann)
    decide(client, voted, "approve")
    completed(to(switch_off, UUID(refused.subject_id)))

    answer = select(client, "approve", executed, refused, recorded, voted)

    assert dict(zip(marks(answer), results(answer), strict=True)).keys() == {
        ("status-executed", "executed"),
        ("status-refused", "refused"),
        ("", "recorded"),
        ("status-refused", "not decided"),
    }
    assert "1 executed, 1 recorded, 1 refused, 1 not decided." in answer.content.decode()
    refused.refresh_from_db()
    assert refused.outcome == (
        "Approved, but not executed: The subject has changed since the request."
    )
    assert any(each.endswith(refused.outcome) for each in results(answer))


def test_a_crash_is_marked_as_failed(waiting, ann, bob, browser, monkeypatch):
    decide(browser(bob), waiting, "approve")
    monkeypatch.setattr(ApiKey, "disable", lambda _: 1 / 0)

    answer = select(browser(ann), "approve", waiting)

    assert marks(answer) == [("status-refused", "failed")]
    assert "Approved, but failed on execution" in results(answer)[0]


def test_denials_are_marked_as_denied(three, ann, browser):
    answer = select(browser(ann), "deny", *three, reason="Still in use")

    assert marks(answer) == [("", "denied")] * 3


def test_who_has_no_vote_gets_no_button(three, iris, browser):
    content = confirm(browser(iris), "approve", *three).content.decode()

    assert content.count("You do not belong to “Security”") == 3
    assert "You cannot decide any of these." in content
    assert 'type="submit" class="button' not in content


def test_what_does_not_verify_can_be_denied_and_not_approved(three, ann, browser, owner):
    tamper(owner, three[0], payload=b"\x80\x04N.")
    client = browser(ann)

    approving, denying = (candidates(confirm(client, verb, *three)) for verb in bulk.VERBS)

    assert "The requested command was altered" in approving[three[0].pk].obstacle
    assert approving[three[0].pk].presented.sentence == "A request that cannot be verified"
    assert denying[three[0].pk].obstacle == ""


def test_each_is_decided_in_a_transaction_of_its_own(three, ann, browser):
    changed = {f"digest-{three[1].pk}": "0" * 64}

    told = results(select(browser(ann), "approve", *three, reason="Confirmed", **changed))

    assert sum(each.startswith("Approved: 1 of 2 “Security”.") for each in told) == 2
    assert sum("The content of this request is not what you saw" in each for each in told) == 1
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
    assert sum("already denied by bob: “Still in use”" in each for each in told) == 1
    assert sum(each.startswith("Approved: 1 of 2") for each in told) == 1


def test_denying_needs_a_reason_for_all(three, ann, browser):
    told = results(select(browser(ann), "deny", *three))

    assert ["give a reason for denying" in each for each in told] == [True] * 3
    assert not ApprovalRequest.objects.exclude(state="pending").exists()


def test_the_last_votes_carry_out(three, ann, bob, browser):
    select(browser(bob), "approve", *three)

    answer = select(browser(ann), "approve", *three)

    assert all(each.startswith("Approved and executed") for each in results(answer))
    assert marks(answer) == [("status-executed", "executed")] * 3
    assert "3 executed." in answer.content.decode()
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

    with django_assert_num_queries(16):
        confirm(client, "approve", *three)
    with django_assert_num_queries(16):
        confirm(client, "approve", three[0])
