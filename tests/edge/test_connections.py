"""Several requests over one connection: each response belongs to its request."""

import pytest

from tests.edge.client import HOST, exchange, head

pytestmark = pytest.mark.edge


@pytest.mark.parametrize("path", [b"/edge/fixed/1000", b"/edge/stream/3", b"/admin/login/"])
def test_a_response_to_head_has_no_body_before_the_next_response(server, path):
    first = b"HEAD " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"

    received = exchange(server.port, first + head(path=b"/edge/fixed/1"))

    answers = received.responses("HEAD", "GET")
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].body == b"x"


def test_the_length_of_a_response_to_head_is_that_of_get(server):
    answer = exchange(server.port, head(b"HEAD", b"/edge/fixed/1000")).only("HEAD")

    assert answer.headers["content-length"] == "1000"


def test_a_not_modified_response_has_no_body_before_the_next_response(server):
    unchanged = b"GET /edge/unchanged HTTP/1.1\r\n" + HOST + b"\r\n"

    received = exchange(server.port, unchanged + head(path=b"/edge/fixed/1"))

    assert [answer.status for answer in received.responses()] == [304, 200]


def test_five_requests_sent_at_once_are_answered_in_order(server):
    sizes = (1, 2, 3, 4)
    data = b"".join(b"GET /edge/fixed/%d HTTP/1.1\r\n%s\r\n" % (size, HOST) for size in sizes)
    body = b"POST /edge/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nab"

    received = exchange(server.port, data + body + head(path=b"/edge/fixed/5"))

    answers = received.responses()
    assert [len(answer.body) for answer in answers[:4]] == [1, 2, 3, 4]
    assert answers[4].json()["body"] == "ab"
    assert answers[5].body == b"xxxxx"


def test_a_body_that_the_application_ignores_is_not_taken_for_requests(server):
    smuggled = b"GET /edge/fixed/9 HTTP/1.1\r\n" + HOST + b"\r\n"
    length = b"Content-Length: %d\r\n" % (len(smuggled) * 2000)
    first = b"POST /edge/nowhere HTTP/1.1\r\n" + HOST + length + b"\r\n"

    received = exchange(server.port, first + smuggled * 2000, seconds=20)

    assert len(received.responses()) == 1


@pytest.mark.parametrize("kept", [b"", b"Connection: keep-alive\r\n"])
def test_http_1_0_is_answered_without_chunks(server, kept):
    request = b"GET /edge/stream/3 HTTP/1.0\r\n" + HOST + kept + b"\r\n"

    answer = exchange(server.port, request, seconds=20).only()

    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers
    assert len(answer.body) == 3 * 65536
