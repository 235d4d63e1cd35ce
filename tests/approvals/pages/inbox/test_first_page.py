"""What one sees first: approvers their inbox, everybody the count of what needs them."""

import cProfile
import pstats
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.pages.inbox.counter import pending_count as for_the_header
from tests.approvals.admin_pages import LIST, decide, select
from tests.approvals.asking import asks_for_many
from tests.conftest import PASSWORD, actor, member


@pytest.fixture
def ask_for_many(waiting, dana, acme, context_of):
    """Have Dana ask for that many more keys to be disabled."""
    return lambda count: asks_for_many(dana, acme, context_of, count=count)


def count_in_header(client, path=LIST):
    found = re.search(
        r'Approval requests <span class="count">(\d+\+?)', client.get(path).content.decode()
    )
    return found[1] if found else ""


def test_the_header_counts_what_needs_me_with_two_queries(waiting, ask_for_many, ann, browser, rf):
    ask_for_many(1)
    client = browser(ann)
    assert count_in_header(client) == "2"
    assert count_in_header(client, "/admin/apikeys/apikey/") == "2"
    request = rf.get("/")
    request.user = User.objects.get(pk=ann.pk)
    given = for_the_header(request)["waiting_for_me"]
    request._countersign_actor = actor(ann)

    with CaptureQueriesContext(connection) as captured:
        assert str(given) == "2"

    # One about the approver, and one about requests.
    assert len(captured) == 2


def test_the_header_builds_its_query_once(waiting, ann, rf):
    request = rf.get("/")
    request._countersign_actor = actor(ann)
    assert str(for_the_header(request)["waiting_for_me"]) == "1"
    profile = cProfile.Profile()

    with profile:
        assert str(for_the_header(request)["waiting_for_me"]) == "1"

    # 20,000 and more to build it.
    assert pstats.Stats(profile).total_calls < 2_500


def test_the_header_counts_no_further_than_it_has_room_for(
    waiting, ask_for_many, ann, browser, monkeypatch
):
    ask_for_many(2)
    monkeypatch.setattr("approvals.pages.inbox.counter._FURTHEST", 2)

    assert count_in_header(browser(ann)) == "2+"


def test_nothing_to_decide_is_no_count(waiting, ann, iris, dana, browser):
    client = browser(ann)
    decide(client, waiting, "approve")

    assert count_in_header(client) == ""
    assert count_in_header(browser(iris)) == ""
    assert count_in_header(browser(iris), "/audit/") == ""


def test_the_page_that_answers_a_form_has_the_count_after_it(waiting, ask_for_many, ann, browser):
    ask_for_many(1)
    client = browser(ann)

    tried = client.post(f"{LIST}{waiting.pk}/try/").content.decode()
    done = select(client, "deny", waiting, reason="Still in use").content.decode()

    assert 'Approval requests <span class="count">2' in tried
    assert 'Approval requests <span class="count">1' in done


def test_the_audit_pages_have_the_count_as_well(waiting, ann, browser):
    ann.user_permissions.add(Permission.objects.get(codename="view_commandrecord"))

    assert count_in_header(browser(ann), "/audit/") == "1"


def test_approvers_begin_with_their_inbox(waiting, ann, browser):
    answer = browser(ann).get("/admin/")

    assert (answer.status_code, answer["Location"]) == (302, LIST)
    overview = browser(ann).get("/admin/?overview")
    assert overview.status_code == 200
    assert ">Approval requests</a>" in overview.content.decode()


def test_others_find_what_there_is(waiting, iris, browser, client):
    content = browser(iris).get("/admin/?overview").content.decode()

    assert ">Audit log</a>" in content
    assert ">People</a>" not in content
    assert client.get("/admin/")["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    ("name", "page"), [("ann", LIST), ("iris", "/audit/"), ("dana", "/requests/")]
)
def test_a_person_lands_on_the_first_page_of_their_role(name, page, waiting, ann, iris, dana):
    client = Client()

    answer = client.post("/admin/login/", {"username": name, "password": PASSWORD}, follow=True)

    assert (answer.status_code, answer.request["PATH_INFO"]) == (200, page)


def test_the_page_that_was_requested_comes_first(waiting, iris):
    client = Client()
    page = client.get("/requests/")["Location"]
    assert page == "/admin/login/?next=/requests/"

    answer = client.post(page, {"username": "iris", "password": PASSWORD})

    assert answer["Location"] == "/requests/"


def test_people_without_access_to_the_admin_are_not_sent_there(waiting, dana):
    client = Client()

    answer = client.post(
        "/admin/login/?next=/admin/", {"username": "dana", "password": PASSWORD}, follow=True
    )

    assert answer.request["PATH_INFO"] == "/requests/"
    again = client.get("/admin/", follow=True)
    assert (again.status_code, again.request["PATH_INFO"]) == (200, "/requests/")
    assert client.get("/admin/login/?next=/admin/login/")["Location"] == "/"


def test_the_home_page_asks_to_sign_in(client):
    assert client.get("/")["Location"] == "/admin/login/"


def test_people_without_access_to_the_admin_can_sign_out(dana, browser):
    client = browser(dana)

    assert client.post("/admin/logout/").status_code == 200

    assert client.get("/requests/").status_code == 302


def test_the_header_links_only_to_what_a_person_may_open(waiting, dana, ann, browser):
    own = browser(dana).get("/requests/").content.decode()
    assert "/admin/apikeys/" not in own
    assert LIST not in own
    assert ">My requests</a>" in own
    assert LIST in browser(ann).get("/requests/").content.decode()


def test_who_may_see_no_requests_sees_no_inbox(waiting, acme, browser):
    nobody = member("nora", acme, is_staff=True)

    assert browser(nobody).get(LIST).status_code == 403
    assert browser(nobody).get("/admin/").status_code == 200
