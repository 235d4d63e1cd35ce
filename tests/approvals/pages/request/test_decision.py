"""Decisions on the page of a request: the next request, and denials without a reason."""

import re
from uuid import UUID

import pytest

from audit.models.records import CommandRecord
from tests.approvals.admin_pages import LIST, ask, decide, page, said
from tests.conftest import create_key


def test_a_decision_leads_to_the_next_request_and_links_back(
    waiting, dana, acme, ann, context_of, browser
):
    client = browser(ann)
    other = ask(create_key(dana, acme, name="second"), dana, context_of)

    first = decide(client, waiting, "approve")
    assert client.get(first["Location"])["Location"] == f"{LIST}{other.pk}/change/"
    second = decide(client, other, "deny", reason="Still in use")

    assert client.get(second["Location"])["Location"] == LIST
    content = client.get(LIST).content.decode()
    for decided in (waiting, other):
        assert f'<a href="{LIST}{decided.pk}/change/">Open the decided request</a>' in content


def test_after_a_decision_those_that_were_skipped_come_last(
    waiting, dana, acme, ann, context_of, browser
):
    client = browser(ann)
    second, third = (
        ask(create_key(dana, acme, name=name), dana, context_of) for name in ("second", "third")
    )
    pages = {each: f"{LIST}{each.pk}/change/" for each in (waiting, second, third)}

    answer = decide(client, second, "approve")
    assert client.get(answer["Location"])["Location"] == pages[third]

    answer = decide(client, third, "approve")
    assert client.get(answer["Location"])["Location"] == pages[waiting]


def test_a_refused_decision_stays_on_the_page(waiting, dana, acme, ann, context_of, browser):
    ask(create_key(dana, acme, name="second"), dana, context_of)

    answer = decide(browser(ann), waiting, "approve", digest="0" * 64)

    assert answer["Location"] == f"{LIST}{waiting.pk}/change/"


def test_a_denial_without_a_reason_marks_the_field_and_is_not_recorded(waiting, ann, browser):
    client = browser(ann)
    before = CommandRecord.objects.count()

    for verb, missing in (("deny", "Give a reason for denying"), ("request_changes", "Name the")):
        answer = decide(client, waiting, verb, reason="  ")

        content = answer.content.decode()
        field = re.search(r'<textarea id="reason"[^>]*>', content)[0]
        assert 'aria-invalid="true" aria-describedby="reason-error"' in field
        assert f'id="reason-error">{missing}' in content
        assert said(answer)[0].startswith(missing)
    assert CommandRecord.objects.count() == before
    assert not waiting.votes.exists()


def test_the_browser_requires_the_reason_only_for_a_denial(waiting, ann, browser):
    content = page(browser(ann), waiting)

    buttons = dict(re.findall(r'<button[^>]*name="decision" value="(\w+)"([^>]*)>', content))
    assert re.search(r'<textarea id="reason"[^>]* required', content)
    assert "formnovalidate" in buttons["approve"]
    assert "formnovalidate" not in buttons["deny"] + buttons["request_changes"]


def test_the_timeline_names_the_person_who_denied(waiting, ann, browser):
    client = browser(ann)
    decide(client, waiting, "deny", reason="Still in use")

    answer = client.get(f"{LIST}{waiting.pk}/change/")

    told = [(step.label, step.actor, step.kind) for step in answer.context["timeline"]]
    assert told == [
        ("Requested", "dana", "postponed"),
        ("Denied", "ann", "denial"),
        ("Not executed: ann denied it", "ann", "cancelled"),
    ]
    step = answer.content.decode().split("Not executed: ann")[1].split("</li>")[0]
    assert step.startswith(" denied it")
    assert 'class="quiet">by' not in step


def test_the_links_lead_to_the_next_and_the_previous_request(
    waiting, dana, acme, ann, context_of, browser
):
    client = browser(ann)
    second = ask(create_key(dana, acme, name="second"), dana, context_of)
    pages = {each: f"{LIST}{each.pk}/change/" for each in (waiting, second)}

    assert client.get(f"{LIST}next/?after={waiting.pk}")["Location"] == pages[second]
    assert client.get(f"{LIST}next/?after={second.pk}")["Location"] == LIST
    assert client.get(f"{LIST}next/?before={second.pk}")["Location"] == pages[waiting]
    assert client.get(f"{LIST}next/?before={waiting.pk}")["Location"] == LIST
    assert client.get(f"{LIST}next/")["Location"] == pages[waiting]
    assert f'rel="next" href="{LIST}next/?after={waiting.pk}"' in page(client, waiting)


@pytest.mark.parametrize("parameter", ["before", "after", "decided"])
@pytest.mark.parametrize("identifier", ["", "nothing", "\x00", f"{UUID(int=7)}"])
def test_links_to_the_next_request_from_an_unknown_one_work(
    waiting, ann, browser, parameter, identifier
):
    answer = browser(ann).get(f"{LIST}next/", {parameter: identifier})

    first = f"{LIST}{waiting.pk}/change/"
    assert answer["Location"] == (first if parameter == "decided" else LIST)


def test_a_request_that_needs_no_decision_links_to_the_first_one_that_does(
    waiting, dana, acme, ann, context_of, browser
):
    client = browser(ann)
    other = ask(create_key(dana, acme, name="second"), dana, context_of)
    decide(client, other, "approve")

    (link,) = re.findall(r'rel="next" href="([^"]+)"', page(client, other))

    assert client.get(link)["Location"] == f"{LIST}{waiting.pk}/change/"


def test_an_open_page_learns_of_the_end_of_its_request(waiting, ann, bob, browser):
    client, url = browser(ann), f"{LIST}{waiting.pk}/version/"
    etag = client.get(f"{LIST}{waiting.pk}/change/").context["etag"]
    decide(browser(bob), waiting, "deny", reason="Still in use")

    told = client.get(url, headers={"If-None-Match": etag}).content.decode()

    assert told == "bob denied it.\nThe request is now denied."


@pytest.mark.parametrize("etag", ["", "nothing", '"-"', f'"{"9" * 40}-pending"', '"1-a", "2"'])
def test_a_malformed_version_of_a_page_is_out_of_date(waiting, ann, browser, etag):
    answer = browser(ann).get(f"{LIST}{waiting.pk}/version/", headers={"If-None-Match": etag})

    assert answer.status_code == 200


def test_an_open_page_learns_of_the_vote_of_another_approver(waiting, ann, bob, gus, browser):
    client, url = browser(ann), f"{LIST}{waiting.pk}/version/"
    etag = client.get(f"{LIST}{waiting.pk}/change/").context["etag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304

    decide(browser(bob), waiting, "approve")

    answer = client.get(url, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (200, b"bob approved it.")
    assert answer["ETag"] != etag
    assert browser(gus).get(url).status_code in (302, 404)
