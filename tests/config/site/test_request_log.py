"""One line a request, when it is answered."""

import structlog.testing

from apikeys.commands import DisableApiKey
from audit.models.records import CommandRecord
from tests.approvals.admin_pages import form
from tests.conftest import held
from tests.http import call


def line_of(act):
    """The one line that a request left."""
    with structlog.testing.capture_logs() as lines:
        act()
    (line,) = (each for each in lines if each["event"] == "request_finished")
    return line


def test_a_request_is_logged_with_its_path_and_status_only(client, first_key):
    line = line_of(lambda: call(client, "GET", "/api/v2/api-keys?search=s3cret", key=first_key))

    assert (line["request"], line["code"]) == ("GET /api/v2/api-keys", 200)
    assert line["log_level"] == "info"
    assert "s3cret" not in repr(line)


def test_a_refusal_is_a_warning(client):
    line = line_of(lambda: call(client, "GET", "/api/v2/whoami"))

    assert (line["code"], line["log_level"], line["user_id"]) == (401, "warning", None)


def test_the_signed_in_person_is_logged(iris, browser):
    client = browser(iris)

    line = line_of(lambda: client.get("/audit/"))

    assert line["user_id"] == iris.pk


def test_a_request_with_a_key_reads_no_session(client, first_key):
    client.cookies["sessionid"] = "made-up"

    line = line_of(lambda: call(client, "GET", "/api/v2/whoami", key=first_key))

    assert (line["user_id"], line["key_id"]) == (None, str(first_key.id))


def test_the_line_has_the_ids_of_the_command(client, first_key):
    path, trace = f"/api/v2/api-keys/{first_key.id}/disable", "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X_Request_Id": "req-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answers = []

    line = line_of(lambda: answers.append(call(client, "POST", path, key=first_key, **headers)))

    assert line["command_id"] == answers[0]["Command-Id"]
    assert (line["trace_id"], line["code"]) == (trace, 200)
    assert line["duration_ms"] > 0


def test_a_decision_in_the_admin_is_logged_with_its_command(
    first_key, disabling_needs_two, dana, ann, context_of, browser
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    page = f"/admin/approvals/approvalrequest/{request.pk}/decide/"
    client = browser(ann)
    fields = form(client, request, "deny") | {"reason": "Not now"}

    line = line_of(lambda: client.post(page, fields, headers={"X-Request-Id": "req-1"}))

    record = CommandRecord.objects.get(message_type="approvals.deny")
    assert line["command_id"] == str(record.command_id)
    assert record.request_id == "req-1"


def test_a_response_that_never_reaches_a_view_is_logged_too(client, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert line_of(lambda: client.get("/admin/login/"))["code"] == 301
    assert line_of(lambda: client.get("/admin/", HTTP_HOST="evil.example"))["code"] == 400
