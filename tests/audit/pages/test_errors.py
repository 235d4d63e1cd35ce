"""Error pages: each in the site's frame, with the person who is signed in, and what to do."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.test import Client

from audit.pages.errors import server_error
from audit.rest.exception_handlers import Problem

CUSTOMERS = "/admin/apikeys/customer/"
FRAME = ('<div id="site-name">', "What to do:")
SIGNED_IN = ("Signed in as <strong>iris</strong>", 'action="/admin/logout/"', "Log out")


def fails(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.fixture
def failing(iris, browser, monkeypatch):
    """A function that gets a page of Iris on which an error is raised."""

    def get(error):
        client = browser(iris)
        client.raise_request_exception = False
        monkeypatch.setattr("apikeys.admin.CustomerAdmin.get_queryset", fails(error))
        return client.get(CUSTOMERS)

    return get


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", f"{CUSTOMERS}?created_at__gte=never", 400),
        ("get", "/admin/auth/user/", 403),
        ("get", "/no/such/page/", 404),
        ("put", "/audit/", 405),
        ("post", f"{CUSTOMERS}1/history/", 405),
    ],
)
def test_an_error_page_keeps_the_frame_and_the_person(method, path, status, iris, browser):
    client = browser(iris)

    response = getattr(client, method)(path)

    assert response.status_code == status
    assert_framed(response, *SIGNED_IN)


def test_a_form_without_a_token_keeps_the_frame_and_the_person(iris, browser):
    client = browser(iris)
    client.handler.enforce_csrf_checks = True

    response = client.post("/audit/export", {"format": "csv"})

    assert response.status_code == 403
    assert_framed(response, *SIGNED_IN, "This form was not accepted, and nothing was changed.")
    assert "DEBUG" not in response.content.decode()


def test_a_page_for_no_one_has_the_frame(db):
    response = Client().get("/no/such/page/")

    assert response.status_code == 404
    assert_framed(response)
    assert "Signed in as" not in response.content.decode()


def test_an_unexpected_error_keeps_the_frame_and_the_person_and_has_the_request_id(failing):
    response = failing(ZeroDivisionError())

    assert response.status_code == 500
    assert_framed(response, *SIGNED_IN, response["X-Request-Id"])


def test_an_outage_keeps_the_frame_and_the_person_and_has_the_request_id(failing):
    response = failing(OperationalError())

    assert response.status_code == 503
    assert response["Retry-After"]
    assert_framed(response, *SIGNED_IN, response["X-Request-Id"])


def test_the_page_of_an_outage_needs_no_database(iris, browser, django_db_blocker, monkeypatch):
    client = browser(iris)
    client.raise_request_exception = False
    monkeypatch.setattr(connection, "cursor", fails(OperationalError()))

    response = client.get(CUSTOMERS)

    assert response.status_code == 503
    assert_framed(response)


@pytest.mark.parametrize("path", [CUSTOMERS, "/api/v1/api-keys", "/api/v2/api-keys"])
def test_the_problem_of_an_outage_outside_a_view_is_built_once(path, rf, monkeypatch):
    built = []
    monkeypatch.setattr(Problem, "_take_any", noting(Problem._take_any, built))
    response = answer_to(OperationalError(), rf.get(path))

    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert len(built) == 1


@pytest.mark.parametrize("path", [CUSTOMERS, "/api/v1/api-keys", "/api/v2/api-keys"])
@pytest.mark.parametrize("error", [ZeroDivisionError, PermissionDenied])
def test_any_other_error_outside_a_view_is_unexpected(error, path, rf):
    response = answer_to(error(), rf.get(path))

    assert response.status_code == 500
    assert "Retry-After" not in response


def answer_to(error, request):
    try:
        fails(error)()
    except Exception:  # noqa: BLE001  # as Django does
        return server_error(request)


def noting(function, calls):
    def noted(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return noted


def test_a_method_that_is_not_allowed_is_told_with_the_ones_that_are(iris, browser):
    response = browser(iris).put("/audit/")

    assert response["Allow"] == "GET, HEAD"


def test_below_the_api_an_error_stays_json(iris, browser):
    response = browser(iris).put("/api/v2/openapi.json")

    assert response.status_code == 405
    assert response["Content-Type"] == "application/problem+json"


def assert_framed(response, *texts):
    content = response.content.decode()
    for text in (*FRAME, *texts):
        assert text in content
