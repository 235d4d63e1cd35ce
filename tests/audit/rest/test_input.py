"""Input as clients of all kinds write it: ids, times, codings; and what errors say of it."""

import gzip
import json
import uuid
from urllib.parse import quote

import pytest
from django.urls import get_resolver

from tests.conformance import document
from tests.conftest import create_key
from tests.http import call

KEYS = "/api/v2/api-keys"


@pytest.fixture
def caller(dana, acme):
    return create_key(dana, acme, name="caller")


def test_an_id_may_be_in_capitals(client, caller, first_key):
    path = f"{KEYS}/{str(first_key.id).upper()}"

    shown = call(client, "GET", path, key=caller)
    disabled = call(client, "POST", f"{path}/disable", key=caller)
    command_id = disabled["Command-Id"].upper()
    command = call(client, "GET", f"/api/v2/commands/{command_id}", key=caller)

    assert (shown.status_code, shown.json()["id"]) == (200, str(first_key.id))
    assert (disabled.status_code, disabled.json()["url"]) == (200, f"{KEYS}/{first_key.id}")
    assert command.json()["url"] == f"/api/v2/commands/{command_id.lower()}"


@pytest.mark.parametrize("form", ["{0.hex}", "{{{0}}}", "urn:uuid:{0}", " {0}"])
def test_an_id_has_its_hyphens_and_nothing_else(client, caller, acme, first_key, form):
    written = quote(form.format(first_key.id))
    customer_id = form.format(acme.pk)

    in_path = call(client, "GET", f"{KEYS}/{written}", key=caller)
    in_lists = [
        call(client, "GET", f"/api/v2/{each}{written}", key=caller)
        for each in ("events?command_id=", "commands?correlation_id=", "events?subject=api-key:")
    ]
    in_body = call(client, "POST", KEYS, {"name": "x", "customer_id": customer_id}, key=caller)

    assert in_path.status_code == 404
    assert [each.status_code for each in (*in_lists, in_body)] == [400] * 4
    assert in_body.json()["errors"][0]["pointer"] == "/customer_id"


def test_a_compressed_body_is_refused_with_the_accepted_coding(client, caller):
    answer = client.generic(
        "POST",
        KEYS,
        gzip.compress(b'{"name": "ci"}'),
        content_type="application/json",
        headers={"Authorization": f"Bearer {caller.secret}", "Content-Encoding": "gzip"},
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "compressed_body")
    assert answer["Accept-Encoding"] == "identity"


def test_a_body_as_it_is_may_say_so(client, caller):
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=caller, Content_Encoding="identity")

    assert answer.status_code == 201


TIMES = [
    *("2027-03-01", "2027-03-01T00:00:00", "2027-03-01 00:00", "2027-03-01T00:00Z", "tomorrow"),
    *("2027-03-01 00:00:00Z", "2027-02-30T00:00:00Z", "2027-03-01T24:00:01Z"),
]
NEEDED = (
    "must be a valid date and time with seconds and an offset, such as 2027-03-01T00:00:00Z "
    "or 2027-03-01T01:00:00+01:00"
)


@pytest.mark.parametrize("time", TIMES)
def test_a_time_without_an_offset_is_refused_in_a_body(client, caller, time):
    answer = call(client, "POST", KEYS, {"name": "ci", "expires_at": time}, key=caller)

    error = {"pointer": "/expires_at", "code": "invalid", "detail": NEEDED}
    assert (answer.status_code, answer.json()["errors"]) == (400, [error])


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (KEYS, "created_after"),
        (KEYS, "last_used_before"),
        ("/api/v2/commands", "received_after"),
        ("/api/v2/events", "occurred_before"),
    ],
)
def test_a_time_without_an_offset_is_refused_in_a_url(client, caller, path, name, time):
    answer = call(client, "GET", f"{path}?{name}={time}", key=caller)

    error = {"parameter": name, "code": "invalid", "detail": NEEDED}
    assert (answer.status_code, answer.json()["errors"]) == (400, [error])


@pytest.mark.parametrize(
    "time", ["2027-03-01T00:00:00Z", "2027-03-01t02:00:00.5+02:00", "2027-03-01t00:00:00z"]
)
def test_a_time_with_an_offset_is_accepted(client, caller, time):
    answer = call(client, "POST", KEYS, {"name": "ci", "expires_at": time}, key=caller)

    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize("text", ["x", "31", "-1", "1.0", ""])
