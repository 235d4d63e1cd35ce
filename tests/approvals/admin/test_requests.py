"""Approvers decide in the admin: from the list in one step, or on the page of one request."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.models import ApiKey
from approvals.models import Vote
from audit.models.records import CommandRecord
from tests.approvals.admin_pages import LIST, ask, decide, listed, page, results, said, select
from tests.conftest import create_key
from tests.tampering import let_time_pass, tamper


@pytest.fixture
def ask_for_another(waiting, dana, acme, context_of):
    """Have Dana ask to disable one more key."""
    return lambda name: ask(create_key(dana, acme, name=name), dana, context_of)


def alter(owner, request):
    """Put another payload under the seal, as somebody with the database in hand might."""
    tamper(owner, request, payload=b"\x80\x04N.")


def test_the_list_shows_command_requester_and_reason(waiting, ann, browser):
    content = browser(ann).get(LIST).content.decode()

    assert f"Disable {ApiKey.objects.get()} of “Acme”" in content
    assert "dana" in content
    assert "Leaked" in content
    assert "0 of 2 <bdi>Security</bdi>" in content
    assert "6\xa0days left" in content


def test_the_list_begins_with_what_is_pending(waiting, ann, browser, context_of):
    client = browser(ann)
    select(client, "deny", waiting, reason="Still in use")

    assert str(waiting.pk) not in listed(client)
    assert str(waiting.pk) not in listed(client, tab="watching")
    assert str(waiting.pk) in listed(client, tab="done")
    assert str(waiting.pk) in listed(client, tab="done", state="denied")
    assert str(waiting.pk) not in listed(client, tab="done", state="executed")


def test_approvers_see_the_requests_of_their_tenants_only(waiting, gus, security, browser):
    gus.groups.add(security)
    gus.is_staff = True
    gus.save()
    gus.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    client = browser(gus)

    for tab in ("needs", "mine", "watching", "done"):
        assert str(waiting.pk) not in listed(client, tab=tab)
    assert client.get(f"{LIST}{waiting.pk}/change/").status_code == 404
    assert client.get(f"{LIST}{waiting.pk}/history/").status_code == 404
    assert decide(client, waiting, "approve").status_code == 404
    select(client, "approve", waiting)
    assert not Vote.objects.exists()


def test_the_number_of_queries_does_not_depend_on_the_number_of_requests(
    waiting, ask_for_another, ann, browser
):
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


def test_two_approvals_from_the_list_carry_the_command_out(waiting, ann, bob, browser):
    first = select(browser(ann), "approve", waiting, reason="Confirmed")

    assert results(first)[0].startswith("Approved: 1 of 2")
    assert ApiKey.objects.get().is_enabled

    second = select(browser(bob), "approve", waiting)

    assert results(second) == [f"Approved and executed: Disable {ApiKey.objects.get()} of “Acme”."]
    assert not ApiKey.objects.get().is_enabled
    record = CommandRecord.objects.get(message_type="approvals.approve", actor_label="ann")
    assert (record.channel, record.reason, record.client_address) == (
        "admin",
        "Confirmed",
        "127.0.0.1",
    )


def test_each_selected_request_is_decided_on_its_own(waiting, ask_for_another, ann, browser):
    other = ask_for_another("second")
    changed = {f"digest-{other.pk}": "0" * 64}

    response = select(browser(ann), "approve", waiting, other, **changed)

    approved, refused = sorted(results(response))
    assert approved.startswith("Approved: 1 of 2")
    assert "The content of this request is not what you saw" in refused
    assert Vote.objects.get().request_id == waiting.pk


def test_a_decision_without_what_was_seen_is_not_sent(waiting, ann, browser):
    before = CommandRecord.objects.count()

    response = select(browser(ann), "approve", waiting, **{f"digest-{waiting.pk}": ""})

    assert "Open the request again, then decide." in results(response)[0]
    assert CommandRecord.objects.count() == before


def test_what_was_decided_meanwhile_is_answered_as_well(waiting, ann, bob, browser):
    select(browser(ann), "deny", waiting, reason="Still in use")

    response = select(browser(bob), "approve", waiting)

    assert "This request was already denied by ann: “Still in use”" in results(response)[0]


def test_denying_needs_a_reason(waiting, ann, browser):
    response = select(browser(ann), "deny", waiting)

    assert "give a reason for denying" in results(response)[0]
    waiting.refresh_from_db()
    assert waiting.state == "pending"


def test_denying_ends_the_request(waiting, ann, browser):
    response = select(browser(ann), "deny", waiting, reason="Still in use")

    assert results(response)[0].startswith("Denied: Disable API key")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.outcome) == ("denied", "Denied by ann: “Still in use”")


def test_the_page_of_a_request_says_everything_about_it(waiting, ann, browser):
    content = page(browser(ann), waiting)

    for words in (
        "signature valid",
        waiting.digest,
        "Leaked",
        "dana",
        "v1",
        "Security",
        str(waiting.pk),
    ):
        assert words in content
    assert str(waiting.subject_id) in content
    assert "No votes yet" in content


def test_the_button_says_what_it_does(waiting, ann, bob, browser):
    assert "Approve (1 more needed after you)" in page(browser(ann), waiting)
    decide(browser(ann), waiting, "approve", reason="Confirmed")

    assert "Approve: last vote, executes now" in page(browser(bob), waiting)


def test_the_page_shows_the_outcome_of_a_decision(waiting, ann, browser):
    client = browser(ann)

    response = decide(client, waiting, "approve", reason="Confirmed")

    assert client.get(response["Location"])["Location"] == LIST
    assert "Approved: 1 of 2 “Security”." in client.get(LIST).content.decode()
    content = page(client, waiting)
    assert "Confirmed" in content
    assert "You have already voted on this request." in content
    assert 'value="approve"' not in content


def test_the_requester_may_only_withdraw(waiting, dana, browser):
    dana.is_staff = True
    dana.save()
    dana.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    client = browser(dana)
    content = page(client, waiting)
    assert "You or a key of yours requested this" in content
    assert 'value="approve"' not in content
    assert 'value="deny"' not in content

    response = decide(client, waiting, "withdraw")

    assert said(response)[0].startswith("Withdrawn: Disable API key")
    waiting.refresh_from_db()
    assert waiting.state == "withdrawn"


def test_a_superuser_has_no_vote_by_being_one(waiting, browser):
    client = browser(User.objects.create_superuser("root"))
    content = page(client, waiting)
    assert "You do not belong to “Security”" in content
    assert 'value="approve"' not in content

    response = decide(client, waiting, "approve")

    assert "You do not belong to “Security”" in said(response)[0]
    assert not Vote.objects.exists()


def test_after_the_deadline_no_one_decides(waiting, ann, browser, owner):
    let_time_pass(owner, waiting)

    content = page(browser(ann), waiting)

    assert "This request could be decided until" in content
    assert 'value="approve"' not in content


def test_what_was_altered_is_red_and_cannot_be_approved(waiting, ann, browser, owner):
    alter(owner, waiting)
    client = browser(ann)
    words = "The requested command was altered, or belongs to another request."

    in_list = listed(client)
    assert f'<span class="flag">{words}</span>' in in_list
    content = page(client, waiting)
    assert (
        "Disable API key" not in content + in_list.partition("<tbody>")[2].partition("</tbody>")[0]
    )
    assert "signature valid" not in content
    assert words in content
    assert 'value="approve"' not in content
    assert 'value="deny"' in content
    assert words in said(decide(client, waiting, "approve"))[0]


def test_what_was_altered_can_be_denied(waiting, ann, browser, owner):
    alter(owner, waiting)

    decide(browser(ann), waiting, "deny", reason="Tampered with")

    waiting.refresh_from_db()
    assert waiting.state == "denied"


def test_a_decision_is_a_post(waiting, ann, browser):
    client = browser(ann)

    url = reverse("admin:approvals_approvalrequest_decide", args=[waiting.pk])
    page = client.get(url, follow=True)
    assert page.redirect_chain == [(f"{LIST}{waiting.pk}/change/", 302)]
    assert "Nothing was decided" in page.content.decode()
    assert not waiting.votes.exists()
    assert client.post(f"{LIST}{waiting.pk}/change/", {"state": "executed"}).status_code == 405


def test_neither_payload_nor_inline_code_is_on_any_page(waiting, ann, browser):
    client = browser(ann)
    history = f"{LIST}{waiting.pk}/history/"
    version = re.search(rf'"({history}\d+/)"', client.get(history).content.decode())[1]

    for url in (LIST, f"{LIST}{waiting.pk}/change/", history, version):
        content = client.get(url).content.decode()
        assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", content), url
        assert waiting.seal not in content
        assert bytes(waiting.payload).hex() not in content
        assert "payload" not in content.lower()
        assert "&lt;memory" not in content
