"""Topics at a broker: nothing that a tenant is named breaks out of its token."""

import re
from uuid import uuid4

import pytest

from audit.reactions.relays.brokers import RelayedEvent


def topic(tenant, message_type="apikeys.enabled"):
    event = RelayedEvent(
        id=uuid4(),
        message_type=message_type,
        tenant=tenant,
        key="api-key:1",
        body=b"{}",
        content_type="application/json",
        relay="test",
    )
    return event.topic


TENANTS = {
    "acme": "acme",
    "Acme_2-b": "Acme_2-b",
    "": "~",
    "~": "%7E",
    "%7E": "%257E",
    "a.b": "a%2Eb",
    "*": "%2A",
    ">": "%3E",
    "$JS": "%24JS",
    " a\tb\r\n\0": "%20a%09b%0D%0A%00",
    "ü": "%C3%BC",
    "x" * 200: "x" * 200,
    "x" * 201: "~84a0678c90937f5dcf9994d5866668da6b995109c8ad845410559b48a4ecafed",
}


@pytest.mark.parametrize(("tenant", "token"), TENANTS.items(), ids=ascii)
def test_a_tenant_is_one_token(tenant, token):
    assert topic(tenant) == f"{token}.apikeys.enabled"
    assert re.fullmatch(r"[A-Za-z0-9_%~-]{1,200}", token)


def test_a_type_has_a_token_for_each_part():
    assert topic("acme", "a.b_c..*.>") == "acme.a.b_c.~.%2A.%3E"
