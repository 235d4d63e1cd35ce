"""What is remembered of a request, and what is not believed of it."""

from uuid import UUID

import pytest
from django.test import RequestFactory

from audit.bus.context import RequestFacts
from audit.entry.requests import request_facts
from audit.messages.text import clean_text


def facts(**meta):
    return request_facts(RequestFactory().get("/", **meta))


def test_the_callers_ids_and_program_are_remembered():
    found = facts(
        HTTP_X_REQUEST_ID="req-1",
        HTTP_TRACEPARENT="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        HTTP_USER_AGENT="curl/8.5",
        REMOTE_ADDR="192.0.2.7",
    )

    assert found == RequestFacts(
        request_id="req-1",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        user_agent="curl/8.5",
        client_address="192.0.2.7",
    )


def test_a_request_without_headers_has_only_an_id():
    found = facts(REMOTE_ADDR="")

    assert found == RequestFacts(request_id=found.request_id)
    assert UUID(found.request_id).version == 7


@pytest.mark.parametrize("given", ["", "two words", "a\r\nb", "caf\xe9", "\x00", "x" * 201])
def test_an_id_that_is_not_well_formed_is_replaced(given):
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID=given)

    found = request_facts(request).request_id

    assert UUID(found).version == 7
    assert request_facts(request).request_id == found


@pytest.mark.parametrize("given", ["req-1", "x" * 200, "a/b:c+d=e@f.g", "!~"])
def test_a_well_formed_id_is_kept(given):
    assert facts(HTTP_X_REQUEST_ID=given).request_id == given


def test_without_trusted_proxies_nobody_can_make_up_an_address(configure):
    configure(TRUSTED_PROXIES=0)

    found = facts(HTTP_X_FORWARDED_FOR="203.0.113.9", REMOTE_ADDR="192.0.2.7")

    assert found.client_address == "192.0.2.7"


@pytest.mark.parametrize(
    ("proxies", "address"),
    [(1, "198.51.100.3"), (2, "203.0.113.9"), (3, "10.0.0.1"), (4, None)],
)
def test_each_trusted_proxy_counts_one_address_from_the_right(configure, proxies, address):
    configure(TRUSTED_PROXIES=proxies)

    found = facts(HTTP_X_FORWARDED_FOR="10.0.0.1, 203.0.113.9,198.51.100.3")

    assert found.client_address == address


@pytest.mark.parametrize("left", ["\xc3\xa9", "x" * 9000, ",,", "unknown, ", '"', "\x00"])
def test_nothing_to_the_left_of_it_can_erase_the_address(configure, left):
    configure(TRUSTED_PROXIES=1)

    found = facts(HTTP_X_FORWARDED_FOR=f"{left}, 198.51.100.3:4711")

    assert found.client_address == "198.51.100.3"


def test_behind_a_proxy_a_request_without_its_header_has_no_address(configure):
    configure(TRUSTED_PROXIES=1)

    assert facts(REMOTE_ADDR="192.0.2.7").client_address is None


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
        ("2001:db8::1:4711", "2001:db8::1:4711"),
        ("[192.0.2.7", None),
        ("192.0.2.7:port", None),
        ("fe80::1%eth0", None),
        ("unknown", None),
        ("192.0.2.7'; DROP TABLE", None),
    ],
)
def test_only_an_address_is_stored_as_one(sent, stored):
    assert facts(REMOTE_ADDR=sent).client_address == stored


def test_headers_are_read_as_utf_8_where_they_are():
    as_wsgi_hands_it_over = "Żółw/1".encode().decode("latin-1")

    assert facts(HTTP_USER_AGENT=as_wsgi_hands_it_over).user_agent == "Żółw/1"
    assert facts(HTTP_USER_AGENT="caf\xe9/1").user_agent == "café/1"


def test_headers_are_one_line_and_cut():
    assert facts(HTTP_USER_AGENT="a\x00b\x1b[31m\r\nc").user_agent == "ab[31m c"
    assert len(facts(HTTP_TRACEPARENT="x" * 300).traceparent) == 200
    assert len(facts(HTTP_USER_AGENT="x" * 900).user_agent) == 500


def test_clean_text_keeps_lines_and_drops_what_cannot_be_stored():
    assert clean_text(" one\r\n\ttwo\x00\x7f\x85\ud800 ", longest=99) == "one\n\ttwo"
    assert clean_text("żółw", longest=3) == "żół"
