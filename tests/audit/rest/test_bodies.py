"""Bodies that do not fit to the letter, as schemathesis found them."""

import pytest
from django.contrib.auth.models import Permission

from approvals.models import ApprovalRequest
from tests.conftest import create_key
from tests.http import call

KEYS = "/api/v2/api-keys"
POLICIES = "/api/v2/policies"
NOBODY = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def manager_key(manager, acme):
    """A key of Mia's, who may ask for changes of policies."""
    manager.user_permissions.add(*_permissions("create_apikey", "view_policy"))
    return create_key(manager, acme, name="of Mia")


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("name", 5, "/name"),
        ("name", True, "/name"),
        ("reason", 5, "/reason"),
        ("scopes", ["read", 5], "/scopes/1"),
        ("expires_at", 1, "/expires_at"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(client, first_key, field, value, pointer):
    body = {"name": "ci", field: value}

    answer = call(client, "POST", KEYS, body, key=first_key)

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": pointer, "code": "wrong_type", "detail": "must be text"}
    ]


def test_a_whole_number_may_have_a_point(client, manager_key):
    rules = [{"group": "Nobody", "quorum": 2.0}]

    answer = call(client, "POST", POLICIES, {"governs": "x", "rules": rules}, key=manager_key)

    assert {error["pointer"] for error in answer.json()["errors"]} == {"/rules/0/group"}


def test_an_unknown_field_is_refused_also_where_it_is_deep_inside(client, manager_key, security):
    rules = [{"group": "Security", "quorum": 1, "veto": True}]

    answer = call(client, "POST", POLICIES, {"governs": "x", "rules": rules}, key=manager_key)

    assert answer.json()["errors"] == [
        {"pointer": "/rules/0/veto", "code": "unknown", "detail": "is not a known field"}
    ]


def test_a_group_name_with_a_nul_is_invalid(client, manager_key, security):
    rules = [{"group": "Secu\x00rity", "quorum": 1}]

    answer = call(
        client, "POST", POLICIES, {"governs": "apikeys.*", "rules": rules}, key=manager_key
    )

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/rules/0/group")


def test_all_invalid_fields_are_reported_together(client, manager_key):
    body = {"name": "", "colour": "red", "description": 5}

    answer = call(client, "POST", KEYS, body, key=manager_key)

    told = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
    assert told == {("/name", "blank"), ("/colour", "unknown"), ("/description", "wrong_type")}


def test_an_error_names_the_field_of_the_body_and_not_that_of_the_command(
    client, manager_key, policy_owners
):
    answer = call(client, "POST", POLICIES, {"governs": "apikeys.delete"}, key=manager_key)

    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/rules"
    assert answer.json()["detail"].startswith("rules: ")


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize("name", ["groups", "for_tenant"])
def test_an_unknown_field_keeps_its_name_although_the_command_has_it(
    client, manager_key, name, query
):
    answer = call(
        client, "POST", f"{POLICIES}{query}", {"governs": "x", name: "y"}, key=manager_key
    )

    body = answer.json()
    (error,) = (body["problem"] if query else body)["errors"]
    assert (error["pointer"], error["code"]) == (f"/{name}", "unknown")


def test_the_reason_of_a_decision_is_its_comment_and_no_field(ann, disabling_needs_two, browser):
    path = f"/api/v2/approval-requests/{NOBODY}/approve"

    answer = call(browser(ann), "POST", path, {"digest": "", "reason": "Fine"})

    assert answer.json()["detail"].endswith("reason: is not a known field")


def test_the_dry_run_of_a_command_names_the_field_of_the_body(client, manager_key, policy_owners):
    body = {"governs": "apikeys.delete"}

    answer = call(client, "POST", f"{POLICIES}?dry_run=true", body, key=manager_key)

    (error,) = answer.json()["problem"]["errors"]
    assert error["pointer"] == "/rules"


def test_nobody_is_asked_to_approve_a_change_of_a_policy_that_is_not_there(
    client, manager_key, policy_owners
):
    answer = call(client, "DELETE", f"{POLICIES}/{NOBODY}", key=manager_key)

    assert answer.status_code == 404
    assert not ApprovalRequest.objects.exists()


def _permissions(*names):
    return Permission.objects.filter(codename__in=names)
