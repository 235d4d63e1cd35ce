"""Approvers decide in the admin: from the list in one step, or on the page of one request."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.models import ApiKey
from approvals.models import Vote
from audit.models import CommandRecord
from tests.approvals.pages import LIST, ask, decide, listed, page, results, said, select
from tests.conftest import create_key
from tests.tampering import let_time_pass, tamper


@pytest.fixture
def asked(first_key, dana, disabling_needs_two, context_of):
    """Dana asks to disable her first key; two of Security have to approve."""
    return ask(first_key, dana, context_of)


@pytest.fixture
def ask_for_another(asked, dana, acme, context_of):
    """Have Dana ask to disable one more key."""
    return lambda name: ask(create_key(dana, acme, name=name), dana, context_of)


def alter(owner, request):
    """Put another payload under the seal, as somebody with the database in hand might."""
    tamper(owner, request, payload=b"\x80\x04N.")


def test_the_list_says_what_is_asked_for_by_whom_and_why(asked, ann, browser):
    content = browser(ann).get(LIST).content.decode()

    assert f"Disable {ApiKey.objects.get()} of Acme" in content
    assert "dana" in content
    assert "Leaked" in content
    assert "0 of 2 Security" in content
    assert "6\xa0days left" in content


def test_the_list_begins_with_what_is_pending(asked, ann, browser, context_of):
    client = browser(ann)
    select(client, "deny", asked, reason="Still in use")

    assert str(asked.pk) not in listed(client)
    assert str(asked.pk) not in listed(client, tab="watching")
    assert str(asked.pk) in listed(client, tab="done")
    assert str(asked.pk) in listed(client, tab="done", state="denied")
    assert str(asked.pk) not in listed(client, tab="done", state="executed")


def test_approvers_see_the_requests_of_their_tenants_only(asked, gus, security, browser):
    gus.groups.add(security)
    gus.is_staff = True
    gus.save()
    gus.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    client = browser(gus)

    for tab in ("needs", "mine", "watching", "done"):
        assert str(asked.pk) not in listed(client, tab=tab)
    assert client.get(f"{LIST}{asked.pk}/change/").status_code == 404
    assert client.get(f"{LIST}{asked.pk}/history/").status_code == 404
    assert decide(client, asked, "approve").status_code == 404
    select(client, "approve", asked)
    assert not Vote.objects.exists()


def test_the_list_asks_the_database_no_more_for_more_requests(asked, ask_for_another, ann, browser):
    client = browser(ann)
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for name in ("second", "third", "fourth"):
        ask_for_another(name)

    with CaptureQueriesContext(connection) as many:
        content = client.get(LIST).content.decode()

    assert content.count("<bdi>Disable API key") == 4
    assert len(many) == len(few) == 14


def test_two_approvals_from_the_list_carry_the_command_out(asked, ann, bob, browser):
    first = select(browser(ann), "approve", asked, reason="Confirmed")

    assert results(first)[0].startswith("Approved: 1 of 2")
    assert ApiKey.objects.get().is_enabled

    second = select(browser(bob), "approve", asked)

    assert results(second) == [f"Approved and carried out: Disable {ApiKey.objects.get()} of Acme."]
    assert not ApiKey.objects.get().is_enabled
    record = CommandRecord.objects.get(message_type="approvals.approve", actor_label="ann")
    assert (record.channel, record.reason, record.client_address) == (
        "admin",
        "Confirmed",
        "127.0.0.1",
    )


def test_each_selected_request_is_decided_on_its_own(asked, ask_for_another, ann, browser):
    other = ask_for_another("second")
    seen = {f"digest-{asked.pk}": asked.digest, f"digest-{other.pk}": "0" * 64}

    response = select(browser(ann), "approve", asked, other, digests=seen)

    approved, refused = sorted(results(response))
    assert approved.startswith("Approved: 1 of 2")
    assert "What you saw is not what this request asks for" in refused
    assert Vote.objects.get().request_id == asked.pk


def test_a_decision_without_what_was_seen_is_not_sent(asked, ann, browser):
    before = CommandRecord.objects.count()

    response = select(browser(ann), "approve", asked, digests={})

    assert "Open the list again" in results(response)[0]
    assert CommandRecord.objects.count() == before


def test_what_was_decided_meanwhile_is_answered_as_well(asked, ann, bob, browser):
    select(browser(ann), "deny", asked, reason="Still in use")

    response = select(browser(bob), "approve", asked)

    assert "This request is denied already. Denied by ann: Still in use" in results(response)[0]


def test_denying_needs_a_reason(asked, ann, browser):
    response = select(browser(ann), "deny", asked)

    assert "say why you deny" in results(response)[0]
    asked.refresh_from_db()
    assert asked.state == "pending"


def test_denying_ends_the_request(asked, ann, browser):
    response = select(browser(ann), "deny", asked, reason="Still in use")

    assert results(response)[0].startswith("Denied: Disable API key")
    asked.refresh_from_db()
    assert (asked.state, asked.outcome) == ("denied", "Denied by ann: Still in use")


def test_the_page_of_a_request_says_everything_about_it(asked, ann, browser):
    content = page(browser(ann), asked)

    for words in ("seal valid", asked.digest, "Leaked", "dana", "v1", "Security", str(asked.pk)):
        assert words in content
    assert str(asked.subject_id) in content
    assert "Nobody has voted yet" in content


def test_the_button_says_what_it_does(asked, ann, bob, browser):
    assert "Approve (1 more needed after you)" in page(browser(ann), asked)
    decide(browser(ann), asked, "approve", reason="Confirmed")

    consequence = f"disable {ApiKey.objects.get()} of Acme"
    assert f"Approve and {consequence} now: you are the last vote" in page(browser(bob), asked)


def test_a_decision_on_the_page_is_told_there(asked, ann, browser):
    client = browser(ann)

    response = decide(client, asked, "approve", reason="Confirmed")

    assert response["Location"] == f"{LIST}{asked.pk}/change/"
    content = client.get(response["Location"]).content.decode()
    assert "Approved: 1 of 2 Security." in content
    assert "Confirmed" in content
    assert "You have voted on this request already." in content
    assert 'value="approve"' not in content


def test_the_requester_may_withdraw_and_no_more(asked, dana, browser):
    dana.is_staff = True
    dana.save()
    dana.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    client = browser(dana)
    content = page(client, asked)
    assert "You asked for this yourself" in content
    assert 'value="approve"' not in content
    assert 'value="deny"' not in content

    response = decide(client, asked, "withdraw")

    assert said(response)[0].startswith("Withdrawn: Disable API key")
    asked.refresh_from_db()
    assert asked.state == "withdrawn"


def test_a_superuser_has_no_vote_by_being_one(asked, browser):
    client = browser(User.objects.create_superuser("root"))
    content = page(client, asked)
    assert "You do not belong to Security" in content
    assert 'value="approve"' not in content

    response = decide(client, asked, "approve")

    assert "You do not belong to Security" in said(response)[0]
    assert not Vote.objects.exists()


def test_after_the_time_nobody_decides(asked, ann, browser, owner):
    let_time_pass(owner, asked)

    content = page(browser(ann), asked)

    assert "This request could be decided until" in content
    assert 'value="approve"' not in content


def test_what_was_altered_is_red_and_cannot_be_approved(asked, ann, browser, owner):
    alter(owner, asked)
    client = browser(ann)
    words = "What was asked for has been altered since, or belongs to another request."

    in_list = listed(client)
    assert f'<span class="flag">{words}</span>' in in_list
    content = page(client, asked)
    assert "Disable API key" not in content + in_list.partition("<tbody>")[2]
    assert "seal valid" not in content
    assert words in content
    assert 'value="approve"' not in content
    assert 'value="deny"' in content
    assert words in said(decide(client, asked, "approve"))[0]


def test_what_was_altered_can_be_denied(asked, ann, browser, owner):
    alter(owner, asked)

    decide(browser(ann), asked, "deny", reason="Tampered with")

    asked.refresh_from_db()
    assert asked.state == "denied"


def test_a_decision_is_a_post(asked, ann, browser):
    client = browser(ann)

    url = reverse("admin:approvals_approvalrequest_decide", args=[asked.pk])
    assert client.get(url).status_code == 405
    assert client.post(f"{LIST}{asked.pk}/change/", {"state": "executed"}).status_code == 405


def test_neither_payload_nor_inline_code_is_on_any_page(asked, ann, browser):
    client = browser(ann)
    history = f"{LIST}{asked.pk}/history/"
    version = re.search(rf'"({history}\d+/)"', client.get(history).content.decode())[1]

    for url in (LIST, f"{LIST}{asked.pk}/change/", history, version):
        content = client.get(url).content.decode()
        assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", content), url
        assert asked.seal not in content
        assert bytes(asked.payload).hex() not in content
        assert "payload" not in content.lower()
        assert "&lt;memory" not in content
