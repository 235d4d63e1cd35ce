"""Log lines are JSON, and tell nothing that a caller sent but the path."""

import io
import json
import logging

import pytest
import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from config.site import logs


@pytest.fixture
def written():
    """Return what was logged so far, parsed."""
    formatter = dict(logs.settings(layout="json", level="INFO")["formatters"]["line"])
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter.pop("()")(**formatter))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield lambda: [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    logger.removeHandler(handler)


def test_each_line_is_one_json_object_from_any_logger(written):
    logging.getLogger("tests.logs").warning("%s attempts", 3)
    structlog.get_logger("tests.logs").info("told", key_id="k1")

    plain, structured = written()
    assert (plain["event"], plain["level"]) == ("3 attempts", "warning")
    assert (structured["event"], structured["key_id"]) == ("told", "k1")


def test_a_request_is_logged_without_its_query_and_headers(written):
    structlog.get_logger("tests.logs").info(
        "request_finished", request="GET /api/v2/api-keys?q=s3cret", user_agent="s3cret"
    )

    (line,) = written()
    assert line["request"] == "GET /api/v2/api-keys"
    assert "s3cret" not in json.dumps(line)


@pytest.mark.parametrize(
    "secret",
    [
        "disxpy-0123456789abcdef0123456789abcdef",
        "cs_live_4fzZtBDdUkW2gHqXyqkJ9v0000000000a",
        "eyJhbGciOiJIUzI1NiJ9",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_possible_secrets_in_a_path_are_masked(written, secret):
    structlog.get_logger("tests.logs").info("told", request=f"GET /set-password/MTA/{secret}/")
    logging.getLogger("tests.logs").warning("Not Found: %s", f"/x/{secret}")

    assert secret not in json.dumps(written())
    assert written()[0]["request"] == "GET /set-password/MTA/[masked]/"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/api-keys/019f3e7a-5c1d-7b42-9d5e-8a1f0c6b2e94/disable",
        "/static/admin/css/base.1f418065fc2c.css",
        "/admin/approvals/approvalrequest/",
        "/docs/from-v1-to-v2.md",
    ],
)
def test_ordinary_paths_are_logged_in_full(written, path):
    structlog.get_logger("tests.logs").info("told", request=f"GET {path}")

    assert written()[0]["request"] == f"GET {path}"


@pytest.mark.parametrize("logger", [logging.getLogger, structlog.get_logger])
def test_a_traceback_shows_no_local_variables(written, logger):
    password = "s3cret"

    try:
        fail_with(password)
    except ZeroDivisionError:
        logger("tests.logs").exception("failed")

    (line,) = written()
    assert "ZeroDivisionError" in line["exception"]
    assert "s3cret" not in json.dumps(line)


def fail_with(password):
    return len(password) / 0


@pytest.mark.django_db
def test_the_traceback_of_another_logger_quotes_no_values_of_rows(written):
    User.objects.create(username="smith")
    try:
        with transaction.atomic():
            User.objects.create(username="smith")
    except IntegrityError:
        logging.getLogger("tests.logs").exception("failed")

    (line,) = written()
    assert "auth_user_username_key" in line["exception"]
    assert "(smith)" not in line["exception"]
