"""What runs into a time-out has failed, and nothing was changed."""

import pytest
from django.db import connection

from apikeys.models import ApiKey
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import TimedOut
from tests.books import all_but_records, attempts
from tests.conftest import AS_SYSTEM
from tests.probes import deed, to


@deed
def take_too_long(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
        cursor.execute("SELECT pg_sleep(30)")


@deed
def disable_impatiently(command, context):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
    ApiKey.objects.select_for_update().get(pk=command.api_key_id).disable()


def test_a_statement_that_takes_too_long_fails_the_command(first_key):
    before = all_but_records()

    with pytest.raises(TimedOut) as failure:
        dispatch(to(take_too_long, first_key.id), context=AS_SYSTEM)

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "timeout")]


def test_a_lock_that_is_not_to_be_had_fails_the_command(owner, first_key):
    before = all_but_records()

    with owner.transaction():
        owner.execute("SELECT FROM apikeys_apikey WHERE id = %s FOR UPDATE", [first_key.id])
        with pytest.raises(TimedOut) as failure:
            dispatch(to(disable_impatiently, first_key.id), context=AS_SYSTEM)

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "timeout")]
