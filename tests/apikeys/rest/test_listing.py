"""The list of keys: filters, orders, pages, and what it costs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apikeys.commands import DeleteApiKey, DisableApiKey, RotateApiKey
from apikeys.models import ApiKey, State
from audit.outside import outside_command
from benchmarks.protocol import Traffic, traffic_of
from tests.conftest import KEY_PERMISSIONS, completed, create_key, member, policy
from tests.http import call

KEYS = "/api/v2/api-keys"
DAY = timedelta(days=1)


def names(client, key, **parameters):
    answer = client.get(KEYS, parameters, headers=key.headers)
    assert answer.status_code == 200, answer.content
    return [each["name"] for each in answer.json()["results"]]


@pytest.fixture
def shelf(dana, acme, first_key):
    """One key in each state, made one after the other after the first key."""
    now = timezone.now()
    for name in ("disabled", "deleted", "expired", "early", "over"):
        key = create_key(dana, acme, name=name, not_before=now + DAY if name == "early" else None)
        if name in ("disabled", "deleted"):
            command = DisableApiKey if name == "disabled" else DeleteApiKey
            completed(command(api_key_id=key.id))
    with outside_command("Let time pass"):
        ApiKey.objects.filter(name="expired").update(expires_at=now - DAY)
        ApiKey.objects.filter(name="over").update(not_before=now - 2 * DAY, expires_at=now - DAY)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (None, {"first", "disabled", "expired", "early", "over"}),
        ("enabled", {"first"}),
        ("disabled", {"disabled"}),
        ("expired", {"expired", "over"}),
        ("not_yet_valid", {"early"}),
        ("deleted", {"deleted"}),
    ],
)
def test_keys_are_found_by_their_state(client, shelf, first_key, state, found):
    assert set(names(client, first_key, **({"state": state} if state else {}))) == found


def test_the_filter_and_the_field_agree_on_every_state(client, shelf, first_key):
    for state in State.values:
        answer = client.get(KEYS, {"state": state}, headers=first_key.headers)
        assert {each["state"] for each in answer.json()["results"]} == {state}


def test_keys_are_found_by_what_they_are(client, first_key, dana, acme):
    carl = member("carl", acme, permissions=KEY_PERMISSIONS)
    create_key(carl, acme, name="Carl's 100%", environment="test", scopes=("keys:read",))
    halfway = timezone.now()
    create_key(dana, acme, name="later", scopes=("read", "keys:read"))

    assert names(client, first_key, environment="test") == ["Carl's 100%"]
    assert names(client, first_key, owner=carl.pk) == ["Carl's 100%"]
    assert names(client, first_key, scope="keys:read") == ["later", "Carl's 100%"]
    assert names(client, first_key, scope="keys:read", owner=dana.pk) == ["later"]
    assert names(client, first_key, search="CARL") == ["Carl's 100%"]
    assert names(client, first_key, search="0%") == ["Carl's 100%"]
    assert names(client, first_key, search="_") == []
    assert names(client, first_key, created_after=halfway.isoformat()) == ["later"]
    assert "later" not in names(client, first_key, created_before=halfway.isoformat())


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("-created_at", ["b", "a", "c", "first"]),
        ("created_at", ["first", "c", "a", "b"]),
        ("name", ["a", "b", "c", "first"]),
        ("-name", ["first", "c", "b", "a"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 25])
def test_pages_have_every_key_once_in_each_order(
    client, first_key, dana, acme, order, expected, limit
):
    for name in ("c", "a", "b"):
        create_key(dana, acme, name=name)

    seen, following = [], f"{KEYS}?order={order}&limit={limit}"
    while following:
        answer = client.get(following, headers=first_key.headers).json()
        seen += [each["name"] for each in answer["results"]]
        following = answer["next"]

    assert seen == expected


@pytest.mark.parametrize(
    "query",
    ["state=gone", "owner=dana", f"owner={2**40}", "colour=red", "order=prefix", "limit=0",
     "created_after=yesterday", "cursor=x", "search=%00", "environment=prod"],
)  # fmt: skip
def test_a_question_that_cannot_be_is_refused_by_its_name(client, first_key, query):
    answer = client.get(f"{KEYS}?{query}", headers=first_key.headers)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_program_chooses_its_fields(client, first_key):
    answer = client.get(f"{KEYS}?fields=name,state", headers=first_key.headers)

    assert answer.json()["results"] == [{"name": "first", "state": "enabled"}]


def test_keys_of_another_customer_are_not_there(client, first_key, gus, globex):
    theirs = create_key(gus, globex, name="theirs")

    assert names(client, first_key) == ["first"]
    assert names(client, first_key, owner=gus.pk) == []
    assert call(client, "GET", f"{KEYS}/{theirs.id}", key=first_key).status_code == 404


def test_a_list_costs_the_same_however_long_it_is(
    client, first_key, dana, acme, gus, globex, security, ann, bob
):
    other = create_key(dana, acme, name="k0")
    completed(RotateApiKey(api_key_id=other.id, overlap_seconds=60))
    names(client, first_key)
    few = traffic_of(lambda: names(client, first_key))
    for number in range(1, 6):
        person = member(f"person{number}", acme, permissions=KEY_PERMISSIONS)
        key = create_key(person, acme, name=f"k{number}")
        completed(RotateApiKey(api_key_id=key.id, overlap_seconds=60))
    policy("apikeys.disable", group=security, quorum=1)
    call(client, "POST", f"{KEYS}/{other.id}/disable", key=first_key)

    many = traffic_of(lambda: names(client, first_key))

    # Who calls; which keys are listed; and what is shown of them, by one statement for all.
    assert few == many == Traffic(statements=3, round_trips=3)


def test_reading_a_key_takes_one_statement_beside_authentication(client, first_key):
    names(client, first_key)

    for version in ("v1", "v2"):
        path = f"/api/{version}/api-keys/{first_key.id}"
        call(client, "GET", path, key=first_key)

        traffic = traffic_of(lambda path=path: call(client, "GET", path, key=first_key))

        assert traffic == Traffic(statements=2, round_trips=2)


def test_pending_approvals_are_listed_with_the_key(
    client, first_key, dana, acme, disabling_needs_two
):
    other = create_key(dana, acme, name="other")
    held = call(client, "POST", f"{KEYS}/{other.id}/disable", key=first_key)

    shown = call(client, "GET", f"{KEYS}/{other.id}", key=first_key).json()

    assert [each["command_id"] for each in shown["pending_approvals"]] == [held["Command-Id"]]


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "enabled"),
        ({"is_enabled": False}, "disabled"),
        ({"is_enabled": False, "deleted_at": datetime(2025, 1, 1, tzinfo=UTC)}, "deleted"),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "expired"),
        ({"expires_at": datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)}, "enabled"),
        ({"not_before": datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)}, "not_yet_valid"),
        ({"not_before": datetime(2026, 1, 1, tzinfo=UTC)}, "enabled"),
        ({"is_enabled": False, "expires_at": datetime(2025, 1, 1, tzinfo=UTC)}, "disabled"),
    ],
)
def test_the_state_at_a_moment_is_the_first_that_stands_in_the_way(fields, state, moment):
    assert ApiKey(**fields).state_at(moment) == state
