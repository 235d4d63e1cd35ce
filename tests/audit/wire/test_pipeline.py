"""What travels together: all of it or nothing, whatever comes in between."""

import pytest
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from apikeys.commands import DisableApiKey, EnableApiKey, PickUpSecret
from apikeys.models import ApiKey, Customer
from apikeys.models.refusals import NothingToPickUp
from audit.bus.dispatch import dispatch
from audit.installation.settings import countersign
from audit.messages.exceptions import Crashed, NotFound
from audit.models.queries import PreparedQuery
from audit.models.records import CommandRecord
from audit.wire import pipeline, rows
from audit.wire.statements import Call, Statement
from benchmarks.protocol import traffic_of
from tests.books import all_but_records, assert_balanced
from tests.conftest import AS_SYSTEM, pipelined_only
from tests.probes import Broken, deed, disable_and_break, locking, to

NOBODY = uuid7()


def history_of(api_key_id) -> list[bool]:
    """Whether the key was enabled, change by change, after its creation."""
    changes = ApiKey.history.filter(id=api_key_id).order_by("history_id")
    return [row.is_enabled for row in changes][1:]


@deed
def disable_and_enable(command, context):
    api_key = ApiKey.objects.get(pk=command.api_key_id)
    api_key.disable()
    api_key.enable()


@deed
def disable_for_a_moment(command, context):
    with pytest.raises(Broken), transaction.atomic():
        disable_and_break(command, context)


