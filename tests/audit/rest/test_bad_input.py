"""What callers send badly: each a clear problem, and nothing changed but the record of it."""

import json
from io import BytesIO

import pytest
from django.db import OperationalError, connections
from django.test import Client

from apikeys.models import ApiKey
from audit.models.records import CommandRecord
from tests.http import call

KEYS = "/api/v2/api-keys"


def send(client, key, content, content_type="application/json", **headers):
    return client.generic("POST", KEYS, content, content_type, headers={**key.headers, **headers})


def is_problem(answer, status, code):
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert Client().get(problem["type"]).status_code == 200
    return problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON"),
        (b'{"name": "ci",}', "not valid JSON"),
        (b"name=ci", "not valid JSON"),
        (b'\xef\xbb\xbf{"name": "ci"}', "not valid JSON"),
        (b'{"name": "ci"}\x00', "not valid JSON"),
        (b'{"name": NaN}', "not valid JSON"),
        (b'{"name": "\xff"}', "not valid UTF-8"),
        ('{"name": "ci"}'.encode("utf-16"), "not valid UTF-8"),
        (b'{"name": "ci", "name": "cd"}', "duplicate name"),
        (b'{"metadata": [{"a": 1, "a": 1}]}', "duplicate name"),
        (b'{"name": "\\ud800"}', "unpaired surrogate"),
        (b'{"\\uDFFF": 1}', "unpaired surrogate"),
        (b'{"name": 1e999}', "out of range"),
        (b'{"name": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[" * 33 + b"]" * 33, "nested deeper"),
        (b'{"a":' * 100_000, "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem_on_record(client, first_key, content, words):
    answer = send(client, first_key, content)

    assert words in is_problem(answer, 400, "parse_error")["detail"]
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.error_code) == ("refused", "parse_error")
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("content", [b"[]", b"null", b'"name"', b"7", b'[{"name": "ci"}]'])
def test_json_that_is_no_object_is_a_problem(client, first_key, content):
    answer = send(client, first_key, content)

    problem = is_problem(answer, 400, "invalid")
    assert problem["detail"]
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "refused"


def test_a_pair_of_surrogates_is_a_character(client, first_key):
    answer = send(client, first_key, b'{"name": "\\ud83d\\ude00"}')

    assert (answer.status_code, answer.json()["name"]) == (201, "\U0001f600")


def test_a_field_with_a_nul_byte_is_named(client, first_key):
    for body, pointer in (({"name": "a\x00b"}, "/name"), ({"na\x00me": "ab"}, "/na\x00me")):
        answer = send(client, first_key, json.dumps(body))

        problem = is_problem(answer, 400, "invalid")
        assert pointer in [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/problem+json",
        "/",
        ";",
        "application/json/x",
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_a_problem_on_record(client, first_key, content_type):
    answer = send(client, first_key, b'{"name": "ci"}', content_type)

    is_problem(answer, 415, "unsupported_media_type")
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "refused"
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=UTF-8", 'application/json;charset="utf-8"', "APPLICATION/JSON"],
)
def test_the_charset_that_is_meant_may_be_said(client, first_key, content_type):
    assert send(client, first_key, b'{"name": "ci"}', content_type).status_code == 201


def test_a_body_that_is_too_large_is_a_problem_on_record(client, first_key, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    answer = send(client, first_key, b'{"name": "' + b"x" * 100 + b'"}')

    assert "at most 100 bytes" in is_problem(answer, 413, "body_too_large")["detail"]
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "refused"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_truncated_body_is_refused(client, first_key, version):
    content = b'{"name": "ci"}'
    answer = client.generic(
        "POST",
        f"/api/{version}/api-keys",
        content,
        "application/json",
        headers=first_key.headers,
        **{"CONTENT_LENGTH": str(len(content) + 1), "wsgi.input": BytesIO(content)},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert "ended before" in answer.json()["detail"]
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "refused"
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(("version", "status"), [("v1", 400), ("v2", 411)])
def test_a_body_in_chunks_is_not_taken_for_none(client, first_key, version, status):
    path = f"/api/{version}/api-keys/{first_key.id}/disable"

    answer = call(client, "POST", path, key=first_key, Transfer_Encoding="chunked")

    assert (answer.status_code, answer.json()["code"]) == (status, "length_required")
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "refused"
    assert ApiKey.objects.get().is_enabled


def test_version_1_takes_what_it_always_took(client, first_key):
    content, said = b'{"name": "first", "name": "last"}', "application/json; charset=latin-1"

    answer = client.generic("POST", "/api/v1/api-keys", content, said, headers=first_key.headers)

    assert (answer.status_code, answer.json()["name"]) == (201, "last")


def test_a_method_that_an_address_does_not_take_is_a_problem_that_lists_those_it_does(
    client, first_key
):
    answer = call(client, "DELETE", KEYS, key=first_key)

    is_problem(answer, 405, "method_not_allowed")
    assert {each.strip() for each in answer["Allow"].split(",")} >= {"GET", "POST"}


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0.1", ";;;", "json"])
def test_an_answer_that_is_not_json_cannot_be_had(client, first_key, accept):
    answer = call(client, "GET", KEYS, key=first_key, Accept=accept)

    is_problem(answer, 406, "not_acceptable")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "application/json", "text/html, */*;q=0.1"]
)
def test_json_can_be_had(client, first_key, accept):
    assert call(client, "GET", KEYS, key=first_key, Accept=accept).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/nothing",
        "/api/v2/",
        "/api/v2",
        "/api/",
        "/api/v3/api-keys",
        f"{KEYS}/",
        f"{KEYS}/7",
        f"{KEYS}/%00",
        f"{KEYS}/%ff",
        f"{KEYS}/%zz",
        f"{KEYS}/..%2f..%2fadmin",
        f"{KEYS}/{'0' * 5000}",
        "/api/v2/commands/01A2",
        "/api/v2/commands/{command_id}",
        "//api/v2/api-keys/",
    ],
)
def test_an_unknown_url_is_a_problem(client, first_key, path):
    answer = call(client, "GET", path, key=first_key)

    if path.startswith("/api/"):
        is_problem(answer, 404, "not_found")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "format=xml",
        "%00=1",
        "a%00b=%00",
        "%ff=%fe",
        "%zz",
        "&&=&",
        "x" * 5000,
        "&".join("a" * 2000),
    ],
)
@pytest.mark.parametrize("path", ["commands", "events", "approval-requests"])
def test_a_query_that_means_nothing_is_a_problem(client, first_key, path, query):
    answer = call(client, "GET", f"/api/v2/{path}?{query}", key=first_key)

    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid", "bad_request"}


@pytest.mark.parametrize("key", ["a,b", "a, a", "k" * 256, "with space", "\x00", "käse"])
def test_an_idempotency_key_that_may_be_two_is_refused(client, first_key, key):
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key=key)

    problem = is_problem(answer, 400, "invalid")
    assert [error["header"] for error in problem["errors"]] == ["Idempotency-Key"]
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("path", [KEYS, "/api/v2/commands", "/api/v2/events", "/api/v2/whoami"])
def test_a_database_that_is_away_is_told_as_such_to_who_reads(
    path, client, first_key, configure, severed_connection
):
    configure(RATE_LIMIT_FAILS_OPEN=True)

    answer = call(client, "GET", path, key=first_key)

    is_problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "1"


@pytest.fixture
def severed_connection(monkeypatch):
    """Nobody listens where the database was."""
    connection = connections["default"]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    yield
    connection.close()


def test_a_database_that_is_away_makes_an_operational_error(severed_connection):
    with pytest.raises(OperationalError):
        ApiKey.objects.count()
