"""ETags and conditions of requests, as RFC 9110 defines them."""

import json
import uuid

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.conftest import create_key, policy
from tests.http import call
from tests.serving import serving

KEYS = "/api/v2/api-keys"
READABLE = [
    *("/api/v2/whoami", KEYS, "/api/v2/approval-requests", "/api/v2/policies"),
    *("/api/v2/commands", "/api/v2/events", "/api/v2/openapi.json"),
]


@pytest.fixture
def caller(dana, acme):
    return create_key(dana, acme, name="caller")


@pytest.fixture
def path(first_key):
    return f"{KEYS}/{first_key.id}"


@pytest.fixture
def signed_in(browser, policy_owners):
    """Signed in as one of the policy owners, who may see API keys as well."""
    olga, *_ = policy_owners
    olga.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    return browser(olga)


def read(client, path, **headers):
    answer = call(client, "GET", path, **headers)
    assert answer.status_code == 200, answer.content
    return answer


def version(answer):
    return answer.json()["version"]


def test_the_etag_of_a_key_covers_all_that_is_shown(client, caller, first_key, path):
    first = read(client, path, key=caller)
    with outside_command("Expire it"):
        ApiKey.objects.filter(pk=first_key.id).update(expires_at=timezone.now())
    expired = read(client, path, key=caller)

    assert first["ETag"].startswith(f'"{version(first)}-')
    assert expired.json()["state"] == "expired"
    assert expired["ETag"] != first["ETag"]


def test_a_waiting_request_changes_the_etag_but_stops_no_unrelated_change(
    client, caller, path, disabling_needs_two
):
    first = read(client, path, key=caller)
    call(client, "POST", f"{path}/disable", key=caller)
    waiting = read(client, path, key=caller, If_None_Match=first["ETag"])
    renamed = call(client, "PATCH", path, {"name": "x"}, key=caller, If_Match=first["ETag"])

    assert (len(waiting.json()["pending_approvals"]), version(waiting)) == (1, version(first))
    assert renamed.status_code == 200


def test_a_write_returns_the_etag_of_the_next_read_so_that_another_write_can_follow(client, caller):
    metadata = {"zz": [1e22, 1e16, -0.0, 1.0, 1e-7], "b": {"long": 2**63 - 1, "é": 1, "a": 0.1}}
    created = call(client, "POST", KEYS, {"name": "ci", "metadata": metadata}, key=caller)
    path = created["Location"]
    shown = read(client, path, key=caller)
    given_back = call(client, "PATCH", path, {"metadata": shown.json()["metadata"]}, key=caller)
    assert (given_back.status_code, given_back["ETag"]) == (200, shown["ETag"])
    assert shown.json()["metadata"] == metadata
    renamed = call(client, "PATCH", path, {"name": "x"}, key=caller, If_Match=created["ETag"])
    disabled = call(client, "POST", f"{path}/disable", key=caller, If_Match=renamed["ETag"])
    late = call(client, "DELETE", path, key=caller, If_Match=renamed["ETag"])

    assert (created["ETag"], path) == (shown["ETag"], shown.json()["url"])
    assert [version(each) for each in (created, renamed, disabled)] == [1, 2, 3]
    assert disabled["ETag"] == read(client, path, key=caller)["ETag"]
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ('"{n}"', 200),
        ('"9", "{n}-0123"', 200),
        (' "9-ab" ,, "{n}-" ', 200),
        ("*", 200),
        ('"9"', 412),
        ('W/"{n}"', 412),
        ('"x"', 412),
        ('"{n}-x y"', 400),
        ('"{n}x"', 412),
        ("{n}", 400),
        ('"9" "{n}"', 400),
        ("", 400),
    ],
)
def test_if_match_on_a_write_is_a_list_of_which_one_has_to_match(
    client, caller, path, given, status
):
    number = version(read(client, path, key=caller))

    answer = call(client, "POST", f"{path}/disable", key=caller, If_Match=given.format(n=number))

    assert answer.status_code == status, answer.content


