"""Version 1: the shapes and codes that existing clients know, whatever happens behind them."""

import re
import uuid

import pytest

from apikeys.models import ApiKey
from audit.models.records import CommandRecord
from tests.conftest import create_key, policy
from tests.http import call

KEYS = "/api/v1/api-keys"
KEY = {"id", "name", "enabled", "prefix", "created_at"}


def test_a_new_key_comes_with_its_secret_at_once(client, first_key):
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key)

    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == ["id", "name", "enabled", "prefix", "created_at", "secret"]
    assert (body["name"], body["enabled"]) == ("ci", True)
    assert re.fullmatch(r"cs_live_[0-9A-Za-z]{33}", body["secret"])
    assert body["secret"].startswith(body["prefix"])
    assert answer["Cache-Control"] == "no-store"


def test_the_secret_is_never_shown_again(client, first_key):
    body = call(client, "POST", KEYS, {"name": "ci"}, key=first_key).json()

    shown = call(client, "GET", f"{KEYS}/{body['id']}", key=first_key)
    listed = call(client, "GET", KEYS, key=first_key)

    assert (shown.status_code, listed.status_code) == (200, 200)
    assert shown.json() == {name: body[name] for name in KEY}
    assert [set(each) for each in listed.json()] == [KEY, KEY]
    assert body["secret"] not in shown.content.decode() + listed.content.decode()


def test_disabling_and_enabling_answer_with_the_key_at_once(client, first_key, dana, acme):
    other = create_key(dana, acme, name="other")

    disabled = call(client, "POST", f"{KEYS}/{other.id}/disable", key=first_key)
    enabled = call(client, "POST", f"{KEYS}/{other.id}/enable", key=first_key)

    assert (disabled.status_code, disabled.json()["enabled"]) == (200, False)
    assert (enabled.status_code, enabled.json()["enabled"]) == (200, True)
    assert set(enabled.json()) == KEY


def test_enabling_what_is_enabled_is_a_conflict_with_its_reason(client, first_key):
    answer = call(client, "POST", f"{KEYS}/{first_key.id}/enable", key=first_key)

    assert answer.status_code == 409
    assert answer.json() == {
        "detail": f"{first_key.row} is already enabled.",
        "code": "already_enabled",
    }
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "succeeded"


def test_a_held_command_says_what_it_always_said(client, first_key, disabling_needs_two):
    answer = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=first_key)

    assert answer.status_code == 202
    assert answer.json() == {"status": "approval_flow_initiated"}
    assert answer["Location"] == f"/api/v2/commands/{answer['Command-Id']}"
    assert ApiKey.objects.get().is_enabled


def test_a_held_creation_returns_the_id_of_the_future_key(client, first_key, security, ann, bob):
    policy("apikeys.create", group=security, quorum=2)

    answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key)

    assert answer.status_code == 202
    assert set(answer.json()) == {"status", "id"}
    assert not ApiKey.objects.filter(name="ci").exists()


@pytest.mark.parametrize("action", ["", "/enable", "/disable"])
def test_another_customers_key_is_not_found_like_one_that_is_none(
    client, first_key, gus, globex, action
):
    theirs = create_key(gus, globex, name="theirs")
    method = "POST" if action else "GET"

    foreign = call(client, method, f"{KEYS}/{theirs.id}{action}", key=first_key)
    missing = call(client, method, f"{KEYS}/{uuid.uuid4()}{action}", key=first_key)

    assert (foreign.status_code, missing.status_code) == (404, 404)
    anonymous = re.sub(r"[0-9a-f-]{36}", "…", foreign.content.decode())
    assert anonymous == re.sub(r"[0-9a-f-]{36}", "…", missing.content.decode())
    assert ApiKey.objects.get(pk=theirs.id).is_enabled


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"name": "This field is required."}),
        ({"name": ""}, {"name": "This field may not be blank."}),
        ({"name": "x" * 101}, {"name": "Ensure this field has no more than 100 characters."}),
        ({"name": "NUL \x00"}, {"name": "Null characters are not allowed."}),
        ({"name": ["list"]}, {"name": "Not a valid string."}),
    ],
)
def test_bad_input_is_reported_by_field_and_recorded(client, first_key, body, errors):
    answer = call(client, "POST", KEYS, body, key=first_key)

    assert answer.status_code == 400
    assert answer.json()["errors"] == errors
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, [each["field"] for each in record.data["errors"]]) == (
        "refused",
        ["name"],
    )
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"[]", b"null", b'{"name": NaN}', b"[" * 100_000, b'{"name": "\\ud800"}'],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_body_that_cannot_be_read_is_a_400_and_recorded(client, first_key, content, version):
    answer = client.generic(
        "POST",
        f"/api/{version}/api-keys",
        content,
        content_type="application/json",
        headers=first_key.headers,
    )

    assert answer.status_code == 400, answer.content
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.message_type, record.status) == ("apikeys.create", "refused")


def test_clients_that_send_the_new_headers_get_what_they_promise(client, first_key):
    path = f"{KEYS}/{first_key.id}/enable"
    first = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")
    again = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")
    other = call(client, "POST", KEYS, {"name": "cd"}, key=first_key, Idempotency_Key="k-1")
    stale = call(client, "POST", path, key=first_key, If_Match='"7"')

    assert again["Command-Id"] == first["Command-Id"]
    assert again.json() == {**first.json(), "secret": None}
    assert (other.status_code, stale.status_code) == (422, 412)


def test_a_field_that_v1_never_knew_is_ignored_as_ever(client, first_key):
    answer = call(client, "POST", KEYS, {"name": "ci", "color": "red"}, key=first_key)

    assert answer.status_code == 201


def test_an_address_with_a_slash_at_its_end_is_none(client, first_key):
    answer = call(client, "GET", f"{KEYS}/", key=first_key)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
