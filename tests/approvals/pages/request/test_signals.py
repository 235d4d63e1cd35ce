"""Risk signals on the page of a request: when they appear, and when not."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from apikeys.commands import DisableApiKey, EnableApiKey
from approvals.models import ApprovalRequest
from audit.bus.context import Context, RequestFacts
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from tests.approvals.admin_pages import LIST
from tests.conftest import actor, create_key

HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"
CURL, PYTHON = "curl/8.5", "python-requests/2.32"


@pytest.fixture
def send(dana, acme, disabling_needs_two):
    """A function that sends commands of Dana, each on a key of its own; some are held."""

    def dispatch_one(command_class=DisableApiKey, *, address=HOME, client=CURL, reason="Leaked"):
        key = create_key(dana, acme, name=f"key-{datetime.now(UTC):%H%M%S%f}")
        facts = RequestFacts(client_address=address, user_agent=client)
        context = Context(actor=actor(dana), channel="v2", reason=reason, request=facts)
        outcome = dispatch(command_class(api_key_id=key.id), context=context)
        return ApprovalRequest.objects.filter(command_id=outcome.command_id).first()

    return dispatch_one


@pytest.fixture
def signals(browser, ann):
    """A function that returns the risk signals on the page of a request."""

    def read(request):
        answer = browser(ann).get(f"{LIST}{request.pk}/change/")
        assert ("Risk signals" in answer.content.decode()) == bool(answer.context["signals"])
        return answer.context["signals"]

    return read


def test_a_usual_request_has_no_signals(send, signals):
    send()

    assert signals(send()) == []


def test_an_address_that_the_requester_has_not_used_before_is_a_signal(send, signals):
    send()

    told = signals(send(address=ELSEWHERE))

    assert told == [f"New address: dana has not used {ELSEWHERE} before."]
    assert signals(send(address=ELSEWHERE)) == []


def test_a_client_that_the_requester_has_not_used_before_is_a_signal(send, signals):
    send()

    assert signals(send(client=PYTHON)) == [f"New client: dana has not used {PYTHON} before."]
    assert signals(send(client=PYTHON)) == []


def test_an_unknown_address_and_client_are_no_signals(send, signals):
    send()

    assert signals(send(address=None, client="")) == []


def test_the_first_use_of_a_command_is_a_signal(send, signals):
    first = send()

    assert signals(first) == ["First use: dana has not sent this command before."]
    assert signals(send()) == []


def test_the_fifth_request_within_ten_minutes_is_a_burst(send, signals):
    *_, fourth, fifth = [send() for _ in range(5)]

    assert signals(fourth) == []
    assert signals(fifth) == ["Burst: 5 requests by dana within 10 minutes."]


def test_commands_that_were_not_held_make_no_burst(dana, send, signals, first_key):
    send()
    for _ in range(5):
        with suppress(CommandError):
            dispatch(EnableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))

    assert signals(send()) == []


def test_requests_of_more_than_ten_minutes_ago_make_no_burst(send, signals, owner):
    *_, fifth = [send() for _ in range(5)]
    with owner.transaction():
        owner.execute("ALTER TABLE audit_commandrecord DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_commandrecord SET received_at = received_at - interval '11 minutes' "
            "WHERE command_id <> %s",
            [fifth.command_id],
        )
        owner.execute("ALTER TABLE audit_commandrecord ENABLE TRIGGER USER")

    assert signals(fifth) == []


def test_a_missing_reason_is_a_signal(send, signals):
    send()

    assert signals(send(reason="")) == ["Missing reason: the requester gave none."]
