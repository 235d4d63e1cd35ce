"""Events over HTTP: to look at, and to follow."""

import time
import uuid
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.log.feed import DELIVERY
from audit.models.records import EventRecord
from tests.conftest import actor, completed, create_key
from tests.http import call
from tests.threads import until

EVENTS = "/api/v2/events"


def answered(client, query="", **caller):
    path = query if query.startswith("/") else f"{EVENTS}?{query}"
    answer = call(client, "GET", path, **caller)
    assert answer.status_code == 200, answer.content
    return answer.json()


def types(page):
    return [row["type"] for row in page["results"]]


def ids(page):
    return [row["id"] for row in page["results"]]


def followed(client, path, *, count, key):
    """Follow the log for so many events, once nothing in the cluster holds the reader back."""
    seen, end = [], time.monotonic() + 60
    while len(seen) < count:
        assert time.monotonic() < end, f"{len(seen)} of {count} events were delivered"
        page = answered(client, path, key=key)
        seen += ids(page)
        path = page["next"]
    return seen, path


@pytest.fixture
def turned(first_key, dana, acme):
    """A key that was disabled and enabled again."""
    key = create_key(dana, acme, name="turned")
    completed(DisableApiKey(api_key_id=key.id))
    completed(EnableApiKey(api_key_id=key.id))
    return key


@pytest.fixture
def slow():
    """A transaction that has taken its place in the log, and is not over."""
    database = settings.DATABASES["owner"]
    with psycopg.connect(
        dbname=connection.settings_dict["NAME"],
        user=database["USER"],
        password=database["PASSWORD"],
        host=database["HOST"],
        port=database["PORT"],
    ) as other:
        yield other
        other.rollback()


def test_events_are_listed_newest_first(client, first_key, turned):
    page = answered(client, f"subject=api-key:{turned.id}", key=first_key)

    assert types(page) == ["apikeys.enabled", "apikeys.disabled", "apikeys.created"]
    event, *_ = page["results"]
    record = EventRecord.objects.get(id=event["id"])
    assert list(event) == [
        "id",
        "type",
        "subject",
        "number",
        "occurred_at",
        "data",
        "command",
        "correlation_id",
    ]
    assert event["command"] == {
        "id": str(record.command_id),
        "url": f"/api/v2/commands/{record.command_id}",
    }
    assert (event["number"], event["data"]["api_key_id"]) == (3, str(turned.id))


def test_filters_narrow_the_list_down(client, first_key, turned):
    record = EventRecord.objects.get(message_type="apikeys.disabled")
    moment = record.occurred_at.isoformat().replace("+00:00", "Z")

    def seen(query):
        return set(types(answered(client, query, key=first_key)))

    assert seen("type=apikeys.disabled") == {"apikeys.disabled"}
    assert seen(f"command_id={record.command_id}") == {"apikeys.disabled"}
    assert seen(f"correlation_id={record.correlation_id}") == {"apikeys.disabled"}
    assert seen(f"occurred_after={moment}") == {"apikeys.disabled", "apikeys.enabled"}
    assert "apikeys.disabled" not in seen(f"occurred_before={moment}")
    assert "apikeys.created" in seen(f"occurred_before={moment}")


def test_a_key_sees_its_customers_events_and_no_other(client, first_key, turned, gus, globex):
    theirs = create_key(gus, globex, name="theirs")

    mine = answered(client, "limit=100", key=first_key)
    others = answered(client, "limit=100", key=theirs)
    delivered, _ = followed(client, "order=log", count=len(others["results"]), key=theirs)

    subjects = {row["subject"]["id"] for row in others["results"]}
    assert subjects == {str(theirs.id), str(globex.pk)}
    assert {str(turned.id), str(first_key.id)} <= {row["subject"]["id"] for row in mine["results"]}
    assert not set(ids(mine)) & set(ids(others))
    assert set(delivered) == set(ids(others))


def test_a_key_without_a_scope_to_read_the_log_sees_what_it_brought_about(
    client, first_key, dana, acme, turned
):
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="n", scopes=("keys:write",))
    secret = dispatch(command, context=Context(actor=actor(dana))).secret
    call(client, "POST", f"/api/v2/api-keys/{turned.id}/disable", key=secret)

    assert types(answered(client, key=secret)) == ["apikeys.disabled"]
    (followed_id,), _ = followed(client, "order=log", count=1, key=secret)
    assert EventRecord.objects.get(id=followed_id).message_type == "apikeys.disabled"