@pytest.mark.parametrize(
    ("given", "status"), [("*", 412), ('"{n}"', 412), ('"9", W/"{n}-0"', 412), ('"9"', 200)]
)
def test_if_none_match_on_a_write_is_refused_by_what_matches(client, caller, path, given, status):
    number = version(read(client, path, key=caller))

    answer = call(
        client, "POST", f"{path}/disable", key=caller, If_None_Match=given.format(n=number)
    )

    assert answer.status_code == status, answer.content


def test_what_does_not_exist_can_be_created_if_none_matches(client, caller):
    created = call(client, "POST", KEYS, {"name": "ci"}, key=caller, If_None_Match="*")
    others = [
        call(client, "POST", KEYS, {"name": "ci"}, key=caller, If_Match=each)
        for each in ('"1"', "*")
    ]

    assert created.status_code == 201
    assert [each.status_code for each in others] == [412, 412]
    assert all("creates something" in each.json()["detail"] for each in others)
    assert ApiKey.objects.filter(name="ci").count() == 1


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ({"If_Match": 'W/"{n}"'}, "only weak ones"),
        ({"If_Match": '"x"'}, "no ETag with a version"),
        ({"If_Match": '"0"'}, "has changed since you read it"),
        ({"If_None_Match": "*"}, "accepts only what does not exist"),
        ({"If_None_Match": '"{n}"'}, "If-None-Match excludes"),
    ],
)
def test_the_detail_of_a_412_is_true(client, caller, path, condition, reason):
    number = version(read(client, path, key=caller))
    given = {name: value.format(n=number) for name, value in condition.items()}

    answer = call(client, "POST", f"{path}/disable", key=caller, **given)
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert reason in answer.json()["detail"]
    assert record.error_message == answer.json()["detail"]


@pytest.mark.parametrize("path", READABLE)
def test_every_get_is_304_for_who_has_it(path, signed_in):
    first = read(signed_in, path)
    weak = call(signed_in, "GET", path, If_None_Match=f'"x", W/{first["ETag"]}')
    either = call(signed_in, "HEAD", path, If_None_Match="*")
    other = call(signed_in, "GET", path, If_None_Match='"x"')
    guarded = call(signed_in, "GET", path, If_Match='"x"')

    assert (weak.status_code, weak.content, weak["ETag"]) == (304, b"", first["ETag"])
    assert "Content-Type" not in weak
    assert (either.status_code, other.status_code) == (304, 200)
    assert (guarded.status_code, guarded.json()["code"]) == (412, "precondition_failed")
    assert "does not name the current ETag" in guarded.json()["detail"]


def test_every_resource_has_a_version_and_304(client, caller, path, signed_in, disabling_needs_two):
    held = call(client, "POST", f"{path}/disable", key=caller)
    request = ApprovalRequest.objects.get()

    for where in (path, held["Location"], f"/api/v2/approval-requests/{request.pk}"):
        first = read(client, where, key=caller)
        assert first["ETag"].startswith(f'"{version(first)}-')
        same = call(client, "GET", where, key=caller, If_None_Match=first["ETag"])
        assert same.status_code == 304
    (shown,) = read(signed_in, "/api/v2/policies").json()["results"]
    one = read(signed_in, shown["url"])
    assert one["ETag"].startswith(f'"{shown["version"]}-')
    assert one.json() == shown


def test_a_list_shows_the_same_version(client, caller, path, disabling_needs_two):
    call(client, "POST", f"{path}/disable", key=caller)

    for where in (KEYS, "/api/v2/approval-requests", "/api/v2/commands"):
        for row in read(client, where, key=caller).json()["results"]:
            assert row["version"] == version(read(client, row["url"], key=caller))


