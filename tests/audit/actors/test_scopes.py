"""Scopes: what a credential is confined to, beside the permissions of the person behind it."""

from dataclasses import replace

import pytest

from apikeys.commands import DisableApiKey, PickUpSecret
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve
from audit.actors import scopes
from audit.actors.actors import Actor
from audit.bus.authorization import known_scopes, scopes_for
from tests.conftest import create_key
from tests.http import call

KEYS = "/api/v2/api-keys"
READS = frozenset({"read"})


@pytest.mark.parametrize(
    ("permission", "needed"),
    [
        ("apikeys.view_apikey", {"read", "keys:read"}),
        ("apikeys.create_apikey", {"write", "keys:write"}),
        ("apikeys.verify_apikey", {"keys:verify"}),
        ("approvals.view_approvalrequest", {"read", "approvals:read"}),
        ("approvals.manage_policy", {"write", "approvals:write"}),
        ("audit.view_commandrecord", {"read", "audit:read"}),
        ("nowhere.view_thing", {"read", "nowhere:read"}),
    ],
)
def test_a_permission_names_the_scopes_any_of_which_lets_it_be_used(permission, needed):
    assert scopes.needed_for(permission) == needed


def test_a_command_that_takes_no_permission_is_a_write_to_its_app():
    assert scopes_for(DisableApiKey) == {"write", "keys:write"}
    assert scopes_for(PickUpSecret) == {"write", "keys:write"}
    assert scopes_for(Approve) == {"write", "approvals:write"}


def test_the_scopes_are_known_by_name():
    assert {"read", "write", "keys:read", "keys:write", "keys:verify"} <= known_scopes()
    assert {"approvals:read", "approvals:write", "audit:read"} <= known_scopes()
    assert "keys" not in known_scopes()


@pytest.mark.parametrize(
    ("wanted", "held", "beyond"),
    [
        (["keys:read"], ["read"], []),
        (["read"], ["keys:read", "approvals:read"], ["read"]),
        (["keys:verify"], ["read", "write"], ["keys:verify"]),
        (["keys:write", "read"], ["read"], ["keys:write"]),
        ([], [], []),
    ],
)
def test_a_scope_covers_itself_and_what_is_part_of_it(wanted, held, beyond):
    assert scopes.not_covered(wanted, held) == beyond


@pytest.mark.parametrize(
    ("given", "reads", "writes"),
    [
        (["read"], 200, 403),
        (["write"], 403, 200),
        (["keys:read"], 200, 403),
        (["keys:write"], 403, 200),
        (["read", "write"], 200, 200),
        (["approvals:read", "approvals:write", "keys:verify"], 403, 403),
    ],
)
def test_a_key_is_confined_to_its_scopes(client, first_key, dana, acme, given, reads, writes):
    confined = create_key(dana, acme, name="confined", scopes=tuple(given))

    read = call(client, "GET", KEYS, key=confined)
    written = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=confined)

    assert (read.status_code, written.status_code) == (reads, writes)
    assert ApiKey.objects.get(pk=first_key.id).is_enabled == (writes == 403)


def test_a_missing_scope_is_named_and_recorded(client, first_key, dana, acme, assert_recorded):
    reader = create_key(dana, acme, name="reader", scopes=("read",))

    answer = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=reader)

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.json()["detail"] == "This needs the scope keys:write or write."
    assert_recorded(DisableApiKey, status="refused", error_code="insufficient_scope")
    read = call(client, "GET", KEYS, key=create_key(dana, acme, name="w", scopes=("write",)))
    assert read.json()["detail"] == "This needs the scope keys:read or read."


def test_a_scope_without_the_permission_of_the_owner_gives_nothing(client, first_key, dana):
    dana.user_permissions.remove(dana.user_permissions.get(codename="disable_apikey"))

    answer = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=first_key)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_an_actor_may_what_both_its_permissions_and_its_scopes_allow():
    permissions = frozenset({"apikeys.view_apikey", "apikeys.verify_apikey"})
    reader = Actor(kind="api_key", id="1", label="key", permissions=permissions, scopes=READS)

    assert reader.may("apikeys.view_apikey")
    assert not reader.may("apikeys.verify_apikey")
    assert not reader.may("apikeys.create_apikey")
    assert replace(reader, scopes=None).may("apikeys.verify_apikey")


def test_people_are_not_confined(dana, first_key, browser):
    answer = call(browser(dana), "POST", f"{KEYS}/{first_key.id}/disable")

    assert answer.status_code == 200