def test_a_follower_gets_everything_once_and_a_place_to_go_on_also_when_there_is_nothing(
    client, first_key, turned, acme
):
    events = EventRecord.objects.filter(tenant=str(acme.pk)).order_by("xid", "position")
    before = [str(event.id) for event in events]

    seen, path = followed(client, "order=log&limit=2", count=len(before), key=first_key)
    nothing = answered(client, path, key=first_key)
    completed(DisableApiKey(api_key_id=turned.id))
    (news,), path = followed(client, nothing["next"], count=1, key=first_key)

    assert seen == before
    assert nothing["results"] == []
    assert news == str(events.last().id)
    assert answered(client, path, key=first_key)["results"] == []


def test_a_follower_misses_nothing_that_commits_late(client, first_key, turned, slow, acme):
    before = EventRecord.objects.filter(tenant=str(acme.pk)).count()
    _, path = followed(client, "order=log", count=before, key=first_key)
    slow.execute("SELECT set_config('audit.command_id', 'late', true)")
    slow.execute("INSERT INTO audit_streamhead VALUES ('api-key', 'late', 1)")
    (late,) = slow.execute(
        """
        INSERT INTO audit_eventrecord (epoch, id, number, occurred_at, command_id,
            attempt, message_type, schema_version, data, subject_type, subject_id, tenant,
            correlation_id)
        SELECT epoch, %s, 1, now(), command_id,
            attempt, message_type, schema_version, data, 'api-key', 'late', tenant,
            correlation_id
        FROM audit_eventrecord WHERE tenant = %s ORDER BY position DESC LIMIT 1 RETURNING id
        """,
        [uuid.uuid4(), str(acme.pk)],
    ).fetchone()
    completed(DisableApiKey(api_key_id=turned.id))

    while_it_is_open = answered(client, path, key=first_key)
    newest = answered(client, "", key=first_key)
    slow.commit()
    afterwards, _ = followed(client, while_it_is_open["next"], count=2, key=first_key)

    assert while_it_is_open["results"] == []
    assert types(newest)[0] == "apikeys.disabled"
    disabled = EventRecord.objects.filter(message_type="apikeys.disabled").last()
    assert afterwards == [str(late), str(disabled.id)]


def test_what_matches_no_filter_is_not_read_again(client, first_key, turned):
    newest = EventRecord.objects.latest("position")

    def goes_on_behind_it():
        page = answered(client, "order=log&type=approvals.withdrawn", key=first_key)
        assert page["results"] == []
        cursor = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        return DELIVERY.read(cursor)[1] > newest.xid

    until(goes_on_behind_it)


def test_a_list_takes_as_many_queries_for_many_as_for_one(client, first_key, turned):
    def queries(order, *, limit):
        captured, found = CaptureQueriesContext(connection), []

        def are_there():
            with captured:
                found[:] = ids(answered(client, f"order={order}&limit={limit}", key=first_key))
            return len(found) > limit // 2

        # Other transactions may hold the end of the log back for a moment.
        until(are_there)
        return len(captured)

    for order, most in (("newest", 3), ("log", 4)):
        assert queries(order, limit=1) == queries(order, limit=4) <= most


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("type=apikeys.disable", "type"),
        ("subject=planet:mars", "subject"),
        ("command_id=7", "command_id"),
        ("occurred_after=soon", "occurred_after"),
        ("actor=user:7", "actor"),
        ("order=oldest", "order"),
        ("order=log&cursor=zzz", "cursor"),
    ],
)
def test_an_unknown_parameter_is_a_problem_with_its_name(query, name, client, first_key):
    answer = call(client, "GET", f"{EVENTS}?{query}", key=first_key)

    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]


def test_a_cursor_is_invalid_for_another_order(client, first_key, turned):
    page = answered(client, "limit=1", key=first_key)
    cursor = page["next"].rpartition("cursor=")[2]

    answer = call(client, "GET", f"{EVENTS}?order=log&cursor={cursor}", key=first_key)

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "cursor")
