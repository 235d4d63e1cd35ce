"""Epochs begin by themselves on another server, and readers learn what they must discard.

The other server is simulated by the identity of the newest epoch; see test_failover.py for real
ones.
"""

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection

from apikeys.commands import CreateCustomer, DeleteApiKey, DisableApiKey, EnableApiKey
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.log import epochs
from audit.log.feed import DELIVERY, Place, Rewound, horizon, place_of, read_after
from audit.messages.exceptions import Conflict
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, Epoch, EventRecord
from audit.outside import outside_command
from benchmarks.protocol import traffic_of
from tests.conftest import AS_SYSTEM, completed, create_key, pipelined_only, policy
from tests.http import call
from tests.threads import Crowd, until

ELSEWHERE = "ALTER TABLE audit_epoch DISABLE TRIGGER USER; UPDATE audit_epoch SET server = 'x/1/1'"
ELSEWHERE += "; ALTER TABLE audit_epoch ENABLE TRIGGER USER"
HERE = ELSEWHERE.replace("server = 'x/1/1'", "server = '{}' WHERE number = 1")


@pytest.fixture
def moved(owner):
    """A function that makes this server another one than that of the newest epoch."""
    before = Epoch.objects.get(number=1).server
    yield lambda: owner.execute(ELSEWHERE)
    owner.execute(HERE.format(before).encode())


def order_of_commands():
    """Return the number of epochs, and the types and epochs of all commands as recorded."""
    records = CommandRecord.objects.order_by("position")
    newest = Epoch.objects.latest("number").number
    return [(each.message_type, each.epoch == newest) for each in records]


def new_customer():
    return CreateCustomer(name=str(uuid4()))


ORIGIN = Place()
#: More transactions than the other databases of the cluster begin during a test.
FAR = 1_000_000
BEGUN = ("audit.begin_epoch", True)


def test_the_first_command_on_another_server_begins_an_epoch_that_is_recorded_first(moved):
    dispatch(new_customer(), context=AS_SYSTEM)
    moved()

    dispatch(new_customer(), context=AS_SYSTEM)
    dispatch(new_customer(), context=AS_SYSTEM)

    assert order_of_commands() == [
        ("apikeys.create_customer", False),
        BEGUN,
        ("apikeys.create_customer", True),
        ("apikeys.create_customer", True),
    ]
    begun = CommandRecord.objects.get(message_type="audit.begin_epoch")
    assert (begun.actor_kind, begun.status, bool(begun.reason)) == ("system", "succeeded", True)
    epoch = Epoch.objects.latest("number")
    assert (epoch.command_id, EventRecord.objects.get(command_id=begun.command_id).number) == (
        begun.command_id,
        1,
    )


def test_concurrent_commands_begin_one_epoch(moved):
    moved()
    with Crowd(8) as crowd:
        crowd.at_once(*[lambda: dispatch(new_customer(), context=AS_SYSTEM)] * 8)

    assert order_of_commands() == [BEGUN, *[("apikeys.create_customer", True)] * 8]


def test_the_first_commands_wait_for_each_other(moved, owner):
    moved()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with Crowd(2) as crowd:
        with owner.transaction():
            owner.execute("SELECT pg_advisory_xact_lock(%s)", [epochs._ADVISORY_LOCK])
            sent = [
                crowd.start(lambda: dispatch(new_customer(), context=AS_SYSTEM)) for _ in range(2)
            ]
            until(lambda: owner.execute(waiting).fetchone()[0] == 2)
            assert not any(each.done() for each in sent)
        assert all(isinstance(each.result(60), Completed) for each in sent)

    assert order_of_commands() == [BEGUN, *[("apikeys.create_customer", True)] * 2]


