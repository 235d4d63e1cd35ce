"""Version 2: problem details, Idempotency-Key, If-Match, and a status to follow."""

import uuid

import pytest
from django.conf import settings
from django.test import Client

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from tests.conftest import completed, create_key
from tests.http import call

KEYS = "/api/v2/api-keys"


def test_an_error_is_a_problem_that_says_what_to_do(client, first_key):
    answer = call(client, "POST", KEYS, {"name": "", "colour": "red"}, key=first_key)

    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert problem["status"] == 400
    assert problem["command_id"] == answer["Command-Id"]
    assert problem["errors"][0]["pointer"] == "/name"


def test_an_unknown_field_is_refused_by_name(client, first_key):
    answer = call(client, "POST", KEYS, {"name": "ci", "colour": "red"}, key=first_key)

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "/colour", "code": "unknown", "detail": "is not a known field"}
    ]


def test_a_repeat_under_the_same_key_does_nothing_twice(client, first_key):
    first = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")
    again = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Command-Id"] == first["Command-Id"]
    assert again["Idempotency-Replayed"] == "true"
    note = again.json()["secret_note"]
    assert again.json() == {**first.json(), "secret": None, "secret_note": note}
    assert first.json()["secret_note"] is None
    assert f"POST /api/v2/api-keys/{first.json()['id']}/rotate" in note
    assert ApiKey.objects.filter(name="ci").count() == 1
    assert CommandRecord.objects.filter(idempotency_key="k-1").count() == 1


def test_the_same_key_for_another_request_is_refused(client, first_key):
    call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")

    answer = call(client, "POST", KEYS, {"name": "cd"}, key=first_key, Idempotency_Key="k-1")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.idempotency_key) == ("refused", None)
    assert not ApiKey.objects.filter(name="cd").exists()


def test_keys_of_different_callers_do_not_meet(client, first_key, dana, acme):
    second_key = create_key(dana, acme, name="second")
    mine = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")

    theirs = call(client, "POST", KEYS, {"name": "other"}, key=second_key, Idempotency_Key="k-1")

    assert (mine.status_code, theirs.status_code) == (201, 201)


def test_a_repeat_of_a_refusal_is_refused_the_same(client, first_key):
    path = f"{KEYS}/{first_key.id}/secret"
    first = call(client, "POST", path, key=first_key, Idempotency_Key="k-1")
    again = call(client, "POST", path, key=first_key, Idempotency_Key="k-1")

    assert (first.status_code, again.status_code) == (409, 409)
    assert again["Command-Id"] == first["Command-Id"]
    assert again.json()["detail"] == first.json()["detail"]
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")


def test_input_that_cannot_be_read_does_not_use_up_the_key(client, first_key):
    call(client, "POST", KEYS, {"name": ""}, key=first_key, Idempotency_Key="k-1")

    mended = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="k-1")

    assert mended.status_code == 201


def test_a_repeat_returns_the_status_of_a_held_command(
    client, first_key, dana, acme, disabling_needs_two, ann, bob, context_of
):
    other = create_key(dana, acme, name="other")
    path = f"{KEYS}/{other.id}/disable"
    held = call(client, "POST", path, key=first_key, Idempotency_Key="k-1")
    still_held = call(client, "POST", path, key=first_key, Idempotency_Key="k-1")
    request = ApprovalRequest.objects.get()
    for person in (ann, bob):
        vote = Approve(approval_request_id=request.pk, digest=request.digest)
        completed(vote, context=context_of(person))
    done = call(client, "POST", path, key=first_key, Idempotency_Key="k-1")

    assert [held.status_code, still_held.status_code, done.status_code] == [202, 202, 200]
    assert held["Command-Id"] == still_held["Command-Id"] == done["Command-Id"]
    assert done.json()["enabled"] is False


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "käse"])
def test_a_bad_idempotency_key_is_refused_in_words(client, first_key, key):
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key=key)

    assert answer.status_code == 400
    assert "visible ASCII" in answer.json()["detail"]


def test_if_match_refuses_what_would_meet_another_write(client, first_key, dana, acme):
    other = create_key(dana, acme, name="other")
    path = f"{KEYS}/{other.id}"
    etag = call(client, "GET", path, key=first_key)["ETag"]
    completed(DisableApiKey(api_key_id=other.id))

    late = call(client, "POST", f"{path}/enable", key=first_key, If_Match=etag)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")

    etag = call(client, "GET", path, key=first_key)["ETag"]
    in_time = call(client, "POST", f"{path}/enable", key=first_key, If_Match=etag)
    assert in_time.status_code == 200


@pytest.mark.parametrize("etag", ["1", "x", '"1" "2"', '"1", *', 'w/"1"'])
def test_an_etag_that_is_none_of_ours_is_refused_in_words(client, first_key, etag):
    path = f"{KEYS}/{first_key.id}/enable"

    answer = call(client, "POST", path, key=first_key, If_Match=etag)

    assert (answer.status_code, answer.json()["errors"][0]["header"]) == (400, "If-Match")


@pytest.mark.parametrize("reason", ["Rotation", "Größe geändert"])
def test_the_reason_comes_by_header_or_body(client, first_key, dana, acme, reason):
    other = create_key(dana, acme, name="other")
    header = reason.encode().decode("latin-1")

    first = call(client, "POST", f"{KEYS}/{other.id}/disable", key=first_key, Audit_Reason=header)
    second = call(client, "POST", f"{KEYS}/{other.id}/enable", {"reason": reason}, key=first_key)

    for answer in (first, second):
        assert CommandRecord.objects.get(command_id=answer["Command-Id"]).reason == reason


