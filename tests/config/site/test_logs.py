"""Log lines are JSON, and tell nothing that a caller sent but the path."""

import io
import json
import logging

import pytest
import structlog

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


def test_a_line_is_one_json_object_whoever_wrote_it(written):
    logging.getLogger("tests.logs").warning("%s attempts", 3)
    structlog.get_logger("tests.logs").info("told", key_id="k1")

    plain, structured = written()
    assert (plain["event"], plain["level"]) == ("3 attempts", "warning")
    assert (structured["event"], structured["key_id"]) == ("told", "k1")


def test_a_request_is_told_without_its_query_and_headers(written):
    structlog.get_logger("tests.logs").info(
        "request_finished", request="GET /api/v2/api-keys?q=s3cret", user_agent="s3cret"
    )

    (line,) = written()
    assert line["request"] == "GET /api/v2/api-keys"
    assert "s3cret" not in json.dumps(line)


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
