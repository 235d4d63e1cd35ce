"""Waiting over HTTP for a command to become final."""

import threading
import time
from contextlib import ExitStack, nullcontext
from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey
from audit.bus.context import Context
from audit.log.polling import Crowded, Places
from tests.conftest import actor, approved, create_key, held, new_approver
from tests.http import call
from tests.threads import Crowd, until

COMMANDS = "/api/v2/commands"


@pytest.fixture
def request_(first_key, dana, acme, disabling_needs_two):
    """Dana asks to disable another key: two of Security have to approve."""
    other = create_key(dana, acme, name="other")
    return held(DisableApiKey(api_key_id=other.id), context=Context(actor=actor(dana)))


@pytest.fixture
def get(request_, first_key):
    """Ask for the command, with these parameters; returns also how often its status was looked up.

    A request that waits does so every 0.3 seconds.
    """

    def ask(query=""):
        path = f"{COMMANDS}/{request_.command_id}?{query}"
        with CaptureQueriesContext(connection) as captured:
            answer = call(Client(), "GET", path, key=first_key)
        is_look_up = 'SELECT 1 AS "a" FROM "audit_commandrecord"'
        return answer, sum(each["sql"].startswith(is_look_up) for each in captured)

    return ask


def is_waited_for(*, by=1):
    """Whether sessions of this database have looked for a final record and are idle since."""
    sql = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND query LIKE '%audit_commandrecord%status%IN%'
    """
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0] >= by


def test_a_final_command_is_returned_at_once(get, request_, ann, bob):
    approved(request_, ann, bob)

    answer, look_ups = get("wait=30")

    assert (answer.json()["status"], "Retry-After" in answer) == ("succeeded", False)
    assert look_ups == 0


def test_a_held_command_is_returned_when_the_time_is_over(get):
    begun = time.monotonic()
    answer, look_ups = get("wait=1")

    assert (answer.status_code, answer.json()["status"]) == (200, "postponed")
    assert time.monotonic() - begun >= 1
    assert look_ups < 10


def test_a_command_that_becomes_final_is_returned_then(get, request_, ann, bob):
    with Crowd(1) as crowd:
        waiting = crowd.start(lambda: get("wait=30"))
        until(is_waited_for)
        approved(request_, ann, bob)
        answer, look_ups = waiting.result()

    assert answer.json()["status"] == "succeeded"
    assert [each["status"] for each in answer.json()["attempts"]] == ["postponed", "succeeded"]
    # In 30 seconds there are 100.
    assert look_ups < 100


def test_no_transaction_is_open_while_a_request_waits(get):
    sql = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
            AND state <> 'active'
    """
    with Crowd(1) as crowd:
        waiting = crowd.start(lambda: get("wait=2"))
        until(is_waited_for)
        seen = []
        while not waiting.done():
            with connection.cursor() as cursor:
                cursor.execute(sql)
                seen += cursor.fetchone()
        assert waiting.result()[0].status_code == 200

    assert seen
    assert set(seen) == {0}


def test_more_than_may_wait_are_answered_at_once(get, request_, configure, ann, bob):
    configure(MAX_WAITERS=1)
    with Crowd(1) as crowd:
        waiting = crowd.start(lambda: get("wait=30"))
        until(is_waited_for)
        answer, look_ups = get("wait=30")
        approved(request_, ann, bob)
        assert waiting.result()[0].json()["status"] == "succeeded"

    assert (answer.status_code, answer.json()["status"]) == (200, "postponed")
    assert answer["Retry-After"] == "2"
    assert look_ups == 0


def test_one_customer_that_waits_does_not_keep_others_from_waiting(
    get, request_, configure, gus, globex, ann, bob
):
    configure(MAX_WAITERS=2)
    theirs = create_key(gus, globex, name="theirs")
    outcome = held_by_globex(gus, globex, theirs)
    with Crowd(3) as crowd:
        first = crowd.start(lambda: get("wait=30"))
        until(is_waited_for)
        second = crowd.start(lambda: get("wait=30"))
        until(partial(is_waited_for, by=2))
        started = time.monotonic()
        url = f"{COMMANDS}/{outcome.command_id}?wait=1"
        answer = call(Client(), "GET", url, key=theirs)
        seconds = time.monotonic() - started

        assert ("Retry-After" in answer, seconds >= 1) == (False, True)
        assert first.result()[0]["Retry-After"] == "2"
        approved(request_, ann, bob)
        assert "Retry-After" not in second.result()[0]


@pytest.mark.parametrize(
    ("taken", "caller", "loses"),
    [
        (["a", "a"], "a", None),
        (["a", "b"], "a", None),
        (["a", "b"], "c", None),
        (["a", "a"], "b", 0),
        (["b", "a", "a"], "b", None),
        (["b", "a", "a", "a"], "b", 1),
        ([], "a", None),
    ],
)
def test_a_place_goes_to_the_caller_with_the_fewest(taken, caller, loses):
    places = Places(len(taken))
    with ExitStack() as stack:
        events = [stack.enter_context(places.taken_by(each)) for each in taken]
        expected = nullcontext() if loses is not None else pytest.raises(Crowded)

        with expected, places.taken_by(caller):
            pass

        assert [event.is_set() for event in events] == [n == loses for n in range(len(taken))]


class _Paused(str):
    """The name of a caller whose request pauses while it compares who has which place."""

    __slots__ = ("compares", "may_go_on")

    def __eq__(self, other):
        self.compares.set()
        assert self.may_go_on.wait(60)
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_second_caller_waits_until_the_first_has_its_place():
    places, leaves = Places(2), threading.Event()
    first = _Paused("first")
    first.compares, first.may_go_on = threading.Event(), threading.Event()

    def take(caller):
        with places.taken_by(caller):
            assert leaves.wait(60)

    with Crowd(2) as crowd, places.taken_by("zoe"), places.taken_by("zoe"):
        crowd.start(partial(take, first))
        assert first.compares.wait(60)
        second = crowd.start(partial(take, "second"))
        with pytest.raises(TimeoutError):
            second.result(0.3)
        first.may_go_on.set()
        # Otherwise it would have got the place that is the first's by now.
        assert isinstance(second.result(60), Crowded)
        leaves.set()


def held_by_globex(gus, globex, theirs):
    """A held command of the other customer."""
    for name in ("val", "vera"):
        new_approver(name, globex, groups=[Group.objects.get(name="Security")])
    return held(DisableApiKey(api_key_id=theirs.id), context=Context(actor=actor(gus)))


def test_a_place_to_wait_is_free_again_afterwards(get, configure):
    configure(MAX_WAITERS=1)

    answers = [get("wait=1")[0] for _ in range(2)]

    assert ["Retry-After" in answer for answer in answers] == [False, False]
    assert threading.active_count() < 10


@pytest.mark.parametrize("wait", ["-1", "31", "1.5", "1.0", "ten", "", "%00", "1&wait=2"])
def test_anything_but_0_to_30_whole_seconds_is_refused(get, wait):
    answer, look_ups = get(f"wait={wait}")

    assert answer.status_code == 400, answer.content
    assert [error["parameter"] for error in answer.json()["errors"]] == ["wait"]
    assert look_ups == 0