def test_decisions_take_the_etag_of_the_request(client, caller, path, disabling_needs_two):
    call(client, "POST", f"{path}/disable", key=caller)
    where = f"/api/v2/approval-requests/{ApprovalRequest.objects.get().pk}"
    first = read(client, where, key=caller)
    note = {"comment": "Incident 7"}

    commented = call(client, "POST", f"{where}/comments", note, key=caller, If_Match=first["ETag"])
    late = call(client, "POST", f"{where}/withdraw", {}, key=caller, If_Match=first["ETag"])
    shown = read(client, where, key=caller)
    withdrawn = call(client, "POST", f"{where}/withdraw", {}, key=caller, If_Match=shown["ETag"])

    assert (commented.status_code, commented["ETag"]) == (200, shown["ETag"])
    assert version(commented) == version(first) + 1
    assert (late.status_code, withdrawn.status_code) == (412, 200)
    assert withdrawn["ETag"] == read(client, where, key=caller)["ETag"]


def test_a_change_of_a_policy_can_be_conditional(signed_in, disabling_needs_two):
    (shown,) = read(signed_in, "/api/v2/policies").json()["results"]
    etag = read(signed_in, shown["url"])["ETag"]

    stale = call(signed_in, "DELETE", shown["url"], If_Match=f'"{shown["version"] + 1}"')
    held = call(signed_in, "DELETE", shown["url"], If_Match=etag)

    assert (stale.status_code, held.status_code) == (412, 202)


WRITES = [
    ("PATCH", "", {"name": "x"}),
    ("DELETE", "", None),
    ("POST", "/enable", None),
    ("POST", "/disable", None),
    ("POST", "/rotate", {"overlap_seconds": 0}),
    ("POST", "/secret", None),
]


GOVERNED = [{}, {"effect": "forbid"}, {"condition": "subject.is_enabled"}]


@pytest.mark.parametrize("governed", GOVERNED)
@pytest.mark.parametrize(("method", "action", "body"), WRITES)
def test_a_policy_does_not_tell_what_is_hidden_from_what_is_missing(
    client, caller, gus, globex, security, ann, method, action, body, governed
):
    theirs, nothing = create_key(gus, globex, name="theirs").id, uuid.uuid4()
    policy("apikeys.*", group=security, quorum=1, **governed)

    hidden, missing = (
        call(client, method, f"{KEYS}/{each}{action}", body, key=caller)
        for each in (theirs, nothing)
    )

    assert hidden.status_code == missing.status_code == 404
    assert _without_ids(hidden, theirs) == _without_ids(missing, nothing)


@pytest.mark.parametrize(("method", "action", "body"), WRITES)
def test_who_may_send_no_such_command_is_not_told_what_is_missing(
    client, caller, gus, globex, dana, method, action, body
):
    dana.user_permissions.clear()
    theirs, nothing = create_key(gus, globex, name="theirs").id, uuid.uuid4()

    for condition in ({}, {"If_Match": '"7"'}, {"If_None_Match": "*"}):
        hidden, missing = (
            call(client, method, f"{KEYS}/{each}{action}", body, key=caller, **condition)
            for each in (theirs, nothing)
        )
        assert hidden.status_code == missing.status_code == (404 if action == "/secret" else 403)
        assert _without_ids(hidden, theirs) == _without_ids(missing, nothing)


def _without_ids(answer, identifier):
    told = answer.json()
    for name in ("request_id", "command_id"):
        told.pop(name, None)
    return json.dumps(told).replace(str(identifier), "…")


@pytest.mark.edge
def test_several_lines_of_a_header_are_one_list(first_key):
    path, caller = f"{KEYS}/{first_key.id}", ("Authorization", f"Bearer {first_key.secret}")
    with serving() as address, httpx.Client(base_url=address) as client:
        shown = client.get(path, headers=[caller])
        etag, length = shown.headers["ETag"], len(shown.content)
        known = [("If-None-Match", '"x"'), ("If-None-Match", etag)]
        same = client.get(path, headers=[caller, *known])
        wanted = [("If-Match", '"9"'), ("If-Match", etag)]
        renamed = client.patch(path, json={"name": "x"}, headers=[caller, *wanted])

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers.get("Content-Length") in (None, str(length))
    assert renamed.status_code == 200
