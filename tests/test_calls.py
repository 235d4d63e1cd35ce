"""How many calls lead from one file to another on the most important paths.

The limits keep the paths short enough to follow. `calls_between_files` lists each call.
"""

import pytest

from approvals.models import ApprovalRequest
from tests.approvals.admin_pages import decide, form, send
from tests.calls import calls_between_files
from tests.conftest import create_key, pipelined_only
from tests.http import call

# Without the pipeline, each statement takes calls of its own.
pytestmark = pipelined_only

MOST = {"enable": 123, "held": 181, "first vote": 318, "last vote": 328, "search": 127}


@pytest.fixture
def caller(dana, acme):
    return create_key(dana, acme, name="caller")


def count(act):
    return calls_between_files(act).total()


def test_enabling_a_key(client, caller, first_key):
    enable, disable = (f"/api/v2/api-keys/{first_key.id}/{verb}" for verb in ("enable", "disable"))
    for path in (disable, enable, disable):
        call(client, "POST", path, key=caller)

    assert count(lambda: call(client, "POST", enable, key=caller)) <= MOST["enable"]


def test_holding_a_command_and_voting(
    client, caller, first_key, dana, acme, disabling_needs_two, ann, bob, browser
):
    for_ann, for_bob = browser(ann), browser(bob)
    warm_up = create_key(dana, acme, name="second")
    path = "/api/v2/api-keys/{}/disable"
    call(client, "POST", path.format(warm_up.id), key=caller)
    decide(for_ann, ApprovalRequest.objects.get(), "approve")
    decide(for_bob, ApprovalRequest.objects.get(), "approve")

    held = count(lambda: call(client, "POST", path.format(first_key.id), key=caller))
    request = ApprovalRequest.objects.get(state="pending")
    first = form(for_ann, request, "approve")
    first_vote = count(lambda: send(for_ann, request, first))
    last = form(for_bob, request, "approve")
    last_vote = count(lambda: send(for_bob, request, last))

    request.refresh_from_db()
    assert request.state == "executed"
    assert held <= MOST["held"]
    assert first_vote <= MOST["first vote"]
    assert last_vote <= MOST["last vote"]


def test_searching_the_log(first_key, iris, browser):
    client = browser(iris)
    client.get("/audit/", {"reason": "first"})

    assert count(lambda: client.get("/audit/", {"reason": "first"})) <= MOST["search"]
