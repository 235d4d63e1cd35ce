"""Orders and cursors: pages without gaps or repeats, and only valid cursors are read."""

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db.models import Q
from hypothesis import given as for_all
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.log.orders import Key, Order
from audit.models.records import CommandRecord
from audit.rest.listing import page
from tests.conftest import completed, create_key
from tests.probes import deed, to

BY_CAUSE = Order("cause", Key("causation_id", UUID), Key("position", int), nulls_last=True)
BY_TIME = Order("time", Key("received_at", datetime), Key("command_id", UUID), is_ascending=True)
BY_LABEL = Order("label", Key("actor_label", str), Key("position", int), is_ascending=True)


@deed
def probe_again(command, context):
    """Send another command from inside of this one."""
    completed(to(nothing, command.api_key_id))


@deed
def nothing(command, context):
    """Do nothing."""


def read_all(rows, order, *, any_of=()):
    seen, query = [], {"order": order, "limit": 2}
    while True:
        found = page(rows, query, any_of=any_of)
        seen += [row.pk for row in found.rows]
        if found.cursor is None:
            return seen
        query["cursor"] = order.read(found.cursor)


@pytest.mark.parametrize("order", [BY_CAUSE, BY_TIME, BY_LABEL])
def test_pages_follow_each_other_without_gap_or_repeat(order, dana, acme):
    key = create_key(dana, acme, name="ci")
    for _ in range(3):
        completed(to(probe_again, key.id))

    seen = read_all(CommandRecord.objects.all(), order)

    expected = CommandRecord.objects.order_by(*order.sorting()).values_list("pk", flat=True)
    assert seen == list(expected)
    assert len(seen) == CommandRecord.objects.count()


def test_what_meets_one_of_several_conditions_is_read_once(dana, acme, gus, globex):
    conditions = [Q(tenant=str(acme.pk)), Q(tenant=str(globex.pk)), Q(actor_kind="system")]

    seen = read_all(CommandRecord.objects.all(), BY_TIME, any_of=conditions)

    assert len(seen) == len(set(seen)) == CommandRecord.objects.count()


def written(*content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "zzz",
        "é",
        written(),
        written("time"),
        written("label", "dana", 1),
        written("time", None, "0" * 32),
        written("time", 10**18, "0" * 32),
        written("time", 10**30, "0" * 32),
        written("time", True, "0" * 32),
        written("time", 1.5, "0" * 32),
        written("time", 1, "0" * 31),
        written("time", 1, 2),
        written("time", 1, "0" * 32, 3),
        base64.urlsafe_b64encode(b"[" * 1400).decode(),
        base64.urlsafe_b64encode(b'{"time": 1}').decode(),
    ],
)
def test_an_invalid_cursor_is_refused(cursor):
    with pytest.raises(ValueError):
        BY_TIME.read(cursor)


@pytest.mark.parametrize("text", ["NUL \x00", "half \ud800"])
def test_a_cursor_with_text_that_the_database_cannot_store_is_refused(text):
    with pytest.raises(ValueError):
        BY_LABEL.read(written("label", text, 1))


@for_all(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda each: each.hex()))
@hypothesis_settings(max_examples=200)
def test_reading_a_cursor_raises_only_value_errors(text):
    try:
        values = BY_TIME.read(text)
    except ValueError:
        return
    assert values


def test_a_cursor_comes_back_as_it_was():
    moment = datetime(2026, 11, 23, 18, 0, 0, 123456, tzinfo=UTC)
    values = [moment, UUID(int=7)]

    assert BY_TIME.read(BY_TIME.cursor_at(values)) == values
