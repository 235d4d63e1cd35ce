"""``manage.py migrate`` beside a serving application: no request fails or waits for it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections

from apikeys.commands import CreateCustomer
from audit.bus.dispatch import dispatch
from audit.checks import check_indexes
from audit.management import migrating as migrate_module
from audit.messages.outcomes import Completed
from tests.conftest import AS_SYSTEM
from tests.databases import drop_database
from tests.threads import Crowd, until

pytestmark = pytest.mark.edge

CLIENTS, COMMANDS_EACH = 8, 25
_UNTOUCHED = """
    SELECT 'table', relname, xmin::text, relacl::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', tgname || tgrelid, xmin::text, '' FROM pg_trigger
    ORDER BY 1, 2
"""


def migrate(*arguments):
    """Migrate as the owner, whose connection pytest-django would otherwise block."""
    connections["owner"].connect()
    call_command("migrate", *arguments, verbosity=0)


@contextmanager
def maintenance(owner_url, table):
    """Hold the lock that VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY hold on a table."""
    with psycopg.connect(owner_url) as holder:
        holder.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        yield
        holder.rollback()


@pytest.fixture
def owner_url(owner):
    return owner_url_of(owner.info.dbname)


def owner_url_of(name):
    return _on(os.environ["MIGRATION_DATABASE_URL"], name)


def _on(url, name):
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def write_as_eight_clients():
    """Send commands from eight threads; return what did not complete."""

    def client():
        return [_outcome() for _ in range(COMMANDS_EACH)]

    with Crowd(CLIENTS) as crowd:
        outcomes = chain.from_iterable(crowd.at_once(*[client] * CLIENTS))
        return [outcome for outcome in outcomes if not isinstance(outcome, Completed)]


def _outcome():
    try:
        return dispatch(CreateCustomer(name=str(uuid4())), context=AS_SYSTEM)
    except Exception as error:  # noqa: BLE001  # the test checks it
        return error


def test_with_nothing_to_apply_it_changes_nothing_in_the_catalog(owner):
    before = owner.execute(_UNTOUCHED).fetchall()

    ThreadPoolExecutor().submit(migrate).result()

    assert owner.execute(_UNTOUCHED).fetchall() == before


def test_no_client_notices_a_run_with_nothing_to_apply():
    with ThreadPoolExecutor() as executor:
        runs = executor.submit(lambda: [migrate() for _ in range(3)])
        failures = write_as_eight_clients()
        runs.result()

    assert failures == []


def test_it_finishes_during_maintenance_and_no_client_waits_for_that(owner_url):
    with maintenance(owner_url, "audit_commandrecord"), ThreadPoolExecutor() as executor:
        run = executor.submit(migrate)
        failures = write_as_eight_clients()
        run.result(60)

    assert failures == []


def test_a_missing_trigger_waits_for_the_end_of_maintenance_and_clients_do_not(owner, owner_url):
    owner.execute("DROP TRIGGER audit_append_only ON audit_commandrecord")

    with ThreadPoolExecutor() as executor:
        with maintenance(owner_url, "audit_commandrecord"):
            run = executor.submit(migrate)
            failures = write_as_eight_clients()
            was_waiting = not run.done()
        run.result(60)

    assert failures == []
    assert was_waiting
    with pytest.raises(psycopg.Error, match="append-only"):
        owner.execute("DELETE FROM audit_commandrecord")


def test_it_gives_up_with_a_sentence_if_a_lock_is_never_released(owner, owner_url, monkeypatch):
    monkeypatch.setattr(migrate_module, "TRIES", 2)
    monkeypatch.setattr(migrate_module, "PAUSE_SECONDS", 0.01)
    owner.execute("DROP TRIGGER audit_append_only ON audit_commandrecord")

    try:
        with (
            maintenance(owner_url, "audit_commandrecord"),
            pytest.raises(CommandError, match="locked by other sessions"),
        ):
            ThreadPoolExecutor().submit(migrate).result()
    finally:
        ThreadPoolExecutor().submit(migrate).result()


def test_privileges_that_differ_are_put_right_in_one_transaction(owner):
    role = connection.settings_dict["USER"]
    before = granted(owner)
    owner.execute(f"GRANT UPDATE, TRUNCATE ON audit_commandrecord TO {role}")
    owner.execute(f"GRANT UPDATE (data) ON audit_eventrecord TO {role}")
    owner.execute(f"REVOKE INSERT ON approvals_vote FROM {role}")
    owner.execute(f"REVOKE USAGE ON SEQUENCE audit_position FROM {role}")

    ThreadPoolExecutor().submit(migrate).result()

    assert granted(owner) == before
    written_by = owner.execute(
        "SELECT count(DISTINCT xmin::text) FROM pg_class WHERE relname IN"
        " ('audit_commandrecord', 'audit_eventrecord', 'approvals_vote', 'audit_position')"
    ).fetchone()
    assert written_by == (1,)


def granted(owner):
    """Return the privileges of the application's role on tables, columns and sequences."""
    role = connection.settings_dict["USER"]
    return owner.execute(
        "SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges"
        " WHERE grantee = %s UNION ALL"
        " SELECT table_name, '', privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee = %s UNION ALL"
        " SELECT object_name, '', privilege_type FROM information_schema.usage_privileges"
        " WHERE grantee = %s ORDER BY 1, 2, 3",
        [role, role, role],
    ).fetchall()


