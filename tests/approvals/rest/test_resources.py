"""What other resources tell of approvals over HTTP, and policies."""

from datetime import timedelta

import pytest

from approvals.models import ApprovalRequest, Policy
from audit.domain import Subject
from audit.rest import pending_approvals
from tests.approvals.asking import (
    KEYS,
    address,
    asks_for_many,
    in_json,
    queries,
)
from tests.conftest import create_key, member, policy
from tests.http import call


def test_a_key_lists_its_pending_approvals(asked, client, first_key, dana, acme):
    other = create_key(dana, acme, name="other")
    waiting = {
        "request_id": str(asked.pk),
        "url": address(asked),
        "command_id": str(asked.command_id),
        "type": "apikeys.disable",
        "approve_by": in_json(asked.approve_by),
    }

    third = create_key(dana, acme, name="third")
    call(client, "POST", f"{KEYS}/{third.id}/disable", key=first_key)

    one = call(client, "GET", f"{KEYS}/{first_key.id}", key=first_key).json()
    listed = call(client, "GET", KEYS, key=first_key).json()["results"]

    assert one["pending_approvals"] == [waiting]
    told = {each["id"]: each["pending_approvals"] for each in listed}
    assert (told[str(first_key.id)], told[str(other.id)]) == ([waiting], [])
    (on_third,) = told[str(third.id)]
    assert on_third["request_id"] != waiting["request_id"]


def test_an_app_reads_the_pending_approvals_of_many_subjects_in_one_query(
    asked, first_key, dana, acme, django_assert_num_queries
):
    other = create_key(dana, acme, name="other")
    keys = [Subject("api-key", str(key.id)) for key in (first_key, other)]

    with django_assert_num_queries(1):
        found = pending_approvals(keys)

    assert [each["request_id"] for each in found[keys[0]]] == [str(asked.pk)]
    assert found[keys[1]] == []


def test_version_one_shows_no_approvals(asked, client, first_key):
    one = call(client, "GET", f"/api/v1/api-keys/{first_key.id}", key=first_key).json()

    assert list(one) == ["id", "name", "enabled", "prefix", "created_at"]


def test_the_list_of_keys_takes_as_many_queries_for_many_as_for_one(
    dana, acme, disabling_needs_two, context_of, browser
):
    asks_for_many(dana, acme, context_of, count=1)
    few = queries(browser(dana), KEYS)

    asks_for_many(dana, acme, context_of, count=5)

    assert queries(browser(dana), KEYS) == few


def test_asking_again_for_what_waits_already_answers_with_the_same_request(
    held, asked, client, first_key
):
    again = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=first_key)

    assert (again.status_code, again["Command-Id"]) == (202, held["Command-Id"])
    assert again.json() == held.json()
    assert ApprovalRequest.objects.count() == 1


@pytest.fixture
def pia(acme):
    """Acts for Acme and may read policies, and requests."""
    return member("pia", acme, permissions=("view_policy", "view_approvalrequest"))


def test_a_policy_reads_as_it_is(pia, security, browser):
    made = policy(
        "apikeys.*",
        group=security,
        quorum=2,
        condition='actor.kind == "api_key"',
        approve_within=timedelta(days=1, hours=2),
    )

    answer = browser(pia).get(f"/api/v2/policies/{made.pk}")

    assert answer.json() == {
        "id": str(made.pk),
        "url": f"/api/v2/policies/{made.pk}",
        # The test made it without a command, as one direct change.
        "version": 1,
        "governs": "apikeys.*",
        "tenant": None,
        "condition": 'actor.kind == "api_key"',
        "effect": "require_approval",
        "message": "",
        "rules": [{"id": str(made.rules.get().pk), "group": "Security", "quorum": 2}],
        "requester_may_vote": False,
        "requester_reason_required": False,
        "approver_reason_required": False,
        "signed_votes": False,
        "minimum_membership": None,
        "approve_within": "P1DT02H00M00S",
        "execute_within": None,
        "one_open_request": True,
        "enabled": True,
        "problem": None,
    }


def test_policies_of_other_customers_are_not_shown(pia, security, acme, globex, browser):
    for tenant in ("", str(acme.pk), str(globex.pk)):
        policy("apikeys.disable", group=security, quorum=1, tenant=tenant)
    theirs = Policy.objects.get(tenant=globex.pk)

    answer = browser(pia).get("/api/v2/policies")
    hidden = browser(pia).get(f"/api/v2/policies/{theirs.pk}")

    assert [each["tenant"] for each in answer.json()["results"]] == [None, str(acme.pk)]
    assert hidden.status_code == 404


def test_the_list_of_policies_takes_as_many_queries_for_many_as_for_one(pia, security, browser):
    policy("apikeys.disable", group=security, quorum=1)
    few = queries(browser(pia), "/api/v2/policies")
    for governs in ("apikeys.enable", "apikeys.create", "notes.write"):
        policy(governs, group=security, quorum=1)

    assert queries(browser(pia), "/api/v2/policies") == few
