"""Calls that are repeated, and the headers that lead on."""

import pytest

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import approved, create_key, policy
from tests.http import call

KEYS = "/api/v2/api-keys"


@pytest.fixture
def caller(dana, acme):
    return create_key(dana, acme, name="caller")


@pytest.mark.parametrize("is_governed", [False, True])
@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        ("PATCH", "", {"name": "other", "scopes": ["read"]}),
        ("DELETE", "", None),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
    ],
)
def test_a_write_that_changes_nothing_returns_the_resource_without_events(
    client, caller, dana, acme, security, ann, method, action, body, is_governed
):
    key = create_key(dana, acme, name="other", scopes=("read",))
    if method == "DELETE" or action == "/disable":
        first = call(client, method, f"{KEYS}/{key.id}{action}", body, key=caller)
        assert first.status_code == 200
    before = call(client, "GET", f"{KEYS}/{key.id}", key=caller)
    if is_governed:
        policy("apikeys.*", group=security, quorum=1)

    again = call(client, method, f"{KEYS}/{key.id}{action}", body, key=caller)

    assert (again.status_code, again.json()) == (200, before.json())
    assert again["ETag"] == before["ETag"]
    record = CommandRecord.objects.get(command_id=again["Command-Id"])
    assert record.status == "succeeded"
    assert not EventRecord.objects.filter(command_id=record.command_id).exists()
    assert not ApprovalRequest.objects.exists()


def test_what_a_policy_forbids_is_forbidden_even_if_it_changes_nothing(
    client, caller, first_key, security
):
    policy("apikeys.enable", group=security, quorum=1, effect="forbid")

    answer = call(client, "POST", f"{KEYS}/{first_key.id}/enable", key=caller)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_by_policy")


def test_an_approved_command_that_is_sent_again_is_not_held_again(
    client, caller, first_key, disabling_needs_two, ann, bob
):
    path = f"{KEYS}/{first_key.id}/disable"
    call(client, "POST", path, key=caller)
    approved(ApprovalRequest.objects.get(), ann, bob)

    again = call(client, "POST", path, key=caller)

    assert (again.status_code, again.json()["state"]) == (200, "disabled")
    assert ApprovalRequest.objects.count() == 1


def test_a_policy_that_is_as_wanted_is_neither_changed_nor_held(
    browser, policy_owners, disabling_needs_two
):
    owner = browser(policy_owners[0])
    (shown,) = call(owner, "GET", "/api/v2/policies").json()["results"]
    body = {
        "governs": shown["governs"],
        "rules": [{name: rule[name] for name in ("group", "quorum")} for rule in shown["rules"]],
    }

    same = call(owner, "PUT", shown["url"], body)
    other = call(owner, "PUT", shown["url"], body | {"message": "Ask first"})

    assert (same.status_code, same.json()) == (200, shown)
    assert other.status_code == 202


def test_a_policy_is_disabled_once(browser, policy_owners, disabling_needs_two):
    one, two, three = policy_owners[:3]
    owner = browser(one)
    (shown,) = call(owner, "GET", "/api/v2/policies").json()["results"]
    call(owner, "DELETE", shown["url"])
    approved(ApprovalRequest.objects.get(), two, three)

    again = call(owner, "DELETE", shown["url"])

    assert (again.status_code, again.json()["enabled"]) == (200, False)
    assert again["ETag"] == call(owner, "GET", shown["url"])["ETag"]


def test_a_held_command_says_where_to_look_and_when(client, caller, first_key, disabling_needs_two):
    held = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=caller)

    assert held["Location"] == f"/api/v2/commands/{held['Command-Id']}"
    assert held["Retry-After"] == "2"
    assert "ETag" not in held


def test_a_repeat_of_a_creation_says_where_it_is(client, caller):
    first, again = (
        call(client, "POST", KEYS, {"name": "ci"}, key=caller, Idempotency_Key="k-1")
        for _ in range(2)
    )

    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert (again["Location"], again["ETag"]) == (first["Location"], first["ETag"])


def test_a_key_in_quotes_is_the_same_key(client, caller):
    keys = ("k-1", '"k-1"', '"a, \\"b\\" c"', '"a, \\"b\\" c"')
    first, again, other, repeated = (
        call(client, "POST", KEYS, {"name": "ci"}, key=caller, Idempotency_Key=key) for key in keys
    )

    assert again["Command-Id"] == first["Command-Id"] != other["Command-Id"]
    assert repeated["Idempotency-Replayed"] == "true"
    record = CommandRecord.objects.get(command_id=other["Command-Id"])
    assert record.idempotency_key == 'a, "b" c'


@pytest.mark.parametrize("key", ['"', '"a', '""', '"a"b"', '"a", "b"', '"a\\b"', "a,b", "a b"])
def test_a_malformed_key_is_refused(client, caller, key):
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=caller, Idempotency_Key=key)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


def test_version_1_answers_a_repeat_of_what_changed_nothing_as_before(client, caller, first_key):
    path = f"/api/v1/api-keys/{first_key.id}/enable"

    first, again = (call(client, "POST", path, key=caller, Idempotency_Key="k-1") for _ in range(2))

    assert (first.status_code, again.status_code) == (409, 409)
    assert again.content == first.content
    assert again["Command-Id"] == first["Command-Id"]


@pytest.mark.parametrize("first", ["v1", "v2"])
def test_version_2_repeats_version_1_only_with_the_confirmation_that_version_1_implies(
    client, caller, first
):
    paths = {"v1": "/api/v1/api-keys", "v2": KEYS}
    bodies = {"v1": {"name": "n"}, "v2": {"name": "n", "confirm_similar_name": True}}
    second = "v2" if first == "v1" else "v1"

    made = call(client, "POST", paths[first], bodies[first], key=caller, Idempotency_Key="k")
    other = call(client, "POST", KEYS, {"name": "n"}, key=caller, Idempotency_Key="k")
    again = call(client, "POST", paths[second], bodies[second], key=caller, Idempotency_Key="k")

    assert (made.status_code, other.status_code, again.status_code) == (201, 422, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again["Command-Id"] == made["Command-Id"]
