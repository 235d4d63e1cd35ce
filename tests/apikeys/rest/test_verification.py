"""Verifying a secret for another service: a verdict with its reason, and nothing else happens."""

import json
import logging

import pytest
from django.contrib.auth.models import User

from apikeys.authentication import usage
from apikeys.commands import CreateApiKey, DeleteApiKey, DisableApiKey
from apikeys.models import ApiKey, ApiKeySecret, ApiKeyUsage, Membership
from apikeys.models.tokens import Token
from audit.bus.dispatch import dispatch
from audit.models import Allowance
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.conftest import AS_SYSTEM, Key, completed, create_key, member
from tests.http import call

VERIFY = "/api/v2/api-keys/verify"


def issue(owner, customer, **fields):
    """Issue a key as the system does, to somebody who could not create it."""
    made = dispatch(
        CreateApiKey(customer_id=customer.pk, owner_id=owner.pk, name="x", **fields),
        context=AS_SYSTEM,
    )
    return Key(made.result, made.secret)


@pytest.fixture
def gateway(acme):
    """A key of a service that verifies secrets of Acme's customers, and may do nothing else."""
    sam = member("sam", acme, permissions=("verify_apikey",))
    return issue(sam, acme, scopes=("keys:verify",))


@pytest.fixture
def verify(client, gateway):
    """Ask the question as the gateway."""

    def ask(secret, **body):
        answer = call(client, "POST", VERIFY, {"secret": secret, **body}, key=gateway)
        assert answer.status_code == 200, answer.content
        assert answer["Cache-Control"] == "no-store"
        return answer.json()

    return ask


def test_a_valid_secret_is_reported_with_its_key(verify, first_key, dana, acme):
    verdict = verify(first_key.secret, scopes=["keys:read", "write"], address="192.0.2.1")

    assert verdict == {
        "valid": True,
        "code": "valid",
        "detail": "The secret is valid.",
        "key": {
            "id": str(first_key.id),
            "name": "first",
            "environment": "live",
            "scopes": ["read", "write"],
            "customer_id": str(acme.pk),
            "owner": {"id": dana.pk, "username": "dana"},
            "expires_at": None,
        },
    }


@pytest.mark.parametrize(
    "secret", ["", "x", "cs_live_ü", "cs_live_" + "0" * 33, "cs_live_" + "0" * 4000]
)
def test_garbage_is_malformed(verify, secret):
    verdict = verify(secret)

    assert (verdict["valid"], verdict["code"], verdict["key"]) == (False, "malformed", None)


@pytest.mark.parametrize(
    "code",
    [
        "disabled",
        "deleted",
        "expired",
        "not_yet_valid",
        "secret_expired",
        "owner_inactive",
        "owner_left",
    ],
)
def test_each_reason_has_its_code(verify, first_key, dana, code):
    with outside_command("Spoil a key"):
        keys = ApiKey.objects.filter(pk=first_key.id)
        match code:
            case "expired":
                keys.update(expires_at="2026-01-01T00:00Z")
            case "not_yet_valid":
                keys.update(not_before="2126-01-01T00:00Z")
            case "secret_expired":
                secrets = ApiKeySecret.objects.filter(api_key_id=first_key.id)
                secrets.update(not_after="2026-01-01T00:00Z")
            case "owner_inactive":
                User.objects.filter(pk=dana.pk).update(is_active=False)
            case "owner_left":
                Membership.objects.filter(user=dana).delete()
    if code == "disabled":
        completed(DisableApiKey(api_key_id=first_key.id))
    if code == "deleted":
        completed(DeleteApiKey(api_key_id=first_key.id))

    verdict = verify(first_key.secret)

    assert (verdict["valid"], verdict["code"]) == (False, code)
    assert verdict["key"]["id"] == str(first_key.id)


def test_networks_are_checked_against_the_address_that_is_given(verify, dana, acme):
    networks = ("192.0.2.0/24", "2001:db8::/32")
    key = create_key(dana, acme, name="confined", allowed_networks=networks)

    codes = {
        address: verify(key.secret, address=address)["code"]
        for address in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "198.51.100.1", "::1")
    }

    assert verify(key.secret)["code"] == "address_required"
    assert list(codes.values()) == ["valid"] * 3 + ["network_not_allowed"] * 2


def test_scopes_must_all_be_held(verify, dana, acme):
    key = create_key(dana, acme, name="reader", scopes=("read", "keys:write"))

    assert verify(key.secret, scopes=["keys:read", "keys:write"])["code"] == "valid"
    assert verify(key.secret, scopes=["keys:read", "write"])["code"] == "insufficient_scope"
    assert verify(key.secret, scopes=["keys:verify"])["code"] == "insufficient_scope"


def test_another_customers_key_is_unknown_to_the_byte(client, gateway, gus, globex):
    theirs = create_key(gus, globex, name="theirs")

    answers = [
        call(client, "POST", VERIFY, {"secret": secret}, key=gateway)
        for secret in (theirs.secret, Token.generate().text)
    ]

    assert answers[0].json()["code"] == "unknown"
    assert answers[0].content == answers[1].content
    usage.flush()
    assert not ApiKeyUsage.objects.filter(api_key_id=theirs.id).exists()


def test_it_takes_the_permission_and_the_scope_of_its_own(client, first_key, dana, iris, acme):
    everything_else = create_key(dana, acme, name="all", scopes=("read", "write"))
    scoped = issue(iris, acme, scopes=("keys:verify",))

    answers = [
        call(client, "POST", VERIFY, {"secret": first_key.secret}, key=key)
        for key in (everything_else, scoped)
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert [answer.json()["code"] for answer in answers] == ["insufficient_scope", "forbidden"]
    assert call(client, "POST", VERIFY, {"secret": "x"}).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["SECRET"]},
        {"scopes": "SECRET"},
        {"scopes": []},
        {"address": "SECRET"},
        {"address": "fe80::1%eth0"},
        {"address": 7},
        {"secret": ["SECRET"]},
        {"secret": None},
        {"secret": "x" * 5000},
        {"surprise": "SECRET"},
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(client, gateway, first_key, wrong):
    body = json.dumps({"secret": "SECRET", **wrong}).replace("SECRET", first_key.secret)

    answer = call(client, "POST", VERIFY, json.loads(body), key=gateway)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{next(iter(wrong))}")
    assert first_key.secret not in answer.content.decode()


@pytest.mark.parametrize("body", [[], "text", 7, None])
def test_a_body_that_is_no_object_is_refused(client, gateway, body):
    assert call(client, "POST", VERIFY, body, key=gateway).status_code == 400


def test_it_leaves_no_trace_but_the_last_use(verify, first_key, caplog):
    caplog.set_level(logging.DEBUG)
    records = CommandRecord.objects.count()

    verify(first_key.secret, address="198.51.100.7")
    verify(Token.generate().text)

    usage.flush()
    assert CommandRecord.objects.count() == records
    assert str(ApiKeyUsage.objects.get(api_key_id=first_key.id).last_used_from) == "198.51.100.7"
    assert not Allowance.objects.filter(pk=f"key:{first_key.id}").exists()
    assert not Allowance.objects.filter(pk__startswith="address:").exists()
    assert first_key.secret not in caplog.text + repr([r.__dict__ for r in caplog.records])


def test_a_verdict_against_a_secret_is_no_use_of_its_key(verify, first_key):
    verify(first_key.secret, scopes=["keys:verify"])

    usage.flush()
    assert not ApiKeyUsage.objects.filter(api_key_id=first_key.id).exists()
