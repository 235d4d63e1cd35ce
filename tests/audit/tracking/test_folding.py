"""Telling what something was from its events."""

from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from apikeys.events import (
    ApiKeyCreated,
    ApiKeyDeleted,
    ApiKeyDisabled,
    ApiKeyEnabled,
    ApiKeyUpdated,
    CustomerCreated,
)
from audit.models.records import EventRecord
from audit.tracking.folding import evolves, fold

COLUMNS = ("customer_id", "owner_id", "name", "prefix", "is_enabled")
KEY, CUSTOMER = uuid4(), uuid4()
CREATED = ApiKeyCreated(
    api_key_id=KEY, customer_id=CUSTOMER, owner_id=1, name="ci", has_secret=True
)


def stored(*events):
    return [
        EventRecord(message_type=each.message_type, schema_version=1, data=each.as_json())
        for each in events
    ]


def test_a_field_sets_the_column_of_its_name():
    name = fold(stored(CustomerCreated(customer_id=CUSTOMER, name="Acme")), columns=["id", "name"])

    assert name.state == {"name": "Acme"}


def test_what_an_event_means_beyond_its_fields_is_declared():
    key = fold(stored(CREATED), columns=COLUMNS)

    assert key.state == {
        "customer_id": CUSTOMER,
        "owner_id": 1,
        "name": "ci",
        "is_enabled": True,
    }


def test_events_are_applied_in_their_order():
    off, on = ApiKeyDisabled(api_key_id=KEY), ApiKeyEnabled(api_key_id=KEY)

    assert fold(stored(CREATED, off), columns=COLUMNS).state["is_enabled"] is False
    assert fold(stored(CREATED, off, on), columns=COLUMNS).state["is_enabled"] is True


def test_a_key_takes_on_what_it_was_changed_to_and_loses_what_is_null():
    first = ApiKeyUpdated(
        api_key_id=KEY, changes={"name": "ci-2", "expires_at": "2027-01-01T00:00:00Z"}
    )
    second = ApiKeyUpdated(api_key_id=KEY, changes={"expires_at": None})

    key = fold(stored(CREATED, first, second), columns=[*COLUMNS, "expires_at"])

    assert (key.state["name"], key.state["expires_at"]) == ("ci-2", None)


def test_a_key_that_was_deleted_is_turned_away():
    key = fold(stored(CREATED, ApiKeyDeleted(api_key_id=KEY)), columns=COLUMNS)

    assert key.state["is_enabled"] is False


def test_what_cannot_be_read_any_more_is_named_and_left_out():
    lost = EventRecord(message_type="apikeys.of_old", schema_version=1, data={"name": "other"})
    spoilt = EventRecord(message_type="apikeys.enabled", schema_version=1, data={"key": 1})

    folded = fold([*stored(CREATED), lost, spoilt], columns=COLUMNS)

    assert folded.state["name"] == "ci"
    assert folded.unreadable == {"apikeys.of_old", "apikeys.enabled"}


def test_no_event_is_declared_twice():
    with pytest.raises(ImproperlyConfigured, match=r"ApiKeyEnabled.* is declared twice"):
        evolves(ApiKeyEnabled)(dict)