def test_the_record_keeps_what_is_known_of_the_request(client, first_key, acme):
    answer = call(
        client,
        "POST",
        KEYS,
        {"name": "ci"},
        key=first_key,
        X_Request_Id="req-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        User_Agent="curl/8",
        X_Forwarded_For="203.0.113.9",
    )

    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.request_id, record.user_agent) == ("req-1", "curl/8")
    assert record.traceparent.startswith("00-0af7651916cd43dd")
    assert record.client_address == "127.0.0.1"
    assert (record.channel, record.tenant) == ("v2", str(acme.pk))
    assert (record.subject_type, record.result_id) == ("api-key", answer.json()["id"])
    assert record.decision == {"effect": "allow"}
    assert record.duration_us > 0


def test_a_held_command_answers_with_a_reference_and_no_resource(
    client, first_key, disabling_needs_two
):
    answer = call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=first_key)

    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == body["command"]["url"]
    assert body["status"] == "postponed"
    assert body["resource"] == {"type": "api-key", "id": str(first_key.id)}
    assert body["approval_request"]["requirements"] == [
        {"group": "Security", "needed": 2, "have": 0}
    ]
    assert "name" not in body


def test_the_status_shows_the_progress_of_the_approvals(
    client, first_key, dana, acme, disabling_needs_two, ann, bob, context_of
):
    other = create_key(dana, acme, name="other")
    held = call(client, "POST", f"{KEYS}/{other.id}/disable", key=first_key)
    request = ApprovalRequest.objects.get()
    vote = Approve(approval_request_id=request.pk, digest=request.digest)
    completed(vote, context=context_of(ann))

    status = call(client, "GET", held["Location"], key=first_key).json()
    assert (status["status"], status["approval"]["have"]) == ("postponed", 1)

    denial = Deny(approval_request_id=request.pk, digest=request.digest)
    completed(denial, context=context_of(bob, reason="Still in use"))
    status = call(client, "GET", held["Location"], key=first_key).json()
    assert status["status"] == "cancelled"
    assert status["error"] == {
        "type": f"{settings.BASE_URL}/docs/errors/denied",
        "title": "Denied",
        "status": 409,
        "detail": "Denied by bob: “Still in use”",
        "code": "denied",
    }
    assert [attempt["status"] for attempt in status["attempts"]] == ["postponed", "cancelled"]


def test_another_customers_command_is_not_found(client, first_key, gus, globex):
    theirs = create_key(gus, globex, name="theirs")
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key)

    for command_id in (answer["Command-Id"], uuid.uuid4()):
        status = call(client, "GET", f"/api/v2/commands/{command_id}", key=theirs)
        assert (status.status_code, status.json()["code"]) == (404, "not_found")


def test_two_customers_with_the_same_request_id_see_nothing_of_each_other(
    client, first_key, gus, globex
):
    theirs = create_key(gus, globex, name="theirs")
    mine = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, X_Request_Id="same")
    other = call(client, "POST", KEYS, {"name": "ci"}, key=theirs, X_Request_Id="same")

    records = CommandRecord.objects.filter(request_id="same")
    assert len({record.correlation_id for record in records}) == 2
    assert mine["Command-Id"] != other["Command-Id"]
    seen = call(client, "GET", f"{KEYS}/{mine.json()['id']}", key=theirs)
    assert seen.status_code == 404


def test_a_person_signed_in_uses_the_api_with_a_csrf_token_only(dana, first_key):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(dana)

    assert browser.get("/api/v2/whoami").json()["label"] == "dana"
    forged = browser.post(KEYS, {"name": "ci"}, content_type="application/json")
    assert forged.status_code == 403


def test_wrong_methods_media_types_and_sizes_are_reported(client, first_key, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    headers = first_key.headers
    large = client.generic("POST", KEYS, b" " * 101, "application/json", headers=headers)
    media = client.generic("POST", KEYS, b"<a/>", "text/xml", headers=headers)
    method = call(client, "DELETE", KEYS, key=first_key)

    assert (large.status_code, media.status_code, method.status_code) == (413, 415, 405)
    assert {large["Content-Type"], media["Content-Type"]} == {"application/problem+json"}


def test_an_address_that_is_none_is_a_problem_too(client):
    answer = client.get("/api/v2/nothing-here")

    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("name", "number"), [("ci\u200b", "U+200B"), ("c\u3164i", "U+3164"), ("c\u2800i", "U+2800")]
)
def test_a_name_with_a_character_that_cannot_be_seen_is_refused(client, first_key, name, number):
    created = call(client, "POST", "/api/v2/api-keys", {"name": name}, key=first_key)
    path = f"/api/v2/api-keys/{first_key.id}"
    renamed = call(client, "PATCH", path, {"name": name}, key=first_key)

    for response in (created, renamed):
        assert response.status_code == 400
        (error,) = response.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/name", "misleading")
        assert number in error["detail"]


def test_version_1_still_takes_such_a_name_and_shows_it_by_number(client, first_key):
    response = call(client, "POST", "/api/v1/api-keys", {"name": "ci\u200b"}, key=first_key)

    assert response.status_code == 201
    assert "“ci[U+200B]”" in str(ApiKey.objects.get(pk=response.json()["id"]))
