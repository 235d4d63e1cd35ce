"""One line a request, when it is answered."""

import structlog.testing

from tests.http import call


def line_of(act):
    """The one line that a request left."""
    with structlog.testing.capture_logs() as lines:
        act()
    (line,) = (each for each in lines if each["event"] == "request_finished")
    return line


def test_a_request_is_told_with_its_path_status_and_nothing_else_of_it(client, first_key):
    line = line_of(lambda: call(client, "GET", "/api/v2/api-keys?search=s3cret", key=first_key))

    assert (line["request"], line["code"]) == ("GET /api/v2/api-keys", 200)
    assert line["log_level"] == "info"
    assert "s3cret" not in repr(line)


def test_a_refusal_is_a_warning(client):
    line = line_of(lambda: call(client, "GET", "/api/v2/whoami"))

    assert (line["code"], line["log_level"], line["user_id"]) == (401, "warning", None)


def test_who_is_signed_in_is_told(iris, browser):
    client = browser(iris)

    line = line_of(lambda: client.get("/audit/"))

    assert line["user_id"] == iris.pk


def test_a_key_that_calls_makes_nobody_look_for_a_session(client, first_key):
    client.cookies["sessionid"] = "made-up"

    line = line_of(lambda: call(client, "GET", "/api/v2/whoami", key=first_key))

    assert line["user_id"] is None
