"""Nothing changes outside a command, and nobody rewrites the log: the database sees to it."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import Error, connection, connections, transaction
from django.utils import timezone

from apikeys.models import ApiKey, Customer
from approvals.models import Policy, Vote
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command

GUARD = "SELECT set_config('audit.command_id', gen_random_uuid()::text, true)"
OUTSIDE = "may change inside a command only"


@pytest.mark.parametrize(
    "write",
    [
        lambda key: key.save(),
        lambda key: key.delete(),
        lambda key: ApiKey.objects.filter(pk=key.pk).update(is_enabled=False),
        lambda key: ApiKey.objects.bulk_update([key], ["is_enabled"]),
        lambda key: ApiKey.objects.bulk_create([ApiKey(customer=key.customer, owner=key.owner)]),
        lambda key: key.secrets.update(not_after=timezone.now()),
        lambda key: key.history.all().delete(),
        lambda key: key.history.update(name="another"),
        lambda _: Customer.objects.create(name="Another"),
        lambda _: Policy.objects.create(governs="apikeys.enable", effect="forbid"),
        lambda _: Policy.objects.update(is_enabled=False),
        lambda _: connection.cursor().execute("UPDATE apikeys_apikey SET name = 'another'"),
        lambda _: connection.cursor().execute("DELETE FROM apikeys_apikeysecret"),
    ],
)
def test_no_way_of_writing_changes_a_tracked_row_outside_a_command(write, first_key):
    before = snapshot()

    with pytest.raises(Error), transaction.atomic():
        write(ApiKey.objects.select_related("customer", "owner").get(pk=first_key.id))

    assert snapshot() == before


def test_the_refusal_says_what_to_do(first_key):
    with pytest.raises(Error, match=OUTSIDE) as refusal:
        first_key.row.save()

    assert "outside_command" in refusal.value.__cause__.diag.message_hint


@pytest.mark.parametrize("model", [CommandRecord, EventRecord, Vote, ApiKey.history.model])
@pytest.mark.parametrize("sql", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("prelude", ["", "SET LOCAL session_replication_role = replica", GUARD])
def test_the_serving_role_cannot_rewrite_the_log_whatever_it_sets(model, sql, prelude, first_key):
    column = model._meta.pk.column
    before = snapshot()

    with pytest.raises(Error), transaction.atomic():
        _execute(prelude, sql.format(model._meta.db_table, column, column))

    assert snapshot() == before


def test_not_even_the_owner_rewrites_the_log_by_accident(owner, first_key):
    for sql in ("UPDATE audit_commandrecord SET reason = 'x'", "DELETE FROM audit_eventrecord"):
        with pytest.raises(psycopg.Error, match="append-only"):
            owner.execute(sql)


def test_the_serving_role_gets_no_privileges_beyond_its_needs(owner):
    privileges, of_columns = granted(owner, "table"), granted(owner, "column")

    for table in ("audit_commandrecord", "audit_eventrecord", "approvals_vote", "audit_epoch"):
        assert privileges[table] == "SELECT"
        assert of_columns[table, "command_id" if table != "approvals_vote" else "mac"] == (
            "INSERT SELECT"
        )
    # The database generates these.
    for table in ("audit_commandrecord", "audit_eventrecord"):
        assert of_columns[table, "position"] == of_columns[table, "xid"] == "SELECT"
    assert of_columns["apikeys_historicalapikey", "history_id"] == "SELECT"
    assert of_columns["apikeys_historicalapikey", "name"] == "SELECT"
    assert privileges["audit_streamhead"] == "INSERT SELECT"
    for column in ("number", "paid_in"):
        assert of_columns["audit_streamhead", column] == "INSERT SELECT UPDATE"
    assert of_columns["audit_streamhead", "subject_id"] == "INSERT SELECT"
    for table in ("django_migrations", "auth_permission", "django_content_type"):
        assert privileges[table] == "SELECT"
    assert "TRUNCATE" not in " ".join(privileges.values())


def test_a_change_outside_a_command_is_possible_with_a_reason_and_on_record(first_key):
    with outside_command("Repair after incident 17"):
        ApiKey.objects.filter(pk=first_key.id).update(name="repaired")

    record = CommandRecord.objects.get(message_type="audit.change_outside_command")
    assert (record.status, record.reason) == ("succeeded", "Repair after incident 17")
    assert ApiKey.objects.get(pk=first_key.id).name == "repaired"


def test_it_needs_a_reason_and_leaves_nothing_of_a_failure(first_key):
    with pytest.raises(ValueError, match="reason"), outside_command(" "):
        pass
    with pytest.raises(ZeroDivisionError), outside_command("To fail"):
        ApiKey.objects.filter(pk=first_key.id).update(name="broken" * (1 // 0))

    assert ApiKey.objects.get(pk=first_key.id).name == "first"
    assert not CommandRecord.objects.filter(channel="outside").exists()


def test_a_data_migration_may_use_it_as_the_owner(first_key):
    def migrate():
        connections["owner"].connect()
        with outside_command("Backfill", using="owner"):
            ApiKey.objects.using("owner").filter(pk=first_key.id).update(name="backfilled")
        connections["owner"].close()

    # In a thread of its own: pytest-django forbids this one the owner's connection.
    ThreadPoolExecutor().submit(migrate).result()

    assert ApiKey.objects.get(pk=first_key.id).name == "backfilled"


def test_the_door_closes_behind_it(first_key):
    with transaction.atomic():
        with outside_command("To try"):
            pass
        with pytest.raises(Error, match=OUTSIDE), transaction.atomic():
            first_key.row.save()


def _execute(*statements):
    with connection.cursor() as cursor:
        for statement in filter(None, statements):
            cursor.execute(statement)


def snapshot():
    """Every row of the tables that the tests of this file attack."""
    models = (ApiKey, ApiKey.history.model, Customer, Policy, CommandRecord, EventRecord, Vote)
    return [list(model.objects.order_by("pk").values_list()) for model in models]


def granted(owner, kind):
    """The privileges of the serving role on each table, or on each of their columns."""
    names = "table_name" if kind == "table" else "table_name, column_name"
    rows = owner.execute(
        f"SELECT {names}, string_agg(privilege_type, ' ' ORDER BY privilege_type)"
        f" FROM information_schema.role_{kind}_grants WHERE grantee = %s GROUP BY {names}",
        [connection.settings_dict["USER"]],
    ).fetchall()
    return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in rows}
