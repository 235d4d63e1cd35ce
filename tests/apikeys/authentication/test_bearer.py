"""Authentication: one query, one answer for whatever is wrong, and at once."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from apikeys.authentication.credentials import BadCredential, authenticate
from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKeySecret, Membership
from apikeys.models.tokens import Token
from audit.outside import outside_command
from tests.conftest import completed
from tests.http import call

WHOAMI = "/api/v2/whoami"


def test_the_secret_opens_the_api_and_tells_who_one_is(client, first_key, dana, acme):
    answer = call(client, "GET", WHOAMI, key=first_key)

    body = answer.json()
    assert answer.status_code == 200
    assert (body["kind"], body["id"]) == ("api_key", str(first_key.id))
    assert body["person_id"] == str(dana.pk)
    assert body["tenants"] == [str(acme.pk)]
    assert "apikeys.disable_apikey" in body["permissions"]


def test_every_bad_secret_gets_the_same_answer(client, first_key, dana, acme):
    wrong_checksum = first_key.secret[:-1] + ("a" if first_key.secret[-1] != "a" else "b")
    secrets = {
        "missing": None,
        "malformed": "cs_live_short",
        "not even ASCII": "cs_live_ü",
        "empty": "",
        "wrong checksum": wrong_checksum,
        "unknown": Token.generate().text,
    }
    answers = {
        why: call(client, "GET", WHOAMI, key=secret, X_Request_Id="req-1")
        for why, secret in secrets.items()
    }
    completed(DisableApiKey(api_key_id=first_key.id))
    answers["disabled"] = call(client, "GET", WHOAMI, key=first_key, X_Request_Id="req-1")

    assert {answer.status_code for answer in answers.values()} == {401}
    assert len({answer.content for answer in answers.values()}) == 1
    assert len({str(sorted(answer.items())) for answer in answers.values()}) == 1
    assert answers["unknown"]["WWW-Authenticate"] == "Bearer"


def test_a_change_of_state_takes_effect_at_the_next_request(client, first_key):
    completed(DisableApiKey(api_key_id=first_key.id))
    assert call(client, "GET", WHOAMI, key=first_key).status_code == 401

    completed(EnableApiKey(api_key_id=first_key.id))
    assert call(client, "GET", WHOAMI, key=first_key).status_code == 200


@pytest.mark.parametrize("why", ["owner_inactive", "owner_left", "secret_expired"])
def test_a_key_is_as_good_as_its_owner_and_its_time(first_key, dana, why):
    with outside_command("Remove a filter"):
        match why:
            case "owner_inactive":
                User.objects.filter(pk=dana.pk).update(is_active=False)
            case "owner_left":
                Membership.objects.filter(user=dana).delete()
            case "secret_expired":
                ApiKeySecret.objects.update(not_after="2026-01-01T00:00Z")

    with pytest.raises(BadCredential, match=why):
        authenticate(first_key.secret, address=None)


def test_a_key_may_do_no_more_than_its_owner(client, first_key, dana):
    dana.user_permissions.clear()

    answer = call(client, "POST", "/api/v1/api-keys", {"name": "ci"}, key=first_key)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_permissions_come_from_groups_too(first_key, dana, security):
    dana.groups.add(security)
    permission = dana.user_permissions.get(codename="enable_apikey")
    dana.user_permissions.clear()
    security.permissions.add(permission)

    assert authenticate(first_key.secret, address=None).actor.permissions == {
        "apikeys.enable_apikey"
    }


def test_garbage_is_turned_away_without_the_database(first_key):
    connection.close()

    for text in ("", "x", "cs_live_" + "0" * 33, first_key.secret[:-1]):
        with pytest.raises(BadCredential):
            authenticate(text, address=None)

    assert connection.connection is None


def test_a_token_keeps_its_secret_to_itself():
    token = Token.generate()

    assert token.text not in repr(token)
    assert Token.parse(token.text) == token
    assert len({Token.generate().text for _ in range(100)}) == 100


def test_the_checksum_is_pinned():
    text = "cs_live_0123456789ABCDEFGHIJKLMNOPQ"

    assert Token.parse(text + "3CQ4eK").prefix == "cs_live_0123"
