"""The folded events of a subject, its row and its history agree, whatever is done to it."""

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeys.commands import (
    CreateCustomer,
    DeleteApiKey,
    DisableApiKey,
    EnableApiKey,
    RotateApiKey,
    UpdateApiKey,
)
from apikeys.models import ApiKey, ApiKeySecret
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.models.records import EventRecord, StreamHead
from audit.outside import outside_command
from audit.subjects import types
from audit.tracking.drift.comparison import compare
from audit.tracking.folding import fold, plain_value
from tests.conftest import AS_SYSTEM, KEY_PERMISSIONS, completed, create_key, member
from tests.wiping import wipe

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
JSON = st.dictionaries(TEXT, st.none() | TEXT | st.integers(-(10**9), 10**9), max_size=2)
ACTIONS = st.lists(
    st.one_of(
        st.sampled_from(["enable", "disable", "rotate", "delete"]).map(lambda name: (name, None)),
        st.tuples(st.sampled_from(["update", "save", "bulk_update", "raw", "part"]), TEXT),
        st.tuples(st.just("metadata"), JSON),
    ),
    max_size=8,
)


def act(key_id: Any, action: str, value: Any) -> None:
    """Do one thing to a key, as a command or past them."""
    command = {
        "enable": EnableApiKey,
        "disable": DisableApiKey,
        "rotate": partial(RotateApiKey, overlap_seconds=60),
        "delete": DeleteApiKey,
    }.get(action)
    if command:
        dispatch(command(api_key_id=key_id), context=AS_SYSTEM)
    elif action == "update":
        dispatch(UpdateApiKey(api_key_id=key_id, description=value), context=AS_SYSTEM)
    else:
        with outside_command("Past the commands"):
            _write(key_id, action, value)


def _write(key_id: Any, action: str, value: Any) -> None:
    key = ApiKey.objects.get(pk=key_id)
    match action:
        case "save":
            key.description = value
            key.save()
        case "bulk_update":
            keys = list(ApiKey.objects.all())
            for each in keys:
                each.description = value
            ApiKey.objects.bulk_update(keys, ["description"])
        case "raw":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE apikeys_apikey SET description = %s", [value])
        case "part":
            ApiKeySecret.objects.filter(api_key_id=key_id).update(not_after=timezone.now())
        case "metadata":
            ApiKey.objects.update(metadata=value)


@pytest.mark.sweep
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_folded_events_row_and_history_agree(actions, superuser):
    wipe(superuser)
    acme = completed(CreateCustomer(name="Acme"))
    dana = member("dana", acme, permissions=KEY_PERMISSIONS)
    keys = [create_key(dana, acme, name=name).id for name in ("one", "two")]

    for action, value in actions:
        try:
            act(keys[0], action, value)
        except CommandError:
            continue

    for key in ApiKey.objects.filter(pk__in=keys):
        assert_agreement(key)
    assert [each for progress in compare() for each in progress.differences] == []


def assert_agreement(key: ApiKey) -> None:
    found = types.subject_type("api-key")
    assert found
    columns = types.subject_fields(found)
    events = EventRecord.objects.filter(subject_id=str(key.pk)).order_by("number")
    folded = fold(events, columns=columns).state
    past = ApiKey.history.filter(id=key.pk).latest("history_id")
    for name, value in folded.items():
        assert plain_value(columns[name], value) == getattr(key, name) == getattr(past, name), name
    numbers = list(events.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert StreamHead.objects.get(subject_id=str(key.pk)).number == numbers[-1]
