"""Problems: every code has a type with a page, a title, and a word on what to do."""

import re
from html import unescape

import pytest
from django.conf import settings
from django.test import Client
from rest_framework import exceptions as drf

from audit.messages.exceptions import CommandError
from audit.models.records import CommandRecord
from audit.rest import problems
from audit.rest.exception_handlers import Problem
from tests.http import call

KEYS = "/api/v2/api-keys"


def subclasses(kind):
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


OURS = sorted(
    {each for each in subclasses(CommandError) if not each.__module__.startswith("tests")},
    key=lambda each: (each.code, each.__module__),
)
OF_THE_FRAMEWORK = [
    drf.ParseError(),
    drf.NotAuthenticated(),
    drf.AuthenticationFailed(),
    drf.PermissionDenied(),
    drf.NotFound(),
    drf.MethodNotAllowed("PUT"),
    drf.NotAcceptable(),
    drf.UnsupportedMediaType("text/xml"),
    drf.Throttled(wait=3),
    drf.ValidationError({"name": ["Wrong"]}),
    drf.APIException(),
    *(each() for each in subclasses(drf.APIException) if hasattr(each, "remedy")),
]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_of_ours_has_a_page_with_its_meaning_and_a_remedy(kind):
    told = Problem(kind()).details()

    answer = Client().get(told["type"])
    page = answer.content.decode()

    assert answer.status_code == 200
    assert told["title"] == problems.title_of(kind.code)
    assert f"{told['status']} " in page
    for words in (kind.code, kind.__doc__.strip().splitlines()[0], kind.remedy):
        assert words in unescape(page)
    assert re.fullmatch(r"[A-Z].*[.]", kind.remedy), kind.remedy


@pytest.mark.parametrize("error", OF_THE_FRAMEWORK, ids=lambda error: type(error).__name__)
def test_every_error_of_the_framework_has_a_page_with_its_status(error):
    told = Problem(error).details()

    page = problems.pages()[told["code"]]

    assert told["type"] == f"{settings.BASE_URL}{page.path}"
    assert told["status"] in {cause.status for cause in page.causes}
    assert all(cause.meaning and cause.remedy for cause in page.causes)


def test_the_index_lists_every_code_for_anybody():
    answer = Client().get("/docs/errors")

    page = answer.content.decode()
    assert answer.status_code == 200
    assert all(f'href="{path}"' in page for path in (problems.path_of(k.code) for k in OURS))
    assert all(kind.__doc__.strip().splitlines()[0] in unescape(page) for kind in OURS)
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert " style=" not in page


@pytest.mark.parametrize("name", ["nothing-like-that", "not_found", "NOT-FOUND", "%00", "a/b"])
def test_an_unknown_problem_has_no_page(name):
    answer = Client().get(f"/docs/errors/{name}")

    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_pages_are_to_read_only():
    for path in ("/docs/errors", "/docs/errors/not-found"):
        assert Client().post(path).status_code == 405
        assert Client().head(path).status_code == 200


def test_a_problem_names_its_type_its_title_and_the_request(client, first_key):
    path = f"{KEYS}/{first_key.id}/secret"
    answer = call(client, "POST", path, key=first_key, X_Request_Id="req-1")

    problem = answer.json()
    assert problem == {
        "type": f"{settings.BASE_URL}/docs/errors/nothing-to-pick-up",
        "title": "Nothing to pick up",
        "status": 409,
        "detail": problem["detail"],
        "code": "nothing_to_pick_up",
        "request_id": "req-1",
        "command_id": answer["Command-Id"],
    }


@pytest.mark.parametrize("path", ["/api/v1/api-keys", "/api/v2/whoami", "/api/v2/nothing"])
def test_every_response_carries_the_id_of_its_request(path, client, first_key):
    for key in (first_key, "garbage", None):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            answer = call(client, method, path, key=key, X_Request_Id="req-1")
            assert answer["X-Request-Id"] == "req-1"
            if answer.get("Content-Type") == "application/problem+json" and answer.content:
                assert answer.json()["request_id"] == "req-1"


@pytest.mark.parametrize("path", [f"{KEYS}/none", "/api/v2/nothing", "/api/v2/commands?x=1"])
def test_a_request_without_an_id_is_given_one(path, client, first_key):
    first = call(client, "GET", path, key=first_key).json()["request_id"]
    second = call(client, "GET", path, key=first_key).json()["request_id"]

    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert first != second


@pytest.mark.parametrize("given", ["req-1", "a\x1b[31mb\x00c" + "x" * 300])
def test_the_record_has_the_id_of_the_response(client, first_key, given):
    path = f"{KEYS}/{first_key.id}/secret"

    answer = call(client, "POST", path, key=first_key, X_Request_Id=given)

    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert record.request_id == answer["X-Request-Id"] == answer.json()["request_id"]
    assert (record.request_id == given) is (given == "req-1")


def test_a_request_that_django_turns_down_itself_is_a_problem_with_an_id(client, first_key):
    answer = client.get("/api/v2/whoami", headers=first_key.headers, HTTP_HOST="evil.example")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert (answer.json()["code"], len(answer.json()["request_id"])) == ("bad_request", 36)


def test_the_names_of_fields_are_escaped_in_pointers(client, first_key):
    body = {"name": "ci", "a/b~c": 1}

    answer = call(client, "POST", KEYS, body, key=first_key)

    assert [error["pointer"] for error in answer.json()["errors"]] == ["/a~1b~0c"]


def test_a_pointer_leads_into_lists(browser, policy_owners, manager):
    rules = [{"group": "Policy owners", "quorum": 1}, {"group": "Policy owners", "quorum": 0}]
    body = {"governs": "apikeys.disable", "rules": rules}

    answer = call(browser(manager), "POST", "/api/v2/policies", body)

    assert [error["pointer"] for error in answer.json()["errors"]] == ["/rules/1/quorum"]
