"""Plain values: each declared type has one normal form, one JSON form, and a way back."""

import json
import math
import random
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import reduce
from typing import Any, Literal
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from audit.messages.values import NotPlain, as_stored, codec
from audit.models.records import Status

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | STORABLE,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(STORABLE, inner, max_size=2),
    max_leaves=5,
)
ANNOTATIONS: list[tuple[Any, Any]] = [
    (bool, st.booleans()),
    (int, st.integers(-(2**63) + 1, 2**63 - 1)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, STORABLE),
    (UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (datetime, st.datetimes(timezones=st.just(UTC))),
    (date, st.dates()),
    (timedelta, st.timedeltas()),
    (Literal["live", "test"], st.sampled_from(["live", "test"])),
    (str | None, st.none() | STORABLE),
    (tuple[UUID, ...], st.lists(st.uuids()).map(tuple)),
    (dict[str, int], st.dictionaries(STORABLE, st.integers(0, 9))),
    (Any, JSON_VALUES),
    (dict[str, Any], st.dictionaries(STORABLE, JSON_VALUES)),
]


@given(st.data())
def test_every_value_survives_the_trip_through_json(data):
    annotation, values = data.draw(st.sampled_from(ANNOTATIONS))
    value = codec(annotation).check(data.draw(values))

    assert codec(annotation).load(codec(annotation).dump(value)) == value
    assert codec(annotation).load(value) == value


def test_a_choice_of_an_enumeration_becomes_the_plain_value():
    checked = codec(Literal["succeeded", "failed"]).check(Status.FAILED)

    assert type(checked) is str


def test_a_date_and_time_becomes_utc():
    noon_in_paris = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert codec(datetime).check(noon_in_paris) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert codec(datetime).check(noon_in_paris).tzinfo is UTC


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (int, True, "a whole number"),
        (int, 2**63, "64 bits"),
        (str, b"bytes", "text"),
        (str, "NUL \x00", "without NUL"),
        (str, "half a \ud800 pair", "valid Unicode"),
        (float, float("nan"), "finite"),
        (Decimal, Decimal("Infinity"), "finite"),
        (datetime, datetime(2026, 7, 1, 12), "offset from UTC"),  # noqa: DTZ001
        (date, datetime(2026, 7, 1, tzinfo=UTC), "a date"),
        (UUID, "no-uuid", "a UUID"),
        (Literal["live", "test"], "prod", "one of live, test"),
        (tuple[int, ...], "123", "a list"),
        (dict[str, int], [], "an object"),
        (Any, {1: "x"}, "text"),
        (Any, ["NUL \x00"], "without NUL"),
        (Any, [float("inf")], "finite"),
        (Any, {"id": UUID(int=1)}, "a JSON value"),
        (Any, reduce(lambda inner, _: [inner], range(33), 0), "32 levels"),
    ],
)
def test_a_wrong_value_is_refused_in_words(annotation, value, words):
    with pytest.raises(ValueError, match=words):
        codec(annotation).check(value)


def test_a_list_in_json_is_kept_so_that_nobody_can_change_it():
    checked = codec(dict[str, Any]).check({"teams": ["a", {"b": [1]}]})

    assert checked == {"teams": ("a", {"b": (1,)})}
    assert codec(dict[str, Any]).dump(checked) == {"teams": ["a", {"b": [1]}]}


@pytest.mark.parametrize("annotation", [object, list[int], tuple[int, str], dict[int, str], type])
def test_a_type_that_is_no_plain_value_is_refused(annotation):
    with pytest.raises(NotPlain):
        codec(annotation)


FLOATS = (1e16, 9.3e18, -9.3e18, 1e22, 1e23, -1.7e300, 1.7976931348623157e308, 5e-324, 0.1, 1e-7)


@pytest.mark.django_db
def test_every_accepted_number_is_read_back_from_the_database():
    chance = random.Random(11)
    bits = (struct.unpack("d", chance.randbytes(8))[0] for _ in range(500))
    numbers = [*FLOATS, 2**63 - 1, 1 - 2**63, 0, *(each for each in bits if math.isfinite(each))]
    accepted = codec(Any).check(numbers)

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [json.dumps(codec(Any).dump(accepted))])
        stored = json.loads(cursor.fetchone()[0])

    assert codec(Any).load(stored) == accepted
    # It is written alike before it is stored and after.
    assert json.dumps(as_stored(accepted)) == json.dumps(as_stored(stored))


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**22, 10**400])
def test_integers_that_cannot_be_read_back_are_rejected(number):
    with pytest.raises(ValueError, match="64 bits"):
        codec(Any).check({"n": number})


def test_a_stored_number_that_no_message_has_is_readable():
    assert codec(Any).load({"n": [10**400]}) == {"n": (str(10**400),)}
