"""The fields of a key: what each takes, how it is changed, and what stored messages make of it."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apikeys.commands import CreateApiKey, UpdateApiKey
from apikeys.events import ApiKeyCreated, ApiKeyUpdated
from apikeys.models import ApiKey
from apikeys.rest.serializers import CreateApiKeyInput, UpdateApiKeyInput
from audit.messages import catalog
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from audit.testing import recorded_events
from tests.conftest import completed, create_key
from tests.http import call

KEYS = "/api/v2/api-keys"
FIELDS = [
    "id", "url", "version", "name", "description", "environment", "state", "enabled", "prefix",
    "scopes",
    "allowed_networks", "not_before", "expires_at", "metadata", "owner", "customer_id",
    "created_at", "last_used_at", "last_used_from", "secrets", "pick_up", "pending_approvals",
]  # fmt: skip
ID = "018f2f6e-5c2a-7bb1-9b0e-0f4d5a6c7d8e"
CUSTOMER = "018f2f6e-5c2a-7bb1-9b0e-0f4d5a6c7d8f"


def test_a_key_is_created_with_all_that_it_may_have(client, first_key, dana, acme):
    body = {
        "name": "ci",
        "description": "Deploys the shop",
        "environment": "test",
        "scopes": ["keys:read", "keys:read", "approvals:read"],
        "allowed_networks": ["192.0.2.0/24", "2001:DB8:0::/32", "203.0.113.9", "192.0.2.0/24"],
        "not_before": "2027-01-01T00:00:00Z",
        "expires_at": "2028-01-01T01:00:00+01:00",
        "metadata": {"team": "shop", "tags": ["a", {"b": None}]},
    }

    answer = call(client, "POST", KEYS, body, key=first_key)

    shown = answer.json()
    assert (answer.status_code, list(shown)) == (201, [*FIELDS, "secret", "secret_note"])
    assert shown["secret"].startswith("cs_test_")
    assert shown["prefix"] == shown["secret"][:12]
    assert shown["scopes"] == ["keys:read", "approvals:read"]
    assert shown["allowed_networks"] == ["192.0.2.0/24", "2001:db8::/32", "203.0.113.9/32"]
    assert shown["expires_at"] == "2028-01-01T00:00:00Z"
    assert shown["metadata"] == body["metadata"]
    assert (shown["state"], shown["enabled"]) == ("not_yet_valid", True)
    assert shown["owner"] == {"id": dana.pk, "username": "dana"}
    assert (shown["customer_id"], shown["url"]) == (str(acme.pk), f"{KEYS}/{shown['id']}")
    assert [each["not_after"] for each in shown["secrets"]] == [None]
    (event,) = recorded_events(_outcome(answer))
    assert (event.environment, event.metadata["tags"]) == ("test", ("a", {"b": None}))


def test_a_key_that_is_told_nothing_else_may_read_and_write(client, first_key):
    shown = call(client, "POST", KEYS, {"name": "ci"}, key=first_key).json()

    assert (shown["scopes"], shown["environment"]) == (["read", "write"], "live")
    assert (shown["description"], shown["metadata"], shown["allowed_networks"]) == ("", {}, [])
    assert (shown["not_before"], shown["expires_at"], shown["pick_up"]) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("description", "x" * 501, "/description"),
        ("environment", "prod", "/environment"),
        ("scopes", [], "/scopes"),
        ("scopes", ["read", "everything"], "/scopes/1"),
        ("scopes", "read", "/scopes"),
        ("allowed_networks", ["10.0.0.1/8"], "/allowed_networks/0"),
        ("allowed_networks", ["10.0.0.0/8", "2001:db8::1/32"], "/allowed_networks/1"),
        ("allowed_networks", ["the office"], "/allowed_networks/0"),
        ("allowed_networks", ["10.0.0.0/33"], "/allowed_networks/0"),
        ("allowed_networks", ["fe80::%eth0/64"], "/allowed_networks/0"),
        ("allowed_networks", ["::ffff:10.0.0.0/104"], "/allowed_networks/0"),
        ("allowed_networks", [f"10.0.{n}.0/24" for n in range(21)], "/allowed_networks"),
        ("not_before", "tomorrow", "/not_before"),
        ("expires_at", "2020-01-01T00:00:00Z", "/expires_at"),
        ("expires_at", 7, "/expires_at"),
        ("metadata", [], "/metadata"),
        ("metadata", {"key": "x" * 4096}, "/metadata"),
        ("metadata", {"a": {"b": {"c": {"d": {"e": 1}, "f": {"g": []}}}}}, "/metadata"),
        ("metadata", {"a": "NUL \x00"}, "/metadata"),
        ("metadata", {"NUL \x00": 1}, "/metadata"),
        ("metadata", {"a": 10**400}, "/metadata"),
        ("metadata", reduce(lambda inner, _: {"a": inner}, range(15), {}), "/metadata"),
    ],
)
@pytest.mark.parametrize("verb", ["create", "update"])
def test_what_a_key_cannot_have_is_refused_by_its_place(
    client, first_key, verb, field, value, pointer
):
    if (verb, field) == ("update", "environment"):
        pytest.skip("it does not change")
    method, path = ("POST", KEYS) if verb == "create" else ("PATCH", f"{KEYS}/{first_key.id}")

    answer = call(client, method, path, {"name": "ci", field: value}, key=first_key)

    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.message_type) == ("refused", f"apikeys.{verb}")
    assert ApiKey.objects.get().name == "first"


def test_metadata_takes_what_just_fits(client, first_key):
    largest = {"a": "ä" * ((4096 - len('{"a":""}')) // 2)}
    deepest = {"a": {"b": {"c": {"d": {}}}}}

    answers = [
        call(client, "PATCH", f"{KEYS}/{first_key.id}", {"metadata": each}, key=first_key)
        for each in (largest, deepest)
    ]

    assert [answer.json().get("metadata") for answer in answers] == [largest, deepest]


def test_a_key_cannot_expire_before_it_is_valid(client, first_key, owner):
    times = {"not_before": "2030-01-02T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"}
    created = call(client, "POST", KEYS, {"name": "ci", **times}, key=first_key)
    path = f"{KEYS}/{first_key.id}"
    call(client, "PATCH", path, {"expires_at": times["expires_at"]}, key=first_key)
    updated = call(client, "PATCH", path, {"not_before": times["not_before"]}, key=first_key)

    for answer in (created, updated):
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/expires_at", "before_start")
        assert error["detail"] == "must be later than not_before"
    with pytest.raises(IntegrityError, match="expires_after"), outside_command("Past the code"):
        ApiKey.objects.update(**times)


def test_an_update_changes_what_it_names_and_tells_what_that_was(client, first_key):
    body = {"name": "renamed", "scopes": ["read", "write"], "metadata": {"a": 1}, "reason": "Tidy"}

    answer = call(client, "PATCH", f"{KEYS}/{first_key.id}", body, key=first_key)

    assert (answer.status_code, list(answer.json())) == (200, FIELDS)
    assert (answer.json()["name"], answer.json()["metadata"]) == ("renamed", {"a": 1})
    # The scopes are what they were.
    (event,) = recorded_events(_outcome(answer))
    assert event == ApiKeyUpdated(
        api_key_id=first_key.id, changes={"name": "renamed", "metadata": {"a": 1}}
    )
    row = ApiKey.history.filter(id=first_key.id).latest()
    assert (row.name, row.history_change_reason) == ("renamed", "Tidy")


def test_null_clears_a_time_and_leaving_it_out_does_not(client, dana, acme, first_key):
    tomorrow = timezone.now() + timedelta(days=1)
    key = create_key(dana, acme, name="ci", not_before=datetime(2026, 1, 1, tzinfo=UTC),
                     expires_at=tomorrow)  # fmt: skip
    path = f"{KEYS}/{key.id}"

    answer = call(client, "PATCH", path, {"expires_at": None}, key=first_key)

    assert answer.json()["expires_at"] is None
    assert answer.json()["not_before"] == "2026-01-01T00:00:00Z"
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert record.data["cleared"] == ["expires_at"]
    (event,) = recorded_events(_outcome(answer))
    assert event.changes == {"expires_at": None}


@pytest.mark.parametrize("body", [{}, {"reason": "None"}])
def test_an_update_that_names_nothing_is_refused(client, first_key, body, assert_recorded):
    answer = call(client, "PATCH", f"{KEYS}/{first_key.id}", body, key=first_key)

    assert answer.status_code == 400
    assert answer.json()["detail"] == "Specify at least one field to change."
    assert_recorded(UpdateApiKey, status="refused")


@pytest.mark.parametrize("field", ["environment", "cleared", "enabled", "prefix", "colour"])
def test_an_update_refuses_what_does_not_change_by_name(client, first_key, field):
    answer = call(client, "PATCH", f"{KEYS}/{first_key.id}", {field: "test"}, key=first_key)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert answer.json()["errors"][0]["code"] == "unknown"


def test_an_update_to_what_is_there_changes_nothing(given, first_key, dana, context_of):
    command = UpdateApiKey(api_key_id=first_key.id, name="first")

    given().when(command, context=context_of(dana)).then()


def test_a_time_cannot_be_both_set_and_cleared():
    with pytest.raises(Invalid, match="both set and cleared"):
        UpdateApiKey.restore(
            {
                "api_key_id": ID,
                "expires_at": "2030-01-01T00:00:00+00:00",
                "cleared": ["expires_at"],
            }
        )


def test_an_approver_reads_what_is_to_change():
    command = UpdateApiKey.restore(
        {
            "api_key_id": ID,
            "name": "ci",
            "scopes": ["read"],
            "allowed_networks": [],
            "not_before": "2030-01-01T00:00:00+00:00",
            "cleared": ["expires_at"],
        }
    )

    assert command.describe("API key “x”") == (
        "Change API key “x”: name “ci”; scopes read; no allowed networks; "
        "not before 2030-01-01 00:00 UTC; no expires at"
    )


def test_a_key_of_version_1_is_renamed_and_nothing_else(client, first_key):
    path = f"/api/v1/api-keys/{first_key.id}"

    answer = call(client, "PATCH", path, {"name": "renamed", "scopes": ["read"]}, key=first_key)

    assert answer.status_code == 200
    assert list(answer.json()) == ["id", "name", "enabled", "prefix", "created_at"]
    assert answer.json()["name"] == "renamed"
    assert ApiKey.objects.get().scopes == ["read", "write"]
    assert call(client, "PATCH", path, {}, key=first_key).status_code == 400


def test_a_creation_stored_before_there_were_these_fields_is_still_read():
    stored = {"api_key_id": ID, "customer_id": CUSTOMER, "owner_id": 7, "name": "ci"}

    command = catalog.restore("apikeys.create", 1, stored)

    assert command == CreateApiKey(api_key_id=command.api_key_id, customer_id=command.customer_id,
                                   owner_id=7, name="ci")  # fmt: skip
    assert (command.scopes, command.environment) == (("read", "write"), "live")
    assert (command.metadata, command.allowed_networks, command.expires_at) == ({}, (), None)


def test_a_created_event_stored_before_there_were_these_fields_is_still_read():
    stored = {"api_key_id": ID, "customer_id": CUSTOMER, "owner_id": 7, "name": "ci",
              "has_secret": True}  # fmt: skip

    event = catalog.restore("apikeys.created", 1, stored)

    assert isinstance(event, ApiKeyCreated)
    assert (event.scopes, event.environment, event.metadata) == (("read", "write"), "live", {})


def test_the_stored_form_of_a_creation_is_pinned(dana, acme, context_of):
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci", metadata={"a": [1]},
                           expires_at=datetime(2030, 1, 1, tzinfo=UTC))  # fmt: skip

    completed(command, context=context_of(dana))

    stored = {
        "api_key_id": str(command.api_key_id),
        "customer_id": str(acme.pk),
        "owner_id": dana.pk,
        "name": "ci",
        "description": "",
        "environment": "live",
        "scopes": ["read", "write"],
        "allowed_networks": [],
        "not_before": None,
        "expires_at": "2030-01-01T00:00:00+00:00",
        "metadata": {"a": [1]},
    }
    confirmed = {"confirm_similar_name": False}
    assert CommandRecord.objects.latest("position").data == stored | confirmed
    assert EventRecord.objects.latest("position").data == stored | {"has_secret": True}


def _outcome(answer):
    """Stand in for the outcome, which the events are found by."""
    return CommandRecord.objects.get(command_id=answer["Command-Id"])


def test_every_field_of_a_command_is_a_column_and_every_input_a_field():
    columns = {column.attname for column in ApiKey._meta.concrete_fields}
    created, updated, told = map(_names, (CreateApiKey, UpdateApiKey, ApiKeyCreated))

    assert created - {"api_key_id", "confirm_similar_name"} <= columns
    assert updated - {"api_key_id", "cleared", "confirm_similar_name"} <= columns
    assert told - {"has_secret"} == created - {"confirm_similar_name"}
    assert set(CreateApiKeyInput().fields) - {"reason"} <= created
    assert set(UpdateApiKeyInput().fields) - {"reason"} == updated - {"api_key_id", "cleared"}


def _names(message_class):
    return {each.name for each in fields(message_class)}