@deed
def disable_around_an_enabling(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    dispatch(EnableApiKey(api_key_id=command.api_key_id))
    disable_and_enable(command, context)


@deed
def disable_around_what_fails(command, context):
    with pytest.raises(Crashed):
        dispatch(to(disable_and_break, command.api_key_id))


@deed
def disable_and_look(command, context):
    ApiKey.objects.locked(pk=command.api_key_id).disable()
    assert not ApiKey.objects.get(pk=command.api_key_id).is_enabled
    assert history_of(command.api_key_id) == [False]


@deed
def disable_and_look_with_the_same_prepared_statement(command, context):
    ApiKey.objects.locked(pk=command.api_key_id).disable()
    assert not ApiKey.objects.locked(pk=command.api_key_id).is_enabled


@deed
def ask_ahead_and_then_change(command, context):
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    pipeline.prefetch(rows.selection(ApiKey, pk=api_key.pk), rows.selection(Customer, pk=NOBODY))
    api_key.disable()
    assert not ApiKey.objects.found(pk=api_key.pk).is_enabled


@deed
def ask_ahead(command, context):
    pipeline.prefetch(
        rows.selection(ApiKey, pk=command.api_key_id), rows.selection(Customer, pk=NOBODY)
    )
    assert rows.find(Customer, pk=NOBODY) is None
    assert ApiKey.objects.found(pk=command.api_key_id).is_enabled


@deed
def lock_what_an_inner_command_has_changed(command, context):
    dispatch(DisableApiKey(api_key_id=command.api_key_id))
    ApiKey.objects.locked(pk=command.api_key_id).enable()


@deed
def change_what_was_locked_in_a_savepoint(command, context):
    with transaction.atomic():
        api_key = ApiKey.objects.locked(pk=command.api_key_id)
        transaction.set_rollback(True)
    api_key.disable()


@deed
def give_it_a_name_that_the_database_refuses(command, context):
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    api_key.prefix = None
    api_key.save(update_fields=["prefix"])


def test_a_handler_reads_its_own_writes(first_key):
    dispatch(locking(disable_and_look, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False]


def test_a_handler_reads_its_own_writes_in_raw_sql(first_key):
    dispatch(
        locking(disable_and_look_with_the_same_prepared_statement, first_key.id), context=AS_SYSTEM
    )

    assert history_of(first_key.id) == [False]


@pipelined_only
def test_prefetched_rows_are_not_read_again(first_key):
    traffic = traffic_of(lambda: dispatch(to(ask_ahead, first_key.id), context=AS_SYSTEM))

    # The opening; the two questions; the record and COMMIT.
    assert traffic.round_trips == 3


def test_rows_prefetched_before_a_change_are_read_again_after_it(first_key):
    dispatch(locking(ask_ahead_and_then_change, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False]


def test_prefetched_locked_rows_are_read_again_after_a_nested_command(first_key):
    dispatch(locking(lock_what_an_inner_command_has_changed, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False, True]


@pipelined_only
def test_a_change_under_a_released_lock_is_sent_immediately(first_key):
    traffic = traffic_of(
        lambda: dispatch(
            locking(change_what_was_locked_in_a_savepoint, first_key.id), context=AS_SYSTEM
        )
    )

    # The opening; SAVEPOINT and the lock; ROLLBACK; RELEASE and the UPDATE; the record and COMMIT.
    assert traffic.round_trips == 5
    assert history_of(first_key.id) == [False]


def test_a_change_that_the_database_refuses_at_commit_is_rolled_back_and_recorded(first_key):
    before = all_but_records()

    with pytest.raises(Crashed) as refused:
        dispatch(locking(give_it_a_name_that_the_database_refuses, first_key.id), context=AS_SYSTEM)

    assert all_but_records() == before
    assert CommandRecord.objects.get(command_id=refused.value.command_id).status == "failed"


@deed
def begin_and_break(command, context):
    with pytest.raises(Broken), transaction.atomic():
        raise Broken("before anything was said")
    with transaction.atomic():
        ApiKey.objects.get(pk=command.api_key_id).disable()


@deed
def dispatch_what_is_refused_before_it_is_said(command, context):
    with pytest.raises(NotFound):
        dispatch(DisableApiKey(api_key_id=uuid7()))
    ApiKey.objects.locked(pk=command.api_key_id).disable()


def test_an_empty_savepoint_can_be_rolled_back(first_key):
    dispatch(to(begin_and_break, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False]


def test_a_refused_nested_command_does_not_affect_the_outer_one(first_key):
    dispatch(locking(dispatch_what_is_refused_before_it_is_said, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False]


def test_two_changes_of_one_row_write_two_history_rows(first_key):
    dispatch(to(disable_and_enable, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False, True]
    assert_balanced()


def test_changes_rolled_back_to_a_savepoint_have_no_history(first_key):
    dispatch(to(disable_for_a_moment, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == []
    assert_balanced()


def test_history_is_in_the_order_of_the_changes_around_a_nested_command(first_key):
    dispatch(to(disable_around_an_enabling, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == [False, True, False, True]
    assert_balanced()


def test_the_history_of_a_failed_nested_command_is_rolled_back(first_key):
    dispatch(to(disable_around_what_fails, first_key.id), context=AS_SYSTEM)

    assert history_of(first_key.id) == []
    assert_balanced()


@pipelined_only
def test_statements_that_a_session_lost_are_prepared_again(first_key):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    outcome = dispatch(EnableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    assert CommandRecord.objects.get(command_id=outcome.command_id).retries == 1
    assert_balanced()


def test_dispatch_works_without_prepared_statements(first_key):
    connection.ensure_connection()
    connection.connection.prepare_threshold = None
    try:
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    finally:
        connection.close()

    assert history_of(first_key.id) == [False]
    assert_balanced()


@pipelined_only
def test_every_statement_of_a_dispatch_is_prepared(first_key):
    # On a connection of its own: other tests prepared other statements on this one.
    connection.close()
    for command_class in (DisableApiKey, EnableApiKey) * 4:
        dispatch(command_class(api_key_id=first_key.id), context=AS_SYSTEM)

    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans + custom_plans FROM pg_prepared_statements")
        used = {sql.split()[0] for sql, times in cursor.fetchall() if times >= 8}

    # The opening and the row lock, the UPDATE, the record with its event.
    assert used == {"SELECT", "UPDATE", "WITH"}


def test_commit_joins_the_pipeline_only_where_django_would_commit(first_key):
    before, outer = all_but_records(), transaction.atomic()
    # As Django's TestCase has it, so that it can undo what a test has done.
    outer._from_testcase = True

    with outer:
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
        transaction.set_rollback(True)

    assert all_but_records() == before


def test_statements_after_a_failure_are_not_executed(first_key):
    failing = Call(Statement("SELECT 1 / %s::int"), [0])

    with pytest.raises(Exception, match="division by zero"), transaction.atomic():
        pipeline.send(failing, pipeline.COMMIT)

    assert pipeline.fetch(Statement("SELECT %s::int"), [1]) == (1,)


def test_rows_are_read_with_the_commit_of_a_command(first_key):
    query = PreparedQuery("SELECT is_enabled FROM apikeys_apikey WHERE id = %s")

    with query.prefetched_after_commit([first_key.id]):
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
        traffic = traffic_of(lambda: query.rows([first_key.id]))
        later = query.rows([first_key.id])

    assert traffic.round_trips == (1 if countersign().wire == "plain" else 0)
    assert later == [(False,)]


def test_no_rows_are_kept_for_a_command_that_is_refused(first_key):
    query = PreparedQuery("SELECT is_enabled FROM apikeys_apikey WHERE id = %s")

    with query.prefetched_after_commit([first_key.id]):
        with pytest.raises(NothingToPickUp):
            dispatch(PickUpSecret(api_key_id=first_key.id), context=AS_SYSTEM)

        assert query.rows([first_key.id]) == [(True,)]
