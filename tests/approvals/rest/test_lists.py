"""Lists of approval requests over HTTP: views, filters and pages."""

import uuid
from datetime import UTC, datetime

import pytest
from django.test import Client

from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from tests.approvals.asking import (
    KEYS,
    REQUESTS,
    asks_for_many,
    decide,
    ids,
    queries,
)
from tests.conftest import KEY_PERMISSIONS, completed, create_key, member
from tests.http import call
from tests.tampering import let_time_pass, rewrite


def test_the_views_differ_by_who_looks(asked, dana, ann, bob, otto, iris, browser):
    def seen(person, view):
        return len(ids(browser(person).get(f"{REQUESTS}?view={view}")))

    views = ("needs_my_vote", "mine", "all")
    assert [seen(dana, view) for view in views] == [0, 1, 1]
    assert [seen(otto, view) for view in views] == [0, 0, 1]
    assert [seen(iris, view) for view in views] == [0, 0, 1]
    assert [seen(ann, view) for view in views] == [1, 0, 1]

    decide(browser(ann), asked, "approve")
    assert [seen(ann, view) for view in views] == [0, 0, 1]
    assert [seen(bob, view) for view in views] == [1, 0, 1]


def test_what_one_took_back_needs_ones_vote_until_it_is_cast_again(asked, ann, browser):
    client, path = browser(ann), f"{REQUESTS}?view=needs_my_vote"
    seen = []

    for verb in ("approve", "take-back", "approve", "take-back"):
        assert decide(client, asked, verb).status_code == 200
        seen.append(ids(client.get(path)))

    assert seen == [[], [str(asked.pk)], [], [str(asked.pk)]]


def test_an_own_request_does_not_need_the_requesters_vote(asked, dana, security, browser):
    dana.groups.add(security)

    assert ids(browser(dana).get(f"{REQUESTS}?view=mine")) == [str(asked.pk)]
    assert ids(browser(dana).get(f"{REQUESTS}?view=needs_my_vote")) == []


def test_a_key_has_no_requests_to_vote_on_even_if_its_owner_has(asked, client, security, acme):
    permissions = (*KEY_PERMISSIONS, "view_approvalrequest")
    dave = member("dave", acme, groups=[security], permissions=permissions, is_staff=True)
    key = create_key(dave, acme, name="Dave's program")

    assert ids(call(client, "GET", REQUESTS, key=key)) == [str(asked.pk)]
    assert ids(call(client, "GET", f"{REQUESTS}?view=needs_my_vote", key=key)) == []


def test_filters_narrow_the_list_down(asked, ann, first_key, browser):
    def seen(query):
        return len(ids(browser(ann).get(f"{REQUESTS}?{query}")))

    subject = f"subject=api-key:{first_key.id}"
    assert [seen("state=pending"), seen("state=denied")] == [1, 0]
    assert [seen("type=apikeys.disable"), seen("type=apikeys.create")] == [1, 0]
    assert [seen(subject), seen(f"subject=api-key:{uuid.uuid4()}")] == [1, 0]
    assert seen(f"{subject.upper().replace('SUBJECT=API-KEY', 'subject=api-key')}") == 1
    decide(browser(ann), asked, "deny", comment="No")
    assert [seen("state=pending"), seen("state=denied")] == [0, 1]


def test_an_overdue_request_is_expired_for_every_reader(asked, ann, first_key, browser, owner):
    let_time_pass(owner, asked)

    assert ids(browser(ann).get(f"{REQUESTS}?state=pending")) == []
    assert ids(browser(ann).get(f"{REQUESTS}?view=needs_my_vote")) == []
    (told,) = browser(ann).get(f"{REQUESTS}?state=expired").json()["results"]
    assert told["state"] == "expired"
    key = call(Client(), "GET", f"{KEYS}/{first_key.id}", key=first_key).json()
    assert key["pending_approvals"] == []


def test_pages_follow_each_other_without_gap_or_repeat(
    dana, ann, acme, disabling_needs_two, context_of, browser, owner
):
    asked = asks_for_many(dana, acme, context_of, count=7)
    # Three of one moment, over the end of a page: then the id decides.
    for each in asked[2:5]:
        rewrite(owner, each, requested_at=datetime(2026, 1, 1, tzinfo=UTC))
    path, pages = f"{REQUESTS}?state=pending&limit=3", []

    while path:
        answer = browser(ann).get(path)
        pages.append(ids(answer))
        path = answer.json()["next"]

    expected = ApprovalRequest.objects.order_by("-requested_at", "-pk").values_list("pk", flat=True)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each for page in pages for each in page] == [str(pk) for pk in expected]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("view=theirs", "view"),
        ("state=rejected", "state"),
        ("type=apikeys.explode", "type"),
        ("subject=api-key", "subject"),
        ("subject=api-key:7", "subject"),
        ("subject=api-key:%00", "subject"),
        ("subject=planet:mars", "subject"),
        ("cursor=zzz", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=f_______________________________", "cursor"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("sate=pending", "sate"),
        ("state=pending&state=denied", "state"),
        ("type=apikeys.disabled", "type"),
        ("order=oldest", "order"),
        ("fields=id,secret", "fields"),
    ],
)
def test_a_parameter_that_is_none_is_a_problem_with_its_name(query, name, ann, browser):
    answer = browser(ann).get(f"{REQUESTS}?{query}")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]


@pytest.mark.parametrize("view", ["all", "mine", "needs_my_vote"])
def test_a_list_takes_as_many_queries_for_many_as_for_one(
    view, dana, ann, bob, acme, disabling_needs_two, context_of, browser
):
    person = browser(dana if view == "mine" else ann)
    path = f"{REQUESTS}?view={view}"
    (first,) = asks_for_many(dana, acme, context_of, count=1)
    completed(Approve(approval_request_id=first.pk, digest=first.digest), context=context_of(bob))
    few = queries(person, path)

    for each in asks_for_many(dana, acme, context_of, count=6):
        completed(Approve(approval_request_id=each.pk, digest=each.digest), context=context_of(bob))

    assert queries(person, path) == few <= 14
    assert len(ids(person.get(path))) == 7
