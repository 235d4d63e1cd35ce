"""Statements that the application's role cannot execute, whatever it has set before."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.apps import apps
from django.db import Error, connection, connections, transaction

from audit.checks import check_constraints, check_rights
from audit.models.records import AppendOnly
from audit.tracking.protection import grant_everything, protect
from config.first_run.database_roles import OWNER
from tests.test_no_way_around import snapshot

STATEMENTS = [
    line
    for line in (Path(__file__).parent / "statements.sql").read_text().splitlines()
    if line and not line.startswith("--")
]
WRITTEN_ONCE = sorted(
    model._meta.db_table
    for model in apps.get_models(include_auto_created=True)
    if issubclass(model, AppendOnly)
)
CHANGES = (
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "DELETE FROM ONLY {table} WHERE false",
    "WITH gone AS (DELETE FROM {table} RETURNING *) SELECT * FROM gone",
    "SELECT * FROM {table} FOR UPDATE",
    "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
    "ALTER TABLE {table} DISABLE TRIGGER USER",
    "DROP TABLE {table} CASCADE",
    "CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL)",
    "CREATE RULE anything AS ON INSERT TO {table} DO INSTEAD NOTHING",
)


def refuses(statement):
    """Execute a statement inside a command, as the role; nothing may be changed by it."""
    before = snapshot()

    with pytest.raises(Error):
        _execute_inside_a_command(statement.replace("countersign_owner", OWNER))

    assert snapshot() == before


@pytest.mark.sweep
@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_role_cannot_execute(statement, first_key):
    refuses(statement)


@pytest.mark.sweep
@pytest.mark.parametrize("table", WRITTEN_ONCE)
@pytest.mark.parametrize("change", CHANGES)
def test_the_role_cannot_change_a_row_that_is_written_once(change, table):
    with connection.cursor() as cursor:
        column = connection.introspection.get_primary_key_column(cursor, table)

    refuses(change.format(table=table, column=column))


OWN_SETTINGS = {"search_path": "pg_temp", "default_transaction_read_only": "on"}


@pytest.fixture
def own_settings():
    """Settings that the role gives itself, which nothing can forbid."""
    _execute(
        *(f"ALTER ROLE CURRENT_USER SET {each} = {OWN_SETTINGS[each]}" for each in OWN_SETTINGS)
    )
    connection.close()
    yield
    _execute(*(f"ALTER ROLE CURRENT_USER RESET {each}" for each in OWN_SETTINGS))
    connection.close()


def test_settings_of_the_role_itself_give_way_to_those_of_the_connection(own_settings):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('search_path'), current_setting('transaction_read_only')"
        )
        assert cursor.fetchone() == ("public, pg_temp", "off")


def test_settings_of_the_role_itself_are_reported_before_deployment(own_settings):
    assert "audit.E014" in {each.id for each in check_rights(databases=["default"])}


def test_all_is_well_before_deployment():
    assert check_rights(databases=["default"]) == []
    assert check_constraints(databases=["default"]) == []


@pytest.mark.parametrize(
    ("grant", "revoke", "problem"),
    [
        ("GRANT TEMPORARY ON DATABASE {}", "REVOKE TEMPORARY ON DATABASE {}", "audit.E012"),
        ("GRANT CREATE ON SCHEMA public", "REVOKE CREATE ON SCHEMA public", "audit.E013"),
    ],
)
def test_a_right_too_many_is_reported_and_migrate_revokes_it(grant, revoke, problem, owner):
    database = connection.settings_dict["NAME"]
    owner.execute(f"{grant} TO PUBLIC".format(database))
    try:
        assert [each.id for each in check_rights(databases=["default"])] == [problem]
        protect_again()
        assert check_rights(databases=["default"]) == []
    finally:
        owner.execute(f"{revoke} FROM PUBLIC".format(database))


def test_a_constraint_that_older_rows_violate_is_reported(owner):
    table, name = "audit_commandrecord", "audit_command_time"
    (definition,) = owner.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name]
    ).fetchone()
    owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    try:
        owner.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")
        (warning,) = check_constraints(databases=["default"])
    finally:
        owner.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
    assert (warning.id, name in warning.msg) == ("audit.W001", True)


def protect_again():
    """Do what migrate does after every run, in a thread: this one has no owner's connection."""

    def run():
        connections["owner"].connect()
        protect(using="owner")
        with connections["owner"].cursor() as cursor:
            grant_everything(cursor)
        connections["owner"].close()

    ThreadPoolExecutor().submit(run).result()


def _execute_inside_a_command(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
        cursor.execute(statement)


def _execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