def test_a_number_out_of_its_limits_is_told_both(client, caller, text):
    command = call(client, "POST", KEYS, {"name": "ci"}, key=caller)["Command-Id"]

    answer = call(client, "GET", f"/api/v2/commands/{command}?wait={text}", key=caller)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["parameter"]) == (400, "wait")
    assert error["detail"] == "must be a whole number from 0 to 30"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        *("/api/v2/whoami", "/api/v2/openapi.json", "/api/v2/policies", KEYS, f"{KEYS}/{{key}}"),
        *("/api/v2/commands", "/api/v2/events", "/api/v2/approval-requests"),
    ],
)
def test_an_unknown_parameter_of_a_read_is_refused(client, caller, path, method):
    where = path.format(key=caller.id)

    answer = call(client, method, f"{where}?foo=1", key=caller)

    assert answer.status_code == 400
    if method == "GET":
        (error,) = answer.json()["errors"]
        assert (error["parameter"], error["code"]) == ("foo", "unknown")


def test_an_unknown_parameter_of_a_verification_is_refused(client, caller):
    answer = call(client, "POST", f"{KEYS}/verify?foo=1", {"secret": "x"}, key=caller)

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "foo")


def test_version_1_still_ignores_parameters(client, caller):
    assert call(client, "GET", "/api/v1/api-keys?foo=1", key=caller).status_code == 200


@pytest.mark.parametrize("body", [None, [], "x", 1, {}])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_no_detail_begins_with_a_colon(client, caller, first_key, method, body):
    path = KEYS if method == "POST" else f"{KEYS}/{first_key.id}"
    answer = client.generic(
        method,
        path,
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {caller.secret}"},
    )

    problem = answer.json()
    assert answer.status_code == 400
    assert not problem["detail"].startswith((":", " "))
    assert "dictionary" not in problem["detail"]
    assert not any(error["detail"].startswith(":") for error in problem["errors"])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_error_about_a_customer_names_the_customer_and_no_id(client, caller, globex, version):
    for customer in (globex.pk, uuid.uuid4()):
        body = {"name": "ci", "customer_id": str(customer)}
        answer = call(client, "POST", f"/api/{version}/api-keys", body, key=caller)

        told = answer.json()
        assert answer.status_code == 404
        assert told["detail"] == "customer_id: does not exist, or you have no access to it"
        if version == "v2":
            assert told["errors"][0]["pointer"] == "/customer_id"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/api/v2/api-keys/{api_key_id}/disable"),
        ("post", "/api/v2/api-keys/{api_key_id}/enable"),
        ("post", "/api/v2/api-keys/{api_key_id}/secret"),
        ("delete", "/api/v2/api-keys/{api_key_id}"),
        ("delete", "/api/v2/policies/{policy_id}"),
        ("post", "/api/v1/api-keys/{api_key_id}/disable"),
    ],
)
def test_every_command_documents_its_body(method, path):
    body = document()["paths"][path][method]["requestBody"]

    assert "required" not in body
    assert body["content"]["application/json"]["schema"]["$ref"].endswith("Input")


def test_the_document_leaves_the_schemas_of_responses_open(settings):
    text = (settings.BASE_DIR / "docs/openapi.json").read_text()
    schemas = json.loads(text)["components"]["schemas"]

    closed = [name for name, each in schemas.items() if each.get("additionalProperties") is False]
    assert [name for name in closed if not name.endswith(("Input", "Request"))] == []


def test_every_tag_is_declared(settings):
    found = json.loads((settings.BASE_DIR / "docs/openapi.json").read_text())
    used = {t for path in found["paths"].values() for each in path.values() for t in each["tags"]}

    assert {each["name"] for each in found["tags"]} == used


def test_no_route_of_version_2_takes_ids_in_lower_case_only():
    routes = [str(each) for each in get_resolver("config.urls").reverse_dict.values()]

    assert any("api/v2/" in each for each in routes)
    assert [each for each in routes if "api/v2/" in each and "[0-9a-f]{8}" in each] == []