def test_a_refused_command_a_batch_and_a_direct_change_begin_one_too(moved, first_key):
    completed(DeleteApiKey(api_key_id=first_key.id))

    def refused():
        with pytest.raises(Conflict):
            dispatch(EnableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    def outside():
        with outside_command("A repair"):
            """Change nothing."""

    def batch():
        dispatch_all([new_customer(), new_customer()], context=Context(actor=SYSTEM))

    for write in (refused, outside, batch):
        moved()
        write()
        assert order_of_commands()[-3:].count(BEGUN) == 1
        assert CommandRecord.objects.latest("position").epoch == Epoch.objects.latest("number").pk


def test_input_that_makes_no_command_begins_one_too(moved, first_key, client):
    moved()

    answer = call(client, "POST", "/api/v2/api-keys", {"name": 7}, key=first_key)

    assert answer.status_code == 400
    assert order_of_commands()[-2:] == [BEGUN, ("apikeys.create", True)]


def test_no_policy_can_hold_it(moved, security, ann, bob):
    policy("audit.begin_epoch", group=security, quorum=2)
    moved()

    dispatch(new_customer(), context=AS_SYSTEM)

    assert order_of_commands()[-2] == BEGUN


def test_its_number_is_one_that_no_other_server_uses(moved):
    moved()
    dispatch(new_customer(), context=AS_SYSTEM)
    first = Epoch.objects.latest("number").number
    call_command("begin_epoch", reason="By hand")

    assert first > 10_000_000
    assert Epoch.objects.latest("number").number == first + 1


@pipelined_only
def test_a_new_epoch_costs_nothing_once_it_has_begun(moved, first_key):
    moved()
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    dispatch(EnableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    traffic = traffic_of(
        lambda: dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    )

    assert traffic.round_trips == 2


def dispatched_alone():
    """Send a command; return True if no transaction in the whole cluster was older then."""
    dispatch(new_customer(), context=AS_SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oldest_xid = xid FROM audit_commandrecord ORDER BY position DESC LIMIT 1"
        )
        return cursor.fetchone()[0]


def read_all(place=ORIGIN):
    """Return every event after a place, in one read: a later one may know fewer as settled."""
    total, found = EventRecord.objects.filter(DELIVERY.behind(place)).count(), []

    def are_settled():
        found[:] = read_after(EventRecord, place, limit=1000)
        return len(found) == total

    until(are_settled)
    return found


def until_found(client, path, *, key):
    """Return the types of the next events, once there are some."""
    found = []

    def are_there():
        found[:] = call(client, "GET", path, key=key).json()["results"]
        return found

    until(are_there)
    return [each["type"] for each in found]


def test_a_reader_that_has_read_no_more_than_is_here_goes_on(moved):
    until(dispatched_alone)
    place = place_of(read_all()[-1])
    moved()

    dispatch(new_customer(), context=AS_SYSTEM)

    news = read_all(place)[-2:]
    assert [each.message_type for each in news] == ["audit.epoch_begun", "apikeys.customer_created"]


def test_a_reader_that_has_read_more_than_is_here_is_told_what_to_discard(moved):
    until(dispatched_alone)
    last = read_all()[-1]
    # As if the former server had written one more event, which is lost.
    lost = Place(last.epoch, last.xid + FAR, last.position + 2)
    moved()
    dispatch(new_customer(), context=AS_SYSTEM)

    with pytest.raises(Rewound) as rewound:
        read_after(EventRecord, lost, limit=10)

    place = rewound.value.place
    assert place_of(last) < place < lost
    kinds = [each.message_type for each in read_all(place)]
    assert kinds == ["audit.epoch_begun", "apikeys.customer_created"]


def test_a_reader_from_an_epoch_that_is_unknown_here_is_told_so(moved):
    until(dispatched_alone)
    last = read_all()[-1]
    moved()
    dispatch(new_customer(), context=AS_SYSTEM)

    with pytest.raises(Rewound) as rewound:
        read_after(EventRecord, Place(2, 3, 4), limit=10)

    assert place_of(last) < rewound.value.place < Place(2)


def test_the_fork_is_before_a_commit_that_may_be_missing(moved, owner_transaction):
    """A transaction that began before the last record, and whose commit was lost, counts."""
    until(dispatched_alone)
    (began,) = owner_transaction.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    dispatch(new_customer(), context=AS_SYSTEM)
    dispatch(new_customer(), context=AS_SYSTEM)
    owner_transaction.rollback()
    last = read_all()[-1]
    moved()
    dispatch(new_customer(), context=AS_SYSTEM)

    with pytest.raises(Rewound) as rewound:
        read_after(EventRecord, Place(last.epoch, last.xid + FAR, 0), limit=10)
    place, again = rewound.value.place, []
    rest = read_all(place)
    # One at a time: a reader that stops between the fork and the new epoch is not sent back.
    while len(again) < len(rest):
        records = read_after(EventRecord, place, limit=1)
        again += records
        place = place_of(records[-1]) if records else place

    # Other databases of the cluster may have older transactions.
    assert rewound.value.place <= Place(1, began)
    assert [each.id for each in again] == [each.id for each in rest]
    assert last.id in {each.id for each in again}


def test_a_forged_number_does_not_stop_the_next_epoch(moved, owner):
    dispatch(new_customer(), context=AS_SYSTEM)
    # The serving role may not set these columns.
    owner.execute("CREATE TEMP TABLE forged AS SELECT * FROM audit_commandrecord LIMIT 1")
    owner.execute(
        "UPDATE forged SET position = nextval('audit_position'), command_id = %s,"
        " xid = '18446744073709551615', oldest_xid = '18446744073709551615'",
        [uuid4()],
    )
    owner.execute("INSERT INTO audit_commandrecord SELECT * FROM forged")
    owner.execute("DROP TABLE forged")
    moved()

    dispatch(new_customer(), context=AS_SYSTEM)

    assert order_of_commands()[-2] == BEGUN


def test_over_http_it_is_a_problem_with_the_last_event_to_keep_and_a_place_to_continue(
    client, moved, first_key, acme, dana
):
    reader = create_key(dana, acme, name="reader")
    until(dispatched_alone)
    mine = EventRecord.objects.filter(tenant=str(acme.pk)).order_by("xid", "position")
    kept = mine.last()
    read_all()
    lost = DELIVERY.cursor_at((kept.epoch, kept.xid + FAR, 0))
    moved()
    completed(DisableApiKey(api_key_id=first_key.id))

    path = f"/api/v2/events?order=log&limit=7&cursor={lost}"
    answer = call(client, "GET", path, key=reader)
    problem = answer.json()
    query = parse_qs(urlsplit(problem["next"]).query)
    rest = until_found(client, problem["next"], key=reader)

    assert (answer.status_code, problem["code"]) == (410, "log_rewound")
    assert problem["last_event_id"] == str(kept.id)
    assert query["limit"] == ["7"]
    assert rest == ["apikeys.disabled"]


def test_over_http_a_reader_of_an_idle_log_goes_on_after_a_failover_without_losses(
    client, moved, first_key, dana, acme, owner
):
    reader = create_key(dana, acme, name="reader")
    until(dispatched_alone)
    for _ in range(3):
        owner.execute("SELECT pg_current_xact_id()")
    path, seen = "/api/v2/events?order=log&limit=100", 0
    while seen < EventRecord.objects.filter(tenant=str(acme.pk)).count():
        page = call(client, "GET", path, key=reader).json()
        path, seen = page["next"], seen + len(page["results"])
    moved()
    completed(DisableApiKey(api_key_id=first_key.id))

    assert until_found(client, path, key=reader) == ["apikeys.disabled"]


def test_a_reader_is_never_beyond_the_end_of_its_own_log():
    for _ in range(3):
        dispatch(new_customer(), context=AS_SYSTEM)
    last = read_all()[-1]

    assert horizon(place_of(last)).fork is None
    assert horizon(Place(99, 1, 1)).fork is None