def test_an_index_that_was_left_invalid_is_rebuilt(owner, owner_url):
    leave_invalid(owner_url, "CREATE INDEX CONCURRENTLY tests_left ON audit_commandrecord (xid)")
    try:
        assert [each.id for each in check_indexes(databases=["default"])] == ["audit.E011"]

        ThreadPoolExecutor().submit(migrate).result()

        assert is_valid(owner, "tests_left") is True
        assert check_indexes(databases=["default"]) == []
    finally:
        owner.execute("DROP INDEX IF EXISTS tests_left")


def leave_invalid(owner_url, build):
    """Interrupt the concurrent build of an index, which leaves an invalid index behind."""
    table = build.partition(" ON ")[2].split()[0]
    with psycopg.connect(owner_url) as writer, psycopg.connect(owner_url, autocommit=True) as owner:
        writer.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        owner.execute("SET lock_timeout = '100ms'")
        with suppress(psycopg.errors.LockNotAvailable):
            owner.execute(build)


def is_valid(owner, index):
    found = owner.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index]
    ).fetchone()
    return found and found[0]


class EmptyDatabase:
    """A database without tables, and ``manage.py`` on it, in processes of their own."""

    def __init__(self, name):
        self.url = owner_url_of(name)
        urls = {
            variable: _on(os.environ[variable], name)
            for variable in ("DATABASE_URL", "MIGRATION_DATABASE_URL")
        }
        self._environment = os.environ | urls | {"DJANGO_SETTINGS_MODULE": "config.settings"}

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments):
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output


@pytest.fixture
def empty(owner):
    name = f"{owner.info.dbname}_empty"
    owner.execute(f"CREATE DATABASE {name}")
    yield EmptyDatabase(name)
    drop_database(owner, name)


def test_two_runs_at_once_on_an_empty_database_both_succeed(empty):
    runs = [empty.start("migrate", "--verbosity=0") for _ in range(2)]

    outputs = [run.communicate(timeout=120)[0] for run in runs]

    assert [(run.returncode, output) for run, output in zip(runs, outputs, strict=True)] == [
        (0, "")
    ] * 2


def test_a_run_waits_for_another_one(owner):
    asking = """
        SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE 'SELECT pg_try_advisory_lock%' AND pid <> pg_backend_pid()
            AND datname = current_database()
    """
    with Crowd(1) as crowd:
        owner.execute("SELECT pg_advisory_lock(%s)", [migrate_module._ADVISORY_LOCK])
        try:
            run = crowd.start(migrate)
            until(lambda: owner.execute(asking).fetchone()[0] == 1)
            assert not run.done()
        finally:
            owner.execute("SELECT pg_advisory_unlock(%s)", [migrate_module._ADVISORY_LOCK])
        assert run.result(60) is None


def test_an_interrupted_concurrent_migration_can_be_run_again(empty):
    empty.run("migrate", "audit", "0007")
    # As if it had ended during the first statement of 0008, and after that of 0010.
    leave_invalid(
        empty.url,
        "CREATE UNIQUE INDEX CONCURRENTLY audit_event_number_position"
        " ON audit_eventrecord (subject_type, subject_id, number) INCLUDE (position)",
    )
    with psycopg.connect(empty.url, autocommit=True) as owner:
        owner.execute("CREATE INDEX audit_command_subject_time ON audit_commandrecord (position)")

        code, output = empty.run("migrate")

        assert (code, "Traceback" in output) == (0, False), output
        definition = "SELECT pg_get_indexdef('audit_command_subject_time'::regclass)"
        assert "received_at" in owner.execute(definition).fetchone()[0]
        assert is_valid(owner, "audit_event_number_once") is True


def test_the_deployment_check_before_the_first_run_says_what_to_do(empty):
    code, output = empty.run("check", "--deploy", "--database", "default")

    assert code == 1
    assert "Traceback" not in output
    assert "manage.py migrate" in output
