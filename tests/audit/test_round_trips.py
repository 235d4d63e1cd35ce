"""What a write costs, counted in statements and trips: a regression shows without a clock.

PQtrace, of libpq itself, tells what really travels. Each number is the whole of a dispatch, BEGIN
and COMMIT included.
"""

from functools import partial

import pytest

from apikeys.authentication.credentials import authenticate
from apikeys.commands import CreateApiKey, DeleteApiKey, DisableApiKey, EnableApiKey
from approvals.decisions.commands import Approve
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Conflict
from audit.reactions import declarations
from audit.reactions.declarations import reacts_to
from audit.testing import react
from benchmarks.protocol import Traffic, traffic_of
from tests.conftest import actor, approved, create_key, held, pipelined_only
from tests.http import call
from tests.transparency import sequence

pytestmark = pipelined_only


def traffic_of_dispatch(command, context) -> Traffic:
    """Count what one dispatch sends."""
    return traffic_of(partial(dispatch, command, context=context))


def warm_up(api_key, context) -> None:
    """Have everything prepared that is prepared once on a connection."""
    dispatch(DisableApiKey(api_key_id=api_key.id), context=context)
    dispatch(EnableApiKey(api_key_id=api_key.id), context=context)


@pytest.fixture
def context(dana):
    return Context(actor=actor(dana), channel="test", reason="To count")


def test_enabling_and_disabling_take_two_round_trips(first_key, context):
    warm_up(first_key, context)

    disabling = traffic_of_dispatch(DisableApiKey(api_key_id=first_key.id), context)
    enabling = traffic_of_dispatch(EnableApiKey(api_key_id=first_key.id), context)

    # BEGIN, the row lock and the opening; the UPDATE, the record and COMMIT.
    assert disabling == enabling == Traffic(statements=6, round_trips=2)


def test_a_subscription_adds_nothing_to_a_dispatch(first_key, context, monkeypatch):
    """No statement, no round trip, no NOTIFY."""
    warm_up(first_key, context)
    monkeypatch.setattr(declarations, "_subscriptions", {})
    without = traffic_of_dispatch(DisableApiKey(api_key_id=first_key.id), context)
    reacts_to("*", name="test.all", starts="beginning")(lambda *_: None)
    react()

    traffic = traffic_of_dispatch(EnableApiKey(api_key_id=first_key.id), context)

    assert traffic == without == Traffic(statements=6, round_trips=2)


def test_the_transparency_log_adds_nothing_to_a_dispatch(first_key, context):
    """No statement and no round trip, and no column: a leaf is added after the fact."""
    warm_up(first_key, context)
    without = traffic_of_dispatch(DisableApiKey(api_key_id=first_key.id), context)
    sequence()

    enabling = traffic_of_dispatch(EnableApiKey(api_key_id=first_key.id), context)

    assert enabling == without == Traffic(statements=6, round_trips=2)


def test_a_write_over_http_takes_three_round_trips_including_its_response(
    client, first_key, dana, acme
):
    enable, disable = (f"/api/v2/api-keys/{first_key.id}/{verb}" for verb in ("enable", "disable"))
    caller = create_key(dana, acme, name="caller")
    for path in (disable, enable, disable):
        call(client, "POST", path, key=caller)

    traffic = traffic_of(lambda: call(client, "POST", enable, key=caller))

    # Who calls; the opening; the rest, and behind COMMIT what surrounds the key.
    assert traffic == Traffic(statements=8, round_trips=3)


def test_creating_takes_five_round_trips(first_key, acme, dana, context):
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="second")

    # BEGIN and the opening; whether the owner is a member, and similar names; the key; the
    # skeletons of its name and its secret; the rest.
    assert traffic_of_dispatch(command, context) == Traffic(statements=8, round_trips=5)


def test_a_refusal_takes_three_round_trips(first_key, dana, acme, context):
    deleted = create_key(dana, acme, name="deleted")
    warm_up(deleted, context)
    dispatch(DeleteApiKey(api_key_id=deleted.id), context=context)
    command = EnableApiKey(api_key_id=deleted.id)

    def refused():
        with pytest.raises(Conflict):
            dispatch(command, context=context)

    # BEGIN, the row lock and the opening; ROLLBACK; the record in a transaction of its own.
    assert traffic_of(refused) == Traffic(statements=7, round_trips=3)


def test_a_held_command_takes_seven_round_trips(
    first_key, dana, acme, disabling_needs_two, context
):
    held(DisableApiKey(api_key_id=first_key.id), context=context)
    second = create_key(dana, acme, name="second")

    # BEGIN, the row lock and the opening; the policies; the check; who may approve; the queue and
    # who is in it; the subject; the request, its history, the record and COMMIT.
    assert traffic_of_dispatch(DisableApiKey(api_key_id=second.id), context) == Traffic(12, 7)


def test_the_last_vote_and_its_execution_take_nine_round_trips(
    first_key, disabling_needs_two, context, ann, bob
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context)
    approved(request, ann)
    vote = Approve(approval_request_id=request.pk, digest=request.digest)

    assert traffic_of_dispatch(vote, Context(actor=actor(bob))) == Traffic(24, 9)


def test_authentication_takes_one_round_trip(first_key):
    authenticate(first_key.secret, address="192.0.2.1")

    traffic = traffic_of(lambda: authenticate(first_key.secret, address="192.0.2.1"))

    assert traffic == Traffic(1, 1)
